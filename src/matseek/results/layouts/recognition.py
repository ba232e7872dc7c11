"""Which layout a grid has, from where its headings stand and what they name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from matseek.results.findings import Refusal
from matseek.results.headings import Kind, Role
from matseek.results.layouts.asking import Asking
from matseek.results.layouts.table import Table
from matseek.tables import Content, Grid, Numerals

FloatArray = npt.NDArray[np.float64]

_SEARCHED = 80
"""Rows, from the top, among which the headings may be."""

_SHOWN = 8
"""Names that a message lists."""

_SAME = 1e-6
"""Wavelengths that differ by less, in nm, are the same."""


def is_results(grid: Grid, asking: Asking) -> bool:
    """Whether a grid looks like a table of results."""
    return by_condition(grid, asking) is not None or by_wavelength(grid, asking) is not None


def by_condition(grid: Grid, asking: Asking) -> Table | None:
    """The table whose headings name conditions and results, in a row or in a column; None where there is none."""
    tables = [table for turned in (grid, grid.transposed()) if (table := _headed(turned, asking)) is not None]
    if asking.wavelengths is not None and len(tables) > 1:
        # Numbers of evaluations in a row may look like wavelengths: what covers the target is meant.
        tables = [table for table in tables if _covers(table, asking.wavelengths)] or tables
    return tables[0] if tables else None


def _headed(grid: Grid, asking: Asking) -> Table | None:
    """The table whose headings stand in a row, if there is one."""
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


def by_wavelength(grid: Grid, asking: Asking) -> Table | None:
    """The table with a row for each wavelength; None where there is none, or no spectra are told.

    Two columns of numbers need no headings.
    """
    if asking.wavelengths is None:
        return None
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
    ends = [number_or_nan(grid.rows[i][0], numbers) for i in (first, pairs[-1])]
    if not min(ends) <= asking.wavelengths[-1] or not max(ends) >= asking.wavelengths[0]:
        return None
    roles = {0: Role(Kind.WAVELENGTHS), 1: Role(Kind.ABSORBANCE, unit="")}
    return Table(grid, first - 1, roles, {0: "wavelength", 1: "absorbance"})


def _is_pair(row: Sequence[Content], numbers: Numerals) -> bool:
    cells = [cell for cell in row if cell is not None]
    return len(cells) == 2 and len(row) >= 2 and bool(np.isfinite(number_or_nan(row[0], numbers)))


def number_or_nan(cell: Content, numbers: Numerals) -> float:
    """The number of a cell; NaN where it is none."""
    if isinstance(cell, float):
        return cell
    try:
        number = numbers.number(cell) if isinstance(cell, str) else None
    except ValueError:
        number = None
    return np.nan if number is None else number


def unrecognised(grid: Grid, asking: Asking) -> Refusal:
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
