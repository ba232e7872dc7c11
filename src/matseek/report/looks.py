"""How each method looks in figures: one colour, marker and line wherever it is drawn, also those of other packages.

A searcher's class says its colour and marker, and those that say nothing get one of a few by their names. Settings of
the same searcher, as ``godiff_ffg`` beside ``godiff``, have its marker, another shade of its colour, and another line.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from zlib import crc32

from matplotlib.colors import to_hex, to_rgb

from matseek.core.surrogate import Look
from matseek.report.proposers import family_of, searcher_kind

Dashes = str | tuple[float, tuple[float, ...]]
"""A line as matplotlib names it."""

_FREE: tuple[Look, ...] = (("#00846b", "D"), ("#b0508a", "v"), ("#a66a00", "P"), ("#1f83b8", "h"), ("#5b4a9c", "<"))
"""Of Okabe and Ito's palette, darkened to a contrast of 3 or more on white, for what has no look of its own."""

_DASHES: tuple[Dashes, ...] = (
    "--",
    "-.",
    ":",
    (0, (6, 1.5)),
    (0, (3, 1, 1, 1, 1, 1)),
    (0, (1, 2.5)),
    (0, (8, 1.5, 1, 1.5)),
)

_SALT = "140"
"""Found by trying: with it no two settings that ship and are compared often look alike."""

_SHADES = (-0.3, 0.15, -0.5)
"""How much darker (or lighter, above 0) the settings of a searcher are than itself."""


@dataclass(frozen=True)
class Line:
    """How a method is drawn.

    Args:
        color: As matplotlib names it.
        dashes: Of its line.
        marker: Of its points.
        filled: Whether points are filled.
    """

    color: str
    dashes: Dashes = "-"
    marker: str = "o"
    filled: bool = True


def lines_of(names: Iterable[str]) -> dict[str, Line]:
    """How searchers are drawn, by the names of their configs; a name looks the same whatever stands beside it.

    Two names that would look alike, which only those of installed packages can, are told apart where they meet.
    """
    lines: dict[str, Line] = {}
    for name in names:
        family = family_of(name)
        color, marker = _base(family, [(line.color, line.marker) for line in lines.values()])
        if name == family:
            lines[name] = Line(color, marker=marker)
            continue
        taken = {line.dashes for line in lines.values() if line.marker == marker}
        start = crc32(f"{_SALT}{name.removeprefix(family)}".encode()) % len(_DASHES)
        place = _free_place(start, _DASHES, taken)
        lines[name] = Line(_shade(color, _SHADES[place % len(_SHADES)]), _DASHES[place], marker, filled=False)
    return lines


def looks_among(own: Mapping[str, Look | None]) -> dict[str, Look]:
    """Colour and marker by name: each one's own, and one of those for all others where it has none."""
    looks: dict[str, Look] = {}
    for name, look in own.items():
        looks[name] = look or _FREE[_free_place(crc32(name.encode()), _FREE, set(looks.values()))]
    return looks


def _base(family: str, taken: Collection[Look]) -> Look:
    kind = searcher_kind(family)
    look = None if kind is None else kind.look
    return look or _FREE[_free_place(crc32(family.encode()), _FREE, set(taken))]


def _free_place(start: int, places: Collection[object], taken: Collection[object]) -> int:
    """The first place from a start on that is not taken; the start where all are."""
    every = list(places)
    order = [(start + step) % len(every) for step in range(len(every))]
    return next((place for place in order if every[place] not in taken), order[0])


def _shade(color: str, by: float) -> str:
    red, green, blue = (c * (1 + by) if by < 0 else c + (1 - c) * by for c in to_rgb(color))
    return to_hex((red, green, blue))
