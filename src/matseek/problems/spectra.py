"""Objectives on whole spectra: how far a measured absorbance spectrum is from the one that is wanted."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import overload

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from matseek.errors import ResponseError

FloatArray = npt.NDArray[np.float64]

GATE_LOW = 0.7
"""Peak absorbance below which a sample is too dilute; the gate falls linearly to zero from here."""

GATE_HIGH = 1.2
"""Peak absorbance above which the spectrometer saturates; the gate is zero above it."""


def amplitude_gate(peak: Tensor) -> Tensor:
    """Weight of a spectrum by its peak absorbance.

    ``gate(a) = a / 0.7`` for ``a < 0.7``, 1 for ``0.7 <= a <= 1.2`` and 0 above; a negative peak counts as zero
    absorbance. Mekki-Berrada et al., npj Comput. Mater. 7, 55 (2021), Methods.

    Args:
        peak: Peak absorbances, any shape.

    Returns:
        Gates in [0, 1], same shape.
    """
    rising = (peak / GATE_LOW).clamp(0.0, 1.0)
    return torch.where(peak > GATE_HIGH, torch.zeros_like(rising), rising)


def min_max(spectra: Tensor) -> Tensor:
    """Scale each spectrum to [0, 1] by its own minimum and maximum; a flat spectrum has no shape and becomes zero.

    Args:
        spectra: Absorbances, shape ``(..., m)``.

    Returns:
        Scaled spectra, same shape.
    """
    low = spectra.amin(dim=-1, keepdim=True)
    extent = spectra.amax(dim=-1, keepdim=True) - low
    shaped = extent > 0
    return torch.where(
        shaped,
        (spectra - low) / torch.where(shaped, extent, torch.ones_like(extent)),
        torch.zeros_like(spectra),
    )


@dataclass(frozen=True, eq=False)
class SpectralMatch:
    """Spectral loss of the two-step paper: ``1 - gate(max A) * cosine(minmax(A), minmax(target))``.

    The loss is 0 for a spectrum of the target's shape and a well measurable strength, and 1 for a flat, a dark or a
    saturated one. It is defined for every input: a spectrum that holds NaN or infinity has the loss NaN. One
    implementation serves both libraries: NumPy arrays give NumPy arrays, tensors give tensors with gradients.

    Mekki-Berrada et al., npj Comput. Mater. 7, 55 (2021), doi 10.1038/s41524-021-00520-w.

    Args:
        wavelengths: Wavelengths in nm, shape ``(m,)``, strictly increasing.
        target: Absorbance of the target at these wavelengths, shape ``(m,)``; its scale does not matter.

    Raises:
        ValueError: If the two differ in length, are not finite, or the target is flat.
    """

    wavelengths: FloatArray
    target: FloatArray

    def __post_init__(self) -> None:
        wavelengths = np.array(self.wavelengths, dtype=np.float64)
        target = np.array(self.target, dtype=np.float64)
        if wavelengths.ndim != 1 or wavelengths.size < 2 or not np.all(np.diff(wavelengths) > 0):
            raise ValueError(
                f"wavelengths must be at least two strictly increasing numbers in nm, got an array of shape "
                f"{wavelengths.shape}; sort them and drop repeats"
            )
        if target.shape != wavelengths.shape:
            raise ValueError(
                f"target has shape {target.shape} but wavelengths has {wavelengths.shape}; "
                "give one absorbance per wavelength"
            )
        if not (np.all(np.isfinite(wavelengths)) and np.all(np.isfinite(target))):
            raise ValueError("wavelengths and target must be finite; remove NaN and infinite entries")
        if np.ptp(target) == 0:
            raise ValueError("target is flat, so no spectrum can match its shape; give a target with a band")
        wavelengths.setflags(write=False)
        target.setflags(write=False)
        object.__setattr__(self, "wavelengths", wavelengths)
        object.__setattr__(self, "target", target)

    @property
    def response_size(self) -> int:
        """Number of wavelengths that a spectrum must have."""
        return int(self.wavelengths.size)

    def describe(self) -> str:
        """A name that differs where wavelengths or target do."""
        digest = hashlib.sha256(self.wavelengths.tobytes() + self.target.tobytes())
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
            Losses in [0, 1] (NaN where a spectrum is not finite), shape ``(...)``, in the library of the input.

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
                "measure or interpolate on the target's wavelengths"
            )
        finite = torch.isfinite(spectra).all(dim=-1)
        safe = torch.where(finite.unsqueeze(-1), spectra, torch.zeros_like(spectra))
        target = min_max(torch.tensor(self.target, dtype=spectra.dtype, device=spectra.device))
        scaled = min_max(safe)
        # A flat spectrum is all zeros here; a floor under the squared norm makes its cosine 0 and its gradient finite.
        norm = scaled.square().sum(dim=-1).clamp_min(torch.finfo(spectra.dtype).tiny).sqrt()
        cosine = (scaled @ target) / (norm * target.norm())
        loss = 1.0 - amplitude_gate(safe.amax(dim=-1)) * cosine.clamp(max=1.0)
        return torch.where(finite, loss, torch.full_like(loss, torch.nan))
