"""The measurements of a grid, by the reader of its layout."""

from __future__ import annotations

from matseek.results.headings import Kind
from matseek.results.layouts.asking import Asking
from matseek.results.layouts.columns import Columns
from matseek.results.layouts.lines import Sheet
from matseek.results.layouts.recognition import by_condition, by_wavelength, unrecognised
from matseek.results.layouts.rows import Rows
from matseek.results.layouts.tidy import Tidy
from matseek.tables import Grid


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
    sheet = Sheet(notes=[*grid.how])
    table = by_condition(grid, asking)
    if table is not None:
        tidy = table.columns(Kind.WAVELENGTHS) and not table.columns(Kind.WAVELENGTH)
        reader = Tidy(table, asking, sheet) if tidy else Rows(table, asking, sheet)
        reader.read()
        return sheet
    columns = by_wavelength(grid, asking)
    if columns is None:
        raise unrecognised(grid, asking)
    Columns(columns, asking, sheet, stem).read()
    return sheet
