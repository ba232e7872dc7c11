"""How large a table may be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matseek.tables.grid import Place

MOST_BYTES = 64 * 2**20
"""Of a table on disk, and of all that a workbook unpacks to."""

MOST_ROWS, MOST_COLUMNS, MOST_CELLS = 100_000, 16_384, 2_000_000
"""Columns as many as spreadsheet programs have; cells are rows times columns, also where they are empty."""


class TooLargeError(ValueError):
    """A table is larger than any laboratory's."""


def require_cells(place: Path | Place, rows: int, columns: int) -> None:
    """Refuse a table as soon as it is too large: a far cell alone makes millions of empty ones."""
    require(columns <= MOST_COLUMNS, place, f"has more than {MOST_COLUMNS:,} columns")
    require(rows <= MOST_ROWS, place, f"has more than {MOST_ROWS:,} rows")
    require(rows * columns <= MOST_CELLS, place, f"spans more than {MOST_CELLS:,} cells")


def require_bytes(place: Path | Place, size: int, how: str = "has") -> None:
    """Refuse a file of more than :data:`MOST_BYTES`."""
    require(size <= MOST_BYTES, place, f"{how} more than {MOST_BYTES >> 20} MiB")


def require(condition: bool, place: Path | Place, message: str) -> None:
    """Refuse what is too large.

    Raises:
        TooLargeError: Unless the condition holds.
    """
    if not condition:
        raise TooLargeError(
            f"{place} {message}; a table of results is far smaller: remove what stands far from it, or give it in parts"
        )
