"""The laboratory's side of a campaign: what is asked, told and changed by hand, without searcher and model."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from matseek.core.problem import Laboratory, Measurement
from matseek.core.records import OWN, TOLD_NEW, Evaluation, Event
from matseek.errors import ResponseError, UnknownEvaluationError
from matseek.evaluation.batch import Batch, measurements
from matseek.evaluation.ledger import Change, Ledger
from matseek.results import changing
from matseek.results.assembling import Manner, as_correction, as_further, as_told
from matseek.results.entry import Entry
from matseek.results.findings import Finding
from matseek.results.reading import read_results
from matseek.results.taking import Taking

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

_LISTED = 10
"""Unchanged evaluations that a summary lists."""


@dataclass(frozen=True, eq=False)
class Changes:
    """What evaluations are to become; nothing has been written down.

    Args:
        changes: The change of each.
        unchanged: Evaluations that are so already.
    """

    changes: tuple[Change, ...]
    unchanged: tuple[int, ...] = ()
    results: tuple[tuple[int, Measurement], ...] = ()
    new: tuple[tuple[npt.NDArray[np.float64], Measurement], ...] = ()
    odd: tuple[Finding, ...] = ()
    refused: tuple[Finding, ...] = ()
    source: str = "changes"

    @property
    def summary(self) -> str:
        """What changes, a line for each evaluation."""
        lines = [change.message for change in self.changes]
        if self.unchanged:
            listed = ", ".join(map(str, self.unchanged[:_LISTED]))
            lines.append(f"so already: {listed}{', ...' if len(self.unchanged) > _LISTED else ''}")
        return "\n".join(lines)

    def require(self) -> Changes:
        """Itself."""
        return self


class Logbook:
    """Previews what is told and changed by hand, and writes it down.

    Every preview is an :class:`~matseek.results.Entry`: ``summary``, ``odd`` and ``refused`` are shown,
    :meth:`write` writes it down, all of it or nothing. What was there before stays in the ledger. A preview that would
    change nothing any more is written without an error, so that a command may be given again after it was cut off.

    Args:
        laboratory: The problem, whose results are told.
        ledger: The campaign's ledger.

    Example:
        >>> changes = campaign.logbook.correction(3, response=[71.5, 70.2], reason="typing error")
        >>> print(changes.summary)
        >>> campaign.tell(changes)
    """

    def __init__(self, laboratory: Laboratory, ledger: Ledger) -> None:
        self.laboratory, self.ledger = laboratory, ledger

    def waiting(self) -> Batch:
        """The points that wait for results, in the order in which they were asked.

        Raises:
            ValueError: If none does.
        """
        pending = self.ledger.evaluations(status="pending")
        if not pending:
            raise ValueError("no point waits for a result; ask for the next batch")
        return Batch.of(self.laboratory.space, pending)

    def preview(
        self,
        results: Path | pd.DataFrame,
        *,
        resampling: bool = False,
        sheet: str | None = None,
        adding: bool = False,
        new: bool = False,
        columns: Mapping[str, str] | None = None,
    ) -> Taking:
        """What a table of results would add.

        Args:
            results: A file, a folder or a frame, see :func:`matseek.results.read_results`.
            resampling: Whether spectra on other wavelengths are interpolated on the objective's.
            sheet: Name of the sheet of a workbook; None where one sheet alone holds results.
            adding: Whether results of evaluations that have some are further replicates.
            new: Whether recipes that were never asked are taken: own ideas, earlier data.
            columns: Names of variables, and of what is measured, by headings that the table has in their place.
        """
        manner = Manner(as_further if adding else as_told, past=not adding, new=new)
        return read_results(
            results,
            self.laboratory,
            self.ledger.evaluations(),
            resampling=resampling,
            sheet=sheet,
            manner=manner,
            columns=columns,
        )

    def corrections(
        self,
        results: Path | pd.DataFrame,
        *,
        resampling: bool = False,
        sheet: str | None = None,
        reason: str = "",
    ) -> Taking:
        """What changes where the results and recipes of a table are the right ones.

        Args:
            results: As for :meth:`preview`.
            resampling: As for :meth:`preview`.
            sheet: As for :meth:`preview`.
            reason: Why the recorded ones were wrong.
        """
        manner = Manner(as_correction(reason), past=False)
        evaluations = self.ledger.evaluations()
        return read_results(results, self.laboratory, evaluations, resampling=resampling, sheet=sheet, manner=manner)

    def correction(
        self,
        number: int,
        response: npt.ArrayLike | None = None,
        recipe: Mapping[str, object] | None = None,
        reason: str = "",
    ) -> Changes:
        """What becomes of an evaluation whose result or recipe was recorded wrongly.

        Args:
            number: The evaluation.
            response: The right result, as it is told: a value, values ``(r,)`` or spectra ``(r, m)``; NaN for a
                failure. None where it stays.
            recipe: The right values of variables, by name; None where all stay.
            reason: Why.

        Raises:
            UnknownEvaluationError: If there is no such evaluation, or it has no result.
            ResponseError: If the result has the wrong shape, or a variable cannot have the value.
        """
        if response is None and not recipe:
            raise ResponseError(f"evaluation {number}: nothing is corrected; give a result, a recipe, or both")

        def change(evaluation: Evaluation) -> Change | None:
            return changing.corrected(self.laboratory, evaluation, response=response, recipe=recipe, reason=reason)

        return self._changes([number], change)

    def withdrawal(self, numbers: Sequence[int], reason: str = "", *, again: bool = False) -> Changes:
        """What becomes of evaluations whose results nobody shall learn from.

        Args:
            numbers: The evaluations.
            reason: Why.
            again: Whether they are to be measured again.

        Raises:
            UnknownEvaluationError: If there is no such evaluation, or it has no result.
        """
        return self._changes(numbers, lambda e: changing.withdrawn(self.laboratory, e, reason, again=again))

    def skipping(self, numbers: Sequence[int], reason: str = "") -> Changes:
        """What becomes of evaluations that will not be measured; they are no failures of their recipes.

        Args:
            numbers: The evaluations.
            reason: Why.

        Raises:
            UnknownEvaluationError: If there is no such evaluation, or it has a result.
        """
        return self._changes(numbers, lambda e: changing.skipped(self.laboratory, e, reason))

    def _changes(self, numbers: Sequence[int], change: Callable[[Evaluation], Change | None]) -> Changes:
        known = {e.number: e for e in self.ledger.evaluations()}
        made: list[Change] = []
        unchanged: list[int] = []
        for number in dict.fromkeys(numbers):
            if number not in known:
                extent = f"it has 1 to {max(known)}" if known else "it has none"
                raise UnknownEvaluationError(f"the campaign has no evaluation {number}; {extent}")
            one = change(known[number])
            if one is None:
                unchanged.append(number)
            else:
                made.append(one)
        return Changes(tuple(made), tuple(unchanged))

    def write(self, entry: Entry) -> None:
        """Write down what a preview tells; all of it or, if that fails, nothing.

        Raises:
            UnknownEvaluationError: If it was refused, or an evaluation has been changed since the preview.
            ResponseError: If it was refused.
        """
        entry.require()
        with self.ledger.locked():
            if entry.new:
                self._add(entry)
            elif entry.results or entry.changes:
                self.ledger.record(entry.results, entry.changes)

    def _add(self, entry: Entry) -> None:
        """Write down points that nobody was asked for, with whatever else the preview tells."""
        points = np.array([point for point, _ in entry.new])
        tried = self.ledger.evaluations()
        for point in points:
            if any(e.proposer == OWN and not self.laboratory.space.differ(point, e.point).any() for e in tried):
                raise UnknownEvaluationError(
                    f"a recipe of {entry.source} has been written down since it was read; give the command again"
                )
        count = len(points)
        message = f"{count} recipe{'s' if count > 1 else ''} never asked {'are' if count > 1 else 'is'} told: "
        told = Event(TOLD_NEW, message + entry.source, {"source": entry.source, "recipes": count})
        self.ledger.add(points, [m for _, m in entry.new], told, entry.results, entry.changes)

    def tell(self, batch: Batch) -> None:
        """Write down a batch with its responses; what the ledger holds already is passed over.

        Raises:
            UnknownEvaluationError: If a result belongs to nothing that was asked, or another result is recorded.
            ResponseError: If a response has the wrong shape or wavelengths.
        """
        with self.ledger.locked():
            self.ledger.record(measurements(batch, self.laboratory, self.ledger.evaluations()))
