"""A single spectrum of a file, such as the one that is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from matseek.tables.grid import Content, Grid, TableError
from matseek.tables.numerals import Numerals
from matseek.tables.opening import read_grids

FloatArray = npt.NDArray[np.float64]

_NAMES = ("wavelength", "absorbance")
_SHEET = "target"
"""The sheet of a workbook with several that holds a spectrum."""


def read_spectrum(path: Path) -> tuple[FloatArray, FloatArray]:
    """Wavelengths in nm and absorbances, shape ``(m,)`` each, of columns that are headed so, or of the only two.

    Args:
        path: A table, see :func:`matseek.tables.read_grids`; of a workbook the sheet ``target``, or the only one.

    Raises:
        TableError: If a cell is no number, or no such columns are there.
        ValueError: If the file is of an unknown kind.
    """
    grids = read_grids(path)
    named = [grid for grid in grids if (grid.sheet or "").strip().casefold() == _SHEET]
    chosen = named or grids
    if len(chosen) != 1:
        raise TableError(chosen[0].place(), f"there are {len(chosen)} sheets; name the one with the spectrum 'target'")
    grid = chosen[0]
    head, columns = _columns(grid)
    rows = [i for i in grid.filled() if i > head]
    texts = ((c, grid.place(i, j)) for i in rows for j in columns if isinstance(c := grid.cell(i, j), str))
    numerals = Numerals.of(texts, points=grid.points)
    read = [[_number(grid, i, j, numerals) for i in rows] for j in columns]
    wavelengths, absorbances = (np.array(numbers, dtype=np.float64) for numbers in read)
    return wavelengths, absorbances


def _columns(grid: Grid) -> tuple[int, Sequence[int]]:
    """The row of the headings, -1 where there is none, and the columns."""
    filled = list(grid.filled())
    for i in filled:
        names = [str(c).strip().casefold() if c is not None else "" for c in grid.rows[i]]
        found = [[j for j, name in enumerate(names) if name.split("(")[0].split("[")[0].strip() == n] for n in _NAMES]
        if all(len(columns) == 1 for columns in found):
            return i, [columns[0] for columns in found]
    if filled and grid.width == 2 and all(isinstance(c, float) for c in grid.rows[filled[-1]]):
        first = next(i for i in filled if isinstance(grid.cell(i, 0), float))
        return first - 1, (0, 1)
    head: Sequence[Content] = grid.rows[filled[0]] if filled else []
    missing = [n for n in _NAMES if n not in [str(c).strip().casefold() for c in head]]
    raise TableError(grid.place(), f"it lacks the columns {missing}; it has {[str(c) for c in head if c is not None]}")


def _number(grid: Grid, row: int, column: int, numerals: Numerals) -> float:
    cell = grid.cell(row, column)
    number = cell if isinstance(cell, float) else numerals.number(cell) if isinstance(cell, str) else None
    if number is None:
        raise TableError(grid.place(row, column), f"{'nothing' if cell is None else cell} is no number; correct it")
    return number
