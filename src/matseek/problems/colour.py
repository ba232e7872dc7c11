"""Colour of transmitted light, and an objective that wants one: CIE 1931 2-degree observer under illuminant D65."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from matseek.checks import numbers, real, shown
from matseek.core.wavelengths import require_wavelengths
from matseek.problems.objective import SpectralObjective, spread_out

FloatArray = npt.NDArray[np.float64]

NEEDED_WAVELENGTHS = (400.0, 700.0)
"""Range in nm that a spectrum must cover: beyond it lies under 0.5 % of each of X, Y and Z of white light."""

MOST_NEGATIVE_ABSORBANCE = -3.0
"""Absorbances below this count as this much, so that every finite spectrum has a finite colour."""

JUST_NOTICEABLE = 2.3
"""CIE76 difference that an observer just notices, Mahy, Van Eycken and Oosterlinck, Color Res. Appl. 19, 105 (1994)."""

# IEC 61966-2-1:1999, linear sRGB from XYZ with Y = 1 for white.
_SRGB_FROM_XYZ = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
_LARGEST_SCALE = 1e6
_GAMUT_SLACK = 2e-3
_CORNER = 6.0 / 29.0  # where CIE Lab's cube root turns into a straight line


@lru_cache(maxsize=1)
def _observer() -> tuple[FloatArray, FloatArray]:
    """Wavelengths in nm, shape ``(p,)``, and colour-matching functions times D65, shape ``(p, 3)``, Y = 100 for white.

    CIE 015:2018, equation 7.1, as sums at 1 nm.
    """
    with _state_kept():
        import colour

        functions = colour.MSDS_CMFS["CIE 1931 2 Degree Standard Observer"]
        light = colour.SDS_ILLUMINANTS["D65"].copy().align(functions.shape)
    weights = np.asarray(functions.values * light.values[:, None], dtype=np.float64)
    return np.asarray(functions.wavelengths, dtype=np.float64), weights * (100.0 / weights[:, 1].sum())


@contextmanager
def _state_kept() -> Iterator[None]:
    """Undo what importing colour-science changes: NumPy's print options, the warning filters."""
    options = np.get_printoptions()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    np.set_printoptions(**options)


def tristimulus_weights(wavelengths: npt.ArrayLike) -> FloatArray:
    """Weights W that integrate a transmittance T to its colour: ``XYZ = T @ W``, with Y = 100 for clear.

    Between its wavelengths the transmittance is taken as linear, beyond the ends as constant.

    Args:
        wavelengths: Wavelengths in nm, shape ``(m,)``, strictly increasing.

    Returns:
        Weights, shape ``(m, 3)``; their sum is the colour of D65 itself.

    Raises:
        ValueError: If the wavelengths are not increasing, or leave out visible light.
    """
    grid = require_wavelengths(wavelengths)
    low, high = NEEDED_WAVELENGTHS
    if grid[0] > low or grid[-1] < high:
        raise ValueError(
            f"wavelengths run from {grid[0]:g} to {grid[-1]:g} nm, but a colour needs {low:g} to {high:g} nm; "
            "measure the whole visible range"
        )
    at, weights = _observer()
    right = np.clip(np.searchsorted(grid, at), 1, grid.size - 1)
    share = np.clip((at - grid[right - 1]) / (grid[right] - grid[right - 1]), 0.0, 1.0)
    out = np.zeros((grid.size, 3))
    np.add.at(out, right - 1, (1.0 - share)[:, None] * weights)
    np.add.at(out, right, share[:, None] * weights)
    return out


def transmitted_xyz(absorbances: Tensor, weights: Tensor) -> Tensor:
    """Tristimulus values of light that went through a sample: ``XYZ = 10^-A @ W``.

    Args:
        absorbances: Decadic absorbances, shape ``(..., m)``, finite.
        weights: See :func:`tristimulus_weights`, shape ``(m, 3)``.

    Returns:
        Shape ``(..., 3)``, Y = 100 for a clear sample.
    """
    return torch.pow(10.0, -absorbances.clamp_min(MOST_NEGATIVE_ABSORBANCE)) @ weights


def lab_from_xyz(xyz: Tensor, white: Tensor) -> Tensor:
    """CIE 1976 L*a*b*, CIE 015:2018, equations 8.3 to 8.11.

    Args:
        xyz: Tristimulus values, shape ``(..., 3)``, not negative.
        white: Those of white, shape ``(3,)``.

    Returns:
        L* (0 black, 100 white), a* (green to red) and b* (blue to yellow), shape ``(..., 3)``.
    """
    ratio = xyz / white
    bright = ratio > _CORNER**3
    root = torch.where(bright, ratio, torch.ones_like(ratio)).pow(1.0 / 3.0)
    f = torch.where(bright, root, ratio / (3.0 * _CORNER**2) + 4.0 / 29.0)
    x, y, z = f.unbind(dim=-1)
    return torch.stack([116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)], dim=-1)


def xyz_from_lab(lab: FloatArray) -> FloatArray:
    """Tristimulus values of CIE 1976 L*a*b* under D65, the inverse of :func:`lab_from_xyz`.

    Args:
        lab: Shape ``(..., 3)``.

    Returns:
        Shape ``(..., 3)``, Y = 100 for white.
    """
    y = (lab[..., 0] + 16.0) / 116.0
    f = np.stack([y + lab[..., 1] / 500.0, y, y - lab[..., 2] / 200.0], axis=-1)
    ratio = np.where(f > _CORNER, f**3, 3.0 * _CORNER**2 * (f - 4.0 / 29.0))
    return np.asarray(ratio * _observer()[1].sum(axis=0))


