"""How many digits of a recipe a table shows."""

from __future__ import annotations

import math

from matseek.core.space import Coordinate

_SHARE = 3
"""Digits of the window's width: a thousandth of it is what a laboratory can set."""

_MOST = 12


def decimals(variable: Coordinate, value: float) -> int:
    """Decimals with which a value of a variable is shown.

    A thousandth of the window, or four digits of a variable on a logarithmic scale; all digits of one with steps, and
    of one that is fixed.

    Args:
        variable: The variable.
        value: Its value, in its unit.
    """
    step = getattr(variable, "step", None)
    if getattr(variable, "log", False) and step is None:
        return _of(abs(value), 3)
    if step is not None or variable.high <= variable.low:
        return _needed(value)
    return _of(variable.high - variable.low, _SHARE)


def _of(size: float, digits: int) -> int:
    return min(_MOST, max(0, digits - math.floor(math.log10(size)))) if size > 0 else _MOST


def _needed(value: float) -> int:
    """Decimals that a value has, rounding of the last bits left out."""
    text = f"{value:.{_MOST}f}".rstrip("0")
    return len(text.partition(".")[2])
