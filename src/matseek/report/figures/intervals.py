"""What comparisons have measured, as dots with intervals: from tables alone, where the runs are no longer there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from matseek.report.figures.comparing import Lines, lines_for, searcher_label
from matseek.report.figures.house import BEST, FAINT, INK, LAYERS, axes_of, legend, tidy
from matseek.report.figures.values import count_logarithmically


class Measured(NamedTuple):
    """A figure with its interval.

    Args:
        low: Lower end.
        middle: Median or mean.
        high: Upper end.
        note: What is written beside it, as ``10 of 10``.
    """

    low: float
    middle: float
    high: float
    note: str = ""


@style.context(LAYERS)
def values_with_intervals(
    found: Mapping[str, Measured], label: str, level: tuple[float, str] | None = None, lines: Lines | None = None
) -> Figure:
    """One value per searcher with its interval, the lowest on top.

    Args:
        found: By searcher.
        label: What the value is, with its unit.
        level: A value that is drawn as a dashed line, and what it is called; None for none.
        lines: How searchers are drawn.

    Raises:
        ValueError: If there is none.

    Example:
        >>> values_with_intervals({"random": Measured(0.21, 0.23, 0.25, "0 of 10")}, "Lowest loss")  # doctest: +SKIP
    """
    if not found:
        raise ValueError("there is nothing to draw; give at least one searcher")
    names = sorted(found, key=lambda name: found[name].middle)
    looks = lines_for(lines, names)
    figure, ax = axes_of(1.3 + 0.38 * len(names))
    for place, name in enumerate(names):
        _draw(ax, found[name], place, looks[name].color, looks[name].marker, looks[name].filled)
    if level is not None:
        ax.axvline(level[0], color=BEST, ls=(0, (5, 3)), lw=1.2, label=level[1], zorder=1)
    _name_rows(ax, [searcher_label(name) for name in names], range(len(names)), len(names))
    ax.set_xlabel(label)
    low, high = ax.get_xlim()
    ax.set_xlim(low, high + 0.15 * (high - low))  # for the notes
    legend(figure)
    return figure


@style.context(LAYERS)
def costs_by_problem(
    costs: Mapping[str, Mapping[str, Measured]], label: str, lines: Lines | None = None, words: Mapping[str, str] = {}
) -> Figure:
    """What each searcher has spent on each problem, on a logarithmic axis.

    Args:
        costs: By searcher, then by problem; problems stand in the order of the first searcher's costs.
        label: What was spent.
        lines: How searchers are drawn.
        words: What searchers are called; those that are not given by their names.

    Raises:
        ValueError: If there is none.
    """
    if not any(costs.values()):
        raise ValueError("there is nothing to draw; give at least one searcher with a problem")
    every = dict.fromkeys(problem for by_problem in costs.values() for problem in by_problem)
    first = next(iter(costs.values()))
    problems = sorted(every, key=lambda p: first[p].middle if p in first else np.inf)
    looks = lines_for(lines, costs)
    present = {problem: [name for name in costs if problem in costs[name]] for problem in problems}
    heights, row = {problem: len(names) for problem, names in present.items()}, 0
    figure, ax = axes_of(1.5 + 0.2 * sum(heights.values()) + 0.08 * len(problems))
    middles = []
    for problem, names in present.items():
        middles.append(row + (heights[problem] - 1) / 2)
        for name in names:
            _draw(ax, costs[name][problem], row, looks[name].color, looks[name].marker, looks[name].filled)
            row += 1
        row += 1
    for name, look in looks.items():
        fill = look.color if look.filled else "white"
        ax.plot([], [], look.marker, color=look.color, mfc=fill, label=words.get(name, searcher_label(name)))
    _name_rows(ax, [problem.replace("_", " ") for problem in problems], middles, row - 1)
    ends = [x for by_problem in costs.values() for cost in by_problem.values() for x in (cost.low, cost.high)]
    count_logarithmically(ax, 0.7 * min(x for x in ends if x > 0), 2.5 * max(ends), label)
    legend(figure, columns=2)
    return figure


def _draw(ax: Axes, found: Measured, height: float, color: str, marker: str, filled: bool) -> None:
    ax.plot([found.low, found.high], [height] * 2, color=color, lw=1.8, zorder=2)
    ax.plot([found.middle], [height], marker, color=color, mfc=color if filled else "white", ms=6, zorder=3)
    if found.note:
        place: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 8, "color": INK}
        ax.annotate(found.note, (max(found.high, found.middle), height), (8, 0), **place)


def _name_rows(ax: Axes, names: Sequence[str], places: Sequence[float], rows: int) -> None:
    tidy(ax)
    ax.grid(axis="y", visible=False)
    ax.grid(axis="x", color=FAINT, linewidth=0.6)
    ax.set_yticks(places, names)
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(rows - 0.4, -0.6)
