"""Variables that a batch holds."""

from __future__ import annotations

from collections.abc import Sequence


def held_values(given: Sequence[str]) -> dict[str, object]:
    """Values at which variables are held, from texts such as ``Qtot=800`` or ``ligand=PVP``.

    Args:
        given: One text for each variable.

    Raises:
        ValueError: If a text is no such pair, or a variable is named twice.
    """
    held: dict[str, object] = {}
    for text in given:
        name, equals, value = (part.strip() for part in text.rpartition("="))
        if not (name and equals and value) or name in held:
            raise ValueError(f"--fix {text!r}: give NAME=VALUE, each variable once")
        try:
            held[name] = float(value)
        except ValueError:
            held[name] = value
    return held
