"""Figures of a recipe campaign: how it got better, batch by batch, in spectra, and over the recipes.

Figures are made without pyplot, so that nothing has to be closed and no global state changes.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from matseek.evaluation import Evaluation
from matseek.insight.convergence import best_so_far
from matseek.problems import Problem, RecipeProblem, SpectralMatch
from matseek.problems.spectra import GATE_HIGH, GATE_LOW
from matseek.spaces import Variable

FloatArray = npt.NDArray[np.float64]

INK = "#33363b"
FAINT = "#d9dce1"
MUTED = "#80868f"
BEST = "#1b1e23"
FAILED = "#b3202a"
SUCCESS = "#00795a"

PROPOSER_LABELS: Mapping[str, str] = {
    "lhs": "Latin hypercube",
    "random": "random",
    "bayesian": "Bayesian",
    "network": "network",
}
"""How people read the names of those who propose; other names stand for themselves."""

# Okabe and Ito's palette, which colour-blind readers can tell apart; the marker tells them apart in black and white.
_KNOWN_LOOKS = {
    "lhs": ("#8c8c8c", "o"),
    "random": ("#b08d57", "X"),
    "bayesian": ("#0072B2", "s"),
    "network": ("#D55E00", "^"),
}
_OTHER_LOOKS = (("#009E73", "D"), ("#CC79A7", "v"), ("#E69F00", "P"), ("#56B4E9", "h"), ("#5b4a9c", "<"))

_STYLE: dict[str, Any] = {
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 10.0,
    "axes.labelsize": 10.0,
    "legend.fontsize": 9.0,
    "legend.frameon": False,
    "legend.handletextpad": 0.5,
    "legend.columnspacing": 1.6,
    "text.color": INK,
    "text.parse_math": False,  # a "$" in a name is a dollar
}
_LAYERS: list[str | Path | dict[str, Any]] = ["default", _STYLE]

_MOST_BATCH_LINES = 60
_MOST_BATCH_NUMBERS = 12
_RUNNERS_UP = 3
_RUNNER_UP_LOOKS = (("#4f7fa8", "-."), ("#9a7bb0", ":"), ("#a08c5b", (0, (6, 1.5, 1, 1.5, 1, 1.5))))
_FEWEST_IN_A_BOX = 3
_LOG_FROM = 30.0
"""Ratio of the largest to the least value from which the best ones would lie flat on a linear axis."""

_LABEL_WIDTH = 24


@style.context(_LAYERS)
def convergence(problem: Problem, evaluations: Sequence[Evaluation]) -> Figure:
    """Value of each evaluation against its number, with the best so far.

    Args:
        problem: The problem; its success level is drawn if it has one.
        evaluations: The campaign's evaluations; failed and pending ones are ticks along the top.
    """
    ordered = _in_order(evaluations)
    figure, ax = _single(problem, "Evaluation", height=4.4)
    _draw_batch_boundaries(ax, ordered)
    size = _dot_size(len(ordered))
    for proposer, (color, marker) in _looks(ordered).items():
        mine = [e for e in _done(ordered) if e.proposer == proposer]
        if mine:
            x, y = [e.number for e in mine], [e.value for e in mine]
            label = PROPOSER_LABELS.get(proposer, proposer)
            ax.scatter(x, y, s=size, color=color, marker=marker, alpha=0.85, linewidths=0, label=label, zorder=3)
    _draw_best_so_far(ax, ordered)
    _draw_success_level(ax, problem)
    _scale_values(ax, problem, [e.value for e in _done(ordered)])
    _draw_valueless(ax, ordered, [float(e.number) for e in ordered], counted=True)
    _limit_to_numbers(ax, ordered)
    _legend(figure)
    return figure


@style.context(_LAYERS)
def batches(problem: Problem, evaluations: Sequence[Evaluation]) -> Figure:
    """Values per batch: boxes of the individual replicates (droplets), dots for the conditions' medians.

    Proposers that share a batch stand side by side in it.

    Args:
        problem: The problem; its success level is drawn if it has one.
        evaluations: The campaign's evaluations; those without a value are left out.
    """
    ordered = _in_order(evaluations)
    done = _done(ordered)
    figure, ax = _single(problem, "Batch", height=4.0)
    labelled: set[str] = set()
    looks = _looks(ordered)
    size = 0.7 * _dot_size(len(ordered))
    for iteration in sorted({e.iteration for e in done}):
        present = [p for p in looks if any(e.proposer == p and e.iteration == iteration for e in done)]
        width = 0.8 / len(present)
        for k, proposer in enumerate(present):
            mine = [e for e in done if e.iteration == iteration and e.proposer == proposer]
            centre = iteration - 0.4 + (k + 0.5) * width
            label = "_nolegend_" if proposer in labelled else PROPOSER_LABELS.get(proposer, proposer)
            labelled.add(proposer)
            _draw_box(ax, _replicates(mine), centre, 0.86 * width, looks[proposer][0])
            _draw_medians(ax, mine, centre, 0.62 * width, (*looks[proposer], size), label)
    _draw_success_level(ax, problem)
    _scale_values(ax, problem, _replicates(done))
    last = max((e.iteration for e in ordered), default=1)
    ax.set_xlim(0.4, last + 0.6)
    if not done:
        _say_nothing_yet(ax)
    _legend(figure)
    return figure


@style.context(_LAYERS)
def spectra(problem: Problem, evaluations: Sequence[Evaluation]) -> Figure:
    """The best measured spectrum against the target, with the runners-up.

    The target is drawn from the minimum to the peak of the best spectrum, because the loss compares shapes that are
    scaled so.

    Args:
        problem: A recipe problem whose objective is a spectral match.
        evaluations: The campaign's evaluations.

    Raises:
        ValueError: If the problem does not match spectra.
    """
    objective = _objective(problem)
    if objective is None:
        raise ValueError(f"problem {problem.name!r} does not match spectra; draw convergence, batches or recipes")
    figure, ax = _axes_of(height=4.6)
    ax.set_xlabel("Wavelength (nm)")
    ax.set_ylabel("Absorbance")
    ax.set_xlim(objective.wavelengths[0], objective.wavelengths[-1])
    ranked = [e for e in _ranked(evaluations) if e.response is not None][: 1 + _RUNNERS_UP]
    if ranked:
        peak = _draw_best_spectrum(ax, ranked[0], objective)
    else:
        _draw_target(ax, objective, 0.0, 1.0, "target (any scale)")
        peak = 1.0
    for e, (color, dashes) in zip(ranked[1:], _RUNNER_UP_LOOKS, strict=False):
        median = np.median(_whole_spectra(e), axis=0)
        peak = max(peak, float(median.max()))
        ax.plot(objective.wavelengths, median, color=color, ls=dashes, lw=1.2, alpha=0.8, label=_spectrum_name(e))
    label = f"peak wanted: {GATE_LOW:g} to {GATE_HIGH:g}"
    ax.axhspan(GATE_LOW, GATE_HIGH, color=SUCCESS, alpha=0.09, linewidth=0, label=label)
    peak = max(peak, GATE_HIGH)
    ax.set_ylim(top=1.08 * peak)
    ax.set_ylim(bottom=min(0.0, ax.get_ylim()[0]))
    _legend(figure, columns=3)
    return figure


@style.context(_LAYERS)
def recipes(problem: Problem, evaluations: Sequence[Evaluation]) -> Figure:
    """Value against each variable, one panel per variable, coloured by batch, the best one starred.

    A panel spans the variable's window. Where the window was widened in the course of the campaign the panel spans
    all points, and the window at the start is shaded.

    Args:
        problem: The problem.
        evaluations: The campaign's evaluations; failed and pending ones are ticks along the top.
    """
    ordered = _in_order(evaluations)
    variables = problem.space.variables
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
        _tidy(ax)
        _draw_panel(ax, ordered, j, variable, (colors, norm))
        if j % columns == 0:
            ax.set_ylabel(_value_label(problem))
        _scale_values(ax, problem, [e.value for e in _done(ordered)])
        if j + columns >= len(variables):  # what is below may be an empty place, so that nothing there shows numbers
            ax.tick_params(labelbottom=True)
    if not _done(ordered):
        _say_nothing_yet(panels[0])
    if isinstance(engine := figure.get_layout_engine(), ConstrainedLayoutEngine):
        engine.set(wspace=0.06, hspace=0.04)  # else the last number of a panel touches the first of the next
    if len({e.iteration for e in _done(ordered)}) > 1:
        bar = figure.colorbar(ScalarMappable(norm, colors), ax=panels, shrink=0.8, aspect=28, pad=0.02)
        _tidy_bar(bar, ordered)
    _legend(figure)
    return figure


def recipe_figures(problem: Problem, evaluations: Sequence[Evaluation]) -> dict[str, Figure]:
    """The figures that apply to a campaign, by file stem; none before the first evaluation.

    Args:
        problem: The problem.
        evaluations: The campaign's evaluations.
    """
    if not evaluations:
        return {}
    drawn = {"convergence": convergence(problem, evaluations), "batches": batches(problem, evaluations)}
    if _objective(problem) is not None:
        drawn["spectra"] = spectra(problem, evaluations)
    return {**drawn, "recipes": recipes(problem, evaluations)}


def value_name(problem: Problem) -> str:
    """What the problem's value is called: the loss of a spectrum, or just the value."""
    return "loss" if _objective(problem) is not None else "value"


