"""Joint samples of Gaussian processes as functions that can be evaluated anywhere and differentiated.

Wilson, Borovitskiy, Terenin, Mostowsky, Deisenroth, "Efficiently sampling functions from Gaussian process posteriors",
ICML 2020 (Matheron's rule); Rahimi and Recht, NeurIPS 2007 (random Fourier features of the prior). BoTorch's
``draw_matheron_paths`` does the same with features of their own for every sample, which takes ten times longer where
several Gaussian processes are sampled at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from botorch.models import SingleTaskGP
from gpytorch.kernels import ScaleKernel
from scipy.stats import chi2, norm
from torch import Tensor

from matseek.surrogates.periodic import straightened

_FEATURES = 512
"""Pairs of sines and cosines of the prior. The update on the data takes their error away where data are."""

_DEGREES = 5

_END = 1e-6
"""Quasi-random numbers keep this far from 0 and 1, whose quantiles are infinite."""


@dataclass(frozen=True, eq=False)
class GPPaths:
    """Samples of the posterior of independent Gaussian processes with a Matern-5/2 kernel.

    ``f(x) = m + phi(x) w + k(x, X) v`` with ``v = (K + noise)^-1 (y - m - phi(X) w - e)``: a sample of the prior, and
    its update on the data.

    Args:
        model: BoTorch's model of ``k`` outcomes, on unit coordinates and on the targets' own scale.
        frequencies: Shape ``(k, f, d')``, of the inputs divided by the length scales.
        weights: Of the features, shape ``(k, 2 f, s)``.
        update: ``v``, shape ``(k, n, s)``.
    """

    model: SingleTaskGP
    frequencies: Tensor
    weights: Tensor
    update: Tensor

    @classmethod
    def draw(cls, model: SingleTaskGP, count: int, generator: torch.Generator) -> GPPaths:
        """Draw samples; the same state of the generator gives the same ones.

        Args:
            model: A fitted model in evaluation mode.
            count: Number of samples, s.
            generator: Source of all randomness.
        """
        with torch.no_grad():
            X, targets, noise = known(model)
            outcomes = len(targets)
            size = straightened(base_kernel(model), X[:1]).shape[-1]
            frequencies = _frequencies(size, generator).expand(outcomes, -1, -1)
            weights = torch.randn(outcomes, 2 * _FEATURES, count, generator=generator, dtype=X.dtype)
            errors = torch.randn(outcomes, len(X), count, generator=generator, dtype=X.dtype)
            paths = cls(model, frequencies, weights, torch.zeros_like(errors))
            covariance = paths._kernel(X, X) + torch.diag_embed(noise)
            prior = paths._features(X) @ weights + errors * noise.sqrt().unsqueeze(-1)
            misfit = (targets - paths._mean).unsqueeze(-1) - prior
            return cls(model, frequencies, weights, torch.cholesky_solve(misfit, torch.linalg.cholesky(covariance)))

    def __call__(self, x: Tensor) -> Tensor:
        """All samples at points ``(m, d)`` in unit coordinates, shape ``(s, m, k)``."""
        X, _, _ = known(self.model)
        values = self._mean.unsqueeze(-1) + self._features(x) @ self.weights + self._kernel(x, X) @ self.update
        return values.permute(2, 1, 0)

    def each(self, x: Tensor) -> Tensor:
        """Sample i at point i of ``(s, d)``, shape ``(s, k)``."""
        X, _, _ = known(self.model)
        prior = (self._features(x) * self.weights.transpose(-1, -2)).sum(-1)
        update = (self._kernel(x, X) * self.update.transpose(-1, -2)).sum(-1)
        return (self._mean + prior + update).T

    @property
    def _mean(self) -> Tensor:
        return self.model.mean_module.constant.detach().reshape(-1, 1)  # type: ignore[no-any-return]

    def _features(self, x: Tensor) -> Tensor:
        """Random features, shape ``(k, m, 2 f)``; their products have the kernel as expectation."""
        phase = straightened(base_kernel(self.model), x) @ self.frequencies.transpose(-1, -2)
        amplitude = (_amplitude(self.model) / _FEATURES).sqrt().reshape(-1, 1, 1)
        return torch.cat([phase.cos(), phase.sin()], dim=-1) * amplitude

    def _kernel(self, a: Tensor, b: Tensor) -> Tensor:
        covariance: Tensor = self.model.covar_module(a, b).to_dense()
        return covariance if covariance.ndim == 3 else covariance.unsqueeze(0)


def _frequencies(size: int, generator: torch.Generator) -> Tensor:
    """Quasi-random draws from the spectral density of a Matern-5/2 kernel of unit length scale, shape ``(f, size)``.

    A multivariate t distribution with 5 degrees of freedom; quasi-random, since 512 independent draws would make
    deviations wrong by a fifth beside data.
    """
    seed = int(torch.randint(2**31, (), generator=generator))
    sobol = torch.quasirandom.SobolEngine(size + 1, scramble=True, seed=seed)  # type: ignore[no-untyped-call]
    uniform = sobol.draw(_FEATURES, dtype=torch.float64).clamp(_END, 1 - _END).numpy()
    frequencies = norm.ppf(uniform[:, :size]) * np.sqrt(_DEGREES / chi2.ppf(uniform[:, size:], _DEGREES))
    return torch.as_tensor(frequencies)


def known(model: SingleTaskGP) -> tuple[Tensor, Tensor, Tensor]:
    """What a model of k outcomes is conditioned on: points ``(n, d)``, targets ``(k, n)`` and noise ``(k, n)``."""
    X, targets = model.train_inputs[0], model.train_targets.reshape(-1, model.train_targets.shape[-1])
    noise = model.likelihood.noise.detach().reshape(len(targets), -1).expand_as(targets)
    return X.reshape(-1, *X.shape[-2:])[0], targets, noise


def base_kernel(model: SingleTaskGP) -> Any:  # noqa: ANN401 -- GPyTorch's kernels are untyped
    """A model's Matern kernel, without its amplitude."""
    kernel = model.covar_module
    return kernel.base_kernel if isinstance(kernel, ScaleKernel) else kernel


def _amplitude(model: SingleTaskGP) -> Tensor:
    kernel = model.covar_module
    scale: Tensor = kernel.outputscale if isinstance(kernel, ScaleKernel) else torch.ones((), dtype=torch.float64)
    return scale.detach()
