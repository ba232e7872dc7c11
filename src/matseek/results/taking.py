"""What a table would add to a campaign: taken measurement by measurement, with what speaks against it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from matseek.core.problem import Laboratory, Measurement
from matseek.core.records import Evaluation
from matseek.core.space import BoxSpace, Coordinate
from matseek.errors import ResponseError, UnknownEvaluationError
from matseek.evaluation.batch import Batch, is_recorded
from matseek.results.digits import decimals
from matseek.results.findings import Finding
from matseek.results.layouts import Line, Sheet
from matseek.tables import Place

FloatArray = npt.NDArray[np.float64]

_SHOWN = 10
"""Findings that an error lists."""

_LARGEST_ABSORBANCE = 10.0
"""More is no absorbance that an instrument measures."""

_FAR, _FAR_IN_LOGARITHMS, _ENOUGH = 20.0, 6.0, 5
"""How many robust deviations from the others make a value odd, and how many others it takes to say so."""


@dataclass(frozen=True, eq=False)
class Taken:
    """The result of one evaluation.

    Args:
        number: The evaluation.
        response: Values ``(r,)`` or spectra ``(r, m)`` of its replicates; NaN where a measurement failed.
        measurement: What the problem makes of it.
        places: Where each replicate stands.
        told: The recipe that the table tells, in the variables' units, by name; empty where it tells none.
    """

    number: int
    response: FloatArray
    measurement: Measurement
    places: tuple[Place, ...]
    told: Mapping[str, float | str]

    @property
    def failed(self) -> bool:
        """Whether it has no value."""
        return self.measurement.error is not None


@dataclass(frozen=True, eq=False)
class Taking:
    """What a table of results would add to a campaign.

    Nothing has been written down: the command line and the page show it, ask where something is odd, and give
    :meth:`batch` to :meth:`matseek.Campaign.tell`.

    Args:
        source: Name of the file or folder.
        space: The campaign's recipes.
        taken: Results that are new, in the order of the evaluations' numbers.
        known: Evaluations whose results are recorded already and are told again, unchanged.
        waiting: Evaluations of the table without a result, which stay pending.
        rows: Rows with a new result.
        dropped: Columns that were not read.
        notes: How the table was read.
        odd: What should be asked before it is taken.
        refused: Why it is not taken; empty where it is.
        points: The points of the taken evaluations, shape ``(n, d)``.
    """

    source: str
    space: BoxSpace
    taken: tuple[Taken, ...]
    known: tuple[int, ...]
    waiting: tuple[int, ...]
    rows: int
    dropped: tuple[str, ...]
    notes: tuple[str, ...]
    odd: tuple[Finding, ...]
    refused: tuple[Finding, ...]
    points: FloatArray

    @cached_property
    def summary(self) -> str:
        """What is taken, in one line."""
        if self.refused:
            return f"{self.source}: refused, nothing is taken"
        replicates = [len(t.response) for t in self.taken if not t.failed]
        parts = [
            _counted(self.rows, "row"),
            _counted(len(self.taken), "condition"),
            f"{_range(replicates)} {'replicate' if replicates and max(replicates) == 1 else 'replicates'} each"
            if replicates
            else "",
            _counted(sum(t.failed for t in self.taken), "failure"),
            f"{len(self.waiting)} left open" if self.waiting else "",
            f"{len(self.known)} known already" if self.known else "",
            f"not read: {', '.join(self.dropped)}" if self.dropped else "no column dropped",
        ]
        told = ", ".join(part for part in parts if part)
        how = f" ({'; '.join(dict.fromkeys(self.notes))})" if self.notes else ""
        return f"{self.source}: {told}{how}"

    def require(self) -> Taking:
        """Itself.

        Raises:
            UnknownEvaluationError: If a result belongs to nothing that was asked, or another is recorded already.
            ResponseError: If anything else speaks against taking it.
        """
        if self.refused:
            lines = [str(finding) for finding in self.refused[:_SHOWN]]
            if len(self.refused) > _SHOWN:
                lines.append(f"and {len(self.refused) - _SHOWN} more")
            raise (UnknownEvaluationError if self.refused[0].identity else ResponseError)("\n".join(lines))
        return self

    def batch(self) -> Batch:
        """The new results, for :meth:`matseek.Campaign.tell`.

        Raises:
            ValueError: As :meth:`require`.
        """
        self.require()
        return Batch(
            self.space, tuple(t.number for t in self.taken), self.points, tuple(t.response for t in self.taken)
        )

    @classmethod
    def of(
        cls, source: str, sheets: Sequence[Sheet], laboratory: Laboratory, evaluations: Sequence[Evaluation]
    ) -> Taking:
        """What sheets that were read would add to a campaign.

        Args:
            source: Name of the file or folder.
            sheets: What was read.
            laboratory: The problem, which turns responses into values.
            evaluations: Evaluations of the campaign.
        """
        return _Assembly(source, sheets, laboratory, evaluations).taking()


class _Assembly:
    """Holds lines against what was asked."""

    def __init__(
        self, source: str, sheets: Sequence[Sheet], laboratory: Laboratory, evaluations: Sequence[Evaluation]
    ) -> None:
        self.source, self.sheets, self.laboratory = source, sheets, laboratory
        # Of equal points the one that waits for a result is meant.
        self.asked = {e.number: e for e in sorted(evaluations, key=lambda e: e.status != "pending")}
        self.refused = [finding for sheet in sheets for finding in sheet.refused]
        self.odd = [finding for sheet in sheets for finding in sheet.odd]

    def taking(self) -> Taking:
        lines: dict[int, list[Line]] = {}
        for line in (line for sheet in self.sheets for line in sheet.lines):
            try:
                lines.setdefault(self._number(line), []).append(line)
            except UnknownEvaluationError as error:
                place = getattr(error, "place", line.place)
                self.refused.append(Finding(place, str(error), identity=True))
        taken, known, waiting, rows = [], [], [], 0
        for number in sorted(lines):
            results = [(result, line) for line in lines[number] for result in line.results]
            if not results:
                if self.asked[number].status == "pending":
                    waiting.append(number)
                continue
            response = np.array([result for result, _ in results])
            measurement = self.laboratory.reduce(response)
            first = lines[number][0]
            one = Taken(number, response, measurement, tuple(line.place for _, line in results), first.told)
            try:
                if is_recorded(self.asked[number], measurement):
                    known.append(number)
                    continue
            except UnknownEvaluationError as error:
                self.refused.append(Finding(results[0][1].place, str(error), identity=True))
                continue
            rows += sum(bool(line.results) for line in lines[number])
            taken.append(one)
        self.odd += self._strange(taken)
        if not (self.refused or taken or known):
            told = "no result stands in the table: all its rows are empty" if waiting else "the table has no rows"
            self.refused.append(Finding(None, f"{self.source}: {told}; fill in results, or write failed"))
        points = np.array([self.asked[t.number].point for t in taken]).reshape(-1, self.laboratory.space.dim)
        return Taking(
            self.source,
            self.laboratory.space,
            tuple(taken),
            tuple(known),
            tuple(waiting),
            rows,
            tuple(dict.fromkeys(name for sheet in self.sheets for name in sheet.dropped)),
            tuple(dict.fromkeys(note for sheet in self.sheets for note in sheet.notes)),
            tuple(self.odd),
            tuple(self.refused),
            points,
        )

    def _number(self, line: Line) -> int:
        """The evaluation that a line belongs to.

        Raises:
            UnknownEvaluationError: If it belongs to none, or tells another recipe than was asked.
        """
        variables = self.laboratory.space.variables
        if line.number is None:
            for number, evaluation in self.asked.items():
                if all(self._same(v, line, x) for v, x in zip(variables, evaluation.point, strict=True)):
                    return number
            told = {v.label: line.told[v.name] for v in variables if v.name in line.told}
            raise UnknownEvaluationError(
                f"the point {told} was never asked (waiting: {self._listed()}); tell only what ask() gave out"
            )
        if line.number not in self.asked:
            raise UnknownEvaluationError(
                f"evaluation {line.number} is not waiting for a result (waiting: {self._listed()}); tell only what "
                "ask() gave out"
            )
        for variable, x in zip(variables, self.asked[line.number].point, strict=True):
            if variable.name in line.told and not self._same(variable, line, x):
                wanted = variable.values[round(x)] if variable.values else f"{x:g}"
                given = line.told[variable.name]
                shown = given if isinstance(given, str) else f"{given:g}"
                error = UnknownEvaluationError(
                    f"evaluation {line.number}: {variable.label} is {shown} in the results, but {wanted} was asked; a "
                    "changed recipe is another point, measure the one asked"
                )
                error.place = line.places[variable.name]  # type: ignore[attr-defined]
                raise error
        return line.number

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
            offset <= 1e-6 * (variable.high - variable.low) and not _logarithmic(variable)
        )

    def _listed(self) -> str:
        return ", ".join(str(n) for n, e in self.asked.items() if e.status == "pending") or "nothing"

    def _strange(self, taken: Sequence[Taken]) -> list[Finding]:
        """What should be asked about numbers that were read without doubt."""
        if self.laboratory.objective is None:
            return self._far(taken)
        return [*self._beyond(taken)]

    def _far(self, taken: Sequence[Taken]) -> list[Finding]:
        told = [(float(v), t.number, p) for t in taken for v, p in zip(t.response, t.places, strict=True)]
        told = [(v, n, p) for v, n, p in told if np.isfinite(v)]
        sign = -1.0 if getattr(self.laboratory, "maximize", False) else 1.0
        earlier = [sign * x for e in self.asked.values() if e.status == "done" for x in e.replicates if np.isfinite(x)]
        everything = np.array([*(v for v, _, _ in told), *earlier])
        if len(everything) <= _ENOUGH:
            return []
        far = _deviations(everything) > _FAR
        if (everything > 0).all():
            far &= _deviations(np.log(everything)) > _FAR_IN_LOGARITHMS
        middle = float(np.median(everything))
        return [
            Finding(p, f"{v:g} of evaluation {n} is far from the others, whose median is {middle:g}")
            for (v, n, p), strange in zip(told, far, strict=False)
            if strange
        ]

    def _beyond(self, taken: Sequence[Taken]) -> Iterable[Finding]:
        objective = self.laboratory.objective
        assert objective is not None
        spectra = [(s, t.number, p) for t in taken for s, p in zip(t.response, t.places, strict=True)]
        spectra = [(s, n, p) for s, n, p in spectra if np.isfinite(s).all()]
        if not spectra:
            return
        huge = [(s, n, p) for s, n, p in spectra if np.abs(s).max() > _LARGEST_ABSORBANCE]
        if huge:
            peak = max(float(np.abs(s).max()) for s, _, _ in huge)
            yield Finding(
                huge[0][2],
                f"{_counted(len(huge), 'spectrum', 'spectra')} of up to {peak:g} cannot be absorbances"
                f"{_others(huge)}; they may be in mAU or %T: write the unit into the heading, as in 'absorbance (mAU)'",
            )
        for fault, has in objective.faults(np.array([s for s, _, _ in spectra])).items():
            which = [place for (_, _, place), wrong in zip(spectra, has, strict=True) if wrong]
            if len(which) * 2 > len(spectra):
                yield Finding(which[0], f"{len(which)} of {len(spectra)} spectra are {fault}")


def _logarithmic(variable: Coordinate) -> bool:
    return bool(getattr(variable, "log", False))


def _deviations(values: FloatArray) -> FloatArray:
    """Distances from the median in robust standard deviations."""
    middle = np.median(values)
    offset = np.abs(values - middle)
    scale = max(1.4826 * float(np.median(offset)), 1e-3 * abs(float(middle)), np.finfo(np.float64).tiny ** 0.5)
    return np.asarray(offset / scale)


def _others(found: Sequence[tuple[FloatArray, int, Place]]) -> str:
    rows = [str(place.row or place.column or place.file) for _, _, place in found[1:6]]
    return f" (also {', '.join(rows)}{', ...' if len(found) > 6 else ''})" if rows else ""


def _counted(count: int, one: str, many: str | None = None) -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"


def _range(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return f"{low}" if low == high else f"{low}-{high}"
