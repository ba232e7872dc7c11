"""A campaign in sentences: what it found, whether its goal was reached, how far to trust it, and what to do next."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from matseek.core.problem import Problem, Structures
from matseek.core.records import CONFIDENCE, Evaluation, lowest_of
from matseek.core.space import Coordinate
from matseek.report.digits import amount, counted, unit_after, value_text, value_texts

FloatArray = npt.NDArray[np.float64]

_AT_EDGE = 0.02
"""What counts as at the edge of a window, as a fraction of it."""


def verdict(problem: Problem, ordered: Sequence[Evaluation]) -> str:
    """The campaign in one sentence."""
    message = sum(e.settled for e in ordered)
    best = first_ranked(problem, ordered)
    if best is None and message:
        return f"None of the {counted(message, 'measured condition')} gave a {problem.told_name}."
    if best is None:
        waiting = counted(len(ordered), "condition") + (" waits" if len(ordered) == 1 else " wait")
        return "Nothing has been measured yet" + (f"; {waiting} for the laboratory." if ordered else ".")
    value = value_text(problem, best.value)
    recipe = ", ".join(
        f"{v.name}\u00a0{amount(v, x)}{unit_after(v)}" for v, x in zip(problem.space.readable, best.point, strict=False)
    )
    if not recipe:
        return f"Best {problem.told_name} {value} after {counted(message, 'evaluation')} (number {best.number})."
    return f"Best {problem.told_name} {value} after {counted(message, 'measured condition')}: {recipe}."


def outcome(problem: Problem, summary: Mapping[str, Any]) -> list[str]:
    """Whether the goal was reached, in sentences; none where there is no goal.

    Of structures both are said: whether one solves the problem as evaluated, and whether one relaxes to a solution.

    Args:
        problem: The problem.
        summary: The campaign's summary, or what ``summary.json`` holds.
    """
    return [*_goal(problem, summary), *_earlier(problem, summary)]


def _earlier(problem: Problem, summary: Mapping[str, Any]) -> list[str]:
    """What the campaign has begun with, and whether its own best is better."""
    earlier = summary.get("earlier")
    if not earlier:
        return []
    message = f"The campaign began with {counted(earlier['evaluations'], 'earlier evaluation')}"
    before, own = earlier["best_value"], summary.get("best_value")
    if before is None:
        return [f"{message}, none of which has a {problem.told_name}; they are not counted as its own."]
    best = f"the best of which has the {problem.told_name} {value_text(problem, before)}"
    better = "" if own is None else f": its own best is {'better' if own < before else 'not better'}"
    return [f"{message}, {best}{better}. They are not counted as its own."]


def _goal(problem: Problem, summary: Mapping[str, Any]) -> list[str]:
    structures = problem.as_structures()
    if structures is not None:
        return [*_outcome_as_evaluated(summary), *_outcome_relaxed(structures, summary), *_judged(structures, summary)]
    atoms = problem.as_atoms()
    if atoms is not None and atoms.success_criterion is not None and summary.get("success") is not None:
        return [*_outcome_as_evaluated(summary), f"It is solved by a structure where {atoms.success_criterion}."]
    level = problem.success_below
    if level is None or summary.get("success") is None:
        return []
    side = "below" if problem.sign > 0 else "above"
    goal = f"The goal, a {problem.told_name} {side} {problem.sign * level:g},"
    if not summary["success"]:
        return [f"{goal} has not been reached."]
    first = summary.get("evaluations_to_success")
    return [f"{goal} was reached" + (f" with condition {first}." if first is not None else ".")]


def first_ranked(problem: Problem, ordered: Sequence[Evaluation]) -> Evaluation | None:
    """The best as far as replicates tell; None where nothing has a value."""
    return next(iter(problem.ranked(ordered)), None)


def trust(problem: Problem, ordered: Sequence[Evaluation]) -> list[str]:
    """How far the best can be trusted, in sentences; none where it has no replicates."""
    best, lowest = first_ranked(problem, ordered), lowest_of(ordered)
    if best is None or lowest is None or math.isnan(best.spread):
        return []
    replicates, bound = len(best.finite_replicates), value_texts([best.value, problem.sign * best.upper_bound()])[1]
    lowest_word, at_most = ("lowest", "at most") if problem.sign > 0 else ("highest", "at least")
    sentences = [
        f"The best {problem.point_name} is the one whose {replicates} replicates support the {lowest_word} bound: with "
        f"{100 * CONFIDENCE:g} % confidence its expected {problem.told_name} is {at_most} {bound}."
    ]
    faults = {} if problem.objective is None else problem.objective.faults(_spectra(best))
    counts = {fault: int(which.sum()) for fault, which in faults.items() if which.any()}
    found = [f"{count} {'is' if count == 1 else 'are'} {fault}" for fault, count in counts.items()]
    if found:
        sentences.append(f"Of its replicates {' and '.join(found)}.")
    if lowest.number != best.number:
        value, spread = value_texts([problem.sign * lowest.value], [lowest.spread])
        sentences.append(
            f"Evaluation {lowest.number} has the {lowest_word} {problem.told_name}, {value}"
            + (f" ± {spread}" if spread else "")
            + ", but its replicates support less."
        )
    return sentences


def _spectra(evaluation: Evaluation) -> FloatArray:
    """The spectra of an evaluation's replicates that were measured completely, shape ``(r, m)``."""
    response = np.atleast_2d(np.asarray(evaluation.response, dtype=np.float64))
    return np.asarray(response[np.isfinite(response).all(axis=1)])


