"""Tables as CSV and XLSX: read within bounds, and written so that no spreadsheet runs what stands in a cell."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from matseek.files import replacing, write_text

MOST_BYTES = 64 * 2**20
"""Of a table on disk, and of all that a workbook unpacks to."""

MOST_ROWS, MOST_COLUMNS, MOST_CELLS = 100_000, 16_384, 2_000_000
"""Columns as many as spreadsheet programs have; cells are rows times columns, also where they are empty."""

_RUN = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a cell begins with that spreadsheet programs take for a formula or for the next cell."""

_SHIELD = "'"
"""Put before such a text, it makes spreadsheet programs show the text; :func:`read_csv` takes it away again."""


class _TooLargeError(ValueError):
    """A table is larger than any laboratory's."""


def csv_text(frame: pd.DataFrame, float_format: str | None = None) -> str:
    """A table as CSV, without its index; texts that spreadsheet programs would run are shielded by an apostrophe."""
    return frame.pipe(_shielded).to_csv(index=False, float_format=float_format, lineterminator="\n")


def write_csv(frame: pd.DataFrame, path: Path, float_format: str | None = None) -> None:
    """Write a table as CSV, see :func:`csv_text`."""
    write_text(path, csv_text(frame, float_format))


def write_xlsx(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as the first sheet of a workbook; every text is a text there, and none a formula."""
    with replacing(path) as draft, pd.ExcelWriter(draft, engine="openpyxl") as writer:
        frame.pipe(_shielded).to_excel(writer, index=False)
        for row in next(iter(writer.sheets.values())).iter_rows():
            for cell in row:
                if isinstance(cell.value, str):
                    cell.data_type = "s"


def read_csv(path: Path) -> pd.DataFrame:
    """Read a table from CSV.

    Raises:
        ValueError: If it is no CSV, or larger than any laboratory's.
    """
    _require(path.stat().st_size <= MOST_BYTES, path, f"has more than {MOST_BYTES >> 20} MiB")
    widest = rows = 0
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            for line in csv.reader(file):
                widest, rows = max(widest, len(line)), rows + 1
                _require_cells(path, rows, widest)
        return _unshielded(pd.read_csv(path, compression=None))
    except (csv.Error, UnicodeDecodeError, pd.errors.EmptyDataError, pd.errors.ParserError) as error:
        raise ValueError(f"{path} cannot be read as CSV ({error}); save the table again as CSV") from error


def read_xlsx(path: Path) -> pd.DataFrame:
    """Read a table from the first sheet of a workbook; of a formula, the value that was last computed.

    Raises:
        ValueError: If it is no workbook, or larger than any laboratory's.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        _require(unpacked <= MOST_BYTES, path, f"unpacks to more than {MOST_BYTES >> 20} MiB")
        with pd.ExcelFile(path, engine="openpyxl") as workbook:
            sheet = workbook.book.worksheets[0]
            sheet.reset_dimensions()  # what a sheet says of its size need not be so
            widest = 0
            for rows, row in enumerate(sheet.iter_rows(values_only=True), start=1):
                widest = max(widest, len(row))
                _require_cells(path, rows, widest)
            return _unshielded(pd.read_excel(workbook))
    except (OSError, _TooLargeError):
        raise
    except Exception as error:  # readers of workbooks fail in as many ways as there are broken ones
        raise ValueError(f"{path} cannot be read as a workbook ({error}); save the table again as XLSX") from error


def _require_cells(path: Path, rows: int, columns: int) -> None:
    """Refuse a table as soon as it is too large: a far cell alone makes millions of empty ones."""
    _require(columns <= MOST_COLUMNS, path, f"has more than {MOST_COLUMNS:,} columns")
    _require(rows <= MOST_ROWS, path, f"has more than {MOST_ROWS:,} rows")
    _require(rows * columns <= MOST_CELLS, path, f"spans more than {MOST_CELLS:,} cells")


def _require(condition: bool, path: Path, message: str) -> None:
    if not condition:
        raise _TooLargeError(
            f"{path} {message}; a table of results is far smaller: remove what stands far from it, or give it in parts"
        )


def _shielded(frame: pd.DataFrame) -> pd.DataFrame:
    return _changed(frame, lambda text: _SHIELD + text if text.lstrip(_SHIELD).startswith(_RUN) else text)


def _unshielded(frame: pd.DataFrame) -> pd.DataFrame:
    return _changed(
        frame,
        lambda text: text[1:] if text.startswith(_SHIELD) and text.lstrip(_SHIELD).startswith(_RUN) else text,
    )


def _changed(frame: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    """A table with its texts changed, those of the head among them."""

    def each(cell: object) -> object:
        return change(cell) if isinstance(cell, str) else cell

    texts = {
        i: frame.iloc[:, i].map(each)
        for i, kind in enumerate(frame.dtypes)
        if isinstance(kind, pd.CategoricalDtype) or pd.api.types.is_string_dtype(kind) or kind.kind == "O"
    }
    columns = [texts.get(i, frame.iloc[:, i]) for i in range(frame.shape[1])]
    changed = pd.concat(columns, axis=1) if columns else frame.copy()
    changed.columns = [each(name) for name in frame.columns]
    return changed
