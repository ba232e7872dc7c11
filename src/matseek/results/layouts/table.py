"""A grid whose headings are known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from matseek.core.space import Coordinate
from matseek.results.findings import Refusal
from matseek.results.headings import Headings, Kind, Role, heading
from matseek.tables import Grid


@dataclass(frozen=True, eq=False)
class Table:
    """A grid whose headings are known.

    Args:
        grid: The grid, turned if its headings stand in a column.
        head: Row of the headings.
        roles: What each column is, by column.
        names: The heading of each column that has one.
        titles: What stands above the headings of columns of absorbances that have wavelengths of their own.
    """

    grid: Grid
    head: int
    roles: Mapping[int, Role]
    names: Mapping[int, str]
    titles: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def at(cls, grid: Grid, head: int, headings: Headings) -> Table:
        """The table whose headings stand in a row of a grid."""
        names = {j: heading(cell) for j, cell in enumerate(grid.rows[head]) if cell is not None}
        roles = {j: role for j in names if (role := headings.role(grid.rows[head][j])) is not None}
        return cls(grid, head, roles, names)

    def columns(self, kind: Kind) -> list[int]:
        """Columns of a kind."""
        return [j for j, role in self.roles.items() if role.kind is kind]

    def one(self, kind: Kind) -> int | None:
        """The column of a kind, of which there may be one.

        Raises:
            Refusal: If there are several.
        """
        columns = self.columns(kind)
        if len(columns) > 1:
            second = columns[1]
            raise Refusal(
                self.grid.place(self.head, second, self.names[second]),
                f"columns {self.names[columns[0]]!r} and {self.names[second]!r} are the same thing; keep one",
            )
        return columns[0] if columns else None

    def named(self, variables: Sequence[Coordinate]) -> bool:
        """Whether the conditions of its rows are named: by number, or by all variables."""
        told = {role.which for role in self.roles.values() if role.kind is Kind.VARIABLE}
        return bool(self.columns(Kind.NUMBER)) or (bool(told) and len(told) == len(variables))

    def body(self) -> Iterator[int]:
        """Rows below the headings in which something stands."""
        return (i for i in self.grid.filled() if i > self.head)