def _objective(problem: Problem) -> SpectralMatch | None:
    objective = problem.objective if isinstance(problem, RecipeProblem) else None
    return objective if isinstance(objective, SpectralMatch) else None


def _value_label(problem: Problem) -> str:
    return "Spectral loss" if _objective(problem) is not None else "Value"


def _in_order(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    return sorted(evaluations, key=lambda e: e.number)


def _done(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    return [e for e in evaluations if e.status == "done"]


def _ranked(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    return sorted(_done(evaluations), key=lambda e: (e.value, e.number))


def _looks(evaluations: Sequence[Evaluation]) -> dict[str, tuple[str, str]]:
    """Colour and marker of each proposer, in order of appearance; the same in every figure of a campaign."""
    looks: dict[str, tuple[str, str]] = {}
    strangers = 0
    for proposer in dict.fromkeys(e.proposer for e in evaluations):
        if proposer in _KNOWN_LOOKS:
            looks[proposer] = _KNOWN_LOOKS[proposer]
        else:
            looks[proposer] = _OTHER_LOOKS[strangers % len(_OTHER_LOOKS)]
            strangers += 1
    return looks


def _dot_size(n: int) -> float:
    """Area of a dot in points squared: smaller where there are many."""
    return float(np.clip(4000 / max(n, 1), 8, 30))


def _axes_of(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8.2, height), layout="constrained")
    ax = figure.add_subplot()
    _tidy(ax)
    return figure, ax


def _single(problem: Problem, xlabel: str, height: float) -> tuple[Figure, Axes]:
    """One pair of axes with whole numbers along x and the value along y."""
    figure, ax = _axes_of(height)
    ax.set_xlabel(xlabel)
    ax.set_ylabel(_value_label(problem))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=12, min_n_ticks=1))
    return figure, ax


