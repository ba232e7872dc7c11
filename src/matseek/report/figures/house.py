"""The house style: colours, names, axes and legends that all figures share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from matseek.core.problem import Problem
from matseek.core.records import Evaluation
from matseek.core.surrogate import Look
from matseek.report.looks import looks_among
from matseek.report.proposers import searcher_kind

FloatArray = npt.NDArray[np.float64]

INK = "#33363b"

FAINT = "#d9dce1"

MUTED = "#686e77"

BEST = "#1b1e23"

FAILED = "#b3202a"

SUCCESS = "#00795a"

STAR = "#E69F00"

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

LAYERS: list[str | Path | dict[str, Any]] = ["default", _STYLE]

_LOG_FROM = 30.0
"""Ratio of the largest to the least value from which the best ones would lie flat on a linear axis."""


def in_order(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """Evaluations by number."""
    return sorted(evaluations, key=lambda e: e.number)


def done_of(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """Evaluations that gave a value."""
    return [e for e in evaluations if e.status == "done"]


def looks_of(evaluations: Sequence[Evaluation]) -> dict[str, Look]:
    """Colour and marker of each proposer, in order of appearance; the same in every figure of a campaign."""
    proposers = list(dict.fromkeys(e.proposer for e in evaluations))
    kinds = {name: searcher_kind(name) for name in proposers}
    return looks_among({name: None if kind is None else kind.look for name, kind in kinds.items()})


def dot_size(n: int) -> float:
    """Area of a dot in points squared: smaller where there are many."""
    return float(np.clip(4000 / max(n, 1), 8, 30))


def axes_of(height: float) -> tuple[Figure, Axes]:
    """A figure as wide as a page with one pair of axes."""
    figure = Figure(figsize=(8.2, height), layout="constrained")
    ax = figure.add_subplot()
    tidy(ax)
    return figure, ax


def single_axes(problem: Problem, xlabel: str, height: float) -> tuple[Figure, Axes]:
    """One pair of axes with whole numbers along x and the value along y."""
    figure, ax = axes_of(height)
    ax.set_xlabel(xlabel)
    ax.set_ylabel(problem.value_label)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=12, min_n_ticks=1))
    return figure, ax


def tidy(ax: Axes) -> None:
    """Quiet ticks and grid."""
    # Ticks are made when a figure is drawn, outside the style's context, so they need to be told.
    ax.tick_params(labelsize=9, colors=INK, color=MUTED, length=3, width=0.8)
    ax.grid(axis="y", color=FAINT, linewidth=0.6)


def legend(figure: Figure, columns: int = 5) -> None:
    """A legend of all axes below them, where it can cover nothing; none where nothing is named."""
    named: dict[str, Any] = {}
    for ax in figure.axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            named.setdefault(label, handle)
    if named:
        columns = math.ceil(len(named) / math.ceil(len(named) / columns))  # rows of about the same length
        figure.legend(list(named.values()), list(named), loc="outside lower center", ncols=columns)


def scale_values(ax: Axes, problem: Problem, values: npt.ArrayLike) -> None:
    """A logarithmic value axis, and a word that it is one, where late progress would be invisible without."""
    values = np.asarray(values, dtype=np.float64)
    level = problem.success_below
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
        ax.set_ylabel(f"{problem.value_label} (log scale)")


def as_told(figure: Figure, problem: Problem) -> Figure:
    """The figure with values as people tell them: of what is maximised not the negatives, larger ones above."""
    axes = [] if problem.sign > 0 else [ax for ax in figure.axes if problem.value_label in ax.get_ylabel()]
    for ax in axes:
        ax.set_ylabel(ax.get_ylabel().replace(problem.value_label, problem.told_label).replace(", least", ", most"))
        if not ax.yaxis_inverted():  # as another axis that shares it
            ax.invert_yaxis()
            ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{-value:g}"))
    return figure


def draw_star(ax: Axes, x: float, y: float, label: str, size: float = 200.0) -> None:
    """The star that marks the best in every figure; whole even at the edge of the axes."""
    ax.scatter(
        *([x], [y]),
        s=size,
        marker="*",
        color=STAR,
        edgecolors=BEST,
        linewidths=0.9,
        zorder=5,
        label=label,
        clip_on=False,
    )


def say_nothing_yet(ax: Axes) -> None:
    """Words in place of data."""
    ax.set_ylim(0, 1)
    say(ax, "no evaluation has a value yet")


def say(ax: Axes, words: str) -> None:
    """Words in the middle of axes that have nothing to show."""
    ax.text(0.5, 0.5, words, ha="center", va="center", color=MUTED, transform=ax.transAxes)


def axis_label(text: str) -> str:
    """A label as it is printed: microlitres are typed ``uL``, in files and settings."""
    return text.replace("uL", "\N{MICRO SIGN}L")


def draw_valueless(ax: Axes, ordered: Sequence[Evaluation], x: Sequence[float], counted: bool) -> None:
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
