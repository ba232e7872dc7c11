"""What a column is, from its heading."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

import numpy as np

from matseek.core.space import Coordinate
from matseek.results.units import Conversion, conversion
from matseek.tables import Content, Numerals


class Kind(Enum):
    """What a column may be."""

    NUMBER = auto()
    """Numbers of evaluations."""
    VARIABLE = auto()
    VALUE = auto()
    WAVELENGTH = auto()
    """Absorbances at one wavelength."""
    WAVELENGTHS = auto()
    """The wavelengths themselves, one for each row."""
    ABSORBANCE = auto()
    """Absorbances, of which another column tells the wavelengths."""
    REPLICATE = auto()
    """Numbers of replicates."""


@dataclass(frozen=True)
class Role:
    """What a column is.

    Args:
        kind: What it holds.
        which: Place of the variable, number of the replicate, or wavelength in nm.
        unit: Unit that the heading gives; None where it gives none.
    """

    kind: Kind
    which: float = 0
    unit: str | None = None


_NUMBERS = re.compile(r"(evaluation|eval)s?\.?( ?(no|nr|number|id|#)\.?)?")
_REPLICATES = re.compile(r"(replicate|rep|droplet|repeat)s?\.?( ?(no|nr|number|id|#)\.?)?")
_WAVELENGTHS = re.compile(r"(wavelengths?|lambda|\u03bb|wl|wellenl\u00e4nge|nm)( ?[\[(/,]? ?nm\.?[\])]?)?")
_ABSORBANCES = re.compile(
    r"(absorbance|abs|extinction|ext|a|od|absorption|transmittance|transmission|%\s?t|t\s?%|extinktion)\.?"
    r"(?: ?[\[(/]? ?(au|a\.u\.|mau|od|mod|%|% ?t|absorbance|abs)[\])]?)?"
)
_WAVELENGTH = re.compile(r"(?:(?:a|abs|absorbance|od|ext)[ _]?)?([0-9][0-9.,]*) ?(nm)?(?: ?[\[(](.*)[\])])?")
_DESIGNATION = re.compile(
    r"(?P<word>evaluation|eval|recipe|condition|experiment|exp|sample|spectrum|run|droplet)?[ _.#-]*(?P<number>\d{1,7})"
    r"(?:(?:[ _]+|[ _-]*(?P<again>rep|replicate|r|droplet|drop|d|scan)[ _.#-]*)(?P<replicate>\d{1,5}))?"
)
_SURE = frozenset({None, "evaluation", "eval", "recipe", "condition"})
_LEAST, _MOST = 100.0, 20_000.0
"""Wavelengths in nm that a spectrometer may have."""

_OTHERWISE = re.compile(r"reflect|%\s?r\b|counts|intensit|emission|fluoresc|scope")
"""Words of what is measured instead."""

_TRANSMITTANCES = re.compile(r"%\s?t\b|\bt\s?[\[(/]?\s?%|%\s?transmi|transmi\w+\s?[\[(/]?\s?%")


def plain(text: str) -> str:
    """A heading in lower case, with single blanks, without line breaks and underscores."""
    return " ".join(unicodedata.normalize("NFC", text).replace("_", " ").split()).casefold()


def heading(content: Content) -> str:
    """A heading as a text; numbers as they are."""
    if content is None:
        return ""
    return f"{content:g}" if isinstance(content, float) and abs(content) < 1e6 else str(content)


def with_unit(text: str, name: str) -> tuple[bool, str | None]:
    """Whether a heading begins with a name, and the unit that stands behind it: ``T [°C]``, ``T / °C``, ``T, °C``."""
    given, wanted = plain(text), plain(name)
    if given == wanted:
        return True, None
    if not given.startswith(wanted):
        return False, None
    # The unit keeps its capitals.
    rest = " ".join(unicodedata.normalize("NFC", text).split())[len(wanted) :]
    match = re.fullmatch(r"[ _]*(?:\((.*)\)|\[(.*)\]|\{(.*)\}|[/,:][ ]*(\S.*)|[ _]in[ _](\S.*))", rest)
    if match is None:
        return False, None
    unit = next(group for group in match.groups() if group is not None).strip()
    return True, unit or None


@dataclass(frozen=True)
class Headings:
    """Finds what headings are.

    Args:
        variables: The variables of the recipes.
        quantity: Name of the value that is told.
        spectral: Whether spectra are told.
    """

    variables: Sequence[Coordinate]
    quantity: str
    spectral: bool

    def role(self, content: Content) -> Role | None:
        """What a column with this heading is; None where that is not known."""
        text = heading(content)
        if not text:
            return None
        for place in sorted(range(len(self.variables)), key=lambda k: -len(self.variables[k].name)):
            named, unit = with_unit(text, self.variables[place].name)
            if plain(text) == plain(self.variables[place].label):
                return Role(Kind.VARIABLE, place)
            if named:
                return Role(Kind.VARIABLE, place, unit)
        given = plain(text)
        if _NUMBERS.fullmatch(given):
            return Role(Kind.NUMBER)
        for name in dict.fromkeys((self.quantity, "value")):
            named, unit = with_unit(text, name)
            if named and unit is not None and re.fullmatch(r"\d{1,4}", unit):
                return Role(Kind.VALUE, int(unit))  # yield (1), yield (2)
            if named:
                return Role(Kind.VALUE, 0, unit)
            match = re.fullmatch(rf"{re.escape(plain(name))}[ .#-]*(\d{{1,4}})(?: ?[(\[](.*)[)\]])?", given)
            if match is not None:
                return Role(Kind.VALUE, int(match[1]), match[2])
        match = re.fullmatch(r"(?:replicate|rep|repeat)[ .#-]*(\d{1,4})", given)
        if match is not None and not self.spectral:
            return Role(Kind.VALUE, int(match[1]))
        if _REPLICATES.fullmatch(given):
            return Role(Kind.REPLICATE)
        return self._of_spectra(given)

    def _of_spectra(self, given: str) -> Role | None:
        if _WAVELENGTHS.fullmatch(given):
            return Role(Kind.WAVELENGTHS)
        match = _ABSORBANCES.fullmatch(given)
        if match is not None:
            return Role(Kind.ABSORBANCE, unit=given)
        match = _WAVELENGTH.fullmatch(given)
        if match is not None:
            try:
                wavelength = Numerals().number(match[1]) or 0.0
            except ValueError:  # 450,125 with nothing else to go by
                wavelength = float(match[1].replace(",", "."))
            if _LEAST <= wavelength <= _MOST:
                return Role(Kind.WAVELENGTH, wavelength, match[3])
        return None

    def conversion(self, role: Role) -> Conversion:
        """From the numbers of a variable's column to its unit.

        Raises:
            ValueError: If the heading gives a unit that cannot be converted.
        """
        if role.unit is None:
            return Conversion()
        return conversion(role.unit, self.variables[int(role.which)].unit)


def absorbance_of(words: str) -> Callable[[float], float] | None:
    """How numbers in a unit, such as ``mAU`` or ``%T``, become absorbances; None where they are absorbances.

    Transmittance in per cent is converted by ``A = 2 - log10(%T)``; zero or less has none, and becomes NaN.

    Raises:
        ValueError: If a transmittance does not say that it is in per cent.
    """
    given = plain(words)
    if re.search(r"\bm(au|od|a\.u\.)", given):
        return lambda number: number / 1000
    if _TRANSMITTANCES.search(given):
        return lambda number: float(2 - np.log10(number)) if number > 0 else np.nan
    if _OTHERWISE.search(given):
        raise ValueError(f"{words!r} is no absorbance; export the absorbance")
    if given.startswith("transmi"):
        raise ValueError("a transmittance is told in per cent: write %T into the heading, or give absorbances")
    return None


@dataclass(frozen=True)
class Designation:
    """Which evaluation, and which of its replicates, a name stands for.

    Args:
        evaluation: Number of the evaluation.
        replicate: Number of the replicate; None where there is none.
        sure: Whether the name says that the number is an evaluation's.
    """

    evaluation: int
    replicate: int | None
    sure: bool


def designation(text: str) -> Designation | None:
    """The evaluation that a name stands for: ``12``, ``evaluation 12``, ``12_3``, ``sample 12 rep 3``; else None."""
    match = _DESIGNATION.fullmatch(plain(text).replace(".0", "") if re.fullmatch(r"\d+\.0", text) else plain(text))
    if match is None:
        return None
    replicate = None if match["replicate"] is None else int(match["replicate"])
    return Designation(int(match["number"]), replicate, match["word"] in _SURE)
