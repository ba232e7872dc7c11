"""A batch on its way to the laboratory and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from matseek.core.problem import Laboratory, Measurement
from matseek.core.records import Evaluation
from matseek.core.space import BoxSpace
from matseek.errors import ResponseError, UnknownEvaluationError
from matseek.problems.objective import resample

FloatArray = npt.NDArray[np.float64]

NUMBER = "evaluation"
VALUE = "value"


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
        if isinstance(responses, (Mapping, pd.DataFrame)):
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


def read_results(
    told: Batch | pd.DataFrame, problem: Laboratory, evaluations: Sequence[Evaluation], *, resampling: bool = False
) -> list[tuple[int, Measurement]]:
    """Results that were told, checked against what was asked; those that are recorded already are left out.

    Args:
        told: A batch with responses, or a table. A table has a row per condition, or per replicate of a condition;
            it names the condition by a column ``evaluation`` or by the variables themselves, and carries a column
            ``value``, or one column per wavelength where the problem has a spectral objective.
        problem: The problem, which turns responses into values.
        evaluations: Evaluations of the campaign.
        resampling: Whether a table's spectra on other wavelengths than the objective's are interpolated on these;
            else they are refused.

    Returns:
        Number of each evaluation and its measurement.

    Raises:
        UnknownEvaluationError: If a result belongs to nothing that was asked, or another result is recorded already.
        ResponseError: If a response has the wrong shape or wavelengths.
    """
    # Of equal points the one that waits for a result is meant.
    asked = {e.number: e for e in sorted(evaluations, key=lambda e: e.status != "pending")}
    if not isinstance(told, (Batch, pd.DataFrame)):
        raise ResponseError(f"results came as a {type(told).__name__}; tell(batch.with_responses(...)) or a table")
    if isinstance(told, Batch):
        if told.responses is None:
            raise ResponseError("the batch carries no responses; tell(batch.with_responses(...))")
        responses: Mapping[int, npt.ArrayLike] = dict(zip(told.numbers, told.responses, strict=True))
        _require_asked(told.numbers, told.points, told.space, asked)
    else:
        responses = _responses_of(told, problem, asked, resampling)
    measured = [(number, problem.reduce(response)) for number, response in responses.items()]
    return [(number, measurement) for number, measurement in measured if not _is_recorded(asked[number], measurement)]


def _is_recorded(evaluation: Evaluation, measurement: Measurement) -> bool:
    """Whether an evaluation has this very result already.

    Raises:
        UnknownEvaluationError: If it has another one.
    """
    if evaluation.status == "pending":
        return False
    message, known = np.atleast_1d(measurement.replicates), evaluation.replicates
    same_status = evaluation.status == ("done" if measurement.error is None else "failed")
    if not same_status or message.shape != known.shape or not np.allclose(message, known, rtol=1e-9, equal_nan=True):
        raise UnknownEvaluationError(
            f"evaluation {evaluation.number} is {evaluation.status} already, with other results than those told now; a "
            "ledger's entries are never changed: leave it out, or ask for the point again"
        )
    return True


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


def _responses_of(
    frame: pd.DataFrame, problem: Laboratory, asked: Mapping[int, Evaluation], resampling: bool
) -> dict[int, npt.ArrayLike]:
    numbers = _numbers_of(frame, problem.space, asked)
    if problem.objective is None:
        if VALUE not in frame.columns:
            raise ResponseError(f"the table has no column {VALUE!r} with the results; it has {list(frame.columns)}")
        results = _numbers(frame, VALUE)[:, None]
    else:
        results = _spectra(frame, problem.objective.wavelengths, resampling)
    responses: dict[int, npt.ArrayLike] = {}
    for number in dict.fromkeys(numbers.tolist()):
        rows = results[numbers == number]
        responses[int(number)] = rows[:, 0] if problem.objective is None else rows
    return responses


def _numbers_of(frame: pd.DataFrame, space: BoxSpace, asked: Mapping[int, Evaluation]) -> npt.NDArray[np.int64]:
    has_points = all(v.label in frame.columns or v.name in frame.columns for v in space.variables)
    if NUMBER in frame.columns:
        given = _numbers(frame, NUMBER)
        if not np.array_equal(given, np.round(given)):
            raise UnknownEvaluationError(
                f"column {NUMBER!r} holds {given.tolist()}; give the numbers that ask() gave out"
            )
        numbers = given.astype(np.int64)
        points = (
            space.from_frame(frame)
            if has_points
            else np.array([asked[n].point if n in asked else np.full(space.dim, np.nan) for n in numbers])
        )
        _require_asked(numbers.tolist(), points, space, asked)
        return numbers
    if not has_points:
        raise UnknownEvaluationError(
            f"the table names no conditions: give a column {NUMBER!r} with the numbers that ask() gave out, "
            f"or the columns {list(space.labels)}"
        )
    return np.array([_number_at(point, space, asked) for point in space.from_frame(frame)], dtype=np.int64)


def _number_at(point: FloatArray, space: BoxSpace, asked: Mapping[int, Evaluation]) -> int:
    for number, evaluation in asked.items():
        if not space.differ(point, evaluation.point).any():
            return number
    raise UnknownEvaluationError(
        f"the point {space.to_frame(point).iloc[0].to_dict()} was never asked "
        f"(waiting: {_listed(asked)}); tell only what ask() gave out"
    )


def _shown(cell: float | str) -> str:
    return cell if isinstance(cell, str) else f"{cell:g}"


def _listed(asked: Mapping[int, Evaluation]) -> str:
    return ", ".join(str(n) for n, evaluation in asked.items() if evaluation.status == "pending") or "nothing"


def _spectra(frame: pd.DataFrame, wavelengths: FloatArray, resampling: bool) -> FloatArray:
    """The table's spectra on the objective's wavelengths, shape ``(rows, m)``."""
    result = {w: c for c in frame.columns if (w := _as_number(c)) is not None}
    if len(result) < sum(_as_number(c) is not None for c in frame.columns):
        raise ResponseError("the table has several columns for the same wavelength; keep one each")
    given = np.array(sorted(result))
    same = given.shape == wavelengths.shape and np.abs(given - wavelengths).max() <= 1e-6
    if not same and not (resampling and len(given) > 1):
        extent = f"{given[0]:g}-{given[-1]:g} nm" if len(given) else "none"
        raise ResponseError(
            f"the table has {len(given)} wavelength columns ({extent}), but the target has {len(wavelengths)} "
            f"({wavelengths[0]:g}-{wavelengths[-1]:g} nm); measure on the target's wavelengths, or ask for resampling: "
            "matseek tell --resample, tell(..., resampling=True)"
        )
    spectra = np.column_stack([_numbers(frame, result[w]) for w in given])
    return spectra if same else resample(spectra, given, wavelengths)


def _numbers(frame: pd.DataFrame, column: object) -> FloatArray:
    """A column's numbers, NaN where a cell is empty; text is a mistake, not a failed measurement."""
    cells = frame[column]
    numbers = pd.to_numeric(cells, errors="coerce")
    mistaken = np.flatnonzero(numbers.isna().to_numpy() & cells.notna().to_numpy())
    if len(mistaken):
        raise ResponseError(
            f"column {column!r}, row {int(mistaken[0])}: {cells.iloc[int(mistaken[0])]!r} is not a number; correct it "
            "(a decimal point, not a comma), or leave the cell empty where the measurement failed"
        )
    return numbers.to_numpy(dtype=np.float64)


def _as_number(column: object) -> float | None:
    try:
        return float(str(column).removesuffix("nm").strip())
    except ValueError:
        return None
