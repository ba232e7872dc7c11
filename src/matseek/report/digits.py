"""Numbers, amounts and durations as people read them: on pages and on the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from matseek.core.problem import Problem
from matseek.core.space import Coordinate


def unit_after(variable: Coordinate) -> str:
    """The unit as it follows a number, on the same line."""
    return f"\u00a0{variable.unit}" if variable.unit else ""


def counted(n: int, noun: str) -> str:
    """A number of things: 1 condition, 2 conditions."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def duration(seconds: float) -> str:
    """A time in the largest unit that tells something: 12.3 s, 5 min, 2 h 05 min, 12 days."""
    if seconds < 0.1:
        return "under 0.1 s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{round(minutes / (24 * 60))} days"


def amount(variable: Coordinate, x: float) -> str:
    """A value of a recipe: a category's name, or a number to half a percent of the variable's window or finer."""
    if variable.values:
        return variable.values[round(x)]
    if not variable.high > variable.low:
        return f"{x:.6g}"
    decimals = 2 - math.floor(math.log10((variable.high - variable.low) / 2))
    return f"{x:.{max(decimals, 0)}f}" if decimals <= 6 and abs(x) < 1e7 else f"{x:.4g}"


def value_text(problem: Problem, value: float) -> str:
    """A recorded value as people tell it, with its unit, if it has one, at the decimals that the problem asks for."""
    value = problem.sign * value
    unit = f"\u00a0{problem.value_unit}" if problem.value_unit else ""
    return f"{value:.{problem.value_decimals}f}{unit}" if problem.value_decimals else value_texts([value])[0] + unit


def value_texts(values: Sequence[float], spreads: Sequence[float] = ()) -> list[str]:
    """Values, then their spreads, with as many decimals as tell the values apart."""
    numbers = np.array(values, dtype=np.float64)
    scale, extent = float(np.abs(numbers).max(initial=0.0)), float(np.ptp(numbers)) if len(numbers) else 0.0
    decimals = max(_decimals(scale, 3), _decimals(extent, 2))
    readable = decimals <= 6 and scale < 1e7
    texts = [f"{x:.{decimals}f}" if readable else f"{x:.3e}" for x in numbers.tolist()]
    return texts + ["" if math.isnan(s) else f"{s:.{decimals}f}" if readable else f"{s:.1e}" for s in spreads]


def _decimals(scale: float, digits: int) -> int:
    return max(digits - 1 - math.floor(math.log10(scale)), 0) if scale > 0 and math.isfinite(scale) else 0
