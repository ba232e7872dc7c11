"""Gaussian processes of whole spectra, and the value that the problem's objective makes of their samples."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from botorch.models import SingleTaskGP
from botorch.models.model import Model
from botorch.posteriors import GPyTorchPosterior
from gpytorch.distributions import MultivariateNormal
from torch import Tensor

from matseek.acquisition.state import ValuePaths
from matseek.checks import check, one_of
from matseek.core.history import History
from matseek.core.objective import Objective
from matseek.core.records import Evaluation
from matseek.core.risk import Risk
from matseek.core.space import BoxSpace
from matseek.core.surrogate import Draws, FittedSurrogate, LeftOut, Look, Sampler, Surrogate
from matseek.errors import ResponseError
from matseek.surrogates.calibrated import Training
from matseek.surrogates.devices import DEVICES, Device
from matseek.surrogates.gp import filled, quiet_numerics, representative
from matseek.surrogates.left_out import left_out_samples
from matseek.surrogates.noise_elsewhere import noise_elsewhere
from matseek.surrogates.pathwise import GPPaths, known
from matseek.surrogates.resampling import resampled, variance
from matseek.surrogates.spectral_basis import SpectralBasis

FloatArray = npt.NDArray[np.float64]

_WAVELENGTHS = 106
"""Wavelengths of the model and of the objective on its samples, at most: every fourth of 421."""

MOST_SPECTRA = 500
"""Conditions that the model is conditioned on; of more, those that :func:`representative` keeps."""

_LEAST_NOISE = 1e-5
"""Least variance of a score's noise, in units of its variance."""

_PATHS = 64
"""Samples from which a deviation and a posterior of the value are made."""

_LEAST_OFFSET = 1e-9
"""Standard deviation of the offsets below which they are rounding."""

_JITTER = 1e-10
"""Variance that is added to every point, so that the covariance of the samples can be factorised."""

_MOST_AT_ONCE = 2048
"""Points at which samples are evaluated at once, which bounds the memory."""


@dataclass(frozen=True)
class SpectraGP(Surrogate):
    """Gaussian processes of the components of whole spectra: a value is the problem's objective on a sampled spectrum.

    The median spectra of the conditions are written in components (see
    :class:`~matseek.surrogates.spectral_basis.SpectralBasis`), each with a Matern-5/2 Gaussian process of its own whose
    noise comes from the replicates. A further Gaussian process learns by how much the value of a condition differs from
    the objective on its median spectrum, as a risk measure of its replicates does.

    Args:
        device: Where hyperparameters are learnt: ``cpu``, ``cuda``, or ``auto`` for a GPU where there is one.
    """

    name: ClassVar[str] = "spectra"
    label: ClassVar[str] = "Gaussian processes of spectra"
    look: ClassVar[Look | None] = ("#56B4E9", "D")
    device: Device = "cpu"

    def __post_init__(self) -> None:
        check(self, device=one_of(DEVICES))

    @property
    def predicts_responses(self) -> bool:
        """It does."""
        return True

    @property
    def needs_spectra(self) -> bool:
        """It does."""
        return True

    def reason_to_wait(self, history: History) -> str | None:
        """No objective on spectra, or fewer than two conditions with spectra that differ.

        Raises:
            ResponseError: If a response does not fit the objective; no further measurement would mend that.
        """
        if history.objective is None:
            return "it learns from spectra, and this problem's responses are values"
        if history.space.as_box() is None:
            return "it learns in a box of coordinates, and these points have none"
        return _too_little(_measured(history.done, history.objective))

    def fit(self, history: History) -> SpectralGP:
        """Of every condition with a spectrum, over the present window; of too many, of a subset.

        Raises:
            ResponseError: If a response does not fit the objective.
            ValueError: If there is too little to learn from.
        """
        if history.objective is None:
            raise ValueError(f"nothing can be learnt: {self.reason_to_wait(history)}")
        pairs = _measured(history.done, history.objective)
        if (reason := _too_little(pairs)) is not None:
            raise ValueError(f"nothing can be learnt yet: {reason}")
        points = np.array([e.point for e, _ in pairs])
        values = np.array([e.value for e, _ in pairs])
        kept = representative(history.window.normalize(points), values, MOST_SPECTRA)
        return SpectralGP.fit(
            history.window,
            points[kept],
            [pairs[i][1] for i in kept],
            values[kept],
            history.objective,
            history.risk,
            rng=history.rng(),
            device=self.device,
        )


