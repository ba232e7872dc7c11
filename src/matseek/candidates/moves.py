"""Candidates that begin at a good structure and move some of its atoms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from ase.data import covalent_radii

from matseek.candidates.base import Generator, confined, directions, island_of, picked, turned
from matseek.checks import check, real, whole
from matseek.core.space import StructureSpace

FloatArray = npt.NDArray[np.float64]

_BONDED = 1.2
"""Longest bond, as a multiple of the sum of the covalent radii."""

_APART = 0.75
"""Least distance of a place from its neighbours, as the same multiple."""

_JITTER = 0.1
"""Bonds to new places differ from the sum of the radii by up to this fraction."""

_TURNED = 0.5
"""Share of moved molecules that get a new orientation."""

_PLACES = 20
"""Places that are looked at for one atom."""

_RISE = 0.2
"""Of the direction to a new place, its vertical part, as a standard deviation."""


@dataclass(frozen=True)
class Rattle(Generator):
    """Some atoms or molecules of a structure are moved, each by a vector that is uniform in a ball.

    Half of the molecules that move also get a new orientation, uniform over all rotations.

    Args:
        weight: Its share of the candidates.
        atoms: Atoms and molecules that are moved, at most.
        amplitude: Radius of the ball in angstrom.
    """

    label: ClassVar[str] = "rattle"
    atoms: int = 3
    amplitude: float = 3.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, atoms=whole(1), amplitude=real(above=0, high=100, unit="angstrom"))

    def propose(self, count: int, parents: FloatArray, space: StructureSpace, rng: np.random.Generator) -> FloatArray:
        """Rattled parents."""
        bodies = space.bodies
        x = bodies.gathered(picked(parents, count, rng))
        for k, structure in enumerate(x):
            moved = rng.permutation(len(bodies))[: self.atoms]
            steps = rng.standard_normal((len(moved), 3))
            steps /= np.linalg.norm(steps, axis=1, keepdims=True)
            centres = bodies.centres(structure).copy()
            centres[moved] += steps * (self.amplitude * rng.random((len(moved), 1)) ** (1 / 3))
            x[k] = _some_turned(bodies.carried(structure, centres), moved, space, rng)
        return confined(x, space)


def _some_turned(
    x: FloatArray, moved: npt.NDArray[np.int64], space: StructureSpace, rng: np.random.Generator
) -> FloatArray:
    """A structure ``(n, 3)`` half of whose molecules among those that have moved are turned."""
    molecules = [int(k) for k in moved if k in space.bodies.molecules]
    if not molecules:
        return x
    return space.bodies.turned(x, rng, [k for k in molecules if rng.random() < _TURNED])


@dataclass(frozen=True)
class CentreMove(Generator):
    """Some atoms or molecules of a structure are placed anew in a disc around its centre of geometry.

    The disc reaches a little beyond the outermost atom; heights are uniform up to a little above the highest atom.
    Where nothing holds the free atoms the disc is a ball. Half of the molecules that move also get a new orientation.

    Args:
        weight: Its share of the candidates.
        atoms: Atoms and molecules that are placed anew, at most; between one and this many.
        margin: How far the disc reaches beyond the outermost atom, in angstrom.
    """

    label: ClassVar[str] = "centre of geometry"
    atoms: int = 3
    margin: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, atoms=whole(1), margin=real(0, 100, unit="angstrom"))

    def propose(self, count: int, parents: FloatArray, space: StructureSpace, rng: np.random.Generator) -> FloatArray:
        """Parents with some atoms around their centre."""
        x, bodies = picked(parents, count, rng), space.bodies
        for k in range(count):
            island = island_of(x[k], space, rng)
            centre = island.mean(axis=0)
            moved = rng.permutation(len(bodies))[: rng.integers(1, min(self.atoms, len(bodies)) + 1)]
            centres = bodies.centres(island).copy()
            if space.floats:
                reach = np.linalg.norm(island - centre, axis=1).max() + self.margin
                away = reach * rng.random((len(moved), 1)) ** (1 / 3)
                centres[moved] = centre + away * directions(len(moved), rng)
                x[k] = _some_turned(bodies.carried(island, centres), moved, space, rng)
                continue
            radius = np.linalg.norm((island - centre)[:, :2], axis=1).max() + self.margin
            angle, away = rng.uniform(0, 2 * np.pi, len(moved)), radius * np.sqrt(rng.random(len(moved)))
            centres[moved, 0] = centre[0] + away * np.cos(angle)
            centres[moved, 1] = centre[1] + away * np.sin(angle)
            top = min(space.z_high, float(island[:, 2].max()) + 0.5)
            centres[moved, 2] = rng.uniform(space.z_low, top, len(moved))
            x[k] = _some_turned(bodies.carried(island, centres), moved, space, rng)
        return confined(x, space)


@dataclass(frozen=True)
class Hop(Generator):
    """An atom or molecule with few bonds is moved to where it has more.

    Of some places at a bond's distance of the other atoms, the one with most neighbours is taken. A molecule keeps its
    orientation, and it is one of its atoms that is placed.

    Args:
        weight: Its share of the candidates.
    """

    label: ClassVar[str] = "hop"

    def propose(self, count: int, parents: FloatArray, space: StructureSpace, rng: np.random.Generator) -> FloatArray:
        """Parents with one atom elsewhere."""
        x = space.bodies.gathered(picked(parents, count, rng))
        if len(space.bodies) > 1:
            for structure in x:
                _hop(structure, space, rng)
        return confined(x, space)


def _hop(x: FloatArray, space: StructureSpace, rng: np.random.Generator) -> None:
    """Move a body of a structure ``(n, 3)``, in place; it stays where there is no place for it."""
    radii, bodies = np.asarray(covalent_radii[space.numbers], dtype=np.float64), space.bodies
    distances = np.linalg.norm(space.nearest_images(x[:, None] - x[None]), axis=-1)
    distances[bodies.together] = np.inf
    bonds = (distances < _BONDED * (radii[:, None] + radii[None])).sum(axis=1)
    body = int(np.argmin(np.bincount(bodies.owner, weights=bonds) + 1.5 * rng.random(len(bodies))))
    members = list(bodies.members[body])
    moved = members[0] if len(members) == 1 else int(rng.choice(members))
    rest = np.delete(np.arange(len(x)), members)
    anchors = rest[rng.integers(len(rest), size=_PLACES)]
    if space.floats:
        direction = directions(_PLACES, rng)
    else:
        angle = rng.uniform(0, 2 * np.pi, _PLACES)
        direction = np.stack([np.cos(angle), np.sin(angle), _RISE * rng.standard_normal(_PLACES)], axis=1)
    bond = (radii[anchors] + radii[moved]) * rng.uniform(1 - _JITTER, 1 + _JITTER, _PLACES)
    places = x[anchors] + bond[:, None] * direction
    arms = x[members] - x[moved]
    others = np.repeat(x[None], _PLACES, axis=0)
    others[:, members] = places[:, None] + arms
    placed = space.confine(others.reshape(_PLACES, -1)).reshape(_PLACES, -1, 3)[:, members]
    away = np.linalg.norm(space.nearest_images(placed[:, :, None] - x[rest]), axis=-1)
    sums = radii[members][:, None] + radii[rest]
    free = (away > _APART * sums).all(axis=(1, 2))
    if free.any():
        score = (away < _BONDED * sums).sum(axis=(1, 2)) + rng.random(_PLACES)
        x[members] = placed[np.where(free, score, -1.0).argmax()]


@dataclass(frozen=True)
class Permutation(Generator):
    """Two atoms or molecules of different kinds change places; where there is one kind only, one of them hops instead.

    Args:
        weight: Its share of the candidates.
    """

    label: ClassVar[str] = "permutation"

    def propose(self, count: int, parents: FloatArray, space: StructureSpace, rng: np.random.Generator) -> FloatArray:
        """Parents with two atoms exchanged."""
        bodies, kinds = space.bodies, space.bodies.kinds(space.numbers)
        x, different = bodies.gathered(picked(parents, count, rng)), np.unique(kinds)
        for k, structure in enumerate(x):
            if len(different) < 2:
                if len(bodies) > 1:
                    _hop(structure, space, rng)
                continue
            first, second = rng.choice(different, 2, replace=False)
            a = rng.choice(np.flatnonzero(kinds == first))
            b = rng.choice(np.flatnonzero(kinds == second))
            centres = bodies.centres(structure).copy()
            centres[[a, b]] = centres[[b, a]]
            x[k] = bodies.carried(structure, centres)
        return confined(x, space)


@dataclass(frozen=True)
class SymmetryMove(Generator):
    """The whole island is turned about its centre or mirrored, and shifted within the cell.

    Angles are multiples of 30 degrees, so that an island comes onto the other kind of hollow or across a square face.
    Where nothing holds the free atoms, one half of the cluster is turned against the other instead (:func:`twisted`).

    Args:
        weight: Its share of the candidates.
        shift: Longest shift in angstrom.
    """

    label: ClassVar[str] = "mirror and rotation"
    shift: float = 1.5

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, shift=real(0, 100, unit="angstrom"))

    def propose(self, count: int, parents: FloatArray, space: StructureSpace, rng: np.random.Generator) -> FloatArray:
        """Turned, mirrored and shifted parents."""
        x = picked(parents, count, rng)
        for k in range(count):
            island = island_of(x[k], space, rng)
            if space.floats:
                x[k] = twisted(island, rng)
                continue
            centre = island[:, :2].mean(axis=0)
            angle = np.pi / 6 * rng.integers(12)
            c, s = np.cos(angle), np.sin(angle)
            turn = np.array([[c, -s], [s, c]]) @ np.diag([1.0, rng.choice([-1.0, 1.0])])
            away, where = self.shift * np.sqrt(rng.random()), rng.uniform(0, 2 * np.pi)
            offset = away * np.array([np.cos(where), np.sin(where)])
            island[:, :2] = centre + offset + (island[:, :2] - centre) @ turn.T
            x[k] = island
        return confined(x, space)


def twisted(positions: FloatArray, rng: np.random.Generator) -> FloatArray:
    """A structure ``(n, 3)`` of which one half is turned about the axis through its centre that divides the halves.

    The move of Rossi and Ferrando, J. Phys. Condens. Matter 21, 084208 (2009); axis and angle are uniform.
    """
    axis = directions(1, rng)[0]
    centre = positions.mean(axis=0)
    upper = (positions - centre) @ axis > 0
    result = positions.copy()
    result[upper] = centre + turned(positions[upper] - centre, axis, rng.uniform(0, 2 * np.pi))
    return result
