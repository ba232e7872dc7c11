"""What is found in a table: what speaks against taking it, and what should be asked before it is taken."""

from __future__ import annotations

from dataclasses import dataclass

from matseek.tables import Place


@dataclass(frozen=True)
class Finding:
    """Something found in a table, and where.

    Args:
        place: Where it stands; None where it is about the whole of the results.
        message: What is found, and the remedy.
        identity: Whether it is about which evaluation a result belongs to.
    """

    place: Place | None
    message: str
    identity: bool = False

    def __str__(self) -> str:
        return self.message if self.place is None else f"{self.place}: {self.message}"


class Refusal(Exception):  # noqa: N818 -- it ends the reading of a line, and becomes a finding
    """A line or a table is not taken."""

    def __init__(self, place: Place | None, message: str, *, identity: bool = False) -> None:
        super().__init__(message)
        self.finding = Finding(place, message, identity)


def counted(count: int, one: str, many: str | None = None) -> str:
    """A number of things in words: ``1 row``, ``2 rows``."""
    return f"{count} {one if count == 1 else many or one + 's'}"