def _tidy(ax: Axes) -> None:
    # Ticks are made when a figure is drawn, outside the style's context, so they need to be told.
    ax.tick_params(labelsize=9, colors=INK, color=MUTED, length=3, width=0.8)
    ax.grid(axis="y", color=FAINT, linewidth=0.6)


def _legend(figure: Figure, columns: int = 5) -> None:
    """A legend of all axes below them, where it can cover nothing; none where there is nothing to tell apart."""
    named: dict[str, Any] = {}
    for ax in figure.axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            named.setdefault(label, handle)
    if named:
        columns = math.ceil(len(named) / math.ceil(len(named) / columns))  # rows of about the same length
        figure.legend(list(named.values()), list(named), loc="outside lower center", ncols=columns)


def _scale_values(ax: Axes, problem: Problem, values: npt.ArrayLike) -> None:
    """A logarithmic value axis, and a word that it is one, where late progress would be invisible without."""
    values = np.asarray(values, dtype=np.float64)
    level = getattr(problem, "success_below", None)
    if not len(values) or values.min() <= 0 or (level is not None and level <= 0):
        return
    if values.max() / values.min() < _LOG_FROM:
        return
    decades = math.log10(values.max() / values.min())
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 3 else (1,)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.tick_params(axis="y", which="minor", length=0)
    if ax.get_ylabel():
        ax.set_ylabel(f"{_value_label(problem)} (log scale)")


