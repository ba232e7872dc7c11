"""What is made of a measured spectrum, from a config: its objective and its wavelengths."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matseek.checks import of, real, shown
from matseek.core.objective import Objective
from matseek.core.wavelengths import require_wavelengths, resample
from matseek.errors import ResponseError
from matseek.tables import read_spectrum

if TYPE_CHECKING:
    from matseek.problems.spectra import SpectralMatch

FloatArray = npt.NDArray[np.float64]

_MOST = 100_000
"""Wavelengths of a range."""


def objective_of(
    settings: Mapping[str, Any] | Objective | None,
    target: Path | None,
    wavelengths: Mapping[str, Any] | Sequence[float] | None,
) -> Objective | None:
    """The objective that a config describes; None where the value itself is told.

    Args:
        settings: ``kind`` (one of :data:`KINDS`) and the settings of the kind's class; an objective of one's own; or
            None for the match with the target's spectrum.
        target: File with the wanted spectrum.
        wavelengths: Where spectra are measured, in nm: ``low``, ``high`` and ``step``, or a list. None: the target's.

    Raises:
        ValueError: If a setting is not as described.
        FileNotFoundError: If there is no such target file.
    """
    if isinstance(settings, Objective):
        if target is not None or wavelengths is not None:
            raise ValueError("objective: an objective of one's own has its target and wavelengths; leave ours out")
        return settings
    if settings is None:
        if target is None and wavelengths is not None:
            raise ValueError(
                "wavelengths are given, and neither a target nor an objective; give data=TARGET.csv, or an objective: "
                "{kind: peak_position, at: 650}"
            )
        settings = {"kind": "spectrum"}
        if target is None:
            return None
    of(Mapping, f"settings: a kind, one of {sorted(KINDS)}, and what it needs")("objective", settings)
    chosen = {**settings}
    kind = chosen.pop("kind", None)
    if kind not in KINDS:
        raise ValueError(f"objective: kind={shown(kind)} is none of {sorted(KINDS)}; choose one")
    grid = None if wavelengths is None else _grid(wavelengths)
    if kind != "spectrum" and target is not None:
        raise ValueError(f"objective: a {kind} needs no target; leave data out, or choose kind: spectrum")
    if kind != "spectrum" and grid is None:
        raise ValueError(
            f"objective: a {kind} needs the wavelengths at which spectra are measured; give wavelengths: "
            "{low: 400, high: 800, step: 1}, in nm"
        )
    try:
        return KINDS[kind](chosen, target, grid)
    except TypeError as error:  # the name of a setting that there is not, or one that is missing
        raise ValueError(f"objective of the kind {kind}: {_about_settings(error)}") from error
    except ValueError as error:
        raise ValueError(f"objective of the kind {kind}: {error}") from error


def _spectrum(settings: Mapping[str, Any], target: Path | None, grid: FloatArray | None) -> SpectralMatch:
    from matseek.problems.spectra import SpectralMatch

    if target is None:
        raise ValueError("it needs the wanted spectrum: data=TARGET.csv")
    if not target.is_file():
        raise FileNotFoundError(f"target={str(target)!r} is not a file; give a CSV with wavelength and absorbance")
    try:
        at, absorbances = read_spectrum(target)
        if grid is not None:
            at, absorbances = grid, resample(absorbances, at, grid)
    except ResponseError as error:
        raise ValueError(f"target={str(target)!r} does not reach as far as wavelengths: {error}") from error
    except ValueError as error:
        raise ValueError(f"target={str(target)!r}: {error}") from error
    return SpectralMatch(at, absorbances, **settings)


def _colour(settings: Mapping[str, Any], target: Path | None, grid: FloatArray | None) -> Objective:  # noqa: ARG001
    from matseek.problems.colour import ColourMatch  # needs torch

    assert grid is not None
    given = {**settings}
    if "color" in given:
        given["target"] = given.pop("color")
    return ColourMatch(grid, **given)


def _of_band(name: str) -> Callable[[Mapping[str, Any], Path | None, FloatArray | None], Objective]:
    def make(settings: Mapping[str, Any], target: Path | None, grid: FloatArray | None) -> Objective:  # noqa: ARG001
        from matseek.problems import peaks

        objective: Objective = getattr(peaks, name)(grid, **settings)
        return objective

    return make


KINDS: Mapping[str, Callable[[Mapping[str, Any], Path | None, FloatArray | None], Objective]] = {
    "spectrum": _spectrum,
    "colour": _colour,
    "peak_position": _of_band("PeakAt"),
    "peak_width": _of_band("NarrowPeak"),
    "peak_ratio": _of_band("BandRatio"),
}
"""What makes an objective, by its kind: from its settings, the target's file and the wavelengths."""


def _grid(wavelengths: Mapping[str, Any] | Sequence[float]) -> FloatArray:
    """Wavelengths from a range or a list, shape ``(m,)``."""
    if not isinstance(wavelengths, Mapping):
        return require_wavelengths(wavelengths)
    if set(wavelengths) != {"low", "high", "step"}:
        raise ValueError(f"wavelengths={shown(dict(wavelengths))}: give low, high and step in nm, or a list of numbers")
    positive = real(above=0, unit="nm")
    low, high, step = (float(positive(f"wavelengths.{key}", wavelengths[key])) for key in ("low", "high", "step"))
    steps = (high - low) / step
    if not 1 <= steps <= _MOST or abs(steps - round(steps)) > 1e-6:
        raise ValueError(
            f"wavelengths: from {low:g} to {high:g} nm are {steps:g} steps of {step:g} nm; give a range of whole "
            "steps, the lower end first"
        )
    return np.asarray(low + step * np.arange(round(steps) + 1), dtype=np.float64)


def _about_settings(error: TypeError) -> str:
    """What a call that does not fit says, without the name of the constructor."""
    message = str(error).partition("__init__() ")[2] or str(error)
    unknown = message.replace("got an unexpected keyword argument", "there is no setting")
    return unknown.replace("required positional argument", "setting")
