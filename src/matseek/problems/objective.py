"""What objectives on spectra share: one implementation for NumPy and torch, and what they refuse."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from dataclasses import dataclass
from typing import overload

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from matseek.checks import numbers
from matseek.core.objective import Objective
from matseek.errors import ResponseError

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SpectralObjective(Objective):
    """A value of a spectrum, to minimise; see :class:`matseek.core.problem.Objective`.

    It is defined for every input: a spectrum that holds NaN or infinity has the value NaN. NumPy arrays give NumPy
    arrays, tensors give tensors with gradients.

    Args:
        wavelengths: Wavelengths in nm, shape ``(m,)``, strictly increasing.
    """

    wavelengths: FloatArray

    @abstractmethod
    def _finite_loss(self, spectra: Tensor) -> Tensor:
        """Losses, shape ``(...)``, of finite spectra ``(..., m)``."""

    @abstractmethod
    def _identity(self) -> bytes:
        """What tells two objectives of the same class and wavelengths apart."""

    def describe(self) -> str:
        """A name that is the same in every process and differs where two objectives do."""
        digest = hashlib.sha256(self.wavelengths.tobytes() + self._identity())
        return f"{type(self).__name__} {digest.hexdigest()[:16]}"

    @overload
    def __call__(self, spectra: Tensor) -> Tensor: ...
    @overload
    def __call__(self, spectra: npt.ArrayLike) -> FloatArray: ...
    def __call__(self, spectra: Tensor | npt.ArrayLike) -> Tensor | FloatArray:
        """Losses of spectra.

        Args:
            spectra: Absorbances, shape ``(..., m)``.

        Returns:
            Losses (NaN where a spectrum is not finite), shape ``(...)``, in the library of the input.

        Raises:
            ResponseError: If the last dimension is not the number of wavelengths.
        """
        if isinstance(spectra, Tensor):
            return self._loss(spectra)
        return self._loss(torch.tensor(np.asarray(spectra, dtype=np.float64))).numpy()

    def _loss(self, spectra: Tensor) -> Tensor:
        if spectra.ndim == 0 or spectra.shape[-1] != self.response_size:
            raise ResponseError(
                f"spectra have {spectra.shape[-1] if spectra.ndim else 0} absorbances each, but the target has "
                f"{self.response_size} ({self.wavelengths[0]:g}-{self.wavelengths[-1]:g} nm); "
                "measure on the target's wavelengths, or ask for resampling"
            )
        finite = torch.isfinite(spectra).all(dim=-1)
        loss = self._finite_loss(torch.where(finite.unsqueeze(-1), spectra, torch.zeros_like(spectra)))
        return torch.where(finite, loss, torch.full_like(loss, torch.nan))


def require_wavelengths(wavelengths: npt.ArrayLike) -> FloatArray:
    """Wavelengths as an array of their own, shape ``(m,)``.

    Raises:
        ValueError: If they are not at least two strictly increasing, finite numbers.
    """
    grid = numbers("wavelengths", wavelengths)
    if grid.ndim != 1 or grid.size < 2 or not np.all(np.isfinite(grid)) or not np.all(np.diff(grid) > 0):
        raise ValueError(
            f"wavelengths must be at least two strictly increasing, finite numbers in nm, got an array of shape "
            f"{grid.shape}; sort them and drop repeats"
        )
    return grid


def spread_out(size: int, most: int) -> npt.NDArray[np.intp]:
    """Indices of at most so many of ``size`` wavelengths, evenly spread, both ends among them."""
    return np.unique(np.linspace(0, size - 1, min(size, max(most, 2))).round().astype(np.intp))


def resample(spectra: npt.ArrayLike, measured_at: npt.ArrayLike, wanted: npt.ArrayLike) -> FloatArray:
    """Spectra on other wavelengths, by linear interpolation; nothing is extrapolated.

    Args:
        spectra: Absorbances, shape ``(..., p)``.
        measured_at: Their wavelengths in nm, shape ``(p,)``, strictly increasing.
        wanted: Wavelengths in nm to have them on, shape ``(m,)``.

    Returns:
        Absorbances, shape ``(..., m)``; NaN where a neighbour was NaN.

    Raises:
        ResponseError: If the spectra have another length than their wavelengths, or do not reach as far as is wanted.
    """
    array = np.asarray(spectra, dtype=np.float64)
    at, to = require_wavelengths(measured_at), require_wavelengths(wanted)
    if array.ndim == 0 or array.shape[-1] != at.size:
        raise ResponseError(
            f"spectra of shape {array.shape} were measured at {at.size} wavelengths ({at[0]:g}-{at[-1]:g} nm); "
            "give one absorbance per wavelength"
        )
    if to[0] < at[0] or to[-1] > at[-1]:
        raise ResponseError(
            f"spectra were measured at {at[0]:g}-{at[-1]:g} nm, but {to[0]:g}-{to[-1]:g} nm are wanted; nothing is "
            "extrapolated: measure the whole range, or shorten the target"
        )
    right = np.clip(np.searchsorted(at, to), 1, at.size - 1)
    share = (to - at[right - 1]) / (at[right] - at[right - 1])
    left, far = array[..., right - 1], array[..., right]
    # A wavelength that was measured keeps its absorbance, whatever its neighbour is.
    return np.asarray(np.where(share == 0, left, np.where(share == 1, far, (1 - share) * left + share * far)))
