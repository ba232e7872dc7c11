"""What changes evaluations after they have been written down, in words and for the ledger.

Every function gives a :class:`~matseek.evaluation.ledger.Change`, or None where nothing would change: a command that is
given again after it was cut off finds its work done.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from matseek.core.problem import Laboratory, Measurement
from matseek.core.records import (
    CORRECTED,
    REPLICATED,
    RUN_OTHERWISE,
    SKIPPED,
    WITHDRAWN,
    Evaluation,
    Status,
)
from matseek.core.space import BoxSpace
from matseek.errors import ResponseError, UnknownEvaluationError
from matseek.evaluation.batch import has_result, same
from matseek.evaluation.ledger import Change

FloatArray = npt.NDArray[np.float64]

_SLACK = 1e-9
"""By how much a value may lie beyond a limit, as a fraction of the range."""

_SHOWN = 6
"""Replicates that a message lists."""


def corrected(
    laboratory: Laboratory,
    before: Evaluation,
    *,
    response: npt.ArrayLike | None = None,
    recipe: Mapping[str, object] | None = None,
    reason: str = "",
) -> Change | None:
    """Another result or another recipe in the place of a recorded one.

    Args:
        laboratory: The problem.
        before: The evaluation.
        response: The right result, as it is told: values ``(r,)`` or spectra ``(r, m)``; NaN for a failure. None where
            it stays.
        recipe: The right values of variables, by name or label; a category's by the value's name. None where all stay.
        reason: Why.

    Raises:
        UnknownEvaluationError: If it has no result yet, or was withdrawn and no result is given.
        ResponseError: If the result has the wrong shape or a variable cannot have the value.
    """
    if before.status == "pending":
        raise UnknownEvaluationError(
            f"evaluation {before.number} has no result yet that could be corrected; tell its result"
        )
    if before.status == "withdrawn" and response is None:
        raise UnknownEvaluationError(f"evaluation {before.number} is withdrawn; give a result with its correction")
    point = before.point if not recipe else point_with(laboratory.space, before.point, recipe)
    measurement = None if response is None else laboratory.reduce(response)
    kept = measurement is None or has_result(before, measurement)
    moved = bool(laboratory.space.differ(point, before.point).any())
    if kept and not moved:
        return None
    if kept:
        measurement = None
    status: Status = before.status if measurement is None else _status(measurement)
    asked = before.asked if not moved or before.asked is not None else before.point
    return _change(laboratory, CORRECTED, before, point, asked, status, measurement, "is corrected", reason)


def replicated(laboratory: Laboratory, before: Evaluation, response: npt.ArrayLike) -> Change | None:
    """Further replicates of an evaluation that has a result; None where these were added last.

    Args:
        laboratory: The problem.
        before: The evaluation.
        response: The further replicates: values ``(r,)`` or spectra ``(r, m)``.

    Raises:
        UnknownEvaluationError: If it has no result to which others could be added.
    """
    if not before.settled:
        raise UnknownEvaluationError(
            f"evaluation {before.number} has no result to which replicates could be added; tell its result"
        )
    known, new = told_response(laboratory, before), np.asarray(response, dtype=np.float64)
    last = before.before
    if last is not None and last.settled:
        earlier = told_response(laboratory, last)
        if same(np.concatenate([earlier, new]) if len(earlier) else new, known):
            return None
    everything = np.concatenate([known, new]) if len(known) else new
    measurement = laboratory.reduce(everything)
    deed = f"has {len(new)} more replicate{'s' if len(new) > 1 else ''}"
    return _change(
        laboratory, REPLICATED, before, before.point, before.asked, _status(measurement), measurement, deed, ""
    )


def run_otherwise(
    laboratory: Laboratory, before: Evaluation, point: FloatArray, measurement: Measurement
) -> Change | None:
    """The result of another recipe than was asked: what was run is the point, what was asked is kept beside it."""
    asked = before.point if before.asked is None else before.asked
    return _change(
        laboratory, RUN_OTHERWISE, before, point, asked, _status(measurement), measurement, "was run otherwise", ""
    )


def withdrawn(laboratory: Laboratory, before: Evaluation, reason: str, *, again: bool = False) -> Change | None:
    """A result that nobody learns from any more.

    Args:
        laboratory: The problem.
        before: The evaluation.
        reason: Why.
        again: Whether the recipe waits for a result again.

    Raises:
        UnknownEvaluationError: If it has no result.
    """
    if again and before.status == "pending" and before.before is not None:
        return None
    if not again and before.status == "withdrawn":
        return None
    if before.status == "pending":
        raise UnknownEvaluationError(f"evaluation {before.number} has no result; skip it if it will not be measured")
    deed = "is withdrawn, and is to be measured again" if again else "is withdrawn"
    status: Status = "pending" if again else "withdrawn"
    point, asked = (before.asked, None) if again and before.asked is not None else (before.point, before.asked)
    return _change(laboratory, WITHDRAWN, before, point, asked, status, None, deed, reason)


def skipped(laboratory: Laboratory, before: Evaluation, reason: str) -> Change | None:
    """A recipe that will not be measured: it waits no more, and is no failure of the recipe.

    Raises:
        UnknownEvaluationError: If it has a result.
    """
    if before.status == "withdrawn":
        return None
    if before.status != "pending":
        raise UnknownEvaluationError(f"evaluation {before.number} has a result; withdraw it if it is not to count")
    return _change(laboratory, SKIPPED, before, before.point, before.asked, "withdrawn", None, "is skipped", reason)


def had_result(evaluation: Evaluation, measurement: Measurement) -> bool:
    """Whether an evaluation had this very result before it was changed."""
    return any(has_result(state, measurement) for state in evaluation.earlier_states)


def begins_with(evaluation: Evaluation, measurement: Measurement) -> bool:
    """Whether a result is what is recorded with further replicates behind it."""
    known, told = evaluation.replicates, np.atleast_1d(measurement.replicates)
    if evaluation.status != "done" or not 0 < len(known) < len(told) or not same(told[: len(known)], known):
        return False
    response = evaluation.response
    if measurement.response is None or response is None:
        return True
    return same(np.atleast_2d(measurement.response)[: len(known)], np.atleast_2d(response))


def told_response(laboratory: Laboratory, evaluation: Evaluation) -> FloatArray:
    """What was told of an evaluation: values ``(r,)`` or spectra ``(r, m)``; with no row where nothing is known."""
    if laboratory.objective is not None:
        response = evaluation.response
        size = laboratory.objective.response_size
        return np.zeros((0, size)) if response is None else np.asarray(response, dtype=np.float64).reshape(-1, size)
    return np.asarray(-evaluation.replicates if laboratory.maximize else evaluation.replicates)


def point_with(space: BoxSpace, point: FloatArray, recipe: Mapping[str, object]) -> FloatArray:
    """A point with other values of some variables; windows, steps and constraints do not count, the hardware does.

    Args:
        space: The space.
        point: Shape ``(d,)``.
        recipe: Values by the variables' names or labels; a category's by the value's name.

    Raises:
        ResponseError: If a variable is unknown, or cannot have the value.
    """
    result = np.array(point, dtype=np.float64)
    known = {key: k for k, v in enumerate(space.variables) for key in (v.label, v.name)}
    for name, value in recipe.items():
        if name not in known:
            raise ResponseError(f"there is no variable {name!r}; the recipe has {[v.name for v in space.variables]}")
        variable = space.variables[known[name]]
        if variable.values:
            names = [v.strip().casefold() for v in variable.values]
            given = str(value).strip().casefold()
            if given not in names:
                raise ResponseError(f"{variable.name} is {value!r}, which is none of {list(variable.values)}")
            result[known[name]] = names.index(given)
            continue
        try:
            number = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError) as error:
            raise ResponseError(f"{variable.label} is {value!r}, which is no number") from error
        low, high = variable.limits
        if not low - _SLACK * (high - low) <= number <= high + _SLACK * (high - low):
            if space.choices is not None:
                raise ResponseError(
                    f"{variable.label} is {number:g}, but the listed recipes have {low:g} to {high:g}; correct it"
                )
            raise ResponseError(
                f"{variable.label} is {number:g}, beyond what the apparatus can do ({low:g} to {high:g}); correct it, "
                "or widen the limits: matseek amend"
            )
        result[known[name]] = number
    return result


def recipe_of(space: BoxSpace, point: FloatArray) -> dict[str, float | str]:
    """A point by the variables' labels, categories by name."""
    return {
        v.label: v.values[round(x)] if v.values else x for v, x in zip(space.variables, point.tolist(), strict=True)
    }


