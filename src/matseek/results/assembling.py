"""Lines of tables, held against what was asked and what is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from matseek.core.problem import Laboratory, Measurement
from matseek.core.records import OWN, Evaluation
from matseek.core.space import Coordinate
from matseek.errors import ResponseError, UnknownEvaluationError
from matseek.evaluation.batch import has_result
from matseek.evaluation.ledger import Change
from matseek.results import changing
from matseek.results.digits import decimals
from matseek.results.findings import Finding, Refusal
from matseek.results.layouts import Line, Sheet
from matseek.results.strange import strange
from matseek.results.taken import Taken
from matseek.results.taking import Taking
from matseek.tables import Place

FloatArray = npt.NDArray[np.float64]

Settle = Callable[[Laboratory, Evaluation, FloatArray, Measurement, FloatArray], Change | None]
"""What becomes of an evaluation that has a result: the problem, the evaluation, the told response, what the problem
makes of it, and the told point; None where nothing does."""


def as_told(
    laboratory: Laboratory, known: Evaluation, response: FloatArray, told: Measurement, point: FloatArray
) -> Change | None:
    """A result that is told again may have further replicates behind those that are known; others are refused.

    Raises:
        UnknownEvaluationError: If it is another result.
    """
    if known.status == "withdrawn":
        raise UnknownEvaluationError(
            f"evaluation {known.number} is withdrawn ({known.error}); if this is its right result, give the table to "
            "matseek correct"
        )
    if has_result(known, told):
        differences = changing.recipe_changes(laboratory.space, point, known.point)
        raise UnknownEvaluationError(
            f"evaluation {known.number} is told with another recipe than is recorded: {differences}; give the table to "
            "matseek correct, where it is the right one"
        )
    if changing.begins_with(known, told) and not laboratory.space.differ(point, known.point).any():
        return changing.replicated(laboratory, known, response[len(known.replicates) :])
    raise UnknownEvaluationError(
        f"evaluation {known.number} is {known.status} already, with other results than those told now: leave it out; "
        "or matseek correct, where these are the right ones; or matseek tell --add, where they are further replicates"
    )


def as_further(
    laboratory: Laboratory,
    known: Evaluation,
    response: FloatArray,
    told: Measurement,  # noqa: ARG001 -- all replicates together make the value
    point: FloatArray,
) -> Change | None:
    """A result is one of further replicates.

    Raises:
        UnknownEvaluationError: If it is told with another recipe.
    """
    if differences := changing.recipe_changes(laboratory.space, point, known.point):
        raise UnknownEvaluationError(
            f"evaluation {known.number}: {differences}; replicates have one recipe, and another is told as a new one: "
            "matseek tell --new, without the evaluation's number"
        )
    return changing.replicated(laboratory, known, response)


def as_correction(reason: str) -> Settle:
    """A result, and a recipe, are right, and those that are known were wrong.

    Args:
        reason: Why they were.
    """

    def settle(
        laboratory: Laboratory,
        known: Evaluation,
        response: FloatArray,
        told: Measurement,  # noqa: ARG001 -- made of the response
        point: FloatArray,
    ) -> Change | None:
        now, then = (changing.recipe_of(laboratory.space, p) for p in (point, known.point))
        moved = laboratory.space.differ(point, known.point)[0]
        recipe = {label: now[label] for label, other in zip(then, moved, strict=True) if other}
        return changing.corrected(laboratory, known, response=response, recipe=recipe, reason=reason)

    return settle


@dataclass(frozen=True)
class Manner:
    """How a table is meant.

    Args:
        settle: What a result of an evaluation that has one means.
        past: Whether results that were replaced by others are passed over when they are told again.
        new: Whether recipes that were never asked are taken.
    """

    settle: Settle = as_told
    past: bool = True
    new: bool = False


class Assembly:
    """Holds the lines of sheets against a campaign.

    Args:
        source: Name of the file or folder.
        sheets: What was read.
        laboratory: The problem, which turns responses into values.
        evaluations: Evaluations of the campaign.
        manner: How the table is meant.
    """

    def __init__(
        self,
        source: str,
        sheets: Sequence[Sheet],
        laboratory: Laboratory,
        evaluations: Sequence[Evaluation],
        manner: Manner,
    ) -> None:
        self.source, self.sheets, self.laboratory, self.manner = source, sheets, laboratory, manner
        # Of equal points the one that waits for a result is meant.
        self.asked = {e.number: e for e in sorted(evaluations, key=lambda e: e.status != "pending")}
        self.refused = [finding for sheet in sheets for finding in sheet.refused]
        self.odd = [finding for sheet in sheets for finding in sheet.odd]
        self.known: list[int] = []
        self.superseded: list[int] = []
        self.waiting: list[int] = []

    def taking(self) -> Taking:
        """What they would add."""
        lines: dict[int, list[Line]] = {}
        strangers: dict[tuple[float, ...], list[Line]] = {}
        for line in (line for sheet in self.sheets for line in sheet.lines):
            try:
                number = self._number(line)
                if number is not None:
                    lines.setdefault(number, []).append(line)
                elif line.results:
                    strangers.setdefault(tuple(self._stranger(line).tolist()), []).append(line)
            except Refusal as refusal:
                self.refused.append(refusal.finding)
        taken, rows = [], 0
        conditions = [(self.asked[number], lines[number]) for number in sorted(lines)]
        for evaluation, told in [*conditions, *((None, told) for told in strangers.values())]:
            try:
                one = self._taken(evaluation, told)
            except Refusal as refusal:
                self.refused.append(refusal.finding)
                continue
            if one is not None:
                rows += sum(bool(line.results) for line in told)
                taken.append(one)
        self.odd += strange(taken, self.laboratory, self.asked.values())
        if not (self.refused or taken or self.known or self.superseded):
            message = (
                "no result stands in the table: all its rows are empty" if self.waiting else "the table has no rows"
            )
            self.refused.append(Finding(None, f"{self.source}: {message}; fill in results, or write failed"))
        return Taking(
            self.source,
            tuple(taken),
            tuple(self.known),
            tuple(self.waiting),
            rows,
            tuple(dict.fromkeys(name for sheet in self.sheets for name in sheet.dropped)),
            tuple(dict.fromkeys(note for sheet in self.sheets for note in sheet.notes)),
            tuple(self.odd),
            tuple(self.refused),
            tuple(self.superseded),
        )

    def _taken(self, evaluation: Evaluation | None, lines: Sequence[Line]) -> Taken | None:
        """What lines of one condition add; None where that is nothing.

        Raises:
            Refusal: If they cannot be taken.
        """
        results = [(result, line) for line in lines for result in line.results]
        if not results:
            if evaluation is not None and evaluation.status == "pending":
                self.waiting.append(evaluation.number)
            return None
        response = np.array([result for result, _ in results])
        measurement = self.laboratory.reduce(response)
        places, first = tuple(line.place for _, line in results), results[0][1]
        if evaluation is None:
            return Taken(None, response, measurement, places, first.told, self._stranger(first))
        try:
            point = self._run(evaluation, lines)
            if has_result(evaluation, measurement) and self._is_known(evaluation, point):
                self.known.append(evaluation.number)
                return None
            if self.manner.past and changing.had_result(evaluation, measurement):
                self.superseded.append(evaluation.number)
                return None
            change = self._change(evaluation, response, measurement, point, lines)
        except (UnknownEvaluationError, ResponseError) as error:
            raise Refusal(
                results[0][1].place, str(error), identity=isinstance(error, UnknownEvaluationError)
            ) from error
        if change is None and evaluation.status != "pending":
            self.known.append(evaluation.number)
            return None
        return Taken(evaluation.number, response, measurement, places, first.told, point, change)

    def _is_known(self, evaluation: Evaluation, point: FloatArray) -> bool:
        """Whether a recipe is the recorded one, or the one that was asked."""
        points = [evaluation.point, *([] if evaluation.asked is None else [evaluation.asked])]
        return any(not self.laboratory.space.differ(point, known).any() for known in points)

    def _change(
        self,
        evaluation: Evaluation,
        response: FloatArray,
        measurement: Measurement,
        point: FloatArray,
        lines: Sequence[Line],
    ) -> Change | None:
        space = self.laboratory.space
        if evaluation.status != "pending":
            return self.manner.settle(self.laboratory, evaluation, response, measurement, point)
        differences = changing.recipe_changes(space, point, evaluation.point)
        if not differences:
            return None
        place = next(iter(self._other_places(evaluation, lines)), lines[0].place)
        self.odd.append(
            Finding(place, f"evaluation {evaluation.number} was run otherwise than asked: {differences}", identity=True)
        )
        return changing.run_otherwise(self.laboratory, evaluation, point, measurement)

    def _number(self, line: Line) -> int | None:
        """The evaluation that a line belongs to; None where nobody was asked for it.

        Raises:
            Refusal: If it belongs to none, and must.
        """
        if line.number is None:
            for number, evaluation in self.asked.items():
                points = [evaluation.point] if evaluation.asked is None else [evaluation.point, evaluation.asked]
                if any(self._is_recipe(line, point) for point in points) and (
                    # What people chose has the digits that they told.
                    evaluation.proposer != OWN
                    or not self.laboratory.space.differ(self._stranger(line), evaluation.point).any()
                ):
                    return number
            if self.manner.new:
                return None
            variables = self.laboratory.space.variables
            told = {v.label: line.told[v.name] for v in variables if v.name in line.told}
            raise Refusal(
                line.place,
                f"the point {told} was never asked (waiting: {self._listed()}); tell only what ask() gave out, or give "
                "own ideas and earlier data with matseek tell --new",
                identity=True,
            )
        if line.number not in self.asked:
            raise Refusal(
                line.place,
                f"evaluation {line.number} is not waiting for a result (waiting: {self._listed()}); tell only what "
                "ask() gave out",
                identity=True,
            )
        return line.number

    def _run(self, evaluation: Evaluation, lines: Sequence[Line]) -> FloatArray:
        """The recipe that was run: what is told where that is another one, else what is recorded.

        Raises:
            Refusal: If lines differ, tell what cannot be set, or tell the recipe of another evaluation.
        """
        points = [self._point(evaluation, line) for line in lines if line.results]
        for line, point in zip((line for line in lines if line.results), points, strict=True):
            if self.laboratory.space.differ(point, points[0]).any():
                raise Refusal(
                    line.place,
                    f"evaluation {evaluation.number} is told with two recipes; replicates have one recipe",
                    identity=True,
                )
            if self.laboratory.space.differ(point, evaluation.point).any():
                for other in self.asked.values():
                    if other.number != evaluation.number and self._is_recipe(line, other.point):
                        raise Refusal(
                            line.place,
                            f"the recipe is that of evaluation {other.number}, not of {evaluation.number}; rows may be "
                            "mixed up: correct the numbers",
                            identity=True,
                        )
        return points[0]

    def _point(self, evaluation: Evaluation, line: Line) -> FloatArray:
        """The recipe of a line; where tables show no more digits, that which is recorded or was asked.

        Raises:
            Refusal: If a variable cannot have the value.
        """
        space = self.laboratory.space
        kept = [evaluation.point] if evaluation.asked is None else [evaluation.point, evaluation.asked]
        for known in kept:
            if all(v.name not in line.told or self._same(v, line, x) for v, x in self._coordinates(known)):
                return known
        other = {v.name: line.told[v.name] for v in self._others(evaluation, line)}
        try:
            return changing.point_with(space, evaluation.point, other)
        except ResponseError as error:
            name = next(iter(other))
            raise Refusal(line.places[name], f"evaluation {evaluation.number}: {error}", identity=True) from error

    def _others(self, evaluation: Evaluation, line: Line) -> list[Coordinate]:
        """Variables of which a line tells another value than is recorded."""
        pairs = self._coordinates(evaluation.point)
        return [v for v, x in pairs if v.name in line.told and not self._same(v, line, x)]

    def _other_places(self, evaluation: Evaluation, lines: Sequence[Line]) -> Iterator[Place]:
        return (line.places[v.name] for line in lines for v in self._others(evaluation, line))

    def _stranger(self, line: Line) -> FloatArray:
        """The point of a line that nobody was asked for.

        Raises:
            Refusal: If it does not tell all variables, or one cannot have its value.
        """
        space = self.laboratory.space
        missing = [v.label for v in space.variables if v.name not in line.told]
        if missing:
            raise Refusal(line.place, f"a recipe that was not asked needs all variables; {missing} are missing")
        try:
            return changing.point_with(space, np.zeros(space.dim), dict(line.told))
        except ResponseError as error:
            raise Refusal(line.place, str(error)) from error

    def _coordinates(self, point: FloatArray) -> list[tuple[Coordinate, float]]:
        return list(zip(self.laboratory.space.variables, point.tolist(), strict=True))

    def _is_recipe(self, line: Line, point: FloatArray) -> bool:
        """Whether a line tells all variables, and those of a point."""
        return all(self._same(v, line, x) for v, x in self._coordinates(point))

    def _same(self, variable: Coordinate, line: Line, asked: float) -> bool:
        """Whether a recipe tells what was asked, or that rounded as tables show it."""
        told = line.told.get(variable.name)
        if told is None:
            return False
        if variable.values:
            return str(told).strip().casefold() == variable.values[round(asked)].strip().casefold()
        if isinstance(told, str):
            return False
        shown = decimals(variable, asked)
        offset = abs(told - asked)
        if variable.periodic:
            offset = min(offset, abs(variable.high - variable.low - offset))
        return offset <= max(0.5000001 * 10.0**-shown, 1e-6 * abs(asked) if variable.high <= variable.low else 0.0) or (
            offset <= 1e-6 * (variable.high - variable.low) and not getattr(variable, "log", False)
        )

    def _listed(self) -> str:
        return ", ".join(str(n) for n, e in self.asked.items() if e.status == "pending") or "nothing"
