"""Clusters that are made symmetric."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt
from ase.data import covalent_radii

from matseek.candidates.base import directions
from matseek.geometry.pockets import pockets
from matseek.geometry.point_groups import orbit, point_groups

FloatArray = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_MERGED = 0.5
"""Images of an atom that are nearer than this multiple of a contact's length become one atom."""

_APART = 0.8
"""Least distance of atoms, as a multiple of the sum of their covalent radii."""

_SHUFFLED = 0.3
"""Standard deviation, in mean contacts, of what is added to distances from the centre before atoms are put in order."""

_PLACES = 20
"""Places that are looked at where there is no pocket."""


def symmetrised(positions: FloatArray, numbers: Integers, rng: np.random.Generator) -> FloatArray:
    """A cluster that has a point group, but for what atoms are left over, made from another one.

    After Oakley, Johnston and Wales, Phys. Chem. Chem. Phys. 15, 3965 (2013), and the symmetric random structures of
    Pickard and Needs, J. Phys. Condens. Matter 23, 053201 (2011). All groups of
    :func:`matseek.geometry.point_groups.point_groups` are alike. The centre is the cluster's; the main axis leads to an
    atom, or to the middle of two or three neighbours. From about the centre outwards the atoms' orbits are taken, as
    far as they overlap with none that is taken already and there are atoms of the element for them. What is left over
    is put into pockets: whole orbits of them as long as one fits, then one by one.

    Args:
        positions: Shape ``(n, 3)``, in angstrom.
        numbers: Atomic numbers, shape ``(n,)``.
        rng: Source of randomness.

    Returns:
        Positions, shape ``(n, 3)``: those of as many atoms of each element, at the same places in the list.
    """
    groups = list(point_groups().values())
    growth = _Growth(groups[rng.integers(len(groups))], numbers)
    centre = positions.mean(axis=0)
    radii = np.asarray(covalent_radii[numbers], dtype=np.float64)
    turned = _oriented(positions - centre, float(radii.mean()), rng)
    shuffled = np.linalg.norm(turned, axis=1) + 2 * _SHUFFLED * radii.mean() * rng.standard_normal(len(numbers))
    for atom in shuffled.argsort().tolist():
        growth.try_orbit(turned[atom], int(numbers[atom]))
    while growth.left:
        elements = sorted(growth.left)
        growth.fill_pocket(elements[rng.integers(len(elements))], rng)
    return np.asarray(centre + growth.as_listed(numbers))


def _oriented(positions: FloatArray, scale: float, rng: np.random.Generator) -> FloatArray:
    """Positions ``(n, 3)`` from the centre, turned so that z leads to some atoms, and x z to others."""

    def toward() -> FloatArray:
        atom, count = rng.integers(len(positions)), rng.integers(1, 4)
        nearest = np.linalg.norm(positions - positions[atom], axis=1).argsort()[:count]
        middle: FloatArray = positions[nearest].mean(axis=0)
        return middle if float(np.linalg.norm(middle)) > 0.2 * scale else directions(1, rng)[0]

    z = toward()
    y = np.cross(z, toward())
    if np.linalg.norm(y) < 1e-3 * scale * np.linalg.norm(z):
        y = np.cross(z, directions(1, rng)[0])
    frame = np.array([np.cross(y, z), y, z])
    return np.asarray(positions @ (frame / np.linalg.norm(frame, axis=1, keepdims=True)).T)


class _Growth:
    """A cluster that grows by orbits.

    Attributes:
        left: How many atoms of each element are still to be placed; elements without any are not in it.
    """

    def __init__(self, group: FloatArray, numbers: Integers) -> None:
        self.left = Counter(numbers.tolist())
        self._group = group
        self._positions, self._numbers = np.empty((0, 3)), np.empty(0, dtype=np.int64)
        # Once an atom had to be placed by itself, nothing is symmetric any more.
        self._single = False

    def try_orbit(self, place: FloatArray, number: int) -> bool:
        """Take the orbit of a place if there are atoms and room for it; else nothing."""
        if not self.left[number]:
            return False
        diameter = 2 * covalent_radii[number]
        places = orbit(place, self._group, _MERGED * diameter)
        if len(places) > self.left[number]:
            return False
        # By symmetry one of the orbit stands for all.
        own = np.linalg.norm(places[1:] - places[0], axis=1) / diameter
        others = np.linalg.norm(self._positions - places[0], axis=1) / (
            covalent_radii[self._numbers] + covalent_radii[number]
        )
        if min(own.min(initial=np.inf), others.min(initial=np.inf)) < _APART:
            return False
        self._take(places, number)
        return True

    def fill_pocket(self, number: int, rng: np.random.Generator) -> None:
        """Place atoms of an element where they touch most others: an orbit, or one where none fits."""
        contacts = np.asarray(covalent_radii[self._numbers] + covalent_radii[number], dtype=np.float64)
        places, touched = pockets(self._positions, contacts)
        ranked = places[np.argsort(-(touched + rng.random(len(places))))]
        if not self._single and any(self.try_orbit(place, number) for place in ranked):
            return
        self._single = True
        if not len(ranked):
            ranked = self._beside(contacts, rng)
        self._take(ranked[:1], number)

    def _beside(self, contacts: FloatArray, rng: np.random.Generator) -> FloatArray:
        """A place in contact with one atom and far from the others, ``(1, 3)``: no further atom could touch three."""
        if not len(self._positions):
            return np.zeros((1, 3))
        atoms = rng.integers(len(self._positions), size=_PLACES)
        places = self._positions[atoms] + contacts[atoms, None] * directions(_PLACES, rng)
        away = np.linalg.norm(places[:, None] - self._positions, axis=-1) / contacts
        return np.asarray(places[[away.min(axis=1).argmax()]])

    def _take(self, places: FloatArray, number: int) -> None:
        self._positions = np.concatenate([self._positions, places])
        self._numbers = np.append(self._numbers, np.full(len(places), number))
        self.left = +(self.left - Counter({number: len(places)}))

    def as_listed(self, numbers: Integers) -> FloatArray:
        """Positions ``(n, 3)`` in the order of a list of the same elements."""
        result = np.empty((len(numbers), 3))
        for number in set(numbers.tolist()):
            result[numbers == number] = self._positions[self._numbers == number]
        return result
