"""Whether cells hold numbers, before it is known how the table writes them."""

from __future__ import annotations

from matseek.tables import Content, Numerals


def is_number(content: Content) -> bool:
    """Whether a cell holds a number, or a text that is one by some decimal mark."""
    if isinstance(content, float):
        return True
    if not isinstance(content, str):
        return False
    return any(_read(content, Numerals(decimal=mark)) for mark in (".", ","))


def _read(text: str, numerals: Numerals) -> bool:
    try:
        return numerals.number(text) is not None
    except ValueError:
        return False
