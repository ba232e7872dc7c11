"""Layouts of tables of results: a row or a column for each measurement, a row for each wavelength, single spectra."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from matseek.core.space import Coordinate
from matseek.core.wavelengths import resample
from matseek.errors import ResponseError
from matseek.results.cells import Cells
from matseek.results.findings import Finding, Refusal
from matseek.results.headings import Designation, Headings, Kind, Role, absorbance_of, designation, heading, plain
from matseek.results.units import Conversion, conversion
from matseek.tables import Content, Grid, Numerals, Percent, Place, TableError

FloatArray = npt.NDArray[np.float64]
Scale = Callable[[float], float]
"""From told numbers to absorbances."""

_SEARCHED = 80
"""Rows, from the top, among which the headings may be."""

_SHOWN = 8
"""Names that a message lists."""

_SAME = 1e-6
"""Wavelengths that differ by less, in nm, are the same."""


@dataclass(frozen=True, eq=False)
class Asking:
    """What a campaign wants to be told.

    Args:
        variables: The variables of its recipes.
        quantity: Name of the value, where values are told.
        unit: Unit of the value; empty for a pure number.
        wavelengths: In nm, shape ``(m,)``, where spectra are told; else None.
        resampling: Whether spectra on other wavelengths are interpolated.
    """

    variables: Sequence[Coordinate]
    quantity: str = "value"
    unit: str = ""
    wavelengths: FloatArray | None = None
    resampling: bool = False

    @property
    def headings(self) -> Headings:
        """Finds what columns are."""
        return Headings(self.variables, self.quantity, self.wavelengths is not None)

    @property
    def wanted(self) -> str:
        """The columns that are wanted, in words."""
        names = ", ".join(repr(v.label) for v in self.variables)
        results = f"a column {self.quantity!r}" if self.wavelengths is None else "a column for each wavelength"
        return f"a column 'evaluation' with the numbers that were asked (or the columns {names}), and {results}"


@dataclass(frozen=True, eq=False)
class Line:
    """One measurement of a table.

    Args:
        place: Its row in the file; of a spectrum in a column, its column.
        number: The evaluation that it names; None where it is named by its recipe.
        told: The recipe that it tells, in the variables' units, by name; a category's by the value's name.
        places: Where each of these stands.
        results: Values ``()`` or spectra ``(m,)``, NaN where the measurement failed; empty where nothing was measured.
    """

    place: Place
    number: int | None
    told: Mapping[str, float | str]
    places: Mapping[str, Place]
    results: tuple[FloatArray, ...]


@dataclass(eq=False)
class Sheet:
    """What was read of one grid.

    Args:
        lines: Its measurements.
        dropped: Headings of columns that were not read.
        notes: How it was read, in words.
        refused: What speaks against taking it.
        odd: What should be asked first.
    """

    lines: list[Line] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    refused: list[Finding] = field(default_factory=list)
    odd: list[Finding] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Table:
    """A grid whose headings are known.

    Args:
        grid: The grid, turned if its headings stand in a column.
        head: Row of the headings.
        roles: What each column is, by column.
        names: The heading of each column that has one.
    """

    grid: Grid
    head: int
    roles: Mapping[int, Role]
    names: Mapping[int, str]

    @classmethod
    def at(cls, grid: Grid, head: int, headings: Headings) -> Table:
        """The table whose headings stand in a row of a grid."""
        names = {j: heading(cell) for j, cell in enumerate(grid.rows[head]) if cell is not None}
        roles = {j: role for j in names if (role := headings.role(grid.rows[head][j])) is not None}
        return cls(grid, head, roles, names)

    def columns(self, kind: Kind) -> list[int]:
        """Columns of a kind."""
        return [j for j, role in self.roles.items() if role.kind is kind]

    def one(self, kind: Kind) -> int | None:
        """The column of a kind, of which there may be one.

        Raises:
            Refusal: If there are several.
        """
        columns = self.columns(kind)
        if len(columns) > 1:
            second = columns[1]
            raise Refusal(
                self.grid.place(self.head, second, self.names[second]),
                f"columns {self.names[columns[0]]!r} and {self.names[second]!r} are the same thing; keep one",
            )
        return columns[0] if columns else None

    def named(self, variables: Sequence[Coordinate]) -> bool:
        """Whether the conditions of its rows are named: by number, or by all variables."""
        told = {role.which for role in self.roles.values() if role.kind is Kind.VARIABLE}
        return bool(self.columns(Kind.NUMBER)) or (bool(told) and len(told) == len(variables))

    def body(self) -> Iterator[int]:
        """Rows below the headings in which something stands."""
        return (i for i in self.grid.filled() if i > self.head)


def read_sheet(grid: Grid, asking: Asking, stem: str | None = None) -> Sheet:
    """The measurements of a grid.

    Args:
        grid: The grid.
        asking: What the campaign wants to be told.
        stem: Name of the file without its ending, which names the evaluation of a single spectrum; None where it
            must not.

    Raises:
        Refusal: If no table of results is recognised.
        TableError: If its numbers cannot be read without guessing.
    """
    sheet = Sheet()
    sheet.notes += grid.how
    wide = [table for turned in (grid, grid.transposed()) if (table := _wide(turned, asking)) is not None]
    if asking.wavelengths is not None and len(wide) > 1:
        # Numbers of evaluations in a row may look like wavelengths: what covers the target is meant.
        wide = [table for table in wide if _covers(table, asking.wavelengths)] or wide
    if len(wide) > 1 and _reads_by_rows(wide[0], asking):
        wide = wide[:1]
    if wide:
        _Rows(wide[0], asking, sheet).read()
        return sheet
    if asking.wavelengths is not None:
        columns = _by_wavelength(grid, asking)
        if columns is not None:
            _Spectra(columns, asking, sheet, stem).read()
            return sheet
    raise _unrecognised(grid, asking)


def is_results(grid: Grid, asking: Asking) -> bool:
    """Whether a grid looks like a table of results."""
    if any(_wide(turned, asking) is not None for turned in (grid, grid.transposed())):
        return True
    return asking.wavelengths is not None and _by_wavelength(grid, asking) is not None


def _wide(grid: Grid, asking: Asking) -> Table | None:
    """The table whose headings name conditions and results, if there is one."""
    for count, row in enumerate(grid.filled()):
        if count >= _SEARCHED:
            break
        table = Table.at(grid, row, asking.headings)
        if table.named(asking.variables) and _has_results(table, asking):
            return table
    return None


def _has_results(table: Table, asking: Asking) -> bool:
    if asking.wavelengths is None:
        return bool(table.columns(Kind.VALUE))
    tidy = table.columns(Kind.WAVELENGTHS) and table.columns(Kind.ABSORBANCE)
    return len(table.columns(Kind.WAVELENGTH)) > 1 or bool(tidy)


def _covers(table: Table, wavelengths: FloatArray) -> bool:
    given = [table.roles[j].which for j in table.columns(Kind.WAVELENGTH)]
    if not given:
        return bool(table.columns(Kind.WAVELENGTHS))
    return bool(min(given) <= wavelengths[0] + _SAME and max(given) >= wavelengths[-1] - _SAME)


def _reads_by_rows(table: Table, asking: Asking) -> bool:
    return asking.wavelengths is None or _covers(table, asking.wavelengths) or not table.grid.turned


def _by_wavelength(grid: Grid, asking: Asking) -> Table | None:
    """The table with a row for each wavelength, if there is one; two columns of numbers need no headings."""
    for count, row in enumerate(grid.filled()):
        if count >= _SEARCHED:
            break
        table = Table.at(grid, row, asking.headings)
        if table.columns(Kind.WAVELENGTHS) and len(table.names) > 1:
            return table
    filled = list(grid.filled())
    numbers = Numerals.of(
        ((c, grid.place(i, j)) for i in filled for j, c in enumerate(grid.rows[i]) if isinstance(c, str)),
        points=grid.points,
    )
    pairs = [i for i in filled if _is_pair(grid.rows[i], numbers)]
    if len(pairs) < 2 or len(pairs) * 2 < len(filled) or pairs[-1] != filled[-1]:
        return None
    first = next(i for k, i in enumerate(pairs) if pairs[k:] == filled[filled.index(i) :])
    assert asking.wavelengths is not None
    ends = [_number(grid.rows[i][0], numbers) for i in (first, pairs[-1])]
    if not min(ends) <= asking.wavelengths[-1] or not max(ends) >= asking.wavelengths[0]:
        return None
    roles = {0: Role(Kind.WAVELENGTHS), 1: Role(Kind.ABSORBANCE, unit="")}
    return Table(grid, first - 1, roles, {0: "wavelength", 1: "absorbance"})


def _is_pair(row: Sequence[Content], numbers: Numerals) -> bool:
    cells = [cell for cell in row if cell is not None]
    return len(cells) == 2 and len(row) >= 2 and bool(np.isfinite(_number(row[0], numbers)))


def _number(cell: Content, numbers: Numerals) -> float:
    if isinstance(cell, float):
        return cell
    try:
        number = numbers.number(cell) if isinstance(cell, str) else None
    except ValueError:
        number = None
    return np.nan if number is None else number


def _unrecognised(grid: Grid, asking: Asking) -> Refusal:
    """Why no table was recognised, by the row that looks most like its headings."""
    tables = [Table.at(grid, row, asking.headings) for row, _ in zip(grid.filled(), range(_SEARCHED), strict=False)]
    best = max(tables, key=lambda table: len(table.roles), default=None)
    if best is None or not best.names:
        return Refusal(grid.place(), "nothing stands in it; give the table with the results")
    names = [repr(name) for name in best.names.values()]
    listed = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    place = grid.place(best.head)
    if best.named(asking.variables):
        spectral = asking.wavelengths is not None
        if not spectral and len(best.columns(Kind.WAVELENGTH)) > 1:
            return Refusal(
                place,
                f"the table holds spectra, and this campaign has no target: it takes a {asking.quantity}; give the "
                f"{asking.quantity}, or begin another campaign with data=TARGET.csv",
            )
        wanted = "no columns of wavelengths" if spectral else f"no column {asking.quantity!r} with the results"
        return Refusal(place, f"the table has {wanted}; it has {listed}")
    return Refusal(place, f"the table names no conditions: it has {listed}; it needs {asking.wanted}", identity=True)


_Group = tuple[int | None, tuple[tuple[str, float | str], ...], str | None]
"""What tells one spectrum of a tidy table from another: evaluation, recipe, replicate."""


class _Reader:
    """What the layouts share."""

    def __init__(self, table: Table, asking: Asking, sheet: Sheet) -> None:
        self.table, self.asking, self.sheet = table, asking, sheet
        self.grid = table.grid
        self.headings = asking.headings
        rows = [table.head, *table.body()]
        texts = (
            (cell, self.grid.place(i, j))
            for i in rows
            for j in table.roles
            if isinstance(cell := self.grid.cell(i, j), str) and not cell.isdigit()
        )
        numerals = Numerals.of(texts, points=self.grid.points)
        self.cells = Cells(self.grid, numerals, sheet.odd)
        if numerals.told:
            sheet.notes.append(numerals.told)
        above = [self.grid.place(i).row for i in self.grid.filled() if i < table.head]
        if above and not self.grid.turned:
            sheet.notes.append(f"headings in row {self.grid.place(table.head).row}")

    def place(self, row: int | None, column: int) -> Place:
        return self.grid.place(row, column, self.table.names.get(column))

    def number_of(self, row: int, column: int) -> int | None:
        """The number of an evaluation in a cell."""
        name = self.table.names[column]
        content = self.grid.cell(row, column)
        if isinstance(content, str):
            known = designation(content)
            if known is not None and known.sure and known.replicate is None:
                return known.evaluation
        number = self.cells.number(row, column, name)
        if number is None:
            return None
        if abs(number - round(number)) > 1e-9 or not 0 < number < 1e9:
            raise Refusal(
                self.place(row, column),
                f"{number:g} is no number of an evaluation; give the numbers that ask() gave out",
                identity=True,
            )
        return round(number)


class _Rows(_Reader):
    """A row for each measurement; or for each wavelength of one, where a column tells the wavelengths."""

    def read(self) -> None:
        table = self.table
        self._require_headings()
        units = self._units_row()
        tidy = bool(table.columns(Kind.WAVELENGTHS)) and not table.columns(Kind.WAVELENGTH)
        self._scale = self._scale_of(units)
        conversions = self._conversions(units)
        rows = [i for i in table.body() if i not in units]
        if tidy:
            self._read_tidy(rows, conversions)
            return
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

    def _line(self, row: int, conversions: Mapping[int, Conversion]) -> Line | None:
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

    def _read_tidy(self, rows: Sequence[int], conversions: Mapping[int, Conversion]) -> None:
        """A row for each wavelength of a spectrum."""
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


class _Spectra(_Reader):
    """A row for each wavelength, and a column for each measurement, or for a single one that the file's name names."""

    def __init__(self, table: Table, asking: Asking, sheet: Sheet, stem: str | None) -> None:
        super().__init__(table, asking, sheet)
        self.stem = stem

    def read(self) -> None:
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
            if (
                isinstance(content, str)
                and not waves
                and _number(content, self.cells.numerals) != _number(content, self.cells.numerals)
            ):
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


