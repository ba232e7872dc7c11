"""Gaussian-process regression of a value over a box."""

from __future__ import annotations

import copy
import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from botorch.exceptions import BotorchWarning, ModelFittingError, OptimizationWarning
from botorch.fit import fit_gpytorch_mll
from botorch.models import SingleTaskGP
from botorch.models.transforms import Standardize
from botorch.models.utils.gpytorch_modules import get_covar_module_with_dim_scaled_prior
from botorch.utils.sampling import manual_seed
from gpytorch.constraints import GreaterThan
from gpytorch.kernels import Kernel, MaternKernel, ScaleKernel
from gpytorch.mlls import ExactMarginalLogLikelihood
from gpytorch.priors import LogNormalPrior
from linear_operator.utils.warnings import NumericalWarning
from torch import Tensor

from matseek import checks
from matseek.acquisition.state import ValuePaths
from matseek.checks import numbers, of, one_of
from matseek.core.space import BoxSpace
from matseek.core.surrogate import Draws, FittedSurrogate, LeftOut, Sampler
from matseek.surrogates.devices import Device, device_of, learning_on
from matseek.surrogates.left_out import left_out_samples
from matseek.surrogates.pathwise import GPPaths, base_kernel, known
from matseek.surrogates.periodic import PeriodicMatern

logger = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float64]
KernelName = Literal["ard", "isotropic"]
KERNELS: tuple[KernelName, ...] = ("ard", "isotropic")

# Replicates that agree to the last digit would make the covariance singular; this is 0.2 % of the values' spread.
_LEAST_RELATIVE_NOISE = 2e-3

_LEAST_AMPLITUDE = 1e-4


_ROUNDING = 1e-12
"""Values that differ by less than this fraction of their size differ by rounding."""


def informative(values: npt.ArrayLike) -> bool:
    """Whether there are at least two values ``(n,)``, and they differ by more than rounding."""
    known = np.asarray(values, dtype=np.float64)
    return len(known) > 1 and bool(np.ptp(known) > _ROUNDING * np.abs(known).max())


MOST_OBSERVATIONS = 1500
"""Observations that a GP is conditioned on: its cost grows with their cube. Of more, :func:`representative` ones."""


