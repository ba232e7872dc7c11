"""Objectives on whole spectra: how far a measured absorbance spectrum is from the one that is wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from matseek.checks import numbers
from matseek.core.wavelengths import require_wavelengths
from matseek.problems.gate import GATE_HIGH, GATE_LOW, Gate
from matseek.problems.objective import SpectralObjective, spread_out

if TYPE_CHECKING:
    from torch import Tensor

FloatArray = npt.NDArray[np.float64]

_SEEN = 0.98
"""Share of the target's range that a thinned target must have."""

_FLAT = 1e-12
"""A target whose range is below this fraction of its highest absorbance is flat."""


def min_max(spectra: Tensor) -> Tensor:
    """Scale each spectrum to [0, 1] by its own minimum and maximum; a flat spectrum has no shape and becomes zero.

    A spectrum whose range is so small that the gradient of the scaled spectrum would overflow counts as flat.

    Args:
        spectra: Absorbances, shape ``(..., m)``.

    Returns:
        Scaled spectra, same shape.
    """
    import torch

    low = spectra.amin(dim=-1, keepdim=True)
    extent = spectra.amax(dim=-1, keepdim=True) - low
    shaped = extent > torch.finfo(spectra.dtype).tiny ** 0.5
    return torch.where(
        shaped,
        (spectra - low) / torch.where(shaped, extent, torch.ones_like(extent)),
        torch.zeros_like(spectra),
    )


@dataclass(frozen=True, eq=False)
class SpectralMatch(SpectralObjective):
    """Spectral loss of the two-step paper: ``1 - gate(max A) * cosine(minmax(A), minmax(target))``.

    The loss is 0 for a spectrum of the target's shape and a well measurable strength, and 1 for a flat, a dark or a
    saturated one, and NaN for a spectrum that is not finite.

    Mekki-Berrada et al., npj Comput. Mater. 7, 55 (2021), doi 10.1038/s41524-021-00520-w.

    Args:
        wavelengths: Wavelengths in nm, shape ``(m,)``, strictly increasing.
        target: Absorbance of the target at these wavelengths, shape ``(m,)``; its scale does not matter.
        gate: Peak absorbances between which a spectrum counts fully, see :class:`~matseek.problems.gate.Gate`.

    Raises:
        ValueError: If the first two differ in length or are not finite, the target is flat, or the gate is none.
    """

    target: FloatArray
    gate: Sequence[float] = (GATE_LOW, GATE_HIGH)

    def __post_init__(self) -> None:
        wavelengths = require_wavelengths(self.wavelengths)
        target = numbers("target", self.target)
        if target.shape != wavelengths.shape:
            raise ValueError(
                f"target has shape {target.shape} but wavelengths has {wavelengths.shape}; "
                "give one absorbance per wavelength"
            )
        if not np.all(np.isfinite(target)):
            raise ValueError("target must be finite; remove NaN and infinite entries")
        if np.ptp(target) <= max(_FLAT * np.abs(target).max(), np.finfo(np.float64).tiny ** 0.5):
            raise ValueError("target is flat, so no spectrum can match its shape; give a target with a band")
        gate = Gate.between(self.gate)
        object.__setattr__(self, "gate", (gate.low, gate.high))
        wavelengths.setflags(write=False)
        target.setflags(write=False)
        object.__setattr__(self, "wavelengths", wavelengths)
        object.__setattr__(self, "target", target)

    @property
    def label(self) -> str:
        """``Spectral loss``."""
        return "Spectral loss"

    @property
    def target_spectrum(self) -> FloatArray:
        """The target."""
        return self.target

    def faults(self, spectra: FloatArray) -> Mapping[str, npt.NDArray[np.bool_]]:
        """Which spectra lie above the absorbance gate, where the loss is 1, and which below it."""
        return Gate.between(self.gate).faults(spectra)

    @property
    def peaks_wanted(self) -> tuple[float, float]:
        """The gate."""
        low, high = self.gate
        return low, high

    def thinned(self, most: int) -> SpectralMatch:
        """The same match on evenly spread wavelengths; itself where these would miss the target's bands."""
        kept = spread_out(self.response_size, most)
        if np.ptp(self.target[kept]) < _SEEN * np.ptp(self.target):
            return self
        return SpectralMatch(self.wavelengths[kept], self.target[kept], self.gate)

    def _identity(self) -> bytes:
        usual = tuple(self.gate) == (GATE_LOW, GATE_HIGH)  # which ledgers name without it
        return self.target.tobytes() + (b"" if usual else np.array(self.gate).tobytes())

    def _finite_loss(self, spectra: Tensor) -> Tensor:
        import torch

        target = min_max(torch.tensor(self.target)).to(spectra)
        scaled = min_max(spectra)
        # A flat spectrum is all zeros here; a floor under the squared norm makes its cosine 0 and its gradient finite.
        norm = scaled.square().sum(dim=-1).clamp_min(torch.finfo(spectra.dtype).tiny).sqrt()
        cosine = (scaled @ target) / (norm * target.norm())
        loss: Tensor = 1.0 - Gate.between(self.gate)(spectra.amax(dim=-1)) * cosine.clamp(max=1.0)
        return loss
