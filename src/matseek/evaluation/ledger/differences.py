"""What differs between two descriptions, leaf by leaf."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_LONGEST = 120
"""Characters of a value in a message; a template has thousands."""

_MOST = 12
"""Differences that a message lists."""

_ABSENT = object()


def in_words(key: str, there: Any, here: Any) -> str:  # noqa: ANN401 -- plain data
    """The differences of two values of a key: ``space.variables.T.high: 90 there, 120 here``.

    Args:
        key: The key.
        there: Plain data, as it is recorded.
        here: Plain data, as it is wanted.
    """
    found = [f"{place}: {_short(a)} there, {_short(b)} here" for place, a, b in _leaves(key, there, here)]
    more = [f"and {len(found) - _MOST} more"] if len(found) > _MOST else []
    return "; ".join([*found[:_MOST], *more])


def _leaves(place: str, there: Any, here: Any) -> Iterator[tuple[str, Any, Any]]:  # noqa: ANN401
    if there == here:
        return
    a, b = _named(there), _named(here)
    if a is None or b is None:
        yield place, there, here
        return
    for key in [*a, *(k for k in b if k not in a)]:
        yield from _leaves(f"{place}.{key}", a.get(key, _ABSENT), b.get(key, _ABSENT))


def _named(value: Any) -> Mapping[str, Any] | None:  # noqa: ANN401
    """The parts of a value by name: those of a mapping, and those of a list whose members have names."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, list) and value and all(isinstance(v, Mapping) and "name" in v for v in value):
        return {str(v["name"]): v for v in value}
    return None


def _short(value: object) -> str:
    """A value as text that a message can hold."""
    if value is _ABSENT:
        return "nothing"
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
