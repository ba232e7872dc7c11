"""A repulsion of atoms that come too close, as the mean of a prior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from ase.data import covalent_radii

from matseek.checks import check, real
from matseek.compilation import compiled
from matseek.core.space import StructureSpace
from matseek.descriptors.surroundings import Surroundings

FloatArray = npt.NDArray[np.float64]

_REACH = 2.0
"""Distance, in units of the contact distance, from which on there is no repulsion."""

_CLOSEST = 0.5
"""Distance, in units of the contact distance, below which the repulsion grows no more."""


@dataclass(frozen=True)
class Repulsion:
    """``sum (c / r)^12`` over pairs with a free atom, c a multiple of the least distance that the space allows.

    Bisbo and Hammer, Phys. Rev. B 105, 245404 (2022), take 0.7 times the sum of the covalent radii for c.

    Args:
        contact: c in least distances; the default is 0.7 of the radii where the least distance is 0.6 of them.

    Raises:
        ValueError: If the setting is out of its range.
    """

    contact: float = 7 / 6

    def __post_init__(self) -> None:
        check(self, contact=real(above=0, high=10, unit="least distances"))

    def prepare(self, space: StructureSpace) -> PreparedRepulsion:
        """The repulsion in the structures of a space."""
        return PreparedRepulsion(self.contact * space.least_distance, space)


class PreparedRepulsion:
    """The repulsion in the structures of a space.

    Args:
        ratio: Contact distance of two atoms as a multiple of the sum of their covalent radii.
        space: Free atoms and template.
    """

    def __init__(self, ratio: float, space: StructureSpace) -> None:
        self.space = space
        radii = ratio * np.asarray(covalent_radii[space.numbers], dtype=np.float64)
        largest = ratio * float(covalent_radii[space.template.numbers].max(initial=0.0)) + float(radii.max())
        around = Surroundings.of(space, _REACH * max(largest, 2 * float(radii.max())))
        below = ratio * np.asarray(covalent_radii[around.template_numbers], dtype=np.float64)
        self._fixed = (around.template, below, radii, around.shifts)

    def energies(self, points: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Of structures ``(m, 3n)``: the sum, shape ``(m,)``, and its gradient per angstrom, shape ``(m, 3n)``."""
        positions = self.space.wrap(points).reshape(-1, self.space.size, 3)
        energies, gradients = np.zeros(len(positions)), np.zeros_like(positions)
        _repulsion(positions, *self._fixed, energies, gradients)
        return energies, gradients.reshape(len(positions), -1)


@compiled
def _pair(dx: float, dy: float, dz: float, contact: float) -> tuple[float, float]:
    """Energy of a pair, and its derivative over the distance; zero beyond the reach, continued as a line inside."""
    squared = (dx * dx + dy * dy + dz * dz) / (contact * contact)
    if squared >= _REACH * _REACH:
        return 0.0, 0.0
    least = _CLOSEST * _CLOSEST
    inside = max(squared, least)
    power = inside**-6
    shift = _REACH**-12.0
    by_squared = -6.0 * power / inside
    return power - shift + by_squared * (squared - inside), 2.0 * by_squared / (contact * contact)


@compiled
def _repulsion(
    x: FloatArray,
    fixed: FloatArray,
    below: FloatArray,
    radii: FloatArray,
    shifts: FloatArray,
    energies: FloatArray,
    gradients: FloatArray,
) -> None:
    for b in range(len(x)):
        for i in range(x.shape[1]):
            for t in range(len(fixed)):
                dx, dy, dz = x[b, i, 0] - fixed[t, 0], x[b, i, 1] - fixed[t, 1], x[b, i, 2] - fixed[t, 2]
                energy, slope = _pair(dx, dy, dz, radii[i] + below[t])
                energies[b] += energy
                gradients[b, i, 0] += slope * dx
                gradients[b, i, 1] += slope * dy
                gradients[b, i, 2] += slope * dz
            for j in range(i):
                for s in range(len(shifts)):
                    dx = x[b, i, 0] - x[b, j, 0] - shifts[s, 0]
                    dy = x[b, i, 1] - x[b, j, 1] - shifts[s, 1]
                    dz = x[b, i, 2] - x[b, j, 2] - shifts[s, 2]
                    energy, slope = _pair(dx, dy, dz, radii[i] + radii[j])
                    energies[b] += energy
                    gradients[b, i, 0] += slope * dx
                    gradients[b, i, 1] += slope * dy
                    gradients[b, i, 2] += slope * dz
                    gradients[b, j, 0] -= slope * dx
                    gradients[b, j, 1] -= slope * dy
                    gradients[b, j, 2] -= slope * dz
