"""A ledger's file, copied or moved as a whole."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from matseek.errors import LedgerBusyError


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


def move_ledger(source: Path, target: Path) -> None:
    """Rename an SQLite file, with what still lies in its write-ahead log; whoever is killed has moved all or nothing.

    Args:
        source: The ledger's file.
        target: Its new name, in the same folder.

    Raises:
        LedgerBusyError: If another program reads or writes it.
    """
    try:
        with closing(sqlite3.connect(source)) as ledger:
            # Without the log all is in one file; a log that stayed behind would be taken for the next ledger's.
            ledger.execute("PRAGMA journal_mode=DELETE").fetchone()
    except sqlite3.OperationalError as error:
        raise LedgerBusyError(
            f"the ledger {source} is open elsewhere ({error}), perhaps by another Campaign of this program; close it "
            "and try again"
        ) from error
    source.replace(target)
