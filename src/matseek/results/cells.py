"""What the cells of a table of results say: numbers, failures, limits, or nothing yet."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from matseek.results.findings import Finding, Refusal
from matseek.results.units import conversion, spelled
from matseek.tables import Grid, Numerals, Percent, Place, Unusable

_FAILED = re.compile(r"(failed|failure|fail|skip|skipped)\b.*", re.IGNORECASE | re.DOTALL)
_OVER = re.compile(r"(over|ovr|overflow|ovrflw|over ?range|sat|saturated|out of range)[.!]*", re.IGNORECASE)
_LIMIT = re.compile(r"[<>\u2264\u2265]=?\s*(.+)")
_WITH_UNIT = re.compile(r"([+\-\u2212]?[\d.,]+(?:[eE][+-]?\d+)?)\s*([^\d\s.,][^\d]*)")
_NOTHING = frozenset(
    {"nan", "na", "n/a", "n.a.", "n.d.", "nd", "-", "--", "\u2013", "\u2014", "none", "null", "?", "x"}
)

FAILED = math.nan
"""What a cell says that holds a word for a failure; an empty cell says nothing, which is None."""


@dataclass(eq=False)
class Cells:
    """Reads the cells of a grid, and collects what is odd.

    Args:
        grid: The grid.
        numerals: How it writes numbers.
        odd: Where findings go that should be asked about.
    """

    grid: Grid
    numerals: Numerals
    odd: list[Finding] = field(default_factory=list)

    def place(self, row: int, column: int, heading: str | None = None) -> Place:
        """Where a cell stands."""
        return self.grid.place(row, column, heading)

    def number(self, row: int, column: int, heading: str, unit: str | None = None) -> float | None:
        """The number of a cell that must hold one; None where it is empty.

        Args:
            row: Row of the grid.
            column: Column of the grid.
            heading: What the column is called.
            unit: The unit of its numbers; None where there is none.

        Raises:
            Refusal: If it holds something else.
        """
        content = self.grid.cell(row, column)
        place = self.place(row, column, heading)
        if content is None or isinstance(content, float):
            return self._finite(content, place)
        if isinstance(content, Percent):
            if unit is not None and spelled(unit) == "%":
                return 100 * content.number
            raise Refusal(
                place,
                f"{content} is shown as per cent, and stored as {content.number:g}; format the cell as a number",
            )
        if isinstance(content, Unusable):
            raise Refusal(place, f"{content}; {_remedy(content)}")
        return self._of_text(content, place, unit)

    def result(self, row: int, column: int, heading: str, unit: str | None = None) -> float | None:
        """A measured number, :data:`FAILED` where a word says so, None where the cell is empty.

        Raises:
            Refusal: If it holds something else.
        """
        content = self.grid.cell(row, column)
        place = self.place(row, column, heading)
        if (row, column) in self.grid.joined and content is not None:
            raise Refusal(place, "the cell is joined with others; a result stands in a cell of its own: split it")
        if isinstance(content, str):
            if _FAILED.fullmatch(content):
                return FAILED
            if _OVER.fullmatch(content):
                self.odd.append(Finding(place, f"{content!r} is beyond the instrument's range; it counts as failed"))
                return FAILED
            limit = _LIMIT.fullmatch(content)
            if limit is not None:
                number = self._of_text(limit[1].strip(), place, unit)
                self.odd.append(Finding(place, f"{content!r} is a limit of detection; taken as the limit {number:g}"))
                return number
        return self.number(row, column, heading, unit)

    def _of_text(self, text: str, place: Place, unit: str | None) -> float:
        if text.lower() in _NOTHING:
            raise Refusal(place, f"{text!r} may be a failure or a gap; write failed, or leave the cell empty")
        try:
            number = self.numerals.number(text)
        except ValueError as error:
            raise Refusal(place, str(error)) from error
        if number is not None:
            return number
        match = _WITH_UNIT.fullmatch(text)
        if match is not None:
            try:
                number = self.numerals.number(match[1])
                if number is not None and unit is not None:
                    return conversion(match[2], unit)(number)
            except ValueError as error:
                raise Refusal(place, f"{text!r}: {error}") from error
            if number is not None:
                raise Refusal(place, f"{text!r} has a unit, and the column none; write the number alone")
        raise Refusal(place, f"{text[:60]!r} is not a number; correct it, write failed, or leave the cell empty")

    @staticmethod
    def _finite(number: float | None, place: Place) -> float | None:
        if number is not None and not math.isfinite(number):
            raise Refusal(place, f"{number} is not finite; no instrument measures it: correct it, or write failed")
        return number


def _remedy(content: Unusable) -> str:
    if content.what.startswith(("a date", "a time", "a duration")):
        return "a number may have become it (5.1 is 5 January to some): format the cell as a number, type it again"
    if content.what.startswith("TRUE"):
        return "write the number that was measured, or failed"
    if content.what.startswith("a formula"):
        return "or write the number itself"
    return "correct it, or write failed"
