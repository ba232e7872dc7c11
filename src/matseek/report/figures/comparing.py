"""Searchers side by side: in how many runs each succeeded, what it had found by then, and how it behaved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, PercentFormatter

from matseek.core.problem import Problem
from matseek.insight.convergence import best_curve
from matseek.insight.paired import median_interval
from matseek.insight.success import SuccessRate
from matseek.report.figures.house import (
    FAINT,
    INK,
    LAYERS,
    MUTED,
    FloatArray,
    axes_of,
    legend,
    scale_values,
    tidy,
)
from matseek.report.proposers import proposer_label

# Okabe and Ito's palette; the line's dashes tell them apart in black and white.
_LOOKS = (
    ("#8c8c8c", "-"),
    ("#0072B2", "-"),
    ("#D55E00", "--"),
    ("#009E73", "-."),
    ("#CC79A7", ":"),
    ("#E69F00", "-"),
    ("#56B4E9", "--"),
    ("#5b4a9c", "-."),
)

_ALIKE = 0.01
"""Energies in eV that are drawn as the same."""

IntArray = npt.NDArray[np.int64]

Frames = Mapping[str, Sequence[pd.DataFrame]]
"""By searcher, a table of each run."""

Rates = Mapping[str, tuple[SuccessRate, SuccessRate]]
"""By searcher: successes as evaluated, and after relaxation."""


def searcher_label(name: str) -> str:
    """How people read a searcher's name; a title stands for itself."""
    return proposer_label(name).replace("_", " ")


