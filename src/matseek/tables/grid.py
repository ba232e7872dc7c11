"""A table as its file has it: typed cells, each with the place where a spreadsheet program shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from string import ascii_uppercase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Unusable:
    """What a cell holds that is neither a number nor a text.

    Args:
        what: The kind in words: ``a date``, ``TRUE or FALSE``, ``a formula without a value``.
        shown: The cell as a spreadsheet program shows it.
    """

    what: str
    shown: str

    def __str__(self) -> str:
        return f"{self.shown} is {self.what}" if self.shown else self.what


@dataclass(frozen=True)
class Percent:
    """A number that a spreadsheet program shows as per cent: 0.35 as 35 %.

    Args:
        number: The number as it is stored.
    """

    number: float

    def __str__(self) -> str:
        return f"{100 * self.number:g}%"


Content = float | str | None | Unusable | Percent
"""What a cell holds: a number, a text that is not blank, nothing, or what only a spreadsheet program knows."""


@dataclass(frozen=True)
class Place:
    """Where something stands, in the words of spreadsheet programs.

    Args:
        file: Name of the file.
        sheet: Name of the sheet; None where a file has none.
        row: Number of the row, from 1; None for a whole column.
        column: Letters of the column; None for a whole row.
        heading: What the column is called.
    """

    file: str
    sheet: str | None = None
    row: int | None = None
    column: str | None = None
    heading: str | None = None

    def __str__(self) -> str:
        parts = [self.file]
        if self.sheet is not None:
            parts.append(f"sheet {self.sheet!r}")
        if self.row is not None:
            parts.append(f"row {self.row}")
        if self.column is not None:
            parts.append(f"column {self.column}" + (f" ({self.heading})" if self.heading else ""))
        return ", ".join(parts)


class TableError(ValueError):
    """A file cannot be read as a table without guessing; the message begins with the place."""

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(f"{place}: {message}")
        self.place, self.message = place, message


@dataclass(frozen=True, eq=False)
class Grid:
    """The cells of one sheet, in rows of any length.

    Args:
        file: Name of the file.
        sheet: Name of the sheet; None where a file has none.
        rows: The cells of each row.
        numbers: Number of each row as a spreadsheet program counts them, from 1.
        how: How the file was read, in words: encoding and separator.
        points: Whether a text such as ``1.234`` can only be a number with a decimal point.
        uneven: Whether a row that is shorter than others may lack a cell in the middle.
        joined: Places ``(row, column)`` of cells that are joined with the one above, and hold what that holds.
        turned: Whether rows and columns have changed places.
        hidden: Rows that are hidden in the spreadsheet program.
        hidden_columns: Columns that are.
    """

    file: str
    sheet: str | None
    rows: Sequence[Sequence[Content]]
    numbers: Sequence[int]
    how: tuple[str, ...] = ()
    points: bool = False
    uneven: bool = False
    joined: frozenset[tuple[int, int]] = field(default=frozenset())
    turned: bool = False
    hidden: frozenset[int] = field(default=frozenset())
    hidden_columns: frozenset[int] = field(default=frozenset())

    @classmethod
    def of_frame(cls, frame: pd.DataFrame, file: str = "the table") -> Grid:
        """A frame as a sheet has it: its columns' names in row 1, its first row in row 2."""
        head = [_content(name) for name in frame.columns]
        body = [[_content(cell) for cell in row] for row in frame.astype(object).to_numpy().tolist()]
        return cls(file, None, [head, *body], range(1, len(body) + 2), points=True)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def width(self) -> int:
        """Cells of the longest row."""
        return max((len(row) for row in self.rows), default=0)

    def cell(self, row: int, column: int) -> Content:
        """A cell; nothing where the row is shorter."""
        cells = self.rows[row]
        return cells[column] if column < len(cells) else None

    def filled(self) -> Iterator[int]:
        """Rows in which something stands."""
        return (i for i, row in enumerate(self.rows) if any(cell is not None for cell in row))

    def place(self, row: int | None = None, column: int | None = None, heading: str | None = None) -> Place:
        """Where a row, a column or a cell stands in the file."""
        if self.turned:
            row, column = column, row
        number = None if row is None else self.numbers[row] if row < len(self.numbers) else row + 1
        return Place(self.file, self.sheet, number, None if column is None else letters(column), heading)

    def transposed(self) -> Grid:
        """The grid with rows and columns changed; places stay those of the file."""
        width = self.width
        rows = [[self.cell(i, j) for i in range(len(self.rows))] for j in range(width)]
        joined = frozenset((j, i) for i, j in self.joined)
        return replace(
            self,
            rows=rows,
            joined=joined,
            turned=not self.turned,
            hidden=self.hidden_columns,
            hidden_columns=self.hidden,
        )


def letters(column: int) -> str:
    """A column as spreadsheet programs call it: 0 is A, 26 is AA."""
    name = ""
    column += 1
    while column > 0:
        column, rest = divmod(column - 1, 26)
        name = ascii_uppercase[rest] + name
    return name


def content_of(value: object, unusable: Mapping[type, str]) -> Content:
    """A value as a cell has it."""
    if value is None:
        return None
    if isinstance(value, bool):
        return Unusable("TRUE or FALSE", str(value).upper())
    if isinstance(value, (int, float)):
        return None if value != value else float(value)
    if isinstance(value, str):
        text = value.strip().strip("\u200b\ufeff").strip()
        return text or None
    for kind, what in unusable.items():
        if isinstance(value, kind):
            return Unusable(what, str(value))
    return Unusable(f"of the kind {type(value).__name__}", str(value)[:80])


def _content(value: object) -> Content:
    from datetime import date, time, timedelta

    import numpy as np
    import pandas as pd

    if value is pd.NaT or value is pd.NA:
        return None
    plain = value.item() if isinstance(value, np.generic) else value
    return content_of(plain, {date: "a date", time: "a time of day", timedelta: "a duration"})