def chosen(given: FloatArray, asking: Asking, place: Place, sheet: Sheet) -> npt.NDArray[np.intp]:
    """Which of the told wavelengths, in increasing order, are read.

    The target's own, where all of them are there; else all of them, where spectra are interpolated.

    Raises:
        Refusal: If they are others, and must not be interpolated.
    """
    wanted = asking.wavelengths
    assert wanted is not None
    if len(given):
        near = np.clip(np.searchsorted(given, wanted), 1, max(len(given) - 1, 1))
        near = np.where(
            np.abs(given[near - 1] - wanted) <= np.abs(given[np.minimum(near, len(given) - 1)] - wanted), near - 1, near
        )
        near = np.minimum(near, len(given) - 1)
        if np.abs(given[near] - wanted).max() <= _SAME:
            return np.asarray(near, dtype=np.intp)
    extent = f"{given[0]:g}-{given[-1]:g} nm" if len(given) else "none"
    if not asking.resampling or len(given) < 2:
        raise Refusal(
            place,
            f"the table has {len(given)} wavelengths ({extent}), but the target has {len(wanted)} "
            f"({wanted[0]:g}-{wanted[-1]:g} nm); measure on the target's wavelengths, or ask for resampling: "
            "matseek tell --resample, tell(..., resampling=True)",
        )
    if given[0] > wanted[0] or given[-1] < wanted[-1]:
        raise Refusal(
            place,
            f"spectra were measured at {extent}, but {wanted[0]:g}-{wanted[-1]:g} nm are wanted; nothing is "
            "extrapolated: measure the whole range, or shorten the target",
        )
    inside = np.flatnonzero((given > wanted[0]) & (given < wanted[-1]))
    low = np.searchsorted(given, wanted[0], side="right") - 1
    high = np.searchsorted(given, wanted[-1], side="left")
    kept = np.unique(np.r_[low, inside, high]).astype(np.intp)
    gap = float(np.diff(given[kept]).max())
    usual = float(np.diff(wanted).max())
    if gap > max(4 * usual, 10.0):
        finding = Finding(place, f"spectra are interpolated across {gap:g} nm, where bands may have been missed")
        if not any(odd.message == finding.message for odd in sheet.odd):
            sheet.odd.append(finding)
    return kept


