"""A row for each wavelength of each measurement, with a column that tells the wavelengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matseek.results.findings import Refusal
from matseek.results.headings import Kind
from matseek.results.layouts.lines import Line
from matseek.results.layouts.rows import Rows
from matseek.results.layouts.spectra import picked
from matseek.results.units import Conversion
from matseek.tables import Place

_Group = tuple[int | None, tuple[tuple[str, float | str], ...], str | None]
"""What tells one spectrum from another: evaluation, recipe, replicate."""


class Tidy(Rows):
    """Reads spectra whose wavelengths stand below one another, with the condition beside each."""

    def _read_rows(self, rows: Sequence[int], conversions: Mapping[int, Conversion]) -> None:
        at, absorbance = self.table.one(Kind.WAVELENGTHS), self.table.one(Kind.ABSORBANCE)
        again = self.table.one(Kind.REPLICATE)
        assert at is not None
        assert absorbance is not None
        groups: dict[_Group, list[tuple[float, int, int]]] = {}
        firsts: dict[_Group, tuple[int | None, dict[str, float | str], dict[str, Place], int]] = {}
        for row in rows:
            try:
                self._require_length(row)
                number, told, places = self._condition(row, conversions)
                wavelength = self.cells.number(row, at, self.table.names[at])
                if number is None and not told and wavelength is None:
                    continue
                if wavelength is None:
                    raise Refusal(self.place(row, at), "the wavelength is missing; give it in each row")
            except Refusal as refusal:
                self.sheet.refused.append(refusal.finding)
                continue
            key = (number, tuple(told.items()), None if again is None else str(self.grid.cell(row, again)))
            firsts.setdefault(key, (number, told, places, row))
            groups.setdefault(key, []).append((wavelength, row, absorbance))
        for key, cells in groups.items():
            number, told, places, row = firsts[key]
            place = self.grid.place(row)
            try:
                spectrum = picked(cells, self.cells, self.table.names, self._scale, self.asking, place, self.sheet)
            except Refusal as refusal:
                self.sheet.refused.append(refusal.finding)
                continue
            results = () if spectrum is None else (spectrum,)
            self.sheet.lines.append(Line(place, number, told, places, results))
