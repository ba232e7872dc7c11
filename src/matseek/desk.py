"""The laboratory's desk: tables in and out, as CSV or XLSX."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from matseek.tables import read_csv, read_xlsx, write_csv, write_xlsx

_READERS: Mapping[str, Callable[[Path], pd.DataFrame]] = {".csv": read_csv, ".xlsx": read_xlsx}
_WRITERS: Mapping[str, Callable[[pd.DataFrame, Path], None]] = {".csv": write_csv, ".xlsx": write_xlsx}


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a table; texts that a spreadsheet program would run as formulas begin with an apostrophe.

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
    _WRITERS[path.suffix.lower()](frame, path)


def read_table(path: Path) -> pd.DataFrame:
    """Read a table; what :func:`write_table` has written comes back as it was.

    Args:
        path: A .csv or .xlsx file; of a workbook, the first sheet.

    Raises:
        ValueError: If the path ends in something else, or the table is far larger than any laboratory's.
        FileNotFoundError: If there is no such file.
    """
    _require_known(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}; give the table with the results")
    return _READERS[path.suffix.lower()](path)


def held_values(given: Sequence[str]) -> dict[str, object]:
    """Values at which variables are held, from texts such as ``Qtot=800`` or ``ligand=PVP``.

    Args:
        given: One text for each variable.

    Raises:
        ValueError: If a text is no such pair, or a variable is named twice.
    """
    held: dict[str, object] = {}
    for text in given:
        name, equals, value = (part.strip() for part in text.rpartition("="))
        if not (name and equals and value) or name in held:
            raise ValueError(f"--fix {text!r}: give NAME=VALUE, each variable once")
        try:
            held[name] = float(value)
        except ValueError:
            held[name] = value
    return held


def _require_known(path: Path) -> None:
    if path.suffix.lower() not in _READERS:
        raise ValueError(f"{path} ends in {path.suffix!r}; tables are read and written as .csv or .xlsx")
