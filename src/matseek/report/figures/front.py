"""Several objectives against each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from matseek.core.goals import FurtherObjective
from matseek.core.problem import Problem
from matseek.core.records import Evaluation
from matseek.report.figures.house import (
    BEST,
    LAYERS,
    MUTED,
    FloatArray,
    axis_label,
    done_of,
    dot_size,
    draw_star,
    in_order,
    legend,
    looks_of,
    say_nothing_yet,
    scale_values,
    tidy,
)
from matseek.report.proposers import proposer_label

_MOST_COLUMNS = 3


@style.context(LAYERS)
def pareto_front(problem: Problem, evaluations: Sequence[Evaluation]) -> Figure:
    """The value against each further objective, a panel each, with the Pareto front.

    What does not meet the constraints on outcomes is drawn as crosses. With one further objective the front is a line;
    with more, the members of the front are marked.

    Args:
        problem: A problem with further objectives.
        evaluations: The campaign's evaluations.

    Raises:
        ValueError: If the problem has no further objective.
    """
    objectives = problem.goals.objectives
    if not objectives:
        raise ValueError(f"problem {problem.name!r} has one objective; draw convergence, batches or recipes")
    done = done_of(in_order(evaluations))
    columns = min(len(objectives), _MOST_COLUMNS)
    rows = -(-len(objectives) // columns)
    figure = Figure(figsize=(max(5.8, 3.6 * columns), 3.6 * rows + 0.5), layout="constrained")
    panels: list[Axes] = list(figure.subplots(rows, columns, sharey=True, squeeze=False).flat)
    for spare in panels[len(objectives) :]:
        spare.remove()
    for place, (ax, goal) in enumerate(zip(panels, objectives, strict=False)):
        tidy(ax)
        _draw_panel(ax, problem, goal, done, as_line=len(objectives) == 1)
        scale_values(ax, problem, [e.value for e in done])
        ax.set_ylabel(problem.value_label if place % columns == 0 else "")
        ax.set_xlabel(f"{axis_label(goal.outcome.label)}, {'more' if goal.maximize else 'less'} is better")
        ax.tick_params(labelbottom=True)
    legend(figure, columns=1 + 2 * columns)
    return figure


def _draw_panel(
    ax: Axes, problem: Problem, goal: FurtherObjective, done: Sequence[Evaluation], *, as_line: bool
) -> None:
    goals = problem.goals
    if not done:
        say_nothing_yet(ax)
        return
    column = goals.place(goal.outcome)

    def places(kept: Sequence[Evaluation]) -> tuple[FloatArray, FloatArray]:
        return goals.table(kept)[:, column], np.array([e.value for e in kept])

    feasible = goals.feasible(done)
    size = dot_size(len(done))
    beyond = [e for e, meets in zip(done, feasible, strict=True) if not meets]
    if beyond:
        label = "does not meet the constraints"
        ax.scatter(*places(beyond), s=size, color=MUTED, marker="x", linewidths=0.8, label=label, zorder=2)
    meeting = [e for e, meets in zip(done, feasible, strict=True) if meets]
    for proposer, (color, marker) in looks_of(done).items():
        own = [e for e in meeting if e.proposer == proposer]
        if own:
            label = proposer_label(proposer)
            ax.scatter(
                *places(own), s=size, color=color, marker=marker, alpha=0.85, linewidths=0, label=label, zorder=3
            )
    front = goals.front(done)
    if as_line and front:
        x, y = places(front)
        order = np.argsort(x, kind="stable")
        # Between two members of the front nothing is known to be better than the worse of both.
        side: Literal["pre", "post"] = "pre" if goal.maximize else "post"
        ax.step(x[order], y[order], where=side, color=BEST, lw=1.6, label="Pareto front", zorder=4)
    elif front:
        ax.scatter(*places(front), s=3 * size, facecolors="none", edgecolors=BEST, label="Pareto front", zorder=4)
    for best in problem.ranked(done)[:1]:
        x, y = places([best])
        if np.isfinite(x[0]):
            draw_star(ax, float(x[0]), float(y[0]), f"{'least' if problem.sign > 0 else 'most'} {problem.told_name}")