def looks_of_searchers(searchers: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Colour and dashes of each searcher; the same in every figure of a comparison."""
    return {name: _LOOKS[place % len(_LOOKS)] for place, name in enumerate(searchers)}


@style.context(LAYERS)
def successes_of_searchers(rates: Rates, published: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Shares of runs that succeed, with Wilson's intervals, and the evaluations that the successes took.

    Args:
        rates: Successes by searcher, as evaluated; those without a run are left out.
        published: By searcher, ``runs``, ``successes`` and ``mean_evaluations_to_success`` that others have reported.
    """
    names = [name for name in rates if rates[name][0].runs]
    looks = looks_of_searchers(list(rates))
    figure = Figure(figsize=(8.2, 1.4 + 0.55 * len(names)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    counts = []
    for place, name in enumerate(names):
        rows = [(rates[name][0], float(place), looks[name][0], "o", looks[name][0])]
        if name in published:
            rows.append((_published_rate(published[name]), place + 0.3, MUTED, "D", "white"))
        for rate, height, color, marker, fill in rows:
            dot: dict[str, Any] = {"marker": marker, "color": color, "mfc": fill, "ms": 6 if marker == "o" else 5}
            left.plot(rate.interval(), [height] * 2, color=color, lw=1.6, clip_on=False)
            left.plot([rate.rate], [height], ls="none", clip_on=False, zorder=3, **dot)
            if rate.successes:
                right.plot([rate.mean_of_successes], [height], ls="none", zorder=3, **dot)
                counts += rate.evaluations
        result = rates[name][0].evaluations
        right.plot(result, [place] * len(result), "|", color=looks[name][0], ms=11, mew=1.4)
    for ax in (left, right):
        tidy(ax)
        ax.grid(axis="y", visible=False)
        ax.grid(axis="x", color=FAINT, linewidth=0.6)
        ax.tick_params(axis="y", length=0)
    left.set_xlim(-0.02, 1.02)
    left.xaxis.set_major_formatter(PercentFormatter(1.0))
    left.set_xlabel("Runs that succeed")
    left.set_yticks(range(len(names)), [searcher_label(name) for name in names])
    left.set_ylim(len(names) - 0.4, -0.5)
    _count_logarithmically(right, 0.7 * min(counts, default=1), 1.4 * max(counts, default=100))
    right.set_xlabel("Evaluations to success (log scale)")
    left.plot([], [], "o", color=INK, ms=6, label="mean of the runs here")
    left.plot([], [], ls="none", marker="|", color=INK, ms=11, mew=1.4, label="a run here")
    if published:
        left.plot([], [], "D", color=MUTED, mfc="white", ms=5, label="published")
    legend(figure)
    return figure


def _published_rate(published: Mapping[str, Any]) -> SuccessRate:
    """Of the runs only their mean is known: each success is put there."""
    succeeded = published["successes"]
    return SuccessRate(
        [*[published["mean_evaluations_to_success"]] * succeeded, *[None] * (published["runs"] - succeeded)],
    )


@style.context(LAYERS)
def solved_against_evaluations(rates: Rates, budgets: Mapping[str, int]) -> Figure:
    """The share of runs that had succeeded against evaluations, up to each searcher's budget.

    Args:
        rates: Successes by searcher; those without a run are left out.
        budgets: Evaluations that each may have.
    """
    kinds = [kind for kind in (0, 1) if any(pair[kind].runs for pair in rates.values())]
    panels = [{name: pair[kind] for name, pair in rates.items()} for kind in kinds]
    titles = [("As evaluated", "After relaxation")[kind] for kind in kinds]
    return _solved(panels, titles, budgets, "Evaluations")


@style.context(LAYERS)
def solved_against_rounds(rounds: Mapping[str, SuccessRate], traces: Frames) -> Figure:
    """The share of runs that had succeeded against rounds, up to the longest run of each searcher.

    Args:
        rounds: Batches to success by searcher; those without a run are left out.
        traces: Of the complete runs.
    """
    ends = {name: max((int(t["iteration"].max()) for t in runs if len(t)), default=1) for name, runs in traces.items()}
    return _solved([rounds], ["As evaluated"], ends, "Rounds")


def _solved(
    panels: Sequence[Mapping[str, SuccessRate]], titles: Sequence[str], ends: Mapping[str, int], counted: str
) -> Figure:
    figure = Figure(figsize=(8.2, 3.6), layout="constrained")
    grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    # Before the first success there is nothing to see.
    firsts = [first for panel in panels for rate in panel.values() for first in rate.evaluations]
    begin, end = max(0.5 * min(firsts, default=1), 1), max(ends.values())
    for ax, panel, title in zip(grid, panels, titles, strict=True):
        tidy(ax)
        _count_logarithmically(ax, begin, 1.15 * max(end, begin + 1), counted)
        if len(panels) > 1:
            ax.set_title(title, fontsize=10, loc="left")
        for name, (color, dashes) in looks_of_searchers(list(panel)).items():
            rate = panel[name]
            if rate.runs:
                steps = [begin, *(first for first in rate.evaluations if first <= ends[name]), ends[name]]
                label = searcher_label(name)
                ax.step(steps, rate.solved_by(steps), where="post", color=color, ls=dashes, lw=1.8, label=label)
                ax.plot(steps[-1:], rate.solved_by(steps[-1:]), "o", color=color, ms=4)
    grid[0].set_ylabel("Runs that have succeeded")
    grid[0].yaxis.set_major_formatter(PercentFormatter(1.0))
    grid[0].set_ylim(-0.03, 1.03)
    legend(figure)
    return figure


@style.context(LAYERS)
def best_against_evaluations(problem: Problem, traces: Frames) -> Figure:
    """The best value so far against evaluations: the median over runs, and its 95 % bootstrap interval at each count.

    A run that has ended keeps its best; a curve ends where the longest run does.

    Args:
        problem: The problem.
        traces: Of the complete runs.
    """
    figure, ax = axes_of(4.4)
    scale = _ValueScale(problem, traces)
    drawn: list[float] = []
    for name, (color, dashes) in looks_of_searchers(list(traces)).items():
        if not traces[name]:
            continue
        counts, curves = best_curves(traces[name])
        if not len(curves):
            continue
        low, high = map(scale.of, median_interval(curves, resamples=2000))
        middle = scale.of(np.median(curves, axis=0))
        ax.plot(counts, middle, color=color, ls=dashes, lw=1.8, label=searcher_label(name))
        ax.fill_between(counts, low, high, color=color, alpha=0.15, lw=0)
        # The first few values say nothing, and would leave no room for the rest.
        shown = np.concatenate([edge[np.searchsorted(counts, min(10, counts[-1])) :] for edge in (low, middle, high)])
        drawn += [np.nanmin(shown), np.nanmax(shown)]
    return scale.finished(figure, ax, drawn)


@style.context(LAYERS)
def values_by_iteration(problem: Problem, traces: Frames) -> Figure:
    """The median value of what each searcher tried, in windows of evaluations: whether it has learnt where to look.

    Args:
        problem: The problem.
        traces: Of the complete runs.
    """
    figure, ax = axes_of(3.8)
    scale = _ValueScale(problem, traces)
    drawn: list[float] = []
    for name, (color, dashes) in looks_of_searchers(list(traces)).items():
        if traces[name]:
            tried = pd.concat(traces[name])
            edges = [1, *np.unique(np.round(np.geomspace(8, max(tried["evaluation"].max(), 8) + 1, 20))).tolist()]
            window = pd.cut(tried["evaluation"], edges, right=False, labels=False)
            middle = scale.of(tried.groupby(window)["value"].median().to_numpy())
            at = tried.groupby(window)["evaluation"].median()
            ax.plot(at, middle, color=color, ls=dashes, lw=1.8, label=searcher_label(name))
            drawn += middle[np.isfinite(middle)].tolist()
    return scale.finished(figure, ax, drawn)


@style.context(LAYERS)
def iterations_of_searchers(problem: Problem, iterations: Frames) -> Figure:
    """What searchers note of each iteration: the samples' values, kT, and the effective sample size of the buffer.

    Args:
        problem: The problem.
        iterations: A row per iteration of each run: ``iteration``, ``median_of_iteration``, ``lowest_of_iteration``,
            ``kt`` in eV and ``effective_sample_size``; searchers with empty tables are left out.
    """
    figure = Figure(figsize=(8.2, 6.4), layout="constrained")
    values, kt, size = figure.subplots(3, 1, sharex=True, height_ratios=[2, 1, 1])
    for ax in (values, kt, size):
        tidy(ax)
    kts: list[float] = []
    for name, (color, dashes) in looks_of_searchers(list(iterations)).items():
        frames = [frame for frame in iterations[name] if len(frame)]
        if not frames:
            continue
        runs = pd.concat(frames).groupby("iteration")
        for ax, key in ((values, "median_of_iteration"), (kt, "kt"), (size, "effective_sample_size")):
            low, middle, high = (runs[key].quantile(q) for q in (0.25, 0.5, 0.75))
            ax.plot(middle.index, middle, color=color, ls=dashes, lw=1.8, label=searcher_label(name))
            ax.fill_between(middle.index, low, high, color=color, alpha=0.15, lw=0)
        lowest = runs["lowest_of_iteration"].median()
        values.plot(lowest.index, lowest, color=color, ls=dashes, lw=0.9)
        kts += [frame["kt"].min() for frame in frames] + [frame["kt"].max() for frame in frames]
    values.set_ylabel(problem.value_label)
    kt.set_ylabel(f"kT ({problem.value_unit})" if problem.value_unit else "kT")
    kt.set_yscale("log")
    _mark_decades(kt.yaxis, min(kts, default=0.01), max(kts, default=1))
    size.set_ylabel("Effective\nsample size")
    size.set_ylim(bottom=0)
    size.set_xlabel("Iteration")
    size.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.align_ylabels()
    legend(figure)
    return figure


class _ValueScale:
    """Values as the axes of a comparison show them: energies above the lowest of all runs, others as they are.

    Args:
        problem: The problem.
        traces: Of the complete runs.
    """

    def __init__(self, problem: Problem, traces: Frames) -> None:
        self._problem = problem
        every = [trace for runs in traces.values() for trace in runs]
        self.evaluations = max((int(trace["evaluation"].max()) for trace in every), default=10)
        energies = problem.as_structures() is not None
        self._lowest = min((float(t["best_value"].min()) for t in every), default=0.0) if energies else None

    def of(self, values: FloatArray) -> FloatArray:
        """Where values are drawn; energies within a hundredth of an eV of the lowest count as equal to it."""
        return values if self._lowest is None else np.maximum(values - self._lowest, _ALIKE)

    def finished(self, figure: Figure, ax: Axes, drawn: Sequence[float]) -> Figure:
        """The figure with its axes named and scaled, and its legend."""
        _count_logarithmically(ax, 1, 1.1 * self.evaluations)
        self.dress(ax, drawn)
        legend(figure)
        return figure

    def dress(self, ax: Axes, drawn: Sequence[float]) -> None:
        """Name and scale the axis of values; the drawn ones say what must be seen."""
        ax.set_ylabel(self._problem.value_label)
        if not drawn:
            return
        low, high = min(drawn), max(drawn)
        if self._lowest is None:
            margin = 0.03 * (high - low) or 0.05 * abs(high) or 1.0  # all may be alike
            ax.set_ylim(low - margin, high + margin)
            scale_values(ax, self._problem, drawn)
            return
        ax.set_yscale("log")
        ax.set_ylim(0.9 * low, 1.1 * high)
        _mark_decades(ax.yaxis, low, high)
        ax.set_ylabel(f"Energy above {self._lowest:.3f} eV (eV, log scale)")


def best_curves(runs: Sequence[pd.DataFrame]) -> tuple[IntArray, FloatArray]:
    """Counts of evaluations ``(k,)``, and each run's best value by then, shape ``(runs, k)``.

    Runs without a value are left out; see :func:`matseek.insight.convergence.best_curve` for the others.
    """
    last = max(max(int(trace["evaluation"].max()) for trace in runs), 1)
    counts = np.unique(np.round(np.geomspace(1, last, 200)).astype(np.int64))
    curves = [best_curve(trace["value"].to_numpy(), last)[counts - 1] for trace in runs]
    return counts, np.array([c for c in curves if np.isfinite(c).all()]).reshape(-1, len(counts))


def _count_logarithmically(ax: Axes, low: float, high: float, counted: str = "Evaluations") -> None:
    ax.set_xscale("log")
    ax.set_xlim(low, high)
    ax.set_xlabel(f"{counted} (log scale)")
    _mark_decades(ax.xaxis, low, high)


def _mark_decades(axis: Axis, low: float, high: float) -> None:
    """Ticks of a logarithmic axis, also between the decades where there are few."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 200 * low else (1,), numticks=20))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(NullFormatter())