def _outcome_as_evaluated(summary: Mapping[str, Any]) -> list[str]:
    if summary.get("success") is None:
        return []
    if not summary["success"]:
        return ["As evaluated, no structure solves the problem."]
    return [f"As evaluated, the problem is solved, first by evaluation {summary.get('evaluations_to_success')}."]


def _outcome_relaxed(problem: Structures, summary: Mapping[str, Any]) -> list[str]:
    if not problem.recognises:
        return []
    if summary.get("relaxed_success") is None:
        return [
            "Whether a structure relaxes to a solution has not been looked at; “matseek report FOLDER --relaxed” does, "
            "and calls the calculator for it."
        ]
    calls = f"({summary.get('relaxation_calls')} calls of the calculator to find out, which are no evaluations)"
    if not summary["relaxed_success"]:
        return [f"No structure relaxes to a solution {calls}."]
    first = summary.get("evaluations_to_relaxed_success")
    return [f"Relaxed, the problem is solved, first from evaluation {first} {calls}."]


def _judged(problem: Structures, summary: Mapping[str, Any]) -> list[str]:
    """By which test success is judged."""
    evaluated = problem.success_criterion if summary.get("success") is not None else None
    relaxed = problem.relaxed_criterion if problem.recognises else None
    if evaluated is None and relaxed is None:
        return []
    if None in (evaluated, relaxed) or evaluated == relaxed:
        return [f"It is solved by a structure where {evaluated or relaxed}."]
    return [f"It is solved by a structure where {evaluated}; relaxed, where {relaxed}."]


def met(problem: Problem, ordered: Sequence[Evaluation]) -> list[str]:
    """How many conditions meet the constraints on outcomes, in a sentence; none where there are no constraints."""
    rules, done = problem.goals.constraints, [e for e in ordered if e.status == "done"]
    if not rules or not done:
        return []
    met = int(problem.goals.feasible(done).sum())
    wanted = ", ".join(map(str, rules))
    if not met:
        return [f"No condition meets what is required of the outcomes ({wanted}); the best is the best of the others."]
    return [f"{met} of {counted(len(done), 'condition')} meet what is required of the outcomes ({wanted})."]


def next_steps(problem: Problem, summary: Mapping[str, Any], ordered: Sequence[Evaluation]) -> list[str]:
    """What to do next, in sentences."""
    hints = []
    pending = sum(e.status == "pending" for e in ordered)
    if pending:
        verb = "is" if pending == 1 else "are"
        hints.append(
            f"{counted(pending, 'condition')} {verb} to be measured (listed below). Enter the results with "
            "“matseek tell”; the next batch learns from them."
        )
    elif summary.get("stopped_by") == "budget":
        hints.append(
            "The budget is spent. To go on, give the same command a larger budget: what is measured is kept and "
            "nothing is measured twice."
        )
    elif summary.get("stopped_by") == "no_points_left":
        hints.append("Every point that may be tried has been tried: measure the best ones again, or add candidates.")
    elif summary.get("stopped_by") is not None:
        hints.append(
            f"The campaign ended because of {str(summary['stopped_by']).replace('_', ' ')} (see When to stop). To go "
            "on all the same, run it again without that level: what is measured is kept."
        )
    else:
        hints.append("The campaign is still open. Ask for the next batch, or run the same command again.")
    hints += [str(warning) for warning in summary.get("warnings") or ()]
    best = first_ranked(problem, ordered)
    if best is not None:
        hints += [
            _edge_hint(v, float(x)) for v, x in zip(problem.space.readable, best.point, strict=False) if _edge(v, x)
        ]
    failed = sum(e.status == "failed" for e in ordered)
    measured = sum(e.settled for e in ordered)
    if measured and failed >= 0.2 * measured:
        hints.append(
            f"{failed} of {counted(measured, 'condition')} failed. Look at the messages above before more are "
            "measured: failed conditions cost as much as others and teach little."
        )
    return hints or ["Nothing is waiting. More measurements may still improve on the best recipe."]


def _edge(variable: Coordinate, x: float) -> str:
    """The side of its window at the start on which a number lies; empty if on none, or beyond it.

    A periodic variable has no ends.
    """
    if variable.periodic:
        return ""
    if variable.values or not variable.high > variable.low:  # nothing lies beyond a name or a fixed value
        return ""
    share = (float(x) - variable.low) / (variable.high - variable.low)
    return "lower" if abs(share) <= _AT_EDGE else "upper" if abs(share - 1) <= _AT_EDGE else ""


def _edge_hint(variable: Coordinate, x: float) -> str:
    side = _edge(variable, x)
    end, limit = (variable.low, variable.limits[0]) if side == "lower" else (variable.high, variable.limits[1])
    text = f"The best recipe lies at the {side} end of the window of {variable.name} ({end:g}{unit_after(variable)})"
    if limit != end and variable.widest != variable.limits:
        return f"{text}, which is hard. The apparatus can go to {limit:g}{unit_after(variable)}."
    if limit != end:
        return (
            f"{text}. The apparatus can go to {limit:g}{unit_after(variable)}: a wider window may hold better recipes."
        )
    if variable.limits != (variable.low, variable.high):
        return f"{text}, which is as far as the apparatus goes."
    return f"{text}. If the apparatus can go further, a wider window may hold better recipes."
