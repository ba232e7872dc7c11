"""A row for each wavelength, and a column for each measurement, or for a single one that the file's name names."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from matseek.results.findings import Finding, Refusal
from matseek.results.headings import Designation, Kind, Role, absorbance_of, designation
from matseek.results.layouts.asking import Asking
from matseek.results.layouts.lines import Line, Sheet
from matseek.results.layouts.reader import Reader
from matseek.results.layouts.recognition import number_or_nan
from matseek.results.layouts.spectra import picked
from matseek.results.layouts.table import Table


class Columns(Reader):
    """A row for each wavelength, and a column for each measurement, or for a single one that the file's name names."""

    def __init__(self, table: Table, asking: Asking, sheet: Sheet, stem: str | None) -> None:
        super().__init__(table, asking, sheet)
        self.stem = stem

    def read(self) -> None:
        """Read all columns of spectra."""
        at = self.table.one(Kind.WAVELENGTHS)
        assert at is not None
        columns = [j for j in self.table.names if j != at]
        unknown, spectra = [], []
        for column in columns:
            name = self.table.names[column]
            known = designation(re.sub(r"[\[(]\s*(m?au|m?od|%t?|abs)\s*[\])]", "", name, flags=re.IGNORECASE).strip())
            role = self.table.roles.get(column)
            if role is not None and role.kind is Kind.ABSORBANCE:
                known = None if self.stem is None else designation(self.stem)
                if known is None:
                    raise Refusal(
                        self.place(self.table.head, column),
                        "the spectrum names no evaluation; head its column with the number of one, or name the file "
                        "after it: 12.csv, evaluation-12.csv, 12_3.csv for its third replicate",
                        identity=True,
                    )
            if known is None:
                unknown.append(column)
            else:
                spectra.append((column, known))
        numeric = [j for j in unknown if any(isinstance(self.grid.cell(i, j), float) for i in self.table.body())]
        numeric += [j for j in unknown if j not in numeric and self._holds_digits(j)]
        if numeric or not spectra:
            column = (numeric or columns)[0]
            raise Refusal(
                self.place(self.table.head, column),
                f"{self.table.names[column]!r} names no evaluation; head each spectrum with the number of one",
                identity=True,
            )
        self.sheet.dropped += [self.table.names[j] for j in unknown]
        self._read(at, spectra)

    def _holds_digits(self, column: int) -> bool:
        return any(isinstance(c := self.grid.cell(i, column), str) and c[:1].isdigit() for i in self.table.body())

    def _read(self, at: int, spectra: Sequence[tuple[int, Designation]]) -> None:
        rows = list(self.table.body())
        name = self.table.names[at]
        waves: list[tuple[float, int]] = []
        for row in rows:
            content = self.grid.cell(row, at)
            if content is None:
                stray = next((j for j, _ in spectra if self.grid.cell(row, j) is not None), None)
                if stray is not None:
                    raise Refusal(self.place(row, stray), "an absorbance stands beside no wavelength; correct the row")
                continue
            if isinstance(content, str) and not waves and np.isnan(number_or_nan(content, self.cells.numerals)):
                continue  # a row of units
            wavelength = self.cells.number(row, at, name)
            assert wavelength is not None
            beyond = [j for j, c in enumerate(self.grid.rows[row]) if c is not None and j not in self.table.names]
            if beyond and self.grid.sheet is None:
                raise Refusal(
                    self.place(row, beyond[0]), "the row is longer than the headings; look for a decimal comma"
                )
            waves.append((wavelength, row))
        first = waves[0][1] if waves else self.table.head
        for column, known in spectra:
            heads = [self.grid.cell(i, column) for i in range(self.table.head + 1, first)]
            words = " ".join([self.table.names[column], *(c for c in heads if isinstance(c, str))])
            try:
                scale = absorbance_of(words)
            except ValueError as error:
                raise Refusal(self.place(self.table.head, column), str(error)) from error
            if scale is not None:
                self.sheet.notes.append(f"{words} as absorbance")
            cells = [(w, i, column) for w, i in waves]
            place = self.place(None, column)
            try:
                spectrum = picked(cells, self.cells, self.table.names, scale, self.asking, place, self.sheet)
            except Refusal as refusal:
                self.sheet.refused.append(refusal.finding)
                continue
            evaluation = known.evaluation
            if not known.sure:
                source = self.stem if self.table.roles.get(column, Role(Kind.NUMBER)).kind is Kind.ABSORBANCE else words
                self.sheet.odd.append(Finding(place, f"{source!r} is taken as evaluation {evaluation}"))
            results = () if spectrum is None else (spectrum,)
            self.sheet.lines.append(Line(place, evaluation, {}, {}, results))