def _say_nothing_yet(ax: Axes) -> None:
    ax.set_ylim(0, 1)
    ax.text(0.5, 0.5, "no evaluation has a value yet", ha="center", va="center", color=MUTED, transform=ax.transAxes)


def _draw_batch_boundaries(ax: Axes, ordered: Sequence[Evaluation]) -> None:
    """Faint lines between batches, and the batches' numbers along the top."""
    edges = [(a.number + b.number) / 2 for a, b in pairwise(ordered) if a.iteration != b.iteration]
    if not edges or len(edges) > _MOST_BATCH_LINES:  # more would be a grid, not boundaries
        return
    ax.vlines(edges, 0, 1, transform=ax.get_xaxis_transform(), color=FAINT, lw=0.8, zorder=0, label="_batches")
    starts, ends = [ordered[0].number - 0.5, *edges], [*edges, ordered[-1].number + 0.5]
    numbers = list(dict.fromkeys(e.iteration for e in ordered))
    if len(numbers) != len(starts):
        return
    every = math.ceil(len(numbers) / _MOST_BATCH_NUMBERS)
    top = ax.secondary_xaxis("top")
    middles = [(a + b) / 2 for a, b in zip(starts, ends, strict=True)]
    top.set_xticks(middles[::every], [str(n) for n in numbers[::every]])
    top.tick_params(length=0, labelsize=8, labelcolor=MUTED, pad=1)
    top.spines[:].set_visible(False)
    top.set_xlabel("Batch", fontsize=8, color=MUTED)


def _draw_best_so_far(ax: Axes, ordered: Sequence[Evaluation]) -> None:
    told = [e for e in ordered if e.status != "pending"]
    best = best_so_far([e.value for e in told])
    if not np.isfinite(best).any():
        _say_nothing_yet(ax)
        return
    ax.step([e.number for e in told], best, where="post", color=BEST, lw=1.6, label="best so far", zorder=4)


def _draw_success_level(ax: Axes, problem: Problem) -> None:
    level = getattr(problem, "success_below", None)
    if level is not None:
        ax.axhline(level, color=SUCCESS, ls=(0, (5, 3)), lw=1.2, label=f"success below {level:g}", zorder=2)


def _draw_valueless(ax: Axes, ordered: Sequence[Evaluation], x: Sequence[float], counted: bool) -> None:
    """Ticks along the top for what has no value: failed evaluations and, above them, those to be measured."""
    for status, text, color, height in (
        ("failed", "failed", FAILED, 0.965),
        ("pending", "to be measured", MUTED, 0.99),
    ):
        at = [position for position, e in zip(x, ordered, strict=True) if e.status == status]
        if at:
            label = f"{text} ({len(at)})" if counted else text
            ax.plot(
                *(at, [height] * len(at)),
                transform=ax.get_xaxis_transform(),
                ls="none",
                marker="|",
                ms=7 if status == "failed" else 5,
                mew=1.4,
                color=color,
                label=label,
                clip_on=False,
                zorder=5,
            )


def _limit_to_numbers(ax: Axes, ordered: Sequence[Evaluation]) -> None:
    if ordered:
        pad = max(0.5, 0.015 * (ordered[-1].number - ordered[0].number))
        ax.set_xlim(ordered[0].number - pad, ordered[-1].number + pad)
    ax.margins(y=0.08)  # room for the ticks of failed evaluations


def _replicates(evaluations: Sequence[Evaluation]) -> FloatArray:
    """All replicates of some conditions; the condition's value where it has none."""
    pieces = [e.finite_replicates if len(e.finite_replicates) else np.array([e.value]) for e in evaluations]
    return np.concatenate(pieces) if pieces else np.zeros(0)


def _draw_box(ax: Axes, values: FloatArray, centre: float, width: float, color: str) -> None:
    if len(values) < _FEWEST_IN_A_BOX:  # the dots say more than a box of one or two values
        return
    ax.boxplot(
        values,
        positions=[centre],
        widths=width,
        whis=(5, 95),
        showfliers=False,
        manage_ticks=False,
        patch_artist=True,
        boxprops={"facecolor": mpl.colors.to_rgba(color, 0.16), "edgecolor": color, "linewidth": 0.9},
        medianprops={"color": color, "linewidth": 2.0},
        whiskerprops={"color": color, "linewidth": 0.9},
        capprops={"color": color, "linewidth": 0.9},
    )


