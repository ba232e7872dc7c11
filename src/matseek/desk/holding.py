"""Values that are given on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from pathlib import Path

import yaml

from matseek.core.problem import Laboratory
from matseek.tables import Numerals


def held_values(given: Sequence[str], option: str = "--fix") -> dict[str, object]:
    """Values at which variables are held, from texts such as ``Qtot=800`` or ``ligand=PVP``.

    Args:
        given: One text for each variable.
        option: The option that gives them, for messages.

    Raises:
        ValueError: If a text is no such pair, or a variable is named twice.
    """
    held: dict[str, object] = {}
    for text in given:
        name, equals, value = (part.strip() for part in text.rpartition("="))
        if not (name and equals and value) or name in held:
            raise ValueError(f"{option} {text!r}: give NAME=VALUE, each variable once")
        try:
            held[name] = float(value)
        except ValueError:
            held[name] = value
    return held


def told_values(given: Sequence[str], laboratory: Laboratory) -> list[float]:
    """Values of a condition's replicates from texts such as ``71.5``, ``71,5`` or ``failed``.

    Args:
        given: One text for each replicate.
        laboratory: The problem whose value it is.

    Raises:
        ValueError: If a text is no number, or the problem is told spectra.
    """
    if laboratory.objective is not None:
        raise ValueError("the campaign is told spectra; give the right one with --file")
    values = []
    for text in given:
        number = nan if text.strip().casefold() == "failed" else Numerals().number(text.strip())
        if number is None:
            raise ValueError(f"--value {text!r} is no number; give one, or the word failed")
        values.append(number)
    return values


def column_map(path: Path) -> dict[str, str]:
    """Names of variables, and of what is measured, by the headings that a table has, from a YAML file.

    Args:
        path: A file with lines such as ``AgNO3 flow: QAgNO3``.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds something else.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}; give a YAML file with a line for each column")
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read as YAML: {error}") from error
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise ValueError(f"{path}: give a line for each column: HEADING IN THE TABLE: NAME OF THE VARIABLE")
    return {str(key): value for key, value in found.items()}