def srgb_from_xyz(xyz: FloatArray) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Screen colours, IEC 61966-2-1:1999; what no screen shows is clipped channel by channel.

    Args:
        xyz: Tristimulus values, shape ``(..., 3)``, Y = 100 for white.

    Returns:
        Red, green and blue in [0, 1], gamma-encoded, shape ``(..., 3)``, and whether a colour was clipped,
        shape ``(...)``.
    """
    linear = xyz / 100.0 @ _SRGB_FROM_XYZ.T
    clipped = ((linear < -_GAMUT_SLACK) | (linear > 1.0 + _GAMUT_SLACK)).any(axis=-1)
    inside = np.clip(linear, 0.0, 1.0)
    encoded = np.where(inside <= 0.0031308, 12.92 * inside, 1.055 * inside ** (1 / 2.4) - 0.055)
    return np.asarray(np.clip(encoded, 0.0, 1.0)), np.asarray(clipped, dtype=np.bool_)


def lab_from_hex(color: str, name: str = "color") -> FloatArray:
    """CIE Lab, shape ``(3,)``, of a screen colour such as ``#1f77b4``.

    Args:
        color: The colour.
        name: What the setting is called in messages.

    Raises:
        ValueError: If the text is not a colour.
    """
    if not isinstance(color, str) or not re.fullmatch(r"#[0-9a-fA-F]{6}", color):
        raise ValueError(f"{name}={shown(color)} is not a colour; write six hexadecimal digits, such as '#3a5fcd'")
    encoded = np.array([int(color[k : k + 2], 16) for k in (1, 3, 5)]) / 255.0
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    xyz = 100.0 * np.linalg.solve(_SRGB_FROM_XYZ, linear)
    return lab_from_xyz(torch.tensor(xyz), torch.tensor(_observer()[1].sum(axis=0))).numpy()


@dataclass(frozen=True, eq=False)
class ColourMatch(SpectralObjective):
    """How far the colour of a sample, seen in transmitted daylight, is from the one that is wanted.

    The loss is the CIE 1976 colour difference (CIE76, the distance in CIE Lab; CIE 015:2018, equation 8.21) over a
    scale. CIE76 is chosen over CIEDE2000 because it has a gradient everywhere but at the target, where it is taken as
    zero; CIEDE2000 jumps where hue differences wrap around. A spectrum that is not finite has the loss NaN.

    Args:
        wavelengths: Wavelengths in nm, shape ``(m,)``, strictly increasing, covering 400 to 700.
        target: The colour that is wanted: CIE Lab (L*, a*, b*) under D65, or a screen colour such as ``#3a5fcd``.
        scale: Colour difference that counts as a loss of 1. The default, 100, is that of black and white; a
            difference of 2.3, a loss of 0.023, can just be noticed.

    Raises:
        ValueError: If the wavelengths leave out visible light, the target is no colour or the scale not positive.
    """

    target: FloatArray
    scale: float = 100.0
    weights: FloatArray = field(init=False, repr=False)

    def __init__(
        self, wavelengths: npt.ArrayLike, target: Sequence[float] | FloatArray | str, scale: float = 100.0
    ) -> None:
        grid = require_wavelengths(wavelengths)
        weights = tristimulus_weights(grid)
        lab = lab_from_hex(target, "target") if isinstance(target, str) else numbers("target", target)
        if lab.shape != (3,) or not np.all(np.isfinite(lab)) or not 0 <= lab[0] <= 100:
            raise ValueError(
                f"target={target!r} is no colour; give CIE Lab as three finite numbers with L* from 0 to 100, "
                "or a text such as '#3a5fcd'"
            )
        for array in (grid, weights, lab):
            array.setflags(write=False)
        object.__setattr__(self, "wavelengths", grid)
        object.__setattr__(self, "target", lab)
        object.__setattr__(self, "scale", real(above=0, high=_LARGEST_SCALE)("scale", scale))
        object.__setattr__(self, "weights", weights)

    @property
    def label(self) -> str:
        """``Colour loss``."""
        return "Colour loss"

    @property
    def target_lab(self) -> FloatArray:
        """The target."""
        return self.target

    def thinned(self, most: int) -> ColourMatch:
        """The same colour from evenly spread wavelengths."""
        return ColourMatch(self.wavelengths[spread_out(self.response_size, most)], self.target, self.scale)

    def _identity(self) -> bytes:
        return self.target.tobytes() + np.float64(self.scale).tobytes()

    def _finite_loss(self, spectra: Tensor) -> Tensor:
        weights = torch.tensor(self.weights, dtype=spectra.dtype, device=spectra.device)
        lab = lab_from_xyz(transmitted_xyz(spectra, weights), weights.sum(dim=0))
        apart = lab - torch.tensor(self.target, dtype=spectra.dtype, device=spectra.device)
        # The floor makes the gradient at the target zero instead of undefined.
        difference = apart.square().sum(dim=-1).clamp_min(torch.finfo(spectra.dtype).tiny).sqrt()
        return difference / self.scale