def _measured(evaluations: Sequence[Evaluation], objective: Objective) -> list[tuple[Evaluation, FloatArray]]:
    """Evaluations with their finite replicate spectra, shape ``(r, m)``; those without any are left out."""
    pairs = []
    for evaluation in evaluations:
        if evaluation.response is None:
            continue
        rows = np.atleast_2d(np.asarray(evaluation.response, dtype=np.float64))
        if rows.shape[-1] != objective.response_size:
            raise ResponseError(
                f"evaluation {evaluation.number} has {rows.shape[-1]} absorbances a spectrum, but the objective has "
                f"{objective.response_size} wavelengths; measure on these, or ask for resampling"
            )
        rows = rows[np.isfinite(rows).all(axis=1)]
        if len(rows):
            pairs.append((evaluation, rows))
    return pairs


def _too_little(pairs: Sequence[tuple[Evaluation, FloatArray]]) -> str | None:
    """Why measured spectra are too few to learn from; None where they are not."""
    medians = [np.median(rows, axis=0) for _, rows in pairs]
    if len(medians) < 2 or not np.ptp(medians, axis=0).max() > 0:
        return "it needs two conditions whose spectra differ"
    return None


@dataclass(frozen=True, eq=False)
class SpectralGP(FittedSurrogate):
    """Fitted Gaussian processes of scores; acquisitions see the value as samples, or as a moment-matched posterior.

    Args:
        space: The window; the model works in its unit coordinates.
        basis: The components, on the thinned wavelengths.
        gp: BoTorch's model of the scores and, as last outcome, of the offset of the value where there is one;
            acquisitions choose by it.
        training: What it was fitted on.
        offset_scale: Unit of the offset; 0 where the value is that of the median spectrum.
        objective: The objective on the thinned wavelengths.
        whole: The problem's own objective.
        seed: Of the samples that the deviation and the posterior of the value are made from.
        value_noise: Variance of the noise of each condition's value, shape ``(n, 1)``; None without replicates.
    """

    space: BoxSpace
    basis: SpectralBasis
    gp: SingleTaskGP
    training: Training
    offset_scale: float
    objective: Objective
    whole: Objective
    seed: int
    value_noise: Tensor | None

    @classmethod
    def fit(
        cls,
        space: BoxSpace,
        points: FloatArray,
        spectra: Sequence[FloatArray],
        values: FloatArray,
        objective: Objective,
        risk: Risk | None,
        rng: np.random.Generator,
        device: Device = "cpu",
    ) -> SpectralGP:
        """Maximise the posterior density of the hyperparameters, then calibrate the variances by leave-one-out.

        Args:
            space: The window.
            points: Conditions, shape ``(n, d)``, in the variables' units, n >= 2.
            spectra: Replicate spectra of each condition, shape ``(r, m)`` each.
            values: Value of each condition, shape ``(n,)``.
            objective: What the problem makes of a spectrum.
            risk: By which statistic the values of replicates become that of the condition; None for their median.
            rng: Source of all randomness.
            device: Where the density is maximised.
        """
        thinned = objective.thinned(_WAVELENGTHS)
        kept = np.searchsorted(objective.wavelengths, thinned.wavelengths)
        rows = [s[:, kept] for s in spectra]
        medians = np.array([np.median(s, axis=0) for s in rows])
        basis = SpectralBasis.fit(medians, rng)
        targets = basis.scores(medians)
        again = [resampled(s, thinned, risk, rng) for s in rows]
        noise = np.array([variance(basis.scores(r.medians), len(s)) for r, s in zip(again, rows, strict=True)])
        offsets = values - thinned(medians)
        offset_scale = float(np.std(offsets))
        if not offset_scale > _LEAST_OFFSET:
            offset_scale = 0.0
        else:
            of_offsets = [variance(r.offsets, len(s)) for r, s in zip(again, rows, strict=True)]
            targets = np.column_stack([targets, offsets / offset_scale])
            noise = np.column_stack([noise, np.array(of_offsets) / offset_scale**2])
        known_noise = filled(noise, _LEAST_NOISE)
        of_values = [variance(r.values, len(s)) for r, s in zip(again, rows, strict=True)]
        value_noise = filled(np.array([of_values]).T, max(_LEAST_NOISE * float(np.var(values)), _LEAST_OFFSET**2))
        training = Training(
            torch.as_tensor(space.normalize(points)),
            torch.as_tensor(targets),
            known_noise,
            values,
            torch.as_tensor(space.periodic),
            basis.principal,
            len(basis.sizes),
            int(rng.integers(2**31)),
            device,
        )
        model, seed = training.model(), int(rng.integers(2**31))
        return cls(space, basis, model, training, offset_scale, thinned, objective, seed, value_noise)

    def paths(self, count: int, rng: np.random.Generator) -> ValuePaths:
        """Joint samples of the value as functions of unit coordinates."""
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        return SpectralPaths(self, GPPaths.draw(self.gp, count, generator))

    def _predictions(self, count: int, seed: int) -> GPPaths:
        """Joint samples of the outcomes, as wide as predictions of what was measured last should have been.

        Acquisitions take :meth:`paths`: with these they found no better recipes, and a batch took a second fit.
        """
        return GPPaths.draw(self._predicting, count, torch.Generator().manual_seed(seed))

    @cached_property
    def _predicting(self) -> SingleTaskGP:
        model = copy.deepcopy(self.gp)
        with torch.no_grad():
            model.covar_module.outputscale = model.covar_module.outputscale * self.training.factor()
        return model

    def spectra_of(self, outcomes: Tensor) -> Tensor:
        """Absorbances on the thinned wavelengths, shape ``(..., m)``, of outcomes ``(..., k)``."""
        return self.basis.spectra(outcomes[..., : len(self.basis.sizes)])

    def values_of(self, outcomes: Tensor) -> Tensor:
        """Values, shape ``(...)``, of outcomes ``(..., k)``; differentiable."""
        values: Tensor = self.objective(self.spectra_of(outcomes))
        return values + self.offset_scale * outcomes[..., -1] if self.offset_scale else values

    @property
    def model(self) -> SampledValue:
        """The value as a model of BoTorch."""
        return SampledValue(self.paths(_PATHS, np.random.default_rng(self.seed)))

    def sampled_values(self, points: npt.ArrayLike, count: int = _PATHS, *, noisy: bool = False) -> FloatArray:
        """Joint samples of the value at points in the variables' units.

        Args:
            points: Shape ``(n, d)``.
            count: Number of samples.
            noisy: Whether the noise of a new measurement is added to them.

        Returns:
            Shape ``(count, n)``.
        """
        return self._sampled(points, count, noisy, spectra=False)

    def sampled_spectra(self, points: npt.ArrayLike, count: int = _PATHS, *, noisy: bool = False) -> FloatArray:
        """Joint samples of the median spectrum, shape ``(count, n, m)``, on the thinned wavelengths.

        Arguments as in :meth:`sampled_values`.
        """
        return self._sampled(points, count, noisy, spectra=True)

    def _sampled(self, points: npt.ArrayLike, count: int, noisy: bool, *, spectra: bool) -> FloatArray:
        paths = self._predictions(count, self.seed)
        generator = torch.Generator().manual_seed(self.seed + 1)
        parts = []
        with torch.no_grad(), quiet_numerics():
            for x in self._parts(points):
                outcomes = paths(x)
                if not noisy:
                    parts.append(self.spectra_of(outcomes) if spectra else self.values_of(outcomes))
                elif spectra:
                    parts.append(self.spectra_of(outcomes + self._errors(x, outcomes.shape, generator)))
                else:
                    parts.append(self._measured_values(x, outcomes, generator))
        return torch.cat(parts, dim=1).numpy()

    def _measured_values(self, x: Tensor, outcomes: Tensor, generator: torch.Generator) -> Tensor:
        """Values ``(s, m)`` with the noise of a measurement at points ``(m, d)``.

        The noises of the median spectrum and of the offset cancel in part, so that the value has its own.
        """
        if self.value_noise is None:
            return self.values_of(outcomes + self._errors(x, outcomes.shape, generator))
        within, between = (c.mean(dim=0, keepdim=True) for c in self._correlations(x))
        noise = noise_elsewhere(within, between, self.value_noise.T).squeeze(0)
        values = self.values_of(outcomes)
        return values + torch.randn(values.shape, generator=generator, dtype=values.dtype) * noise.sqrt()

    def _errors(self, x: Tensor, shape: torch.Size, generator: torch.Generator) -> Tensor:
        """Noise of the outcomes of a measurement at points ``(m, d)`` in unit coordinates, shape ``(s, m, k)``."""
        noise = noise_elsewhere(*self._correlations(x), known(self.gp)[2]).T
        return torch.randn(shape, generator=generator, dtype=noise.dtype) * noise.sqrt()

    def _correlations(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Of the outcomes at the conditions, ``(k, n, n)``, and at points ``(m, d)`` with these, ``(k, m, n)``."""
        X, _, _ = known(self.gp)
        amplitude = self.gp.covar_module.outputscale.reshape(-1, 1, 1)
        return self.gp.covar_module(X).to_dense() / amplitude, self.gp.covar_module(x, X).to_dense() / amplitude

    def _parts(self, points: npt.ArrayLike) -> tuple[Tensor, ...]:
        """Points in unit coordinates, as many at once as the memory is to hold."""
        return torch.split(torch.as_tensor(self.space.normalize(self.space.as_points(points))), _MOST_AT_ONCE)

    def mean(self, points: npt.ArrayLike) -> FloatArray:
        """Values of the expected spectra, shape ``(n,)``, in time and memory linear in the points."""
        values: FloatArray = self._expected(points, self.values_of)[0]
        return values

    def deviation(self, points: npt.ArrayLike) -> FloatArray:
        """Standard deviations of the values, shape ``(n,)``."""
        return np.asarray(self.sampled_values(points).std(axis=0))

    @property
    def predicts_responses(self) -> bool:
        """It does."""
        return True

    @property
    def wavelengths(self) -> FloatArray:
        """Those of the problem's objective, in nm, shape ``(m,)``."""
        return self.whole.wavelengths

    def responses(self, points: npt.ArrayLike) -> FloatArray:
        """Spectra of the posterior means of the scores, shape ``(1, n, m)``, on the objective's own wavelengths.

        Between the wavelengths of the model they are interpolated.
        """
        thin, wanted = self.objective.wavelengths, self.whole.wavelengths
        return np.array([[np.interp(wanted, thin, row) for row in self._expected(points, self.spectra_of)[0]]])

    def response_deviation(self, points: npt.ArrayLike) -> FloatArray:
        """Standard deviations of new measurements over joint samples, shape ``(n, m)``, the noise among them."""
        thin, wanted = self.objective.wavelengths, self.whole.wavelengths
        spread = self.sampled_spectra(points, noisy=True).std(axis=0)
        return np.array([np.interp(wanted, thin, row) for row in spread])

    def _expected(self, points: npt.ArrayLike, read: Callable[[Tensor], Tensor]) -> FloatArray:
        """What is read from the posterior means of the outcomes, shape ``(1, n, ...)``."""
        X, _, _ = known(self.gp)
        constant = self.gp.mean_module.constant.reshape(-1, 1)
        with torch.no_grad(), quiet_numerics():
            parts = []
            for x in self._parts(points):
                outcomes = constant + (self.gp.covar_module(x, X).to_dense() @ self._weights).squeeze(-1)
                parts.append(read(outcomes.T.unsqueeze(0)))
        return np.asarray(torch.cat(parts, dim=1).numpy())

    @cached_property
    def _weights(self) -> Tensor:
        """What the covariances with the measured conditions are multiplied with, shape ``(k, n, 1)``."""
        X, targets, noise = known(self.gp)
        with torch.no_grad(), quiet_numerics():
            covariance = self.gp.covar_module(X).to_dense() + torch.diag_embed(noise)
            away = targets - self.gp.mean_module.constant.reshape(-1, 1)
            weights: Tensor = torch.linalg.solve(covariance, away.unsqueeze(-1))
        return weights

    def sampler(self, count: int, rng: np.random.Generator) -> Sampler:
        """Joint samples of the value, and of the median spectra on the thinned wavelengths that it is made of."""
        paths = self._predictions(count, int(rng.integers(2**31)))

        def draw(points: npt.ArrayLike) -> Draws:
            with torch.no_grad(), quiet_numerics():
                outcomes = torch.cat([paths(x) for x in self._parts(points)], dim=1)
                values, spectra = self.values_of(outcomes), self.spectra_of(outcomes)
            return Draws(values.numpy(), spectra.numpy(), self.objective.wavelengths)

        return draw

    def left_out(self, count: int, rng: np.random.Generator) -> LeftOut:
        """Of each condition's median spectrum, and of the value that is made of it."""
        X, targets, _ = known(self.gp)
        outcomes = left_out_samples(self.gp, count, rng)
        with torch.no_grad(), quiet_numerics():
            values, spectra = self.values_of(outcomes), self.spectra_of(outcomes)
            measured = self.values_of(targets.T)
        draws = Draws(values.numpy(), spectra.numpy(), self.objective.wavelengths)
        return LeftOut(self.space.unnormalize(X.numpy()), measured.numpy(), draws)

    @property
    def lengthscales(self) -> Tensor:
        """Length scale of each variable in window widths, shape ``(d,)``: the principal components' weighted mean."""
        scales: Tensor = self.gp.covar_module.base_kernel.lengthscale.detach()[: self.basis.principal, 0]
        weights = torch.as_tensor(self.basis.sizes[: self.basis.principal] ** 2)
        mean = (scales.log() * weights.unsqueeze(-1)).sum(0) / weights.sum()
        straight = mean.exp().expand(self.space.dim)
        return torch.where(torch.as_tensor(self.space.periodic), straight / np.pi, straight)


@dataclass(frozen=True, eq=False)
class SpectralPaths:
    """Samples of the value: the objective on sampled spectra.

    Args:
        fitted: The model.
        scores: Samples of the scores.
    """

    fitted: SpectralGP
    scores: GPPaths

    def __call__(self, x: Tensor) -> Tensor:
        """All samples at points ``(m, d)``, shape ``(s, m)``."""
        return self.fitted.values_of(self.scores(x))

    def each(self, x: Tensor) -> Tensor:
        """Sample i at point i of ``(s, d)``, shape ``(s,)``."""
        return self.fitted.values_of(self.scores.each(x))


class SampledValue(Model):
    """The value as BoTorch's acquisition functions see it: normal, with the moments of joint samples.

    Args:
        paths: The samples.
    """

    def __init__(self, paths: ValuePaths) -> None:
        super().__init__()
        self.sampled = paths

    @property
    def num_outputs(self) -> int:
        """One."""
        return 1

    @property
    def batch_shape(self) -> torch.Size:
        """None."""
        return torch.Size()

    def posterior(
        self,
        X: Tensor,
        output_indices: list[int] | None = None,  # noqa: ARG002 -- there is one
        observation_noise: bool | Tensor = False,  # noqa: ARG002 -- of the noiseless value
        posterior_transform: Any = None,  # noqa: ANN401 -- BoTorch's
    ) -> Any:  # noqa: ANN401 -- BoTorch's
        """Mean and covariance of the samples at points ``(..., q, d)`` in unit coordinates."""
        samples = self.sampled(X.reshape(-1, X.shape[-1]))
        samples = samples.reshape(len(samples), *X.shape[:-1]).movedim(0, -1)
        mean = samples.mean(dim=-1)
        away = (samples - mean.unsqueeze(-1)) / (samples.shape[-1] - 1) ** 0.5
        covariance = away @ away.transpose(-1, -2) + _JITTER * torch.eye(X.shape[-2], dtype=X.dtype)
        posterior = GPyTorchPosterior(MultivariateNormal(mean, covariance))
        return posterior if posterior_transform is None else posterior_transform(posterior)
