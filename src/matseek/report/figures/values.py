"""The axes of a comparison: values or regret against evaluations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from matseek.core.problem import Problem
from matseek.core.records import OPENING
from matseek.insight.convergence import best_curve
from matseek.report.figures.house import FloatArray

_ALIKE_EV = 0.01
"""Energies in eV that are drawn as the same."""

_LONG = 20.0
"""Ratio of the last evaluation to the end of the opening (or to ten) from which counts are drawn logarithmically."""

IntArray = npt.NDArray[np.int64]

Frames = Mapping[str, Sequence[pd.DataFrame]]
"""By searcher, a table of each run."""


class ValueScale:
    """Values against evaluations, from the end of the points that all searchers begin with.

    Where the problem knows its minimum, values are drawn as what they lie above it, on a logarithmic axis; elsewhere as
    they are, on a linear one: a distance to the best that somebody happened to find would flatter whoever found it.

    Args:
        problem: The problem.
        traces: Of the complete runs.
    """

    def __init__(self, problem: Problem, traces: Frames) -> None:
        self._problem = problem
        every = [trace for runs in traces.values() for trace in runs if len(trace)]
        self.evaluations = max((int(trace["evaluation"].max()) for trace in every), default=10)
        self.opening = min((_opening(trace) for trace in every), default=0)
        self.minimum = problem.known_minimum if every else None
        self._least = _ALIKE_EV if problem.as_structures() is not None else 1e-6

    def of(self, values: FloatArray) -> FloatArray:
        """Where values are drawn; what lies within a hundredth of an eV of the minimum counts as there."""
        return values if self.minimum is None else np.maximum(values - self.minimum, self._least)

    def dress(self, ax: Axes, drawn: Sequence[float]) -> None:
        """Name and scale both axes; the drawn values say what must be seen."""
        begin = max(self.opening, 1)
        if self.evaluations > _LONG * max(self.opening, 10):
            count_logarithmically(ax, begin, 1.1 * self.evaluations)
        else:
            ax.set_xlim(begin, self.evaluations + 0.02 * (self.evaluations - begin) + 0.5)
            ax.set_xlabel("Evaluations")
            ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
        ax.set_ylabel(self._problem.value_label)
        if not drawn:
            return
        low, high = min(drawn), max(drawn)
        if self.minimum is None:
            margin = 0.03 * (high - low) or 0.05 * abs(high) or 1.0  # all may be alike
            ax.set_ylim(low - margin, high + margin)
            return
        ax.set_yscale("log")
        ax.set_ylim(0.9 * low, 1.1 * high)
        mark_decades(ax.yaxis, low, high)
        unit = f"{self._problem.value_unit}, " if self._problem.value_unit else ""
        ax.set_ylabel(f"{self._problem.value_name.capitalize()} above the minimum ({unit}log scale)")

    def shown(self, counts: IntArray, *edges: FloatArray) -> list[float]:
        """The values of some curves that must be seen: the first few say nothing, and would leave no room."""
        begin = int(np.searchsorted(counts, min(max(self.opening, 10), counts[-1])))
        seen = np.concatenate([edge[begin:] for edge in edges])
        return [float(x) for x in (np.nanmin(seen), np.nanmax(seen))] if np.isfinite(seen).any() else []


def _opening(trace: pd.DataFrame) -> int:
    """How many points of a run no searcher has chosen; 0 where the trace does not say."""
    return int((trace["searcher"] == OPENING).sum()) if "searcher" in trace else 0


def best_curves(runs: Sequence[pd.DataFrame]) -> tuple[IntArray, FloatArray]:
    """Counts of evaluations ``(k,)``, and each run's best value by then, shape ``(runs, k)``.

    Runs without a value are left out; see :func:`matseek.insight.convergence.best_curve` for the others.
    """
    last = max(max(int(trace["evaluation"].max()) for trace in runs), 1)
    counts = np.unique(np.round(np.geomspace(1, last, 200)).astype(np.int64))
    curves = [best_curve(trace["value"].to_numpy(), last)[counts - 1] for trace in runs]
    return counts, np.array([c for c in curves if np.isfinite(c).all()]).reshape(-1, len(counts))


def count_logarithmically(ax: Axes, low: float, high: float, counted: str = "Evaluations") -> None:
    """A logarithmic axis of counts."""
    ax.set_xscale("log")
    ax.set_xlim(low, high)
    ax.set_xlabel(f"{counted} (log scale)")
    mark_decades(ax.xaxis, low, high)


def mark_decades(axis: Axis, low: float, high: float) -> None:
    """Ticks of a logarithmic axis, also between the decades where there are few."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 200 * low else (1,), numticks=20))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(NullFormatter())