def representative(X: FloatArray, values: npt.ArrayLike, most: int = MOST_OBSERVATIONS) -> npt.NDArray[np.intp]:
    """Which observations a GP is conditioned on: all of them, or the best half and others that cover the space.

    Half of the places go to the observations with the least values. The others are filled one after the other by the
    observation that is farthest from all chosen ones (Gonzalez, Theor. Comput. Sci. 38, 293 (1985)).

    Args:
        X: Points in unit coordinates, shape ``(n, d)``.
        values: Values, shape ``(n,)``.
        most: Observations that are kept at most.

    Returns:
        Their indices in increasing order, shape ``(min(n, most),)``.
    """
    known = np.asarray(values, dtype=np.float64)
    if len(known) <= most:
        return np.arange(len(known))
    chosen = list(np.argsort(known, kind="stable")[: most // 2])
    nearest = np.full(len(X), np.inf)
    for index in chosen:
        nearest = np.minimum(nearest, ((X - X[index]) ** 2).sum(axis=1))
    nearest[chosen] = -1.0
    for _ in range(most - len(chosen)):
        index = int(nearest.argmax())
        chosen.append(index)
        nearest = np.minimum(nearest, ((X - X[index]) ** 2).sum(axis=1))
        nearest[index] = -1.0
    return np.sort(np.array(chosen, dtype=np.intp))


@dataclass(frozen=True, eq=False)
class GaussianProcess(FittedSurrogate):
    """A fitted GP with a Matern-5/2 kernel: inputs scaled to the window, outcomes standardised.

    Periodic inputs lie on circles, see :class:`matseek.surrogates.periodic.PeriodicMatern`.

    Args:
        space: The window; the model works in its unit coordinates.
        model: BoTorch's model, float64, on unit coordinates, for values divided by ``scale``.
        scale: Standard deviation of the values: acquisitions have absolute floors, so they see values of order one.
    """

    space: BoxSpace
    model: SingleTaskGP
    scale: float

    @classmethod
    def fit(
        cls,
        space: BoxSpace,
        points: FloatArray,
        values: FloatArray,
        variances: FloatArray,
        *,
        kernel: KernelName = "ard",
        seed: int = 0,
        device: Device = "cpu",
    ) -> GaussianProcess:
        """Maximise the marginal likelihood.

        Args:
            space: The window.
            points: Shape ``(n, d)``, in the variables' units, n >= 2.
            values: Shape ``(n,)``, not all equal.
            variances: Measured variance of each value, shape ``(n,)``; NaN where there are no replicates. If every
                value has one they are the noise; a few missing ones take the median; with none, the noise is learnt.
            kernel: ``ard``: a length scale per variable, with BoTorch's dimension-scaled log-normal prior (Hvarfner
                et al., ICML 2024); ``isotropic``: one length scale that starts at 1, and a learnt amplitude, as in
                the two-step paper.
            seed: Seed of the restarts, should the first fit fail.
            device: Where the likelihood is maximised: ``cpu``, ``cuda``, or ``auto``; the result is on the CPU.

        Raises:
            ValueError: If there are fewer than two different values, or the kernel's name is unknown.
        """
        of(BoxSpace, "a Box")("space", space)
        points, values = numbers("points", points), numbers("values", values)
        variances, kernel = numbers("variances", variances), one_of(KERNELS)("kernel", kernel)
        seed = checks.seed("seed", seed)
        if not points.ndim == values.ndim + 1 == variances.ndim + 1 == 2:
            raise ValueError(
                f"points, values and variances have shapes {points.shape}, {values.shape} and {variances.shape}; give "
                "(n, d), (n,) and (n,)"
            )
        if not len(points) == len(values) == len(variances):
            raise ValueError(
                f"{len(points)} points, {len(values)} values and {len(variances)} variances; give one each"
            )
        if np.isinf(variances).any() or (variances < 0).any():
            raise ValueError("variances must be finite and not negative, or NaN where there are no replicates")
        if not informative(values):
            raise ValueError(
                f"{len(values)} values of range {np.ptp(values) if len(values) else 0:g} teach a GP "
                "nothing; measure at least two points that differ"
            )
        X = torch.tensor(space.normalize(points), dtype=torch.float64)
        scale = float(np.std(values))
        Y = torch.tensor(values / scale, dtype=torch.float64).unsqueeze(-1)
        model = SingleTaskGP(
            X,
            Y,
            train_Yvar=filled(variances.reshape(-1, 1) / scale**2, _LEAST_RELATIVE_NOISE**2),
            covar_module=_kernel(kernel, torch.as_tensor(space.periodic)),
            outcome_transform=Standardize(m=1),
        )
        maximize_likelihood(model, seed, device=device)
        return cls(space, model, scale)

    def predict(self, points: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation of the noiseless value.

        Args:
            points: Shape ``(n, d)``, in the variables' units.

        Returns:
            Mean and standard deviation, shape ``(n,)`` each.
        """
        X = torch.tensor(self.space.normalize(self.space.as_points(points)), dtype=torch.float64)
        with torch.no_grad(), quiet_numerics():
            posterior = self.model.posterior(X)
            mean, deviation = posterior.mean.squeeze(-1).numpy(), posterior.variance.squeeze(-1).sqrt().numpy()
        return mean * self.scale, deviation * self.scale

    def mean(self, points: npt.ArrayLike) -> FloatArray:
        """Mean alone, in time and memory linear in the points, so that a map of 100,000 points takes a second.

        ``m(x) + k(x, X) alpha`` with the weights ``alpha`` of the fit; Rasmussen and Williams (2006), equation 2.25.

        Args:
            points: Shape ``(n, d)``, in the variables' units.

        Returns:
            Mean, shape ``(n,)``, the same as :meth:`predict` gives.
        """
        X = torch.tensor(self.space.normalize(self.space.as_points(points)), dtype=torch.float64)
        model = self.model
        with torch.no_grad(), quiet_numerics():
            if model.prediction_strategy is None:
                model.posterior(X[:1])
            strategy: Any = model.prediction_strategy
            transform: Any = model.outcome_transform
            cross = model.covar_module(X, model.train_inputs[0]).to_dense()
            mean = model.mean_module(X) + cross @ strategy.mean_cache
            return np.asarray(transform.untransform(mean.unsqueeze(-1))[0].squeeze(-1).numpy() * self.scale)

    def deviation(self, points: npt.ArrayLike) -> FloatArray:
        """Standard deviation of the noiseless value, shape ``(n,)``, as :meth:`predict` gives it."""
        return self.predict(points)[1]

    def paths(self, count: int, rng: np.random.Generator) -> ValuePaths:
        """Joint samples of the value as functions of unit coordinates, divided by :attr:`scale`."""
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        return _ValuePaths(GPPaths.draw(self.model, count, generator), self.model.outcome_transform)

    def sampler(self, count: int, rng: np.random.Generator) -> Sampler:
        """Joint samples of the value."""
        paths = self.paths(count, rng)

        def draw(points: npt.ArrayLike) -> Draws:
            x = torch.as_tensor(self.space.normalize(self.space.as_points(points)))
            with torch.no_grad(), quiet_numerics():
                return Draws(paths(x).numpy() * self.scale)

        return draw

    def left_out(self, count: int, rng: np.random.Generator) -> LeftOut:
        """Of each value that it is conditioned on."""
        transform: Any = self.model.outcome_transform
        X, targets, _ = known(self.model)
        with torch.no_grad():
            samples, values = (
                transform.untransform(y)[0].squeeze(-1).numpy() * self.scale
                for y in (left_out_samples(self.model, count, rng), targets.T)
            )
        return LeftOut(self.space.unnormalize(X.numpy()), values, Draws(samples))

    @property
    def lengthscales(self) -> Tensor:
        """Length scale of each variable in window widths, shape ``(d,)``."""
        lengthscale: Tensor = base_kernel(self.model).lengthscale
        scale = lengthscale.detach().reshape(-1).expand(self.space.dim)
        # On a circle of diameter 1 a window is an arc of length pi.
        return torch.where(torch.as_tensor(self.space.periodic), scale / math.pi, scale)


@dataclass(frozen=True, eq=False)
class _ValuePaths:
    """Samples of a single standardised outcome."""

    paths: GPPaths
    transform: Any

    def __call__(self, x: Tensor) -> Tensor:
        values: Tensor = self.transform.untransform(self.paths(x))[0]
        return values.squeeze(-1)

    def each(self, x: Tensor) -> Tensor:
        values: Tensor = self.transform.untransform(self.paths.each(x))[0]
        return values.squeeze(-1)


@contextmanager
def quiet_numerics() -> Iterator[None]:
    """Leave out warnings about what is mended on the way.

    GPyTorch adds jitter to a covariance that is nearly singular; BoTorch restarts a fit that ends abnormally, and
    raises if no restart ends well. It also restarts the ascent of an acquisition function whose line search ends
    abnormally, which depends on the last bit and therefore on the processor. Where no measured point meets the
    constraints on outcomes, the acquisition is already the one that BoTorch advises; it also does so where that is true
    of a few draws of the posterior.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NumericalWarning)
        warnings.simplefilter("ignore", OptimizationWarning)
        warnings.filterwarnings("ignore", "When all training points are infeasible", BotorchWarning)
        warnings.filterwarnings(
            "ignore", "Optimization failed (in `gen_candidates_scipy`|on the second try)", RuntimeWarning
        )
        yield


def maximize_likelihood(model: SingleTaskGP, seed: int, steps: int | None = None, *, device: Device = "cpu") -> None:
    """Fit in place; a likelihood that cannot be maximised leaves the prior's hyperparameters, with a warning.

    Args:
        model: The model.
        seed: Of the restarts, should the first fit fail.
        steps: Steps of L-BFGS at most; None for SciPy's limit.
        device: Where.
    """
    options = {} if steps is None else {"options": {"maxiter": steps}}
    start = copy.deepcopy(model.state_dict())
    with manual_seed(seed), quiet_numerics(), learning_on(model, device_of(device)):
        try:
            fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model), optimizer_kwargs=options)
        except ModelFittingError as error:
            logger.warning("the GP keeps its initial hyperparameters, its likelihood could not be maximised: %s", error)
            model.load_state_dict(start)
            model.eval()


