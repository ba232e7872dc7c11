"""The palette of a synthesis: which colours its samples have in transmitted daylight, and which it can reach."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from matseek.core.space import BoxSpace
from matseek.insight.loss_map import VariableGrid, map_grid
from matseek.problems.colour import (
    JUST_NOTICEABLE,
    lab_from_xyz,
    srgb_from_xyz,
    transmitted_xyz,
    tristimulus_weights,
    xyz_from_lab,
)

FloatArray = npt.NDArray[np.float64]
Spectra = Callable[[FloatArray], npt.ArrayLike]

_CHUNK = 4096


@dataclass(frozen=True, eq=False)
class Colours:
    """Colours of samples; NaN where a spectrum was not finite.

    Args:
        xyz: CIE 1931 tristimulus values, shape ``(..., 3)``, Y = 100 for a clear sample.
        lab: CIE Lab under D65, shape ``(..., 3)``.
        rgb: Screen colours (sRGB) in [0, 1], shape ``(..., 3)``.
        clipped: Whether a screen cannot show the colour, so that rgb is only near it, shape ``(...)``.
    """

    xyz: FloatArray
    lab: FloatArray
    rgb: FloatArray
    clipped: npt.NDArray[np.bool_]

    @property
    def hex(self) -> npt.NDArray[np.str_]:
        """Screen colours as text such as ``#3a5fcd``, shape ``(...)``; empty where a spectrum was not finite."""
        flat = self.rgb.reshape(-1, 3)
        known = np.asarray(np.isfinite(flat).all(axis=1))
        bytes_ = np.rint(255.0 * np.where(known[:, None], flat, 0.0)).astype(int)
        texts = ["#{:02x}{:02x}{:02x}".format(*row) if k else "" for row, k in zip(bytes_, known, strict=True)]
        return np.array(texts, dtype="<U7").reshape(self.rgb.shape[:-1])


@dataclass(frozen=True, eq=False)
class ColourMap(VariableGrid):
    """Colours over a grid of two variables, the other variables held where a recipe has them.

    Args:
        colours: Shapes ``(ny, nx, ...)``; NaN where the recipe is not feasible.
        recipe: The recipe that lends the other variables, shape ``(d,)``.
    """

    colours: Colours
    recipe: FloatArray


@dataclass(frozen=True, eq=False)
class Palette:
    """Colours that differ as much as possible among those that a synthesis reaches.

    Args:
        recipes: Shape ``(k, d)``, in the variables' units, in the order of hue.
        colours: Their colours, shapes ``(k, ...)``.
        reached: CIE Lab of all recipes that were tried, shape ``(n, 3)``.
    """

    recipes: FloatArray
    colours: Colours
    reached: FloatArray


def transmitted_colours(wavelengths: npt.ArrayLike, absorbances: npt.ArrayLike) -> Colours:
    """Colours of samples in transmitted daylight: ``T = 10^-A``, CIE 1931 2-degree observer, illuminant D65.

    Args:
        wavelengths: Wavelengths in nm, shape ``(m,)``, strictly increasing, covering 400 to 700.
        absorbances: Decadic absorbances, shape ``(..., m)``.

    Returns:
        The colours, shapes ``(..., 3)`` and ``(...)``.

    Raises:
        ValueError: If the wavelengths do not fit the spectra or leave out visible light.
    """
    weights = torch.tensor(tristimulus_weights(wavelengths))
    array = np.asarray(absorbances, dtype=np.float64)
    if array.ndim == 0 or array.shape[-1] != len(weights):
        raise ValueError(
            f"spectra have shape {array.shape}, but there are {len(weights)} wavelengths; "
            "give one absorbance per wavelength"
        )
    flat = array.reshape(-1, len(weights))
    xyz = np.full((len(flat), 3), np.nan)
    for start in range(0, len(flat), _CHUNK):
        part = flat[start : start + _CHUNK]
        finite = np.isfinite(part).all(axis=-1, keepdims=True)
        safe = torch.from_numpy(np.where(finite, part, 0.0))
        xyz[start : start + _CHUNK] = np.where(finite, transmitted_xyz(safe, weights).numpy(), np.nan)
    xyz = xyz.reshape(*array.shape[:-1], 3)
    lab = lab_from_xyz(torch.from_numpy(xyz), weights.sum(dim=0)).numpy()
    return Colours(xyz, lab, *srgb_from_xyz(xyz))


