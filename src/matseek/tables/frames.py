"""Tables as CSV: read within bounds, and written so that no spreadsheet runs what stands in a cell."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from matseek.files import write_text
from matseek.tables.bounds import require_bytes, require_cells

if TYPE_CHECKING:
    import pandas as pd

_RUN = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a cell begins with that spreadsheet programs take for a formula or for the next cell."""

_SHIELD = "'"
"""Put before such a text, it makes spreadsheet programs show the text; :func:`read_csv` takes it away again."""


def csv_text(frame: pd.DataFrame, float_format: str | None = None) -> str:
    """A table as CSV, without its index; texts that spreadsheet programs would run are shielded by an apostrophe."""
    return frame.pipe(_shielded).to_csv(index=False, float_format=float_format, lineterminator="\n")


def write_csv(frame: pd.DataFrame, path: Path, float_format: str | None = None) -> None:
    """Write a table as CSV, see :func:`csv_text`."""
    write_text(path, csv_text(frame, float_format))


def read_csv(path: Path) -> pd.DataFrame:
    """Read a table from CSV.

    Raises:
        ValueError: If it is no CSV, or larger than any laboratory's.
    """
    import pandas as pd

    require_bytes(path, path.stat().st_size)
    widest = rows = 0
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            for line in csv.reader(file):
                widest, rows = max(widest, len(line)), rows + 1
                require_cells(path, rows, widest)
        return _unshielded(pd.read_csv(path, compression=None))
    except (csv.Error, UnicodeDecodeError, pd.errors.EmptyDataError, pd.errors.ParserError) as error:
        raise ValueError(f"{path} cannot be read as CSV ({error}); save the table again as CSV") from error


def _shielded(frame: pd.DataFrame) -> pd.DataFrame:
    return _changed(frame, shielded)


def shielded(text: str) -> str:
    """A text that no spreadsheet program runs as a formula."""
    return _SHIELD + text if text.lstrip(_SHIELD).startswith(_RUN) else text


def unshielded(text: str) -> str:
    """A text without the apostrophe that shields it."""
    return text[1:] if text.startswith(_SHIELD) and text.lstrip(_SHIELD).startswith(_RUN) else text


def _unshielded(frame: pd.DataFrame) -> pd.DataFrame:
    return _changed(frame, unshielded)


def _changed(frame: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    """A table with its texts changed, those of the head among them."""
    import pandas as pd

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
