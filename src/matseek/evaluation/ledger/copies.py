"""Copies of a ledger's file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path


def copy_ledger(source: Path, target: Path) -> None:
    """Copy an SQLite file as a whole, with what still lies in its write-ahead log; a copy that is cut short is none.

    Args:
        source: The ledger's file; it may be in use.
        target: Where the copy goes; a file that lies there is replaced.
    """
    draft = target.with_name(f"{target.name}.draft")
    draft.unlink(missing_ok=True)
    with closing(sqlite3.connect(source)) as there, closing(sqlite3.connect(draft)) as here:
        there.backup(here)
    draft.replace(target)
