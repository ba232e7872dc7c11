"""The laboratory's desk: tables in and out, as CSV or XLSX."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

_SHEETS = (".xlsx",)
_TEXTS = (".csv",)


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a table.

    Args:
        frame: The table.
        path: Ends in .csv or .xlsx; folders are made if they are missing.

    Raises:
        ValueError: If the path ends in something else.
        FileExistsError: If the file is there already: it may hold somebody's measurements.
    """
    _require_known(path)
    if path.exists():
        raise FileExistsError(f"{path} is there already and may hold measurements; name another file with --output")
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() in _SHEETS:
        frame.to_excel(path, index=False)
    else:
        frame.to_csv(path, index=False)


def read_table(path: Path) -> pd.DataFrame:
    """Read a table.

    Args:
        path: A .csv or .xlsx file; of a workbook, the first sheet.

    Raises:
        ValueError: If the path ends in something else.
        FileNotFoundError: If there is no such file.
    """
    _require_known(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}; give the table with the results")
    return pd.read_excel(path) if path.suffix.lower() in _SHEETS else pd.read_csv(path)


def _require_known(path: Path) -> None:
    if path.suffix.lower() not in _SHEETS + _TEXTS:
        raise ValueError(f"{path} ends in {path.suffix!r}; tables are read and written as .csv or .xlsx")
