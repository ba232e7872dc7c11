"""Searchers side by side: what each had found after so many evaluations, and in how many runs it had succeeded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, PercentFormatter

from matseek.insight.success import SuccessRate
from matseek.problems import Problem
from matseek.report.figures.house import LAYERS, FloatArray, axes_of, legend, value_label, value_name

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

Traces = Mapping[str, Sequence[pd.DataFrame]]
"""By searcher, the trace of each run: its evaluations in order with their best value so far."""


def searcher_label(name: str) -> str:
    """How people read a searcher's name."""
    return {
        "rss": "random structure search",
        "godiff": "GO-Diff",
        "godiff_ffg": "GO-Diff, force guidance",
        "godiff_corrector": "GO-Diff, corrector only",
        "godiff_transfer": "GO-Diff, transfer",
        "lhs": "Latin hypercube",
        "bayesian": "Bayesian",
        "two_step": "two steps",
    }.get(name, name.replace("_", " "))


def looks_of_searchers(searchers: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Colour and dashes of each searcher; the same in every figure of a comparison."""
    return {name: _LOOKS[place % len(_LOOKS)] for place, name in enumerate(searchers)}


@style.context(LAYERS)
def best_against_evaluations(problem: Problem, traces: Traces) -> Figure:
    """The best value so far against evaluations: the median over runs, and the band of the middle half.

    A run that has ended keeps its best; a curve ends where the longest run does.

    Args:
        problem: The problem.
        traces: Of the complete runs.
    """
    figure, ax = axes_of(4.4)
    ax.set_ylabel(f"Best {value_name(problem)} so far{_unit(problem)}")
    _count_logarithmically(ax)
    lowest = min((t["best_value"].min() for runs in traces.values() for t in runs), default=0.0)
    highest = []
    for name, (color, dashes) in looks_of_searchers(list(traces)).items():
        if not traces[name]:
            continue
        counts, curves = best_curves(traces[name])
        low, middle, high = np.nanquantile(curves, [0.25, 0.5, 0.75], axis=0)
        ax.plot(counts, middle, color=color, ls=dashes, lw=1.8, label=searcher_label(name))
        ax.fill_between(counts, low, high, color=color, alpha=0.15, lw=0)
        # The first few values say nothing, and would leave no room for the rest.
        highest.append(float(high[np.searchsorted(counts, min(10, counts[-1]))]))
    if highest:
        ax.set_ylim(lowest - 0.03 * (max(highest) - lowest), max(highest))
    legend(figure)
    return figure


@style.context(LAYERS)
def solved_against_evaluations(rates: Mapping[str, SuccessRate], budgets: Mapping[str, int]) -> Figure:
    """The share of runs that had succeeded against evaluations, up to each searcher's budget.

    Args:
        rates: Successes by searcher; those without a run are left out.
        budgets: Evaluations that each may have.
    """
    figure, ax = axes_of(3.4)
    ax.set_ylabel("Runs that have succeeded")
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set_ylim(-0.03, 1.03)
    _count_logarithmically(ax)
    for name, (color, dashes) in looks_of_searchers(list(rates)).items():
        if rates[name].runs:
            counts = np.unique(np.round(np.geomspace(1, budgets[name], 400)))
            ax.step(counts, rates[name].solved_by(counts), where="post", color=color, ls=dashes, lw=1.8)
            ax.plot([], [], color=color, ls=dashes, lw=1.8, label=searcher_label(name))
    legend(figure)
    return figure


@style.context(LAYERS)
def values_by_iteration(problem: Problem, traces: Traces) -> Figure:
    """The median value of what each searcher tried, in windows of evaluations: whether it has learnt where to look.

    Args:
        problem: The problem.
        traces: Of the complete runs.
    """
    figure, ax = axes_of(3.8)
    ax.set_ylabel(f"Median {value_name(problem)} of what was tried{_unit(problem)}")
    _count_logarithmically(ax)
    for name, (color, dashes) in looks_of_searchers(list(traces)).items():
        if traces[name]:
            tried = pd.concat(traces[name])
            edges = np.unique(np.round(np.geomspace(1, tried["evaluation"].max() + 1, 25))).tolist()
            window = pd.cut(tried["evaluation"], edges, right=False, labels=False)
            middle = tried.groupby(window)["value"].median()
            at = tried.groupby(window)["evaluation"].median()
            ax.plot(at, middle, color=color, ls=dashes, lw=1.8, label=searcher_label(name))
    legend(figure)
    return figure


def best_curves(runs: Sequence[pd.DataFrame]) -> tuple[FloatArray, FloatArray]:
    """Counts of evaluations ``(k,)``, and each run's best value by then, shape ``(runs, k)``; NaN before its first."""
    last = max(int(t["evaluation"].max()) for t in runs)
    counts = np.unique(np.round(np.geomspace(1, max(last, 1), 300)))
    curves = []
    for trace in runs:
        place = np.searchsorted(trace["evaluation"].to_numpy(), counts, side="right") - 1
        best = np.minimum.accumulate(trace["value"].fillna(np.inf).to_numpy())
        curves.append(np.where(place >= 0, best[place.clip(0)], np.nan))
    found = np.array(curves, dtype=np.float64)
    return counts, np.where(np.isfinite(found), found, np.nan)


def _count_logarithmically(ax: Axes) -> None:
    ax.set_xscale("log")
    ax.set_xlabel("Evaluations (log scale)")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    ax.xaxis.set_minor_formatter(NullFormatter())


def _unit(problem: Problem) -> str:
    label = value_label(problem)
    return label[label.index(" (") :] if " (" in label else ""
