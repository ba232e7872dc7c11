"""A batch on its way to the laboratory and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matseek.core.problem import Laboratory, Measurement
from matseek.core.records import Evaluation
from matseek.core.space import BoxSpace
from matseek.errors import ResponseError, UnknownEvaluationError

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]

NUMBER = "evaluation"


@dataclass(frozen=True, eq=False)
class Batch:
    """Conditions to be measured, and later their results.

    Args:
        space: The space of the points.
        numbers: Number of each evaluation in the ledger.
        points: Shape ``(n, d)``, in the variables' units.
        responses: Response of each condition, as the oracle would give it; None until measured.
    """

    space: BoxSpace
    numbers: tuple[int, ...]
    points: FloatArray
    responses: tuple[npt.NDArray[np.floating[Any]], ...] | None = None

    @classmethod
    def of(cls, space: BoxSpace, evaluations: Sequence[Evaluation]) -> Batch:
        """The batch of some evaluations."""
        points = np.array([e.point for e in evaluations]).reshape(-1, space.dim)
        return cls(space, tuple(e.number for e in evaluations), points)

    def __len__(self) -> int:
        return len(self.numbers)

    def to_frame(self) -> pd.DataFrame:
        """One row per condition: its evaluation number, then the variables with units."""
        frame = self.space.to_frame(self.points)
        frame.insert(0, NUMBER, list(self.numbers))
        return frame

    def with_responses(self, responses: npt.ArrayLike | Sequence[npt.ArrayLike]) -> Batch:
        """The batch with its results.

        Args:
            responses: One entry per condition, in order: a value, replicate values ``(r,)``, a spectrum ``(m,)`` or
                spectra ``(r, m)``; the number of replicates may differ between conditions.

        Raises:
            ResponseError: If their number is not the number of conditions.
        """
        if isinstance(responses, Mapping) or hasattr(responses, "columns"):
            raise ResponseError(
                f"responses came as a {type(responses).__name__}; give an array or a list in the batch's "
                "order, or give the whole table to tell()"
            )
        entries = tuple(np.asarray(entry, dtype=np.float64) for entry in responses)  # type: ignore[union-attr]
        if len(entries) != len(self):
            raise ResponseError(
                f"{len(entries)} responses were given for {len(self)} conditions; give one per condition, "
                "NaN where a measurement failed"
            )
        return replace(self, responses=entries)


def measurements(told: Batch, problem: Laboratory, evaluations: Sequence[Evaluation]) -> list[tuple[int, Measurement]]:
    """The measurements of a batch, checked against what was asked; those that are recorded already are left out.

    Args:
        told: A batch with responses.
        problem: The problem, which turns responses into values.
        evaluations: Evaluations of the campaign.

    Returns:
        Number of each evaluation and its measurement.

    Raises:
        UnknownEvaluationError: If a result belongs to nothing that was asked, or another result is recorded already.
        ResponseError: If a response has the wrong shape or wavelengths.
    """
    asked = {e.number: e for e in evaluations}
    if told.responses is None:
        raise ResponseError("the batch carries no responses; tell(batch.with_responses(...))")
    _require_asked(told.numbers, told.points, told.space, asked)
    measured = [(n, problem.reduce(r)) for n, r in dict(zip(told.numbers, told.responses, strict=True)).items()]
    return [(number, measurement) for number, measurement in measured if not is_recorded(asked[number], measurement)]


def is_recorded(evaluation: Evaluation, measurement: Measurement) -> bool:
    """Whether an evaluation has this very result already.

    Raises:
        UnknownEvaluationError: If it has another one.
    """
    if evaluation.status == "pending":
        return False
    if not has_result(evaluation, measurement):
        raise UnknownEvaluationError(
            f"evaluation {evaluation.number} is {evaluation.status} already, with other results than those told now: "
            "leave it out, or correct it"
        )
    return True


def has_result(evaluation: Evaluation, measurement: Measurement) -> bool:
    """Whether an evaluation, as it is, has this very result; of spectra every absorbance counts."""
    if evaluation.status != ("done" if measurement.error is None else "failed"):
        return False
    if not same(np.atleast_1d(measurement.replicates), evaluation.replicates):
        return False
    told, known = measurement.response, evaluation.response
    if told is None or known is None or (np.isnan(told).all() and np.isnan(known).all()):
        return True
    return same(np.atleast_2d(told), np.atleast_2d(known))


def same(a: npt.NDArray[np.floating[Any]], b: npt.NDArray[np.floating[Any]]) -> bool:
    """Whether numbers are the same but for rounding."""
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=1e-9, atol=0, equal_nan=True))


def _require_asked(
    numbers: Sequence[int], points: FloatArray, space: BoxSpace, asked: Mapping[int, Evaluation]
) -> None:
    for number, point in zip(numbers, points, strict=True):
        if number not in asked:
            raise UnknownEvaluationError(
                f"evaluation {number} is not waiting for a result (waiting: {_listed(asked)}); "
                "tell only what ask() gave out"
            )
        off = space.differ(point, asked[number].point)[0]
        if off.any():
            label = space.labels[int(np.flatnonzero(off)[0])]
            told, wanted = space.to_frame(np.vstack([point, asked[number].point]))[label]
            raise UnknownEvaluationError(
                f"evaluation {number}: {label} is {_shown(told)} in the results, but {_shown(wanted)} was asked; a "
                "changed recipe is another point, measure the one asked"
            )


def _shown(cell: float | str) -> str:
    return cell if isinstance(cell, str) else f"{cell:g}"


def _listed(asked: Mapping[int, Evaluation]) -> str:
    return ", ".join(str(n) for n, evaluation in asked.items() if evaluation.status == "pending") or "nothing"