def matern(periodic: Tensor, outcomes: int) -> Kernel:
    """Matern-5/2 kernels with a length scale for each coordinate and an amplitude, one for each of several outcomes.

    The priors of the length scales are those of :meth:`GaussianProcess.fit`; that of the amplitudes is log-normal
    around 1.

    Args:
        periodic: Which coordinates are periodic, shape ``(d,)``, boolean.
        outcomes: Number of outcomes.
    """
    batch = torch.Size([outcomes])
    usual = get_covar_module_with_dim_scaled_prior(ard_num_dims=len(periodic), batch_shape=batch, use_rbf_kernel=False)
    straight = PeriodicMatern(
        periodic,
        ard_num_dims=len(periodic),
        batch_shape=batch,
        lengthscale_prior=usual.lengthscale_prior,
        lengthscale_constraint=usual.raw_lengthscale_constraint,
    )
    least = GreaterThan(_LEAST_AMPLITUDE, transform=None, initial_value=1.0)
    return ScaleKernel(
        straight, batch_shape=batch, outputscale_prior=LogNormalPrior(0.0, 1.0), outputscale_constraint=least
    )


def _kernel(name: KernelName, periodic: Tensor) -> Kernel:
    if name == "ard":
        kernel = get_covar_module_with_dim_scaled_prior(ard_num_dims=len(periodic), use_rbf_kernel=False)
        if not periodic.any():
            return kernel
        return PeriodicMatern(
            periodic,
            ard_num_dims=len(periodic),
            lengthscale_prior=kernel.lengthscale_prior,
            lengthscale_constraint=kernel.raw_lengthscale_constraint,
        )
    if name == "isotropic":
        matern = PeriodicMatern(periodic) if periodic.any() else MaternKernel(nu=2.5)
        matern.lengthscale = 1.0
        return ScaleKernel(matern)
    raise ValueError(f"kernel={name!r} is unknown; choose one of {list(KERNELS)}")


def filled(noise: FloatArray, least: float) -> Tensor | None:
    """Variances ``(n, k)``, at least so large, with typical ones for those that are NaN; None where all are NaN."""
    measured = np.asarray(np.isfinite(noise)).all(axis=1)
    if not measured.any():
        return None
    known = np.where(measured.reshape(-1, 1), noise, np.median(noise[measured], axis=0))
    return torch.as_tensor(np.maximum(known, least))
