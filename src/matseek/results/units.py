"""Units of headings: equal ones are known in every spelling, others are converted by Pint or refused."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

_SPELLINGS = {
    "\u00ba": "\u00b0", "\u02da": "\u00b0", "\u00b5": "u", "\u03bc": "u", "\u00b7": "*", "\u22c5": "*", "\u00d7": "*",
    "\u2212": "-", "\u2013": "-", "^": "", "**": "",
}  # fmt: skip
_NAMES = {
    "\u00b0C": "degC", "deg C": "degC", "degC": "degC", "celsius": "degC", "Celsius": "degC", "\u00b0 C": "degC",
    "percent": "%", "pct": "%", "per cent": "%", "Percent": "%",
    "sec": "s", "secs": "s", "mins": "min", "hr": "h", "hrs": "h", "hour": "h", "hours": "h",
}  # fmt: skip
_CELSIUS = "degC"
_LONGEST = 40


@dataclass(frozen=True)
class Conversion:
    """From a number in one unit to the number in another: ``factor * number + offset``."""

    factor: float = 1.0
    offset: float = 0.0

    def __call__(self, number: float) -> float:
        """A number in the other unit."""
        return number if self == Conversion() else self.factor * number + self.offset


def spelled(unit: str) -> str:
    """A unit in one spelling; capitals count, since M is molar and m is a metre."""
    text = unicodedata.normalize("NFC", unit.strip())
    for other, plain in _SPELLINGS.items():
        text = text.replace(other, plain)
    text = unicodedata.normalize("NFKC", text)
    text = _NAMES.get(text, text).replace(" ", "")
    text = "/".join(_NAMES.get(part, part) for part in text.split("/"))
    # Litres are written l and L.
    return "/".join(
        part[:-1] + "L" if part in ("l", "ul", "ml", "nl", "dl", "cl") else part for part in text.split("/")
    )


def conversion(given: str, wanted: str) -> Conversion:
    """How numbers in a given unit become numbers in the wanted one.

    Args:
        given: The unit of a heading, such as ``M``.
        wanted: The unit of the variable, such as ``mM``.

    Raises:
        ValueError: If one is unknown, or they measure different things.
    """
    one, other = spelled(given), spelled(wanted)
    if one == other or (other == _CELSIUS and one in ("C", "c")):
        return Conversion()
    if not one or not other or max(len(one), len(other)) > _LONGEST or re.fullmatch(r"[\d.,]+", one):
        raise ValueError(
            f"the unit {given!r} is not {wanted or 'that of a pure number'!r}; write the unit of the campaign"
        )
    try:
        return _converted(one, other)
    except Exception as error:  # Pint's errors share no base with one another
        raise ValueError(
            f"the unit {given!r} cannot be converted to {wanted!r}; write the unit of the campaign"
        ) from error


@cache
def _converted(given: str, wanted: str) -> Conversion:
    quantity: Callable[..., Any] = _registry().Quantity
    zero = float(quantity(0.0, given).to(wanted).magnitude)
    one = float(quantity(1.0, given).to(wanted).magnitude)
    if abs(zero) < 1e-12 * abs(one):
        zero = 0.0
    factor = one - zero
    near = float(f"{factor:.12g}")  # 1e-3, not 0.0009999999999999998
    return Conversion(near, float(f"{zero:.12g}"))


@cache
def _registry() -> Any:  # noqa: ANN401 -- Pint's registries are made of classes of their own
    import pint

    return pint.UnitRegistry(cache_folder=None)
