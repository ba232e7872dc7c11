"""What the readers of all layouts share: the table, how it writes numbers, and where findings go."""

from __future__ import annotations

from collections.abc import Sequence

from matseek.results.cells import Cells
from matseek.results.findings import Finding, Refusal
from matseek.results.headings import designation
from matseek.results.layouts.asking import Asking
from matseek.results.layouts.lines import Sheet
from matseek.results.layouts.table import Table
from matseek.tables import Numerals, Place


class Reader:
    """Reads a table; what is found goes into a sheet.

    Args:
        table: The table.
        asking: What the campaign wants to be told.
        sheet: Where lines and findings go.
        body: Rows that hold its numbers; None for all below the headings.
    """

    def __init__(self, table: Table, asking: Asking, sheet: Sheet, body: Sequence[int] | None = None) -> None:
        self.table, self.asking, self.sheet = table, asking, sheet
        self.grid = table.grid
        self.headings = asking.headings
        rows = [table.head, *(table.body() if body is None else body)]
        texts = (
            (cell, self.grid.place(i, j))
            for i in rows
            for j in table.roles
            if isinstance(cell := self.grid.cell(i, j), str) and not cell.isdigit()
        )
        numerals = Numerals.of(texts, points=self.grid.points)
        self.cells = Cells(self.grid, numerals, sheet.odd)
        hidden = [i for i in rows if i in self.grid.hidden]
        columns = [j for j in table.roles if j in self.grid.hidden_columns]
        if hidden:
            found = Finding(self.grid.place(hidden[0]), "the row is hidden in the file, and is read as the others are")
            sheet.odd.append(found)
        if columns:
            where = self.grid.place(None, columns[0], table.names[columns[0]])
            sheet.odd.append(Finding(where, "the column is hidden in the file, and is read as the others are"))
        if numerals.told:
            sheet.notes.append(numerals.told)
        above = [self.grid.place(i).row for i in self.grid.filled() if i < table.head]
        if above and not self.grid.turned:
            sheet.notes.append(f"headings in row {self.grid.place(table.head).row}")

    def place(self, row: int | None, column: int) -> Place:
        """Where a cell or a column stands."""
        return self.grid.place(row, column, self.table.names.get(column))

    def number_of(self, row: int, column: int) -> int | None:
        """The number of an evaluation in a cell."""
        name = self.table.names[column]
        content = self.grid.cell(row, column)
        if isinstance(content, str):
            known = designation(content)
            if known is not None and known.sure and known.replicate is None:
                return known.evaluation
        number = self.cells.number(row, column, name)
        if number is None:
            return None
        if abs(number - round(number)) > 1e-9 or not 0 < number < 1e9:
            raise Refusal(
                self.place(row, column),
                f"{number:g} is no number of an evaluation; give the numbers that ask() gave out",
                identity=True,
            )
        return round(number)
