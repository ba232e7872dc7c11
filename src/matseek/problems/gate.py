"""The gate: how much a spectrum counts by its highest absorbance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from matseek.checks import check, real, several

if TYPE_CHECKING:
    from torch import Tensor

FloatArray = npt.NDArray[np.float64]

GATE_LOW = 0.7
"""Peak absorbance below which a sample is too dilute; the gate falls linearly to zero from here."""

GATE_HIGH = 1.2
"""Peak absorbance above which the spectrometer saturates; the gate is zero above it."""


@dataclass(frozen=True)
class Gate:
    """Weight of a spectrum by its peak absorbance: ``a / low`` below ``low``, 1 up to ``high``, and 0 above.

    With its defaults it is the gate of Mekki-Berrada et al., npj Comput. Mater. 7, 55 (2021), Methods. A negative peak
    counts as zero absorbance.

    Args:
        low: Peak absorbance from which a spectrum counts fully.
        high: Peak absorbance above which it does not count.

    Raises:
        ValueError: If one is not positive, or ``low`` lies above ``high``.
    """

    low: float = GATE_LOW
    high: float = GATE_HIGH

    def __post_init__(self) -> None:
        check(self, low=real(above=0), high=real(above=0))
        if self.low > self.high:
            raise ValueError(f"gate=[{self.low:g}, {self.high:g}] has its lower end above the upper one; swap them")

    @classmethod
    def between(cls, limits: Sequence[float]) -> Gate:
        """The gate between two peak absorbances."""
        low, high = several(real(above=0), 2, 2)("gate", limits)
        return cls(low, high)

    def __call__(self, peak: Tensor) -> Tensor:
        """Weights in [0, 1] of peak absorbances of any shape."""
        import torch

        rising = (peak / self.low).clamp(0.0, 1.0)
        return torch.where(peak > self.high, torch.zeros_like(rising), rising)

    def faults(self, spectra: FloatArray) -> Mapping[str, npt.NDArray[np.bool_]]:
        """Which spectra ``(n, m)`` lie above the gate, and which below it, shape ``(n,)``."""
        peak = np.asarray(spectra, dtype=np.float64).max(axis=-1)
        return {
            f"above the absorbance gate (peak over {self.high:g})": peak > self.high,
            f"below the absorbance gate (peak under {self.low:g})": peak < self.low,
        }