def colours_of_lab(lab: npt.ArrayLike) -> Colours:
    """Colours from CIE Lab under D65, shape ``(..., 3)``."""
    array = np.asarray(lab, dtype=np.float64)
    xyz = xyz_from_lab(array)
    return Colours(xyz, array, *srgb_from_xyz(xyz))


def colour_map(
    spectra: Spectra,
    wavelengths: npt.ArrayLike,
    space: BoxSpace,
    recipe: npt.ArrayLike,
    x: str,
    y: str,
    resolution: int = 41,
) -> ColourMap:
    """Colours over two variables around a recipe.

    Args:
        spectra: Absorbances of points ``(n, d)`` in the variables' units, shape ``(n, m)``: a network or a laboratory.
        wavelengths: Wavelengths in nm, shape ``(m,)``.
        space: The recipes; infeasible ones have no colour.
        recipe: Lends the other variables, shape ``(d,)``.
        x: Name of the variable along x.
        y: Name of the variable along y.
        resolution: Cells along each side.

    Raises:
        ValueError: If a variable is unknown.
    """
    i, j, x_values, y_values = map_grid(space, x, y, resolution)
    base = space.as_points(recipe)[0]
    points = np.tile(base, (resolution * resolution, 1))
    points[:, i], points[:, j] = np.tile(x_values, resolution), np.repeat(y_values, resolution)
    feasible = space.contains(points)
    size = np.asarray(wavelengths).size
    responses = np.full((len(points), size), np.nan)
    if feasible.any():
        responses[feasible] = _in_chunks(spectra, points[feasible])
    colours = transmitted_colours(wavelengths, responses.reshape(resolution, resolution, size))
    return ColourMap(space.variables[i], space.variables[j], x_values, y_values, colours, base)


def reachable_palette(
    spectra: Spectra,
    wavelengths: npt.ArrayLike,
    space: BoxSpace,
    *,
    chips: int = 24,
    samples: int = 4096,
    seed: int = 0,
) -> Palette:
    """The most different colours among those of many feasible recipes.

    Chips are chosen by farthest-point sampling in CIE Lab, Gonzalez, Theor. Comput. Sci. 38, 293 (1985): no colour
    reached is farther from its nearest chip than twice what is possible with that many chips.

    Args:
        spectra: Absorbances of points ``(n, d)`` in the variables' units, shape ``(n, m)``.
        wavelengths: Wavelengths in nm, shape ``(m,)``.
        space: The recipes.
        chips: Most colours to choose; fewer where the next could not be told from one chosen.
        samples: Recipes that are tried, uniformly distributed.
        seed: Seed of the recipes.

    Raises:
        ValueError: If no chip is asked for, or no recipe has a finite spectrum.
    """
    if chips < 1:
        raise ValueError(f"chips={chips} must be at least 1")
    points = space.sample_uniform(samples, np.random.default_rng(seed))
    colours = transmitted_colours(wavelengths, _in_chunks(spectra, points))
    known = np.flatnonzero(np.isfinite(colours.lab).all(axis=1))
    if not len(known):
        raise ValueError("no recipe has a finite spectrum; check the model")
    reached = colours.lab[known]
    chosen = [int(np.linalg.norm(reached - reached.mean(axis=0), axis=1).argmax())]
    nearest = np.linalg.norm(reached - reached[chosen[0]], axis=1)
    while len(chosen) < chips and nearest.max() > JUST_NOTICEABLE:
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.linalg.norm(reached - reached[chosen[-1]], axis=1))
    hue = np.arctan2(reached[chosen, 2], reached[chosen, 1])
    rows = known[np.array(chosen)[np.argsort(hue)]]
    picked = Colours(colours.xyz[rows], colours.lab[rows], colours.rgb[rows], colours.clipped[rows])
    return Palette(points[rows], picked, reached)


def _in_chunks(spectra: Spectra, points: FloatArray) -> FloatArray:
    parts = [np.asarray(spectra(points[k : k + _CHUNK]), dtype=np.float64) for k in range(0, len(points), _CHUNK)]
    return np.concatenate(parts)
