"""A row for each measurement: values, replicates, or a column for each wavelength."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from matseek.results.findings import Finding, Refusal
from matseek.results.headings import Kind, Role, absorbance_of, designation, plain
from matseek.results.layouts.lines import Line
from matseek.results.layouts.reader import Reader
from matseek.results.layouts.spectra import Scale, chosen, spectrum_of
from matseek.results.units import Conversion, conversion
from matseek.tables import Content, Numerals, Percent, Place

FloatArray = npt.NDArray[np.float64]

_SHOWN = 8
"""Names that a message lists."""

_SUMMARIES = re.compile(
    r"(mean( value)?|average|avg|median|(grand )?(sum|total)|min(imum)?|max(imum)?|r?sd|cv|sem"
    r"|st(an)?da?r?d?\.?( ?dev(iation)?)?|mittelwert|standardabweichung|summe|moyenne|\u00e9cart[ -]type)[ :=.]*"
)
"""What rows are called that sum up others."""


class Rows(Reader):
    """A row for each measurement; or for each wavelength of one, where a column tells the wavelengths."""

    def read(self) -> None:
        """Read all rows below the headings."""
        self._require_headings()
        units = self._units_row()
        self._scale = self._scale_of(units)
        self._read_rows([i for i in self.table.body() if i not in units], self._conversions(units))

    def _read_rows(self, rows: Sequence[int], conversions: Mapping[int, Conversion]) -> None:
        self._grid_of_spectra()
        for row in rows:
            try:
                self._require_length(row)
                line = self._line(row, conversions)
            except Refusal as refusal:
                self.sheet.refused.append(refusal.finding)
                continue
            if line is not None:
                self.sheet.lines.append(line)

    def _require_headings(self) -> None:
        """Refuse doubled columns, and a recipe of which only a part is recognised."""
        table, variables = self.table, self.asking.variables
        table.one(Kind.NUMBER)
        seen: dict[tuple[Kind, float], int] = {}
        for column, role in table.roles.items():
            if role.kind is Kind.REPLICATE:
                continue
            key = (role.kind, round(role.which, 6))
            if key in seen:
                kind = "the same wavelength" if role.kind is Kind.WAVELENGTH else "the same thing"
                remedy = ": value 1, value 2 for replicates" if role.kind is Kind.VALUE else ""
                raise Refusal(
                    self.place(table.head, column),
                    f"columns {table.names[seen[key]]!r} and {table.names[column]!r} are {kind}; keep one{remedy}",
                )
            seen[key] = column
        told = {int(role.which) for role in table.roles.values() if role.kind is Kind.VARIABLE}
        unknown = [j for j in table.names if j not in table.roles]
        if self.asking.wavelengths is None:
            unknown += table.columns(Kind.WAVELENGTH)
        self.sheet.dropped += [table.names[j] for j in unknown]
        missing = [v.label for k, v in enumerate(variables) if k not in told]
        strange = [table.names[j] for j in unknown if self._holds_numbers(j)]
        if missing and told:
            hint = f"; not recognised: {', '.join(map(repr, strange[:_SHOWN]))}" if strange else ""
            raise Refusal(
                self.grid.place(table.head),
                f"the table tells a part of each recipe: there is no column {', '.join(map(repr, missing))}{hint}; "
                "give all variables, or the numbers of the evaluations alone",
                identity=True,
            )
        if missing and strange:
            self.sheet.odd.append(
                Finding(
                    self.grid.place(table.head),
                    f"recipes are not checked: no column is recognised as a variable; not read: "
                    f"{', '.join(map(repr, strange[:_SHOWN]))}",
                )
            )
        if self.asking.wavelengths is None and len(table.columns(Kind.WAVELENGTH)) > 1:
            self.sheet.odd.append(
                Finding(
                    self.grid.place(table.head),
                    f"the table holds spectra, and this campaign takes only its {self.asking.quantity}: it has no "
                    "target (data=TARGET.csv at the first ask)",
                )
            )

    def _holds_numbers(self, column: int) -> bool:
        cells = [self.grid.cell(i, column) for i in self.table.body()]
        return any(isinstance(c, float) or (isinstance(c, str) and c[:1].isdigit()) for c in cells)

    def _units_row(self) -> dict[int, dict[int, str]]:
        """The row of units below the headings, with its units by column; nothing where there is none."""
        first = next(self.table.body(), None)
        if first is None:
            return {}
        measured = [j for j, r in self.table.roles.items() if r.kind is not Kind.NUMBER]
        cells = {j: self.grid.cell(first, j) for j in measured}
        texts = {j: c for j, c in cells.items() if isinstance(c, str)}
        if not texts or any(isinstance(c, (float, Percent)) for c in cells.values()):
            return {}
        number = self.table.one(Kind.NUMBER)
        named = self.grid.cell(first, number) if number is not None else None
        if named is not None and (not isinstance(named, str) or designation(named) is not None):
            return {}
        categories = {j for j in texts if (r := self.table.roles[j]).kind is Kind.VARIABLE and self._is_category(r)}
        if number is None and categories:
            return {}
        if any(any(ch.isdigit() for ch in text) and _is_numeral(text) for text in texts.values()):
            return {}
        return {first: {j: text.strip("()[] ") for j, text in texts.items() if text.strip("()[]- ")}}

    def _is_category(self, role: Role) -> bool:
        return bool(self.asking.variables[int(role.which)].values)

    def _conversions(self, units: Mapping[int, Mapping[int, str]]) -> dict[int, Conversion]:
        result = {}
        below = next(iter(units.values()), {})
        for column, role in self.table.roles.items():
            unit = role.unit or below.get(column)
            try:
                if role.kind is Kind.VARIABLE:
                    known = replace(role, unit=None if self._is_category(role) else unit)
                    result[column] = self.headings.conversion(known)
                elif role.kind is Kind.VALUE:
                    told = self.asking.unit
                    result[column] = Conversion() if unit is None or not told else conversion(unit, told)
            except ValueError as error:
                raise Refusal(self.place(self.table.head, column), str(error), identity=True) from error
        return result

    def _scale_of(self, units: Mapping[int, Mapping[int, str]]) -> Scale | None:
        """How the told numbers become absorbances, or None."""
        below = next(iter(units.values()), {})
        words = {
            role.unit or below.get(j) or ""
            for j, role in self.table.roles.items()
            if role.kind in (Kind.WAVELENGTH, Kind.ABSORBANCE)
        }
        words = {w for w in words if plain(w) not in ("nm", "")}
        if len(words) > 1:
            raise Refusal(
                self.grid.place(self.table.head), f"the spectra have several units, {sorted(words)}; keep one"
            )
        try:
            scale = absorbance_of(next(iter(words))) if words else None
        except ValueError as error:
            raise Refusal(self.grid.place(self.table.head), str(error)) from error
        if scale is not None:
            self.sheet.notes.append(f"{next(iter(words))} as absorbance")
        return scale

    def _require_length(self, row: int) -> None:
        cells = self.grid.rows[row]
        known = max(self.table.names)
        beyond = [j for j, cell in enumerate(cells) if cell is not None and j not in self.table.names]
        shifts = self.grid.sheet is None or any(not isinstance(cells[j], str) for j in beyond)
        if beyond and shifts:
            how = (
                "the row is longer than the headings"
                if beyond[0] > known
                else "a cell without a heading holds something"
            )
            raise Refusal(
                self.place(row, beyond[0]),
                f"{how} ({_shown(cells[beyond[0]])}): a decimal comma in a table with commas, or a separator too many",
            )
        if self.grid.uneven and len(cells) != len(self.grid.rows[self.table.head]):
            raise Refusal(
                self.grid.place(row),
                f"the row has {len(cells)} entries between blanks, and the headings {known + 1}; save it with tabs",
            )

    def _require_measurement(self, row: int) -> None:
        """Refuse a row that sums up others: a sum of numbers of evaluations looks like one."""
        for column, cell in enumerate(self.grid.rows[row]):
            role = self.table.roles.get(column)
            if role is not None and role.kind is Kind.VARIABLE and self._is_category(role):
                continue
            if isinstance(cell, str) and _SUMMARIES.fullmatch(plain(cell)):
                raise Refusal(
                    self.place(row, column), f"{cell!r} sums up other rows and is no measurement; leave the row out"
                )

    def _line(self, row: int, conversions: Mapping[int, Conversion]) -> Line | None:
        self._require_measurement(row)
        number, told, places = self._condition(row, conversions)
        results = self._values(row, conversions) if self.asking.wavelengths is None else self._spectrum(row)
        place = self.grid.place(row)
        if number is None and not told:
            if results:
                raise Refusal(
                    place,
                    "a result stands beside no evaluation; give its number in each row",
                    identity=True,
                )
            return None
        if self.table.columns(Kind.NUMBER) and number is None and results:
            raise Refusal(
                self.place(row, self.table.columns(Kind.NUMBER)[0]),
                "the number of the evaluation is missing; give it, or leave the column out",
                identity=True,
            )
        return Line(place, number, told, places, tuple(results))

    def _condition(
        self, row: int, conversions: Mapping[int, Conversion]
    ) -> tuple[int | None, dict[str, float | str], dict[str, Place]]:
        number = None
        told: dict[str, float | str] = {}
        places: dict[str, Place] = {}
        for column, role in self.table.roles.items():
            if role.kind is Kind.NUMBER:
                number = self.number_of(row, column)
            elif role.kind is Kind.VARIABLE:
                value = self._setting(row, column, role, conversions[column])
                if value is not None:
                    variable = self.asking.variables[int(role.which)]
                    told[variable.name], places[variable.name] = value, self.place(row, column)
        return number, told, places

    def _setting(self, row: int, column: int, role: Role, convert: Conversion) -> float | str | None:
        variable = self.asking.variables[int(role.which)]
        content = self.grid.cell(row, column)
        if self._is_category(role):
            if content is None:
                return None
            if isinstance(content, float):
                content = f"{content:g}"
            if not isinstance(content, str):
                raise Refusal(self.place(row, column), f"{content} is none of {list(variable.values)}", identity=True)
            return content
        number = self.cells.number(row, column, self.table.names[column], role.unit or variable.unit)
        return None if number is None else convert(number)

    def _values(self, row: int, conversions: Mapping[int, Conversion]) -> list[FloatArray]:
        values = []
        for column in sorted(self.table.columns(Kind.VALUE), key=lambda j: self.table.roles[j].which):
            unit = self.table.roles[column].unit or self.asking.unit or None
            number = self.cells.result(row, column, self.table.names[column], unit)
            if number is not None:
                values.append(np.array(conversions[column](number)))
        return values

    def _grid_of_spectra(self) -> None:
        """Choose the columns of wavelengths that are read."""
        self._columns: list[int] = []
        self._at = np.zeros(0)
        if self.asking.wavelengths is None:
            return
        columns = sorted(self.table.columns(Kind.WAVELENGTH), key=lambda j: self.table.roles[j].which)
        given = np.array([self.table.roles[j].which for j in columns])
        kept = chosen(given, self.asking, self.grid.place(self.table.head), self.sheet)
        self._columns, self._at = [columns[k] for k in kept], given[kept]

    def _spectrum(self, row: int) -> list[FloatArray]:
        cells = [(w, row, j) for w, j in zip(self._at.tolist(), self._columns, strict=True)]
        spectrum = spectrum_of(cells, self.cells, self.table.names, self._scale, self.asking)
        return [] if spectrum is None else [spectrum]


def _shown(cell: Content) -> str:
    return repr(cell) if isinstance(cell, str) else f"{cell:g}" if isinstance(cell, float) else str(cell)


def _is_numeral(text: str) -> bool:
    try:
        return Numerals().number(text) is not None
    except ValueError:
        return True
