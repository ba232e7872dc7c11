"""How a campaign got better: value by value, and batch by batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import matplotlib as mpl
import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from matseek.core.problem import Problem
from matseek.core.records import Evaluation
from matseek.insight.convergence import best_so_far
from matseek.report.figures.house import (
    BEST,
    FAINT,
    LAYERS,
    MUTED,
    SUCCESS,
    FloatArray,
    done_of,
    dot_size,
    draw_valueless,
    in_order,
    legend,
    looks_of,
    say_nothing_yet,
    scale_values,
    single_axes,
)
from matseek.report.proposers import proposer_label

_MOST_BATCH_LINES = 60

_MOST_BATCH_NUMBERS = 12

_FEWEST_IN_A_BOX = 3


@style.context(LAYERS)
def convergence(problem: Problem, evaluations: Sequence[Evaluation]) -> Figure:
    """Value of each evaluation against its number, with the best so far.

    Args:
        problem: The problem; its success level is drawn if it has one.
        evaluations: The campaign's evaluations; failed and pending ones are ticks along the top.
    """
    ordered = in_order(evaluations)
    figure, ax = single_axes(problem, "Evaluation", height=4.4)
    _draw_batch_boundaries(ax, ordered)
    size = dot_size(len(ordered))
    for proposer, (color, marker) in looks_of(ordered).items():
        own = [e for e in done_of(ordered) if e.proposer == proposer]
        if own:
            x, y = [e.number for e in own], [e.value for e in own]
            label = proposer_label(proposer)
            ax.scatter(x, y, s=size, color=color, marker=marker, alpha=0.85, linewidths=0, label=label, zorder=3)
    _draw_best_so_far(ax, ordered)
    _draw_success_level(ax, problem)
    scale_values(ax, problem, [e.value for e in done_of(ordered)])
    if problem.as_structures() is not None:
        _leave_out_the_highest(ax, done_of(ordered))
    draw_valueless(ax, ordered, [float(e.number) for e in ordered], counted=True)
    _limit_to_numbers(ax, ordered)
    legend(figure)
    return figure


@style.context(LAYERS)
def batches(problem: Problem, evaluations: Sequence[Evaluation]) -> Figure:
    """Values per batch: boxes of the individual replicates (droplets), dots for the conditions' medians.

    Proposers that share a batch stand side by side in it.

    Args:
        problem: The problem; its success level is drawn if it has one.
        evaluations: The campaign's evaluations; those without a value are left out.
    """
    ordered = in_order(evaluations)
    done = done_of(ordered)
    figure, ax = single_axes(problem, "Batch", height=4.0)
    labelled: set[str] = set()
    looks = looks_of(ordered)
    size = 0.7 * dot_size(len(ordered))
    for iteration in sorted({e.iteration for e in done}):
        present = [p for p in looks if any(e.proposer == p and e.iteration == iteration for e in done)]
        width = 0.8 / len(present)
        for k, proposer in enumerate(present):
            own = [e for e in done if e.iteration == iteration and e.proposer == proposer]
            centre = iteration - 0.4 + (k + 0.5) * width
            label = "_nolegend_" if proposer in labelled else proposer_label(proposer)
            labelled.add(proposer)
            _draw_box(ax, _replicates(own), centre, 0.86 * width, looks[proposer][0])
            _draw_medians(ax, own, centre, 0.62 * width, (*looks[proposer], size), label)
    _draw_success_level(ax, problem)
    scale_values(ax, problem, _replicates(done))
    last = max((e.iteration for e in ordered), default=1)
    ax.set_xlim(0.4, last + 0.6)
    if not done:
        say_nothing_yet(ax)
    legend(figure)
    return figure


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
    message = [e for e in ordered if e.settled]
    best = best_so_far([e.value for e in message])
    if not np.isfinite(best).any():
        say_nothing_yet(ax)
        return
    ax.step([e.number for e in message], best, where="post", color=BEST, lw=1.6, label="best so far", zorder=4)


def _draw_success_level(ax: Axes, problem: Problem) -> None:
    level = problem.success_below
    if level is not None:
        ax.axhline(level, color=SUCCESS, ls=(0, (5, 3)), lw=1.2, label=f"success below {level:g}", zorder=2)


def _leave_out_the_highest(ax: Axes, done: Sequence[Evaluation]) -> None:
    """Marks at the top stand for energies of atoms that nearly overlap, beside which all others would lie flat."""
    values = np.array([e.value for e in done])
    if not len(values):
        return
    low, top = values.min(), float(np.percentile(values, 90))
    top += 0.2 * (top - low)
    beyond = [e.number for e in done if e.value > top]
    if beyond and top > low:
        ax.set_ylim(low - 0.05 * (top - low), top)
        ax.plot(
            *(beyond, [0.985] * len(beyond)),
            transform=ax.get_xaxis_transform(),
            ls="none",
            marker="^",
            ms=4,
            color=MUTED,
            label=f"higher ({len(beyond)})",
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
    ax: Axes, own: Sequence[Evaluation], centre: float, width: float, look: tuple[str, str, float], label: str
) -> None:
    """Conditions from left to right in the order in which they were asked."""
    color, marker, size = look
    offsets = np.linspace(-0.5, 0.5, len(own)) * width if len(own) > 1 else np.zeros(1)
    ax.scatter(
        *(centre + offsets, [e.value for e in own]),
        s=size,
        color=color,
        marker=marker,
        alpha=0.9,
        linewidths=0,
        zorder=3,
        label=label,
    )