def recipe_changes(space: BoxSpace, point: FloatArray, before: FloatArray) -> str:
    """Which values a recipe has instead of others, in words; empty where there are none."""
    now, then = recipe_of(space, point), recipe_of(space, before)
    differ = space.differ(point, before)[0]
    return ", ".join(
        f"{label} {_cell(now[label])} instead of {_cell(then[label])}"
        for label, other in zip(now, differ, strict=True)
        if other
    )


def result_in_words(laboratory: Laboratory, status: str, value: float, replicates: FloatArray) -> str:
    """A result as a sentence has it."""
    if status != "done":
        return {"pending": "no result"}.get(status, status)
    if laboratory.objective is not None:
        return f"{len(replicates)} spectr{'um' if len(replicates) == 1 else 'a'} of {'loss'} {value:.4g}"
    told = -replicates if laboratory.maximize else replicates
    listed = ", ".join(f"{x:g}" for x in told[:_SHOWN]) + (", ..." if len(told) > _SHOWN else "")
    return f"{laboratory.quantity} {listed}" + (f" {laboratory.value_unit}" if laboratory.value_unit else "")


def _change(
    laboratory: Laboratory,
    kind: str,
    before: Evaluation,
    point: FloatArray,
    asked: FloatArray | None,
    status: Status,
    measurement: Measurement | None,
    deed: str,
    reason: str,
) -> Change:
    space = laboratory.space
    parts = [recipe_changes(space, point, before.point)]
    was = result_in_words(laboratory, before.status, before.value, before.replicates)
    if measurement is not None:
        now = result_in_words(laboratory, status, measurement.value, np.atleast_1d(measurement.replicates))
        parts.append(now if before.status == "pending" else f"{now} instead of {was}")
    elif status != before.status and before.status != "pending":
        parts.append(f"it had {was}")
    said = f" ({reason})" if reason else ""
    message = f"evaluation {before.number} {deed}: {'; '.join(p for p in parts if p)}".rstrip(": ") + said
    data: dict[str, Any] = {
        "before": {
            "status": before.status,
            "value": before.value,
            "replicates": before.replicates,
            "recipe": recipe_of(space, before.point),
        },
        "recipe": recipe_of(space, point),
        "reason": reason,
    }
    if asked is not None:
        data["asked"] = recipe_of(space, asked)
    if measurement is not None:
        data |= {"value": measurement.value, "replicates": measurement.replicates}
    error = (
        f"{deed.removeprefix('is ').split(',')[0]}{': ' + reason if reason else ''}" if status == "withdrawn" else None
    )
    return Change(kind, before, point, asked, status, measurement, message, data, error)


def _status(measurement: Measurement) -> Status:
    return "done" if measurement.error is None else "failed"


def _cell(cell: float | str) -> str:
    return cell if isinstance(cell, str) else f"{cell:g}"