def _draw_medians(
    ax: Axes, mine: Sequence[Evaluation], centre: float, width: float, look: tuple[str, str, float], label: str
) -> None:
    """Conditions from left to right in the order in which they were asked."""
    color, marker, size = look
    offsets = np.linspace(-0.5, 0.5, len(mine)) * width if len(mine) > 1 else np.zeros(1)
    ax.scatter(
        *(centre + offsets, [e.value for e in mine]),
        s=size,
        color=color,
        marker=marker,
        alpha=0.9,
        linewidths=0,
        zorder=3,
        label=label,
    )


def _whole_spectra(e: Evaluation) -> FloatArray:
    """The replicates' spectra that were measured completely, shape ``(r, m)``."""
    measured = np.atleast_2d(np.asarray(e.response, dtype=np.float64))
    whole = measured[np.isfinite(measured).all(axis=1)]
    return whole if len(whole) else np.zeros((1, measured.shape[1]))


def _spectrum_name(e: Evaluation) -> str:
    return f"evaluation {e.number} (loss {e.value:.3f})"


def _draw_best_spectrum(ax: Axes, best: Evaluation, objective: SpectralMatch) -> float:
    """Median, band and target; gives the highest absorbance drawn."""
    measured = _whole_spectra(best)
    median = np.median(measured, axis=0)
    low, high = np.percentile(measured, (10, 90), axis=0)
    color = "#0072B2"
    ax.plot(objective.wavelengths, median, color=color, lw=2.2, label=f"best: {_spectrum_name(best)}", zorder=4)
    if len(measured) > 1:
        label = f"10 to 90 % of its {len(measured)} replicates"
        ax.fill_between(objective.wavelengths, low, high, color=color, alpha=0.22, lw=0, label=label, zorder=2)
    _draw_target(ax, objective, float(median.min()), float(median.max()), "target, scaled to the best")
    return float(high.max())


def _draw_target(ax: Axes, objective: SpectralMatch, low: float, high: float, label: str) -> None:
    low, high = (low, high) if high > low else (0.0, 1.0)  # a dark best spectrum has no scale to lend
    shape = (objective.target - objective.target.min()) / np.ptp(objective.target)
    ax.plot(
        objective.wavelengths, low + (high - low) * shape, color=BEST, ls=(0, (5, 2.5)), lw=1.6, label=label, zorder=3
    )


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
    ax: Axes, ordered: Sequence[Evaluation], j: int, variable: Variable, colors: tuple[Colormap, Normalize]
) -> None:
    done = _done(ordered)
    x = np.array([float(e.point[j]) for e in ordered])
    if done:
        ax.scatter(
            *([float(e.point[j]) for e in done], [e.value for e in done]),
            c=[e.iteration for e in done],
            cmap=colors[0],
            norm=colors[1],
            s=0.75 * _dot_size(len(ordered)),
            alpha=0.85,
            linewidths=0,
            zorder=3,
        )
        best = _ranked(done)[0]
        ax.scatter(
            *([best.point[j]], [best.value]),
            s=190,
            marker="*",
            color="#E69F00",
            edgecolors=BEST,
            linewidths=0.9,
            zorder=5,
            label="best",
            clip_on=False,
        )
    _draw_valueless(ax, ordered, x.tolist(), counted=False)
    ax.margins(y=0.1)
    _draw_window(ax, variable, x)
    ax.set_xlabel(textwrap.fill(variable.label, _LABEL_WIDTH))
    ax.xaxis.set_major_locator(MaxNLocator(nbins=5))


def _draw_window(ax: Axes, variable: Variable, x: FloatArray) -> None:
    """Limits of the axis: the window or, where points lie beyond it, all points with the window shaded."""
    low, high = min(variable.low, x.min(initial=np.inf)), max(variable.high, x.max(initial=-np.inf))
    slack = 1e-9 * (variable.high - variable.low)
    if low < variable.low - slack or high > variable.high + slack:
        ax.axvspan(variable.low, variable.high, color="#eceef2", lw=0, zorder=0, label="window at the start")
    pad = 0.03 * (high - low)
    ax.set_xlim(low - pad, high + pad)
