"""What objectives on spectra share: one implementation for NumPy and torch, and what they refuse."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

import numpy as np
import numpy.typing as npt

from matseek.core.objective import Objective
from matseek.errors import ResponseError

if TYPE_CHECKING:
    from torch import Tensor

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
        import torch  # takes seconds, and a problem is set up without

        if isinstance(spectra, torch.Tensor):
            return self._loss(spectra)
        return self._loss(torch.tensor(np.asarray(spectra, dtype=np.float64))).numpy()

    def _loss(self, spectra: Tensor) -> Tensor:
        import torch

        if spectra.ndim == 0 or spectra.shape[-1] != self.response_size:
            raise ResponseError(
                f"spectra have {spectra.shape[-1] if spectra.ndim else 0} absorbances each, but the target has "
                f"{self.response_size} ({self.wavelengths[0]:g}-{self.wavelengths[-1]:g} nm); "
                "measure on the target's wavelengths, or ask for resampling"
            )
        finite = torch.isfinite(spectra).all(dim=-1)
        loss = self._finite_loss(torch.where(finite.unsqueeze(-1), spectra, torch.zeros_like(spectra)))
        return torch.where(finite, loss, torch.full_like(loss, torch.nan))


def spread_out(size: int, most: int) -> npt.NDArray[np.intp]:
    """Indices of at most so many of ``size`` wavelengths, evenly spread, both ends among them."""
    return np.unique(np.linspace(0, size - 1, min(size, max(most, 2))).round().astype(np.intp))
