"""The truth over a surface: the lowest energy that one free atom has above each place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from matseek.core.problem import Structures

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Landscape:
    """The lowest energies over the places of a regular grid in the plane of the cell.

    Args:
        places: Where the free atom is at its lowest, shape ``(a, b, 3)``, in angstrom; NaN heights where nothing fits.
        energies: Energies there in eV, shape ``(a, b)``; NaN where nothing fits.
    """

    places: FloatArray
    energies: FloatArray


def energy_landscape(problem: Structures, spacing: float = 0.4, height_step: float = 0.2) -> Landscape:
    """Scan a single free atom over the cell; what it calls is the calculator, and no evaluation of any campaign.

    Args:
        problem: A problem with one free atom.
        spacing: Largest distance of neighbouring places in angstrom.
        height_step: Distance of the heights that are tried, in angstrom.

    Raises:
        ValueError: If there is more than one free atom, or a distance is not positive.
    """
    space = problem.space
    if space.size != 1:
        raise ValueError(f"problem {problem.name!r} has {space.size} free atoms; a landscape is that of a single one")
    if not (spacing > 0 and height_step > 0):
        raise ValueError(f"spacing={spacing} and height_step={height_step} must be positive, in angstrom")
    steps = [int(np.ceil(np.linalg.norm(side) / spacing)) for side in space.plane]
    fractions = np.stack(np.meshgrid(*((np.arange(n) + 0.5) / n for n in steps), indexing="ij"), axis=-1)
    flat = fractions @ space.plane  # (a, b, 2)
    heights = np.linspace(space.z_low, space.z_high, int(np.ceil((space.z_high - space.z_low) / height_step)) + 1)
    tried = np.concatenate(
        [
            np.broadcast_to(flat[:, :, None], (*flat.shape[:2], len(heights), 2)),
            np.broadcast_to(heights[:, None], (*flat.shape[:2], len(heights), 1)),
        ],
        axis=-1,
    )  # (a, b, heights, 3)
    points = tried.reshape(-1, 3)
    allowed = np.array([not reason for reason in space.refusals(points)])
    energies = np.full(len(points), np.nan)
    energies[allowed] = [m.value for m in problem.measure_many(points[allowed])]
    by_place = energies.reshape(tried.shape[:3])
    fits = np.isfinite(by_place).any(axis=-1)
    lowest = np.argmin(np.where(np.isfinite(by_place), by_place, np.inf), axis=-1)
    places = np.take_along_axis(tried, lowest[..., None, None], axis=2)[:, :, 0].copy()
    places[~fits, 2] = np.nan
    return Landscape(places, np.where(fits, np.take_along_axis(by_place, lowest[..., None], axis=2)[..., 0], np.nan))
