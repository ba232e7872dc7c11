"""A row for each wavelength, and a column for each measurement, or for a single one that the file's name names."""

from __future__ import annotations

import re

from matseek.results.findings import Finding, Refusal
from matseek.results.headings import Designation, Kind, absorbance_of, designation
from matseek.results.layouts.asking import Asking
from matseek.results.layouts.instruments import told_unit
from matseek.results.layouts.lines import Line, Sheet
from matseek.results.layouts.numbers import is_number
from matseek.results.layouts.reader import Reader
from matseek.results.layouts.spectra import picked
from matseek.results.layouts.table import Table

_UNITS = re.compile(r"[\[(]\s*(m?au|m?od|%t?|abs)\s*[\])]", re.IGNORECASE)
_NO_SAMPLE = re.compile(r"(baseline|blank|dark|reference|zero)\b.*", re.IGNORECASE | re.DOTALL)
"""Spectra that are of no sample."""

_NAMELESS = (
    "the spectrum names no evaluation; head its column with the number of one, or name the file after it: 12.csv, "
    "evaluation-12.csv, 12_3.csv for its third replicate"
)


class Columns(Reader):
    """Reads spectra that stand in columns, beside one column of wavelengths or each beside its own.

    Args:
        table: The table.
        asking: What the campaign wants to be told.
        sheet: Where lines and findings go.
        stem: Name of the file without its ending, which names the evaluation of a single spectrum; None where it must
            not.
    """

    def __init__(self, table: Table, asking: Asking, sheet: Sheet, stem: str | None) -> None:
        self._rows = _of_numbers(table)
        super().__init__(table, asking, sheet, self._rows)
        self._stem = stem

    def read(self) -> None:
        """Read all columns of spectra."""
        self._require_rows()
        for column, known, source in self._named():
            try:
                self._read(column, known, source)
            except Refusal as refusal:
                self.sheet.refused.append(refusal.finding)

    def _require_rows(self) -> None:
        """Refuse absorbances without a wavelength and cells without a heading; tell of text that is passed over."""
        waves = self.table.columns(Kind.WAVELENGTHS)
        if not self._rows:
            raise Refusal(self.place(self.table.head, waves[0]), "no wavelengths stand below it; give the spectra")
        last = self._rows[-1]
        for row in (i for i in self.table.body() if self._rows[0] <= i <= last):
            for column in self.table.names:
                at = self._wavelengths_of(column)
                content = self.grid.cell(row, at)
                if is_number(content) or self.grid.cell(row, column) is None:
                    continue
                if content is not None:
                    self.cells.number(row, at, self.table.names[at])  # tells what it is
                raise Refusal(self.place(row, column), "an absorbance stands beside no wavelength; correct the row")
            beyond = [j for j, c in enumerate(self.grid.rows[row]) if c is not None and j not in self.table.names]
            if beyond and self.grid.sheet is None:
                raise Refusal(
                    self.place(row, beyond[0]), "the row is longer than the headings; look for a decimal comma"
                )
        below = [self.grid.place(i).row for i in self.table.body() if i > last]
        if below:
            self.sheet.notes.append(f"text below row {self.grid.place(last).row} not read")

    def _wavelengths_of(self, column: int) -> int:
        """The column of wavelengths that belongs to one of absorbances: the next to its left, or else the first."""
        waves = self.table.columns(Kind.WAVELENGTHS)
        return max((j for j in waves if j <= column), default=waves[0])

    def _named(self) -> list[tuple[int, Designation, str]]:
        """Columns of spectra with the evaluation of each, and what names it.

        Raises:
            Refusal: If a column of numbers names none.
        """
        spectra, unknown = [], []
        for column in (j for j in self.table.names if j not in self.table.columns(Kind.WAVELENGTHS)):
            role = self.table.roles.get(column)
            source: str | None = _UNITS.sub("", self.table.names[column]).strip()
            if role is not None and role.kind is Kind.ABSORBANCE:
                source = self.table.titles.get(column, self._stem)
            known = None if source is None else designation(source)
            if known is not None and source is not None:
                spectra.append((column, known, source))
                continue
            unknown.append(column)
            if self._holds_numbers(column) and not _NO_SAMPLE.fullmatch(source or ""):
                named = self.table.titles.get(column) or self.table.names[column]
                bare = role is not None and role.kind is Kind.ABSORBANCE and column not in self.table.titles
                message = f"{named!r} names no evaluation; head each spectrum with the number of one"
                raise Refusal(self.place(self.table.head, column), _NAMELESS if bare else message, identity=True)
        if not spectra:
            columns = [*unknown, *self.table.columns(Kind.WAVELENGTHS)]
            raise Refusal(self.place(self.table.head, columns[0]), _NAMELESS, identity=True)
        self.sheet.dropped += [self.table.titles.get(j, self.table.names[j]) for j in unknown]
        return spectra

    def _holds_numbers(self, column: int) -> bool:
        return any(is_number(self.grid.cell(i, column)) for i in self._rows)

    def _read(self, column: int, known: Designation, source: str) -> None:
        at = self._wavelengths_of(column)
        heads = [self.grid.cell(i, column) for i in range(self.table.head + 1, self._rows[0])]
        words = " ".join([self.table.names[column], *(c for c in heads if isinstance(c, str))])
        unit = told_unit(self.grid, self.table.head)
        try:
            scale = absorbance_of(words if absorbance_of(words) is not None or unit is None else unit)
        except ValueError as error:
            raise Refusal(self.place(self.table.head, column), str(error)) from error
        if scale is not None:
            self.sheet.notes.append(f"{words if unit is None else unit} as absorbance")
        cells = []
        for row in self._rows:
            wavelength = self.cells.number(row, at, self.table.names[at])
            if wavelength is not None:
                cells.append((wavelength, row, column))
        place = self.place(None, column)
        spectrum = picked(cells, self.cells, self.table.names, scale, self.asking, place, self.sheet)
        if not known.sure:
            self.sheet.odd.append(Finding(place, f"{source!r} is taken as evaluation {known.evaluation}"))
        self.sheet.lines.append(Line(place, known.evaluation, {}, {}, () if spectrum is None else (spectrum,)))


def _of_numbers(table: Table) -> list[int]:
    """Rows from the first to the last wavelength: instruments write text below their spectra."""
    waves = table.columns(Kind.WAVELENGTHS)
    body = list(table.body())
    numeric = [i for i in body if any(is_number(table.grid.cell(i, j)) for j in waves)]
    return [i for i in body if numeric and numeric[0] <= i <= numeric[-1]]
