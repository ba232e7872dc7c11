"""What a reader of workbooks does not tell of their cells."""

from __future__ import annotations

from dataclasses import dataclass, field

from matseek.tables.grid import Unusable


@dataclass
class Hints:
    """What the file itself says of a sheet's cells ``(row, column)``, from 0.

    Args:
        errors: Cells with an error, or a formula without a value.
        percent: Numbers that are shown as per cent.
        hidden: Rows that are hidden, by hand or by a filter.
        hidden_columns: Columns that are hidden.
    """

    errors: dict[tuple[int, int], Unusable] = field(default_factory=dict)
    percent: set[tuple[int, int]] = field(default_factory=set)
    hidden: set[int] = field(default_factory=set)
    hidden_columns: set[int] = field(default_factory=set)
