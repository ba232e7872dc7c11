"""Numbers that are written as texts: decimal marks and thousands marks are found in the whole table, never guessed.

The rule. A mark between digits is a decimal mark where it cannot be a thousands mark (``3,31``, ``0,123``, ``1.2e3``,
the last mark of ``1.234,5``), and a thousands mark where it cannot be a decimal mark (``1,234,567``, the first mark of
``1,234.5``). One table has one decimal mark. ``1,234`` may be either, and goes by the rest of the table.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from matseek.tables.grid import Place, TableError

_SPACES = "\u0020\u00a0\u2009\u202f"
_QUOTES = "'\u2019"
_NUMBER = re.compile(
    rf"""(?P<sign>[+\-\u2212]?)
    (?: (?P<grouped>\d{{1,3}}(?:(?P<group>[.,{_QUOTES}{_SPACES}])\d{{3}})(?:(?P=group)\d{{3}})*)
        (?:(?P<after>[.,])(?P<part>\d*))?
      | (?P<whole>\d*)(?:(?P<mark>[.,])(?P<fraction>\d*))?
    )(?P<power>[eE][+\-\u2212]?\d{{1,3}})?""",
    re.VERBOSE,
)


def _parsed(text: str) -> re.Match[str] | None:
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    if match["grouped"] is None and not (match["whole"] or match["fraction"]):
        return None
    if match["group"] is not None and match["group"] == match["after"]:
        return None
    return match


def _marks(match: re.Match[str]) -> tuple[str | None, str | None]:
    """The decimal mark and the thousands mark that a number shows beyond doubt."""
    group, after, power = match["group"], match["after"], match["power"]
    if match["grouped"] is None:
        return match["mark"], None
    if after is not None:
        return after, group
    if group not in (".", ","):
        return None, group
    if match["grouped"].count(group) > 1:
        return None, group
    if power or match["grouped"].startswith("0"):
        return group, None
    return None, None  # 1,234


@dataclass(frozen=True)
class Numerals:
    """How a table writes its numbers.

    Args:
        decimal: Its decimal mark, ``.`` or ``,``; None where none shows.
        thousands: Its thousands marks.
        points: Whether ``1.234`` can only have a decimal point where nothing else shows.
    """

    decimal: str | None = None
    thousands: frozenset[str] = frozenset()
    points: bool = True

    @classmethod
    def of(cls, texts: Iterable[tuple[str, Place]], *, points: bool) -> Numerals:
        """The marks that the texts of a table show; what is no number shows none.

        Args:
            texts: Texts with their places.
            points: Whether ``1.234`` can only have a decimal point where nothing else shows.

        Raises:
            TableError: If numbers have different decimal marks.
        """
        shown: dict[str, tuple[str, Place]] = {}
        thousands: dict[str, tuple[str, Place]] = {}
        for text, place in texts:
            match = _parsed(text)
            if match is None:
                continue
            decimal, group = _marks(match)
            if decimal is not None:
                shown.setdefault(decimal, (text, place))
            if group is not None:
                thousands.setdefault(group, (text, place))
        clash = shown.keys() & thousands.keys()
        if len(shown) > 1 or clash:
            (one, there), (two, here) = (
                [shown[","], shown["."]] if len(shown) > 1 else [thousands[min(clash)], shown[min(clash)]]
            )
            raise TableError(
                here, f"{two!r} and {one!r} ({there}) have different decimal marks; write all numbers with one"
            )
        return cls(next(iter(shown), None), frozenset(thousands), points)

    def number(self, text: str) -> float | None:
        """The number that a text is; None where it is none.

        Raises:
            ValueError: If the text could be two numbers, or infinite.
        """
        if text.lower().lstrip("+-\u2212") in ("inf", "infinity", "\u221e"):
            raise ValueError(f"{text!r} is not finite; no instrument measures it: correct it, or write failed")
        match = _parsed(text)
        if match is None:
            return None
        decimal, group = _marks(match)
        digits = text.replace("\u2212", "-")
        if decimal is None and group is None and match["grouped"] is not None:
            mark = match["group"]
            if mark == self.decimal or (mark == "." and self.decimal is None and self.points):
                decimal = mark
            elif mark in self.thousands:
                group = mark
            else:
                plain = text.replace(mark, "")
                raise ValueError(
                    f"{text!r} may be {text.replace(mark, '.')} or {plain}, and the table does not show which; "
                    "write it without a thousands mark, and one number with an unmistakable decimal mark (0.5 or 0,5)"
                )
        if group is not None:
            digits = digits.replace(group, "")
        if decimal is not None:
            digits = digits.replace(decimal, ".")
        number = float(digits)
        if not math.isfinite(number):
            raise ValueError(f"{text!r} is too large to be a number; correct it")
        return number

    @property
    def told(self) -> str:
        """In words; empty for decimal points without thousands marks."""
        words = ["decimal commas"] if self.decimal == "," else []
        words += [f"thousands marks {mark!r}" for mark in sorted(self.thousands)]
        return ", ".join(words)
