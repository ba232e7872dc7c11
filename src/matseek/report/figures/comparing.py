"""Searchers side by side: in how many runs each succeeded, what it had found by then, and how it behaved."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from matseek.core.problem import Problem
from matseek.insight.paired import median_interval
from matseek.insight.success import SuccessRate
from matseek.report.figures.house import (
    FAINT,
    INK,
    LAYERS,
    MUTED,
    axes_of,
    legend,
    say,
    tidy,
)
from matseek.report.figures.values import Frames, ValueScale, best_curves, count_logarithmically, mark_decades
from matseek.report.looks import Line, lines_of
from matseek.report.proposers import family_of, proposer_label

_MOST_BANDS = 3
"""Bands that can be told apart in one pair of axes."""

_SETTINGS = {"ffg": "force guidance", "box": "on coordinates"}
"""What the endings of configs mean, where they are abbreviations."""

BEHIND = "#b4b9c1"
"""Of curves that others are seen against."""

Lines = Mapping[str, Line]
"""How searchers are drawn, by name; those that are not given are drawn as the configs of their names."""

Rates = Mapping[str, tuple[SuccessRate, SuccessRate]]
"""By searcher: successes as evaluated, and after relaxation."""


def searcher_label(name: str) -> str:
    """How people read the name of a searcher or of settings of one, as ``godiff_ffg``; a title stands for itself."""
    family = family_of(name)
    settings = name.removeprefix(f"{family}_") if name.startswith(f"{family}_") else ""
    if not settings:
        return proposer_label(name).replace("_", " ")
    return f"{proposer_label(family)}, {_SETTINGS.get(settings, settings.replace('_', ' '))}"


def lines_for(given: Lines | None, names: Iterable[str]) -> Lines:
    """How each is drawn."""
    names = list(names)
    return {**lines_of(names), **{name: line for name, line in (given or {}).items() if name in names}}


@style.context(LAYERS)
def successes_of_searchers(
    rates: Rates, published: Mapping[str, Mapping[str, Any]], lines: Lines | None = None
) -> Figure:
    """Shares of runs that succeed, with Wilson's intervals, and the evaluations that the successes took.

    Args:
        rates: Successes by searcher, as evaluated; those without a run are left out.
        published: By searcher, ``runs``, ``successes`` and ``mean_evaluations_to_success`` that others have reported.
        lines: How searchers are drawn.
    """
    names = [name for name in rates if rates[name][0].runs]
    looks = lines_for(lines, rates)
    figure = Figure(figsize=(8.2, 1.4 + 0.55 * len(names)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    counts = []
    for place, name in enumerate(names):
        rows = [(rates[name][0], float(place), looks[name].color, "o", looks[name].color)]
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
        right.plot(result, [place] * len(result), "|", color=looks[name].color, ms=11, mew=1.4)
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
    if counts:
        count_logarithmically(right, 0.7 * min(counts), 1.4 * max(counts), "Evaluations to success")
    else:
        right.set_axis_off()
        say(right, "no run has succeeded")
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
def solved_against_evaluations(rates: Rates, budgets: Mapping[str, int], lines: Lines | None = None) -> Figure:
    """The share of runs that had succeeded against evaluations, up to each searcher's budget.

    Args:
        rates: Successes by searcher; those without a run are left out.
        budgets: Evaluations that each may have.
        lines: How searchers are drawn.
    """
    kinds = [kind for kind in (0, 1) if any(pair[kind].runs for pair in rates.values())]
    panels = [{name: pair[kind] for name, pair in rates.items()} for kind in kinds]
    titles = [("As evaluated", "After relaxation")[kind] for kind in kinds]
    return _solved(panels, titles, budgets, "Evaluations", lines)


@style.context(LAYERS)
def solved_against_rounds(rounds: Mapping[str, SuccessRate], traces: Frames, lines: Lines | None = None) -> Figure:
    """The share of runs that had succeeded against rounds, up to the longest run of each searcher.

    Args:
        rounds: Batches to success by searcher; those without a run are left out.
        traces: Of the complete runs.
        lines: How searchers are drawn.
    """
    ends = {name: max((int(t["iteration"].max()) for t in runs if len(t)), default=1) for name, runs in traces.items()}
    return _solved([rounds], ["As evaluated"], ends, "Rounds", lines)


def _solved(
    panels: Sequence[Mapping[str, SuccessRate]],
    titles: Sequence[str],
    ends: Mapping[str, int],
    counted: str,
    lines: Lines | None,
) -> Figure:
    figure = Figure(figsize=(8.2, 3.6), layout="constrained")
    grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    # Before the first success there is nothing to see.
    firsts = [first for panel in panels for rate in panel.values() for first in rate.evaluations]
    begin, end = max(0.5 * min(firsts, default=1), 1), max(ends.values())
    for ax, panel, title in zip(grid, panels, titles, strict=True):
        tidy(ax)
        count_logarithmically(ax, begin, 1.15 * max(end, begin + 1), counted)
        if len(panels) > 1:
            ax.set_title(title, fontsize=10, loc="left")
        if not any(rate.successes for rate in panel.values()):
            say(ax, "no run has succeeded")
        for name, line in lines_for(lines, panel).items():
            rate = panel[name]
            if rate.runs:
                steps = [begin, *(first for first in rate.evaluations if first <= ends[name]), ends[name]]
                label = searcher_label(name)
                draw_line(ax, steps, rate.solved_by(steps), line, label, steps=True)
    grid[0].set_ylabel("Runs that have succeeded")
    grid[0].yaxis.set_major_formatter(PercentFormatter(1.0))
    grid[0].set_ylim(-0.03, 1.03)
    legend(figure)
    return figure


@style.context(LAYERS)
def best_against_evaluations(problem: Problem, traces: Frames, lines: Lines | None = None) -> Figure:
    """The best value so far against evaluations: the median over runs, and its 95 % bootstrap interval at each count.

    A run that has ended keeps its best; a curve ends where the longest run does. With more than three searchers each
    has axes of its own, and the others' medians stand behind it.

    Args:
        problem: The problem; where it knows its minimum, what lies above that is drawn.
        traces: Of the complete runs.
        lines: How searchers are drawn.
    """
    scale, drawn = ValueScale(problem, traces), []
    looks, medians, bands = lines_for(lines, traces), {}, {}
    for name, runs in traces.items():
        counts, curves = best_curves(runs) if runs else (np.ones(1, dtype=np.int64), np.zeros((0, 1)))
        if len(curves):
            low, high = map(scale.of, median_interval(curves, resamples=2000))
            medians[name] = (counts, scale.of(np.median(curves, axis=0)))
            bands[name] = (counts, low, high)
            drawn += scale.shown(counts, low, medians[name][1], high)
    facets = len(medians) > _MOST_BANDS
    figure, panels = _panels(len(medians) if facets else 1)
    for place, name in enumerate(medians):
        line, ax = looks[name], panels[place if facets else 0]
        if facets:
            for other in medians:
                ax.plot(*medians[other], color=BEHIND, lw=0.9, zorder=1)
            ax.set_title(searcher_label(name), fontsize=10, loc="left", color=INK)
        ax.fill_between(*bands[name], color=line.color, alpha=0.18, lw=0)
        draw_line(ax, *medians[name], line, searcher_label(name))
    for ax in panels:
        scale.dress(ax, drawn)
        ax.label_outer()
    if not facets:
        legend(figure)
    return figure


@style.context(LAYERS)
def values_by_iteration(problem: Problem, traces: Frames, lines: Lines | None = None) -> Figure:
    """The median value of what each searcher tried, in windows of evaluations: whether it has learnt where to look.

    Args:
        problem: The problem; where it knows its minimum, what lies above that is drawn.
        traces: Of the complete runs.
        lines: How searchers are drawn.
    """
    figure, ax = axes_of(3.8)
    scale = ValueScale(problem, traces)
    drawn: list[float] = []
    for name, line in lines_for(lines, traces).items():
        tried = pd.concat(traces[name]) if traces[name] else pd.DataFrame({"evaluation": [], "value": []})
        tried = tried[tried["evaluation"] > scale.opening]
        if len(tried):
            first, last = scale.opening + 1, max(tried["evaluation"].max(), scale.opening + 8) + 1
            edges = [first, *(first - 1 + np.unique(np.round(np.geomspace(8, last - first + 1, 12)))).tolist()]
            window = pd.cut(tried["evaluation"], edges, right=False, labels=False)
            middle = scale.of(tried.groupby(window)["value"].median().to_numpy())
            at = tried.groupby(window)["evaluation"].median()
            draw_line(ax, at, middle, line, searcher_label(name))
            drawn += middle[np.isfinite(middle)].tolist()
    scale.dress(ax, drawn)
    legend(figure)
    return figure


@style.context(LAYERS)
def iterations_of_searchers(problem: Problem, iterations: Frames, lines: Lines | None = None) -> Figure:
    """What searchers note of each iteration: the samples' values, kT, and the effective sample size of the buffer.

    Args:
        problem: The problem.
        iterations: A row per iteration of each run: ``iteration``, ``median_of_iteration``, ``lowest_of_iteration``,
            ``kt`` in eV and ``effective_sample_size``; searchers with empty tables are left out.
        lines: How searchers are drawn.
    """
    figure = Figure(figsize=(8.2, 6.4), layout="constrained")
    values, kt, size = figure.subplots(3, 1, sharex=True, height_ratios=[2, 1, 1])
    for ax in (values, kt, size):
        tidy(ax)
    kts: list[float] = []
    for name, line in lines_for(lines, iterations).items():
        frames = [frame for frame in iterations[name] if len(frame)]
        if not frames:
            continue
        runs = pd.concat(frames).groupby("iteration")
        for ax, key in ((values, "median_of_iteration"), (kt, "kt"), (size, "effective_sample_size")):
            low, middle, high = (runs[key].quantile(q) for q in (0.25, 0.5, 0.75))
            draw_line(ax, middle.index, middle, line, searcher_label(name))
            if len(iterations) <= _MOST_BANDS:
                ax.fill_between(middle.index, low, high, color=line.color, alpha=0.15, lw=0)
        lowest = runs["lowest_of_iteration"].median()
        values.plot(lowest.index, lowest, color=line.color, ls=line.dashes, lw=0.9)
        kts += [frame["kt"].min() for frame in frames] + [frame["kt"].max() for frame in frames]
    values.set_ylabel(problem.value_label)
    kt.set_ylabel(f"kT ({problem.value_unit})" if problem.value_unit else "kT")
    kt.set_yscale("log")
    mark_decades(kt.yaxis, min(kts, default=0.01), max(kts, default=1))
    size.set_ylabel("Effective\nsample size")
    size.set_ylim(bottom=0)
    size.set_xlabel("Iteration")
    size.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.align_ylabels()
    legend(figure)
    return figure


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    """Axes side by side that share their scales: one as wide as the page, else at most three in a row."""
    columns, rows = min(count, 3) or 1, max(math.ceil(count / 3), 1)
    figure = Figure(figsize=(8.2, 4.4 if count <= 1 else 0.7 + 2.3 * rows), layout="constrained")
    panels: list[Axes] = list(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat)
    for spare in panels[max(count, 1) :]:
        spare.remove()
    for ax in panels[: max(count, 1)]:
        tidy(ax)
    return figure, panels[: max(count, 1)]


def draw_line(ax: Axes, x: Any, y: Any, line: Line, label: str, *, steps: bool = False) -> None:  # noqa: ANN401
    """A curve with a few of its points marked, which tell it apart without colours."""
    every = max(len(x) // 8, 1)
    drawn = "steps-post" if steps else "default"
    look = {"color": line.color, "ls": line.dashes, "lw": 1.8, **_dots(line)}
    ax.plot(x, y, label=label, markevery=every, drawstyle=drawn, **look)


def _dots(line: Line) -> dict[str, Any]:
    return {"marker": line.marker, "ms": 4.5, "mfc": line.color if line.filled else "white", "mew": 1.0}
