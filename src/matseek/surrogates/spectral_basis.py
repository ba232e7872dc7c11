"""Whole spectra in few numbers: principal components, and what spectra so far say of those that lie outside of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

FloatArray = npt.NDArray[np.float64]

_COMPONENTS = 8
_OUTSIDE = 4
"""Directions in which a spectrum may leave the principal components."""

_EXPLAINED = 1 - 1e-4
"""Share of the variance of the spectra that the principal components explain, if there are enough of them."""

_FOLDS = 10
_LEAST = 1e-6
"""Least standard deviation of a score."""


@dataclass(frozen=True, eq=False)
class SpectralBasis:
    """Spectra as a mean and scores on components, after a transform that evens out their range.

    The transform is ``asinh(A / a)`` with the median peak a: linear for weak spectra, logarithmic for strong ones. The
    first components are the principal ones of the measured spectra. The others are directions outside of these: the
    principal components of what a basis of nine tenths of the spectra leaves of the last tenth. Their scores are near
    zero where something was measured; how large they may be elsewhere is what was left out there.

    Args:
        scale: The absorbance a.
        mean: Transformed mean spectrum, shape ``(m,)``.
        directions: Orthonormal components, shape ``(m, k)``.
        sizes: Standard deviation of each score, of the directions outside by cross-validation, shape ``(k,)``.
        principal: Number of principal components; the remaining directions lie outside of them.
    """

    scale: float
    mean: FloatArray
    directions: FloatArray
    sizes: FloatArray
    principal: int

    @classmethod
    def fit(cls, spectra: FloatArray, rng: np.random.Generator) -> SpectralBasis:
        """The basis of measured spectra.

        Args:
            spectra: Absorbances, shape ``(n, m)``, n >= 2, finite.
            rng: Source of the folds of the cross-validation.
        """
        peaks = np.abs(spectra).max(axis=1)
        scale = float(np.median(peaks[peaks > 0])) if (peaks > 0).any() else 1.0
        rows = np.arcsinh(spectra / scale)
        mean = rows.mean(axis=0)
        _, singular, components = np.linalg.svd(rows - mean, full_matrices=False)
        energy = np.cumsum(singular**2)
        needed = int(np.searchsorted(energy, _EXPLAINED * energy[-1])) + 1
        principal = min(needed, _COMPONENTS, len(rows) - 1, rows.shape[1])
        inside = components[:principal].T
        left = _left_out(rows, principal, rng)
        left -= left @ inside @ inside.T
        own = rows - mean
        own -= own @ inside @ inside.T
        outside = np.linalg.svd(np.vstack([left, own]), full_matrices=False)[2].T
        outside = outside[:, : min(_OUTSIDE, rows.shape[1] - principal)]
        outside -= inside @ (inside.T @ outside)
        directions = np.linalg.qr(np.hstack([inside, outside]))[0]
        sizes = np.concatenate([((rows - mean) @ inside).std(axis=0), _rms(left @ directions[:, principal:])])
        return cls(scale, mean, directions, np.maximum(sizes, _LEAST), principal)

    def scores(self, spectra: FloatArray) -> FloatArray:
        """Scores in units of :attr:`sizes`, shape ``(..., k)``, of absorbances ``(..., m)``."""
        return np.asarray((np.arcsinh(spectra / self.scale) - self.mean) @ self.directions / self.sizes)

    def spectra(self, scores: Tensor) -> Tensor:
        """Absorbances, shape ``(..., m)``, of scores ``(..., k)``; differentiable."""
        components = torch.as_tensor(self.directions * self.sizes).T
        return torch.sinh(torch.as_tensor(self.mean) + scores @ components) * self.scale


def _left_out(rows: FloatArray, principal: int, rng: np.random.Generator) -> FloatArray:
    """What the principal components of the other spectra leave of each spectrum, shape ``(n, m)``."""
    order, left = rng.permutation(len(rows)), np.zeros_like(rows)
    for fold in range(min(_FOLDS, len(rows))):
        out = order[fold::_FOLDS]
        others = np.delete(rows, out, axis=0)
        mean = others.mean(axis=0)
        components = np.linalg.svd(others - mean, full_matrices=False)[2][:principal]
        away = rows[out] - mean
        left[out] = away - away @ components.T @ components
    return left


def _rms(scores: FloatArray) -> FloatArray:
    return np.asarray(np.sqrt((scores**2).mean(axis=0)))
