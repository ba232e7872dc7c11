"""A recipe as sliders show it: a position for each variable that can be changed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from matseek.core.space import Coordinate
from matseek.report.digits import amount

FloatArray = npt.NDArray[np.float64]

_POSITIONS = 200
"""Positions of a slider whose variable has no steps."""


@dataclass(frozen=True)
class Knob:
    """The slider of a variable.

    Args:
        variable: The variable, with its present window.
    """

    variable: Coordinate

    @property
    def is_fixed(self) -> bool:
        """Whether there is nothing to move."""
        return not self.variable.values and self.variable.high <= self.variable.low

    @property
    def ends(self) -> tuple[float, float]:
        """Least and largest position."""
        return self.position(self.variable.low), self.position(self.variable.high)

    @property
    def step(self) -> float:
        """Distance of two positions."""
        step = getattr(self.variable, "step", None)
        low, high = self.ends
        return float(step) if step and not self._is_logarithmic else (high - low) / _POSITIONS

    def position(self, value: float) -> float:
        """Where a value lies."""
        return math.log10(value) if self._is_logarithmic else float(value)

    def value(self, position: float) -> float:
        """The value at a position."""
        at = 10.0**position if self._is_logarithmic else position
        return float(np.clip(at, self.variable.low, self.variable.high))

    def text(self, value: float) -> str:
        """A value with its unit."""
        unit = f"\u00a0{self.variable.unit}" if self.variable.unit else ""
        return amount(self.variable, value) + unit

    @property
    def _is_logarithmic(self) -> bool:
        return bool(getattr(self.variable, "log", False))


def knobs(variables: Sequence[Coordinate]) -> list[Knob]:
    """A slider for each variable of a recipe."""
    return [Knob(variable) for variable in variables]
