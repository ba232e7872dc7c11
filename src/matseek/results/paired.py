"""Workbooks that have recipes on a sheet ``input`` and their spectra, in the same order, on a sheet ``spectra``.

The layout is that of the data of Mekki-Berrada et al., npj Comput. Mater. 7, 55 (2021): a row of ``input`` for each
sample; the first column of ``spectra`` has the wavelengths, and each further column is the spectrum of a row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from matseek.tables import Content, Grid, TableError

INPUT, SPECTRA = "input", "spectra"
"""Names of the sheets; capitals do not count."""


def joined(grids: Sequence[Grid]) -> Grid | None:
    """Recipes and spectra of two sheets as one table with a row for each sample; None where there are no such sheets.

    Args:
        grids: The sheets of a workbook.

    Raises:
        TableError: If there are more recipes than spectra, or fewer.
    """
    named = {(grid.sheet or "").strip().casefold(): grid for grid in grids}
    if INPUT not in named or SPECTRA not in named:
        return None
    recipes, spectra = named[INPUT], named[SPECTRA]
    above, top = list(recipes.filled()), list(spectra.filled())
    if not above or not top:
        return None
    columns = [j for j in range(1, spectra.width) if any(spectra.cell(i, j) is not None for i in top)]
    if len(columns) != len(above) - 1:
        raise TableError(
            spectra.place(),
            f"it has {len(columns)} spectra, and sheet {recipes.sheet!r} has {len(above) - 1} recipes; each needs the "
            "spectrum of its own row",
        )
    width = recipes.width

    def padded(i: int) -> list[Content]:
        return [recipes.cell(i, j) for j in range(width)]

    head = [*padded(above[0]), *(spectra.cell(i, 0) for i in top[1:])]
    rows = [[*padded(i), *(spectra.cell(k, j) for k in top[1:])] for i, j in zip(above[1:], columns, strict=True)]
    numbers = [recipes.numbers[i] for i in above]
    how = (*recipes.how, f"spectra from sheet {spectra.sheet!r}")
    return Grid(recipes.file, recipes.sheet, [head, *rows], numbers, how=how, points=recipes.points)


def renamed(grid: Grid, columns: Mapping[str, str]) -> Grid:
    """A grid some of whose headings have other names.

    Args:
        grid: The grid.
        columns: The name of a variable, or of what is measured, by the heading that stands in the file.

    Raises:
        TableError: If there is no row that has all of these headings.
    """
    for i in grid.filled():
        found = {str(cell).strip(): j for j, cell in enumerate(grid.rows[i]) if cell is not None}
        if columns.keys() <= found.keys():
            row = [columns.get(str(cell).strip(), cell) if cell is not None else None for cell in grid.rows[i]]
            return replace(grid, rows=[*grid.rows[:i], row, *grid.rows[i + 1 :]])
    raise TableError(grid.place(), f"no row has all the headings {list(columns)} of the column map; correct the map")
