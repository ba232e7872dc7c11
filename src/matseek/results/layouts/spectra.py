"""Spectra from cells: which wavelengths are read, and what stands at them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from matseek.core.wavelengths import resample
from matseek.errors import ResponseError
from matseek.results.cells import Cells
from matseek.results.findings import Finding, Refusal
from matseek.results.layouts.asking import Asking
from matseek.results.layouts.lines import Sheet
from matseek.tables import Place

FloatArray = npt.NDArray[np.float64]
Scale = Callable[[float], float]
"""From told numbers to absorbances."""

_SAME = 1e-6
"""Wavelengths that differ by less, in nm, are the same."""


def chosen(given: FloatArray, asking: Asking, place: Place, sheet: Sheet) -> npt.NDArray[np.intp]:
    """Which of the told wavelengths, in increasing order, are read.

    The target's own, where all of them are there; else all of them, where spectra are interpolated.

    Raises:
        Refusal: If they are others, and must not be interpolated.
    """
    wanted = asking.wavelengths
    assert wanted is not None
    if len(given):
        near = np.clip(np.searchsorted(given, wanted), 1, max(len(given) - 1, 1))
        near = np.where(
            np.abs(given[near - 1] - wanted) <= np.abs(given[np.minimum(near, len(given) - 1)] - wanted), near - 1, near
        )
        near = np.minimum(near, len(given) - 1)
        if np.abs(given[near] - wanted).max() <= _SAME:
            return np.asarray(near, dtype=np.intp)
    extent = f"{given[0]:g}-{given[-1]:g} nm" if len(given) else "none"
    if not asking.resampling or len(given) < 2:
        raise Refusal(
            place,
            f"the table has {len(given)} wavelengths ({extent}), but the target has {len(wanted)} "
            f"({wanted[0]:g}-{wanted[-1]:g} nm); measure on the target's wavelengths, or ask for resampling: "
            "matseek tell --resample, tell(..., resampling=True)",
        )
    if given[0] > wanted[0] or given[-1] < wanted[-1]:
        raise Refusal(
            place,
            f"spectra were measured at {extent}, but {wanted[0]:g}-{wanted[-1]:g} nm are wanted; nothing is "
            "extrapolated: measure the whole range, or shorten the target",
        )
    inside = np.flatnonzero((given > wanted[0]) & (given < wanted[-1]))
    low = np.searchsorted(given, wanted[0], side="right") - 1
    high = np.searchsorted(given, wanted[-1], side="left")
    kept = np.unique(np.r_[low, inside, high]).astype(np.intp)
    gap = float(np.diff(given[kept]).max())
    usual = float(np.diff(wanted).max())
    if gap > max(4 * usual, 10.0):
        finding = Finding(place, f"spectra are interpolated across {gap:g} nm, where bands may have been missed")
        if not any(odd.message == finding.message for odd in sheet.odd):
            sheet.odd.append(finding)
    return kept


def picked(
    cells: Sequence[tuple[float, int, int]],
    reader: Cells,
    names: Mapping[int, str],
    scale: Scale | None,
    asking: Asking,
    place: Place,
    sheet: Sheet,
) -> FloatArray | None:
    """The spectrum of cells, each with its wavelength, row and column, in any order.

    Raises:
        Refusal: If a wavelength is there twice, or a cell holds no absorbance.
    """
    order = sorted(cells)
    given = np.array([w for w, _, _ in order])
    twice = np.flatnonzero(np.diff(given) <= _SAME)
    if len(twice):
        wavelength, row, column = order[int(twice[0]) + 1]
        raise Refusal(
            reader.place(row, column, names.get(column)),
            f"{wavelength:g} nm is there twice; keep one, or tell replicates apart by a column 'replicate'",
        )
    kept = chosen(given, asking, place, sheet)
    return spectrum_of([order[k] for k in kept], reader, names, scale, asking)


def spectrum_of(
    cells: Sequence[tuple[float, int, int]],
    reader: Cells,
    names: Mapping[int, str],
    scale: Scale | None,
    asking: Asking,
) -> FloatArray | None:
    """The spectrum of the cells that are read, on the target's wavelengths; NaN of a failure, None of an empty row.

    Raises:
        Refusal: If some cells are empty and others are not, or one holds no absorbance.
    """
    assert asking.wavelengths is not None
    numbers = [reader.result(row, column, names.get(column, "")) for _, row, column in cells]
    filled = [number is not None for number in numbers]
    if not any(filled):
        return None
    words = [
        isinstance(reader.grid.cell(row, column), str) and number is not None and np.isnan(number)
        for number, (_, row, column) in zip(numbers, cells, strict=True)
    ]
    if any(words) and sum(filled) == sum(words):
        return np.full(len(asking.wavelengths), np.nan)  # a word for a failure, and nothing besides
    if not all(filled):
        _, row, column = cells[filled.index(False)]
        raise Refusal(
            reader.place(row, column, names.get(column)),
            f"the absorbance is missing, and {sum(filled)} others of the spectrum are there; give it, or write failed",
        )
    convert = scale or float
    spectrum = np.array([convert(number) for number in numbers if number is not None])
    dark = np.flatnonzero(np.isnan(spectrum) & np.isfinite(np.array(numbers, dtype=np.float64)))
    if len(dark):
        _, row, column = cells[int(dark[0])]
        message = "a transmittance of 0 or less has no absorbance; the spectrum counts as failed"
        reader.odd.append(Finding(reader.place(row, column, names.get(column)), message))
    if not asking.resampling:
        return spectrum
    try:
        return resample(spectrum, np.array([w for w, _, _ in cells]), asking.wavelengths)
    except ResponseError as error:
        _, row, column = cells[0]
        raise Refusal(reader.grid.place(row), str(error)) from error
