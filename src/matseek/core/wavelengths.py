"""Wavelengths and spectra as arrays, without torch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from matseek.checks import numbers
from matseek.errors import ResponseError

FloatArray = npt.NDArray[np.float64]


def require_wavelengths(wavelengths: npt.ArrayLike) -> FloatArray:
    """Wavelengths as an array of their own, shape ``(m,)``.

    Raises:
        ValueError: If they are not at least two strictly increasing, finite numbers.
    """
    grid = numbers("wavelengths", wavelengths)
    if grid.ndim != 1 or grid.size < 2 or not np.all(np.isfinite(grid)) or not np.all(np.diff(grid) > 0):
        raise ValueError(
            f"wavelengths must be at least two strictly increasing, finite numbers in nm, got an array of shape "
            f"{grid.shape}; sort them and drop repeats"
        )
    return grid


def resample(spectra: npt.ArrayLike, measured_at: npt.ArrayLike, wanted: npt.ArrayLike) -> FloatArray:
    """Spectra on other wavelengths, by linear interpolation; nothing is extrapolated.

    Args:
        spectra: Absorbances, shape ``(..., p)``.
        measured_at: Their wavelengths in nm, shape ``(p,)``, strictly increasing.
        wanted: Wavelengths in nm to have them on, shape ``(m,)``.

    Returns:
        Absorbances, shape ``(..., m)``; NaN where a neighbour was NaN.

    Raises:
        ResponseError: If the spectra have another length than their wavelengths, or do not reach as far as is wanted.
    """
    array = np.asarray(spectra, dtype=np.float64)
    at, to = require_wavelengths(measured_at), require_wavelengths(wanted)
    if array.ndim == 0 or array.shape[-1] != at.size:
        raise ResponseError(
            f"spectra of shape {array.shape} were measured at {at.size} wavelengths ({at[0]:g}-{at[-1]:g} nm); "
            "give one absorbance per wavelength"
        )
    if to[0] < at[0] or to[-1] > at[-1]:
        raise ResponseError(
            f"spectra were measured at {at[0]:g}-{at[-1]:g} nm, but {to[0]:g}-{to[-1]:g} nm are wanted; nothing is "
            "extrapolated: measure the whole range, or shorten the target"
        )
    right = np.clip(np.searchsorted(at, to), 1, at.size - 1)
    share = (to - at[right - 1]) / (at[right] - at[right - 1])
    left, far = array[..., right - 1], array[..., right]
    # A wavelength that was measured keeps its absorbance, whatever its neighbour is.
    return np.asarray(np.where(share == 0, left, np.where(share == 1, far, (1 - share) * left + share * far)))