def picked(
    cells: Sequence[tuple[float, int, int]],
    reader: Cells,
    names: Mapping[int, str],
    scale: Scale | None,
    asking: Asking,
    place: Place,
    sheet: Sheet,
) -> FloatArray | None:
    """The spectrum of cells, each with its wavelength, row and column, in any order.

    Raises:
        Refusal: If a wavelength is there twice, or a cell holds no absorbance.
    """
    order = sorted(cells)
    given = np.array([w for w, _, _ in order])
    twice = np.flatnonzero(np.diff(given) <= _SAME)
    if len(twice):
        wavelength, row, column = order[int(twice[0]) + 1]
        raise Refusal(
            reader.place(row, column, names.get(column)),
            f"{wavelength:g} nm is there twice; keep one, or tell replicates apart by a column 'replicate'",
        )
    kept = chosen(given, asking, place, sheet)
    return spectrum_of([order[k] for k in kept], reader, names, scale, asking)


def spectrum_of(
    cells: Sequence[tuple[float, int, int]],
    reader: Cells,
    names: Mapping[int, str],
    scale: Scale | None,
    asking: Asking,
) -> FloatArray | None:
    """The spectrum of the cells that are read, on the target's wavelengths; NaN of a failure, None of an empty row.

    Raises:
        Refusal: If some cells are empty and others are not, or one holds no absorbance.
    """
    assert asking.wavelengths is not None
    numbers = [reader.result(row, column, names.get(column, "")) for _, row, column in cells]
    filled = [number is not None for number in numbers]
    if not any(filled):
        return None
    words = [
        isinstance(reader.grid.cell(row, column), str) and number is not None and np.isnan(number)
        for number, (_, row, column) in zip(numbers, cells, strict=True)
    ]
    if any(words) and sum(filled) == sum(words):
        return np.full(len(asking.wavelengths), np.nan)  # a word for a failure, and nothing besides
    if not all(filled):
        _, row, column = cells[filled.index(False)]
        raise Refusal(
            reader.place(row, column, names.get(column)),
            f"the absorbance is missing, and {sum(filled)} others of the spectrum are there; give it, or write failed",
        )
    convert = scale or float
    spectrum = np.array([convert(number) for number in numbers if number is not None])
    if not asking.resampling:
        return spectrum
    try:
        return resample(spectrum, np.array([w for w, _, _ in cells]), asking.wavelengths)
    except ResponseError as error:
        _, row, column = cells[0]
        raise Refusal(reader.grid.place(row), str(error)) from error


def _shown(cell: Content) -> str:
    return repr(cell) if isinstance(cell, str) else f"{cell:g}" if isinstance(cell, float) else str(cell)


def _is_numeral(text: str) -> bool:
    try:
        return Numerals().number(text) is not None
    except ValueError:
        return True


__all__ = ["Asking", "Line", "Sheet", "TableError", "is_results", "read_sheet"]
