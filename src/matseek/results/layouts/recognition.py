"""Which layout a grid has, from where its headings stand and what they name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from matseek.results.findings import Refusal
from matseek.results.headings import Kind, Role, designation, heading
from matseek.results.layouts.asking import Asking
from matseek.results.layouts.numbers import is_number
from matseek.results.layouts.table import Table
from matseek.tables import Content, Grid, Numerals

FloatArray = npt.NDArray[np.float64]

_SEARCHED = 80
"""Rows, from the top, among which the headings may be."""

_SHOWN = 8
"""Names that a message lists."""

_LEAST = 3
"""Wavelengths of a spectrum without headings."""

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

    Each spectrum may have wavelengths of its own, with its name above, as Cary's programs write it. Two columns of
    numbers need no headings; text may stand above and below them.
    """
    if asking.wavelengths is None:
        return None
    for count, row in enumerate(grid.filled()):
        if count >= _SEARCHED:
            break
        table = Table.at(grid, row, asking.headings)
        waves = len(table.columns(Kind.WAVELENGTHS))
        if waves == 1 and len(table.names) > 1:
            return replace(table, titles=_titles(grid, table) if len(table.names) == 2 else {})
        if waves > 1:
            return replace(table, titles=_titles(grid, table))
    return _of_pairs(grid, asking.wavelengths)


def _titles(grid: Grid, table: Table) -> dict[int, str]:
    """What stands directly above a column of absorbances, or above the wavelengths to its left."""
    if table.head == 0:
        return {}
    titles = {}
    for column in table.columns(Kind.ABSORBANCE):
        above = [grid.cell(table.head - 1, j) for j in (column, column - 1) if j >= 0]
        found = next((heading(cell) for cell in above if isinstance(cell, (str, float))), "")
        if designation(found) is not None or len(table.columns(Kind.WAVELENGTHS)) > 1:
            titles[column] = found
    return titles


def _of_pairs(grid: Grid, wavelengths: FloatArray) -> Table | None:
    """Two columns of numbers without headings."""
    pairs = [i for i in grid.filled() if _is_pair(grid.rows[i])]
    runs: list[list[int]] = []
    for i in pairs:
        if runs and runs[-1][-1] == i - 1:
            runs[-1].append(i)
        else:
            runs.append([i])
    if not runs:
        return None
    longest = max(runs, key=len)
    texts = ((c, grid.place(i, j)) for i in longest for j, c in enumerate(grid.rows[i]) if isinstance(c, str))
    numerals = Numerals.of(texts, points=True)
    ends = [_number(grid.rows[i][0], numerals) for i in (longest[0], longest[-1])]
    if len(longest) < _LEAST or not min(ends) <= wavelengths[-1] or not max(ends) >= wavelengths[0]:
        return None
    others = [run for run in runs if run is not longest]
    if others:
        raise Refusal(grid.place(others[0][0]), "numbers stand apart from the spectrum; give the spectrum alone")
    roles = {0: Role(Kind.WAVELENGTHS), 1: Role(Kind.ABSORBANCE, unit="")}
    return Table(grid, longest[0] - 1, roles, {0: "wavelength", 1: "absorbance"})


def _is_pair(row: Sequence[Content]) -> bool:
    cells = [cell for cell in row if cell is not None]
    return len(cells) == 2 and len(row) >= 2 and is_number(row[0]) and row[1] is not None


def _number(cell: Content, numerals: Numerals) -> float:
    if isinstance(cell, float):
        return cell
    try:
        number = numerals.number(cell) if isinstance(cell, str) else None
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
