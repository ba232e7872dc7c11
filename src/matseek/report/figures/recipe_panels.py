"""Where over the recipes the good values lie."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedLocator, MaxNLocator

from matseek.core.problem import Problem
from matseek.core.records import Evaluation
from matseek.core.space import Coordinate
from matseek.report.figures.house import (
    INK,
    LAYERS,
    FloatArray,
    axis_label,
    done_of,
    dot_size,
    draw_star,
    draw_valueless,
    in_order,
    legend,
    say_nothing_yet,
    scale_values,
    tidy,
)

_LABEL_WIDTH = 24


@style.context(LAYERS)
def recipes(problem: Problem, evaluations: Sequence[Evaluation]) -> Figure:
    """Value against each variable, one panel per variable, coloured by batch, the best one starred.

    A panel spans the variable's window. Where the window was widened in the course of the campaign the panel spans
    all points, and the window at the start is shaded.

    Args:
        problem: The problem.
        evaluations: The campaign's evaluations; failed and pending ones are ticks along the top.
    """
    ordered = in_order(evaluations)
    variables = problem.space.readable
    columns = len(variables) if len(variables) <= 3 else 4 if len(variables) in (4, 7, 8) or len(variables) > 9 else 3
    rows = math.ceil(len(variables) / columns)
    figure = Figure(figsize=(max(5.8, 2.7 * columns), 2.6 * rows + (1.4 if rows == 1 else 0.5)), layout="constrained")
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
    panels: list[Axes] = list(grid.flat)
    for spare in panels[len(variables) :]:
        spare.remove()
    panels = panels[: len(variables)]
    colors, norm = _batch_colors(ordered)
    for j, (ax, variable) in enumerate(zip(panels, variables, strict=True)):
        tidy(ax)
        _draw_panel(ax, ordered, j, variable, (colors, norm))
        for best in problem.ranked(ordered)[:1]:
            draw_star(ax, float(best.point[j]), best.value, "best", size=190)
        if j % columns == 0:
            ax.set_ylabel(problem.value_label)
        scale_values(ax, problem, [e.value for e in done_of(ordered)])
        if j + columns >= len(variables):  # what is below may be an empty place, so that nothing there shows numbers
            ax.tick_params(labelbottom=True)
    if not done_of(ordered):
        say_nothing_yet(panels[0])
    if isinstance(engine := figure.get_layout_engine(), ConstrainedLayoutEngine):
        engine.set(wspace=0.06, hspace=0.04)  # else the last number of a panel touches the first of the next
    if len({e.iteration for e in done_of(ordered)}) > 1:
        bar = figure.colorbar(ScalarMappable(norm, colors), ax=panels, shrink=0.8, aspect=28, pad=0.02)
        _tidy_bar(bar, ordered)
    legend(figure)
    return figure


def _batch_colors(ordered: Sequence[Evaluation]) -> tuple[Colormap, Normalize]:
    """Early batches light, late ones dark; distinct steps as long as the eye can tell them apart."""
    iterations = [e.iteration for e in ordered] or [1]
    first, last = min(iterations), max(iterations)
    colors = ListedColormap(mpl.colormaps["viridis_r"](np.linspace(0.08, 1.0, 256)), name="batches")
    if last - first < 12:
        return colors, BoundaryNorm(np.arange(first - 0.5, last + 1.5), colors.N)
    return colors, Normalize(first, last)


def _tidy_bar(bar: Any, ordered: Sequence[Evaluation]) -> None:  # noqa: ANN401 -- matplotlib does not export its type
    first, last = min(e.iteration for e in ordered), max(e.iteration for e in ordered)
    every = math.ceil((last - first + 1) / 12)
    bar.locator = FixedLocator(list(range(first, last + 1, every)))
    bar.update_ticks()
    bar.minorticks_off()
    bar.ax.tick_params(labelsize=9, colors=INK, length=0)
    bar.outline.set_visible(False)
    bar.set_label("Batch")


def _draw_panel(
    ax: Axes, ordered: Sequence[Evaluation], j: int, variable: Coordinate, colors: tuple[Colormap, Normalize]
) -> None:
    done = done_of(ordered)
    x = np.array([float(e.point[j]) for e in ordered])
    if done:
        ax.scatter(
            *([float(e.point[j]) for e in done], [e.value for e in done]),
            c=[e.iteration for e in done],
            cmap=colors[0],
            norm=colors[1],
            s=0.75 * dot_size(len(ordered)),
            alpha=0.85,
            linewidths=0,
            zorder=3,
        )
    draw_valueless(ax, ordered, x.tolist(), counted=False)
    ax.margins(y=0.1)
    _draw_window(ax, variable, x)
    ax.set_xlabel(textwrap.fill(axis_label(variable.label), _LABEL_WIDTH))
    if variable.values:
        ax.set_xticks(range(len(variable.values)), variable.values, rotation=30, ha="right")
    else:
        ax.xaxis.set_major_locator(MaxNLocator(nbins=5))


def _draw_window(ax: Axes, variable: Coordinate, x: FloatArray) -> None:
    """Limits of the axis: the window or, where points lie beyond it, all points with the window shaded."""
    low, high = min(variable.low, x.min(initial=np.inf)), max(variable.high, x.max(initial=-np.inf))
    slack = 1e-9 * (variable.high - variable.low)
    if low < variable.low - slack or high > variable.high + slack:
        ax.axvspan(variable.low, variable.high, color="#eceef2", lw=0, zorder=0, label="window at the start")
    pad = 0.03 * (high - low) or 0.5
    ax.set_xlim(low - pad, high + pad)
