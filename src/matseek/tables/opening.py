"""Files of tables, whatever their format, as grids."""

from __future__ import annotations

from pathlib import Path

from matseek.tables.bounds import require_bytes, require_cells
from matseek.tables.delimited import read_delimited
from matseek.tables.grid import Grid, Place, TableError
from matseek.tables.workbooks import read_workbook

SUFFIXES = (".csv", ".tsv", ".txt", ".dat", ".asc", ".xlsx", ".xlsm", ".xls", ".ods", ".parquet")
"""What a table's file may end in."""

_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""How XLSX and ODS, and how XLS, begin; an instrument's ``.xls`` that begins otherwise is a text."""


def read_grids(path: Path, sheet: str | None = None) -> list[Grid]:
    """The tables of a file: one of a text, one for each visible sheet of a workbook.

    Args:
        path: Ends in one of :data:`SUFFIXES`; what is read goes by the content.
        sheet: Name of the sheet; None for all that are visible.

    Raises:
        TableError: If the file cannot be read without guessing.
        ValueError: If it ends in something else, or is far larger than any laboratory's.
        FileNotFoundError: If there is no such file, or no such sheet.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path} ends in {path.suffix!r}; tables are read from {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}; give the table with the results")
    require_bytes(path, path.stat().st_size)
    content = path.read_bytes()
    if not content.strip():
        raise TableError(Place(path.name), "the file is empty; save the table again")
    if content.startswith(b"PAR1"):
        grids = [_read_parquet(path)]
    elif content.startswith(_WORKBOOKS):
        grids = read_workbook(content, path.name)
    elif path.suffix.lower() in (".xlsx", ".xlsm", ".ods", ".parquet"):
        raise TableError(Place(path.name), "it cannot be read as a workbook; save the table again as XLSX or CSV")
    else:
        grids = [read_delimited(content, path.name)]
    if sheet is None:
        return grids
    chosen = [grid for grid in grids if grid.sheet == sheet]
    if not chosen:
        raise FileNotFoundError(
            f"{path} has no sheet {sheet!r} in which anything stands; it has {[g.sheet for g in grids if g.sheet]}"
        )
    return chosen


def _read_parquet(path: Path) -> Grid:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise ImportError(f"{path}: reading Parquet needs pyarrow: pip install 'matseek[parquet]'") from error
    try:
        table = parquet.read_table(path)
    except (OSError, ValueError) as error:
        raise TableError(Place(path.name), f"it cannot be read as Parquet ({error}); save it again") from error
    require_cells(path, table.num_rows, table.num_columns)
    return Grid.of_frame(table.to_pandas(), path.name)
