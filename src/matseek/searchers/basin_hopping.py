"""Basin hopping: from minimum to minimum by moves that are relaxed and taken by Metropolis' rule."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from ase.data import covalent_radii
from ase.geometry import get_distances

from matseek.candidates.moves import twisted
from matseek.candidates.symmetry import symmetrised
from matseek.checks import check, real, whole
from matseek.core.space import StructureSpace
from matseek.core.surrogate import Look
from matseek.geometry.pockets import pockets
from matseek.searchers.descent import Chain
from matseek.searchers.relaxing import Relaxer, RelaxingSearcher, starts

FloatArray = npt.NDArray[np.float64]
Move = Callable[[StructureSpace, FloatArray, np.random.Generator], FloatArray]
"""Makes of a structure ``(3 n,)`` another one, inside the confinement; atoms may overlap in it."""

_BONDED = 1.2
"""Atoms nearer than this multiple of the sum of their covalent radii are neighbours."""

_RISE = 0.5
"""How much higher than the atom beside it a moved atom is put at most, in angstrom."""

_RATTLE = 0.5
"""Standard deviation of a rattled coordinate, in angstrom."""

_TAKEN = 0.3
"""Probability that no further atom is taken away by :func:`refill`, after each."""

_TRIES = 100
"""Moves drawn for one that the space does not refuse."""

_LOWER = 1e-4
"""By how much the energy of a new lowest minimum is lower, in eV: relaxations end anywhere within less."""


@dataclass(frozen=True)
class BasinHopping(RelaxingSearcher):
    """Hops from minimum to minimum; every call of the calculator on the way is an evaluation.

    Wales and Doye, J. Phys. Chem. A 101, 5111 (1997); moves begin at the relaxed structure, as those of Li and
    Scheraga, PNAS 84, 6611 (1987). A chain relaxes a random structure, or the best of the campaign's opening; where
    nothing holds the free atoms a random structure is made symmetric first (:func:`symmetrise`). A move makes a
    neighbour of the minimum (see :func:`neighbour`), which is relaxed; the new minimum is taken with the probability
    ``exp(-(E_new - E) / kt)``, at most 1. A relaxation that fails, or runs into what the space refuses, is a move that
    is not taken.

    Args:
        concurrent: Independent chains side by side.
        placement: Of starts, as for :class:`matseek.searchers.RandomStructureSearch`.
        optimizer: ``BFGS``, ``LBFGS`` or ``FIRE`` of ASE.
        fmax: Largest force in eV/A at which a structure is relaxed.
        most_steps: Evaluations after which a relaxation is given up; its last structure counts as a minimum.
        kt: Temperature of Metropolis' rule as an energy, in eV.
        patience: Moves without a new lowest minimum of the chain after which it begins anew.

    Raises:
        ValueError: If a setting is out of its range.
    """

    name: ClassVar[str] = "basin_hopping"
    label: ClassVar[str] = "basin hopping"
    look: ClassVar[Look | None] = ("#6a51a3", "P")
    serves_molecules: ClassVar[bool] = True
    most_steps: int = 100
    kt: float = 0.15
    patience: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, kt=real(above=0, high=1e6, unit="eV"), patience=whole(1))

    def chains(self, relaxer: Relaxer) -> Sequence[Chain]:
        """Independent of one another."""
        return [self._chain(relaxer, place) for place in range(self.concurrent)]

    def _chain(self, relaxer: Relaxer, place: int) -> Chain:
        rng = np.random.default_rng([relaxer.seed, place])
        for start, known in starts(relaxer, place, rng):
            if known is None and relaxer.space.floats:
                symmetric = allowed(relaxer.space, start, [symmetrise], rng)
                start = start if symmetric is None else symmetric
            here = yield from relaxer.relax(start, known)
            lowest, tired = here.energy, 0
            while here.arrived and tired < self.patience:
                point = neighbour(relaxer.space, here.point, rng)
                if point is None:
                    break
                there = yield from relaxer.relax(point)
                tired += 1
                if not there.arrived:
                    continue
                if there.energy < lowest - _LOWER:
                    lowest, tired = there.energy, 0
                if rng.random() < math.exp(min((here.energy - there.energy) / self.kt, 0.0)):
                    here = there


def neighbour(
    space: StructureSpace, point: FloatArray, rng: np.random.Generator, tries: int = _TRIES
) -> FloatArray | None:
    """A structure beside another one, by :func:`hop` twice as often as by any other move.

    The others are :func:`rattle`, :func:`swap` where there are different elements or molecules, and :func:`turn` where
    there are molecules. Where nothing holds the free atoms :func:`refill`, :func:`symmetrise` and :func:`twist` stand
    for :func:`hop`, all alike.

    Only free atoms are displaced: moving atoms of the template stay where they are relaxed.

    Args:
        space: Free atoms and template.
        point: A structure, shape ``(3 n,)``.
        rng: Source of randomness.
        tries: Moves drawn for one that the space does not refuse.

    Returns:
        Shape ``(3 n,)``; None where the space refuses them all.
    """
    alone = space.placements
    moves: list[Move] = [refill, symmetrise, twist, rattle] if alone.floats else [hop, hop, rattle]
    if len(set(alone.bodies.kinds(alone.numbers).tolist())) > 1:
        moves.append(swap)
    if alone.bodies.molecules:
        moves.append(turn)
    return allowed(space, point, moves, rng, tries)


def allowed(
    space: StructureSpace, point: FloatArray, moves: Sequence[Move], rng: np.random.Generator, tries: int = _TRIES
) -> FloatArray | None:
    """What the first move makes that the space does not refuse, shape ``(3 n,)``; None where it refuses them all.

    Args:
        space: Free atoms and template.
        point: A structure, shape ``(3 n,)``.
        moves: From which each is drawn.
        rng: Source of randomness.
        tries: Moves drawn at most.
    """
    alone, free = space.placements, space.free_of(point)[0]
    for _ in range(tries):
        moved = space.with_free(point, moves[int(rng.integers(len(moves)))](alone, free, rng))
        if not space.refusals(moved)[0]:
            return np.asarray(moved[0])
    return None


def hop(space: StructureSpace, point: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Put one atom or molecule beside another, at a bond's length in plane and at most half an angstrom higher.

    Which one moves is drawn by its number of neighbours, ``exp(-number)``: those that have few had better be
    elsewhere. What is alone is moved by a bond's length. A molecule keeps its orientation; its length is that between
    one of its atoms and one of the other's.
    """
    bodies = space.bodies
    positions = bodies.gathered(point.reshape(-1, 3))
    radii = covalent_radii[space.numbers]
    _, apart = get_distances(positions, cell=space.template.cell, pbc=(True, True, False))
    bonded = (apart < _BONDED * (radii[:, None] + radii)) & ~bodies.together
    neighbours = np.bincount(bodies.owner, weights=bonded.sum(axis=1))
    weights = np.exp(-1.0 - neighbours)
    mover = int(rng.choice(len(bodies), p=weights / weights.sum()))
    others = np.delete(np.arange(len(bodies)), mover)
    beside = int(rng.choice(others)) if len(others) else mover
    own, other = (_one_of(bodies.members[k], rng) for k in (mover, beside))
    angle = rng.uniform(0, 2 * np.pi)
    bond = radii[own] + radii[other]
    to = positions[other] + bond * np.array([np.cos(angle), np.sin(angle), 0.0])
    to[2] += rng.uniform(0, _RISE)
    rows = list(bodies.members[mover])
    positions = positions.copy()
    positions[rows] = to + (positions[rows] - positions[own])
    return confined(space, positions)


def refill(space: StructureSpace, point: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Take some atoms of a cluster away and put each into the pocket where it touches most others.

    The surface moves of Shao, Cheng and Cai, J. Comput. Chem. 25, 1693 (2004), by the number of neighbours in place of
    the energy. Which atoms move is drawn as by :func:`hop`; how many, up to a third of them, by a geometric
    distribution.
    """
    positions = point.reshape(-1, 3).copy()
    radii = np.asarray(covalent_radii[space.numbers], dtype=np.float64)
    apart = np.linalg.norm(positions[:, None] - positions, axis=-1)
    weights = np.exp(-(apart < _BONDED * (radii[:, None] + radii)).sum(axis=1).astype(np.float64))
    count = min(int(rng.geometric(_TAKEN)), max(space.size // 3, 1))
    movers = rng.choice(space.size, size=count, replace=False, p=weights / weights.sum())
    left = np.delete(np.arange(space.size), movers)
    for mover in movers.tolist():
        places, touched = pockets(positions[left], radii[left] + radii[mover])
        if len(places):
            positions[mover] = places[(touched + rng.random(len(places))).argmax()]
        left = np.append(left, mover)
    return confined(space, positions)


def symmetrise(space: StructureSpace, point: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Make a cluster symmetric, see :func:`matseek.candidates.symmetry.symmetrised`."""
    return confined(space, symmetrised(point.reshape(-1, 3), space.numbers, rng))


def twist(space: StructureSpace, point: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Turn one half of a cluster against the other, see :func:`matseek.candidates.moves.twisted`."""
    return confined(space, twisted(point.reshape(-1, 3), rng))


def _one_of(members: Sequence[int], rng: np.random.Generator) -> int:
    return members[0] if len(members) == 1 else int(rng.choice(members))


def rattle(space: StructureSpace, point: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Displace all atoms by half an angstrom in each coordinate, normally distributed; molecules follow as a whole.

    A molecule of k atoms is shifted by half an angstrom over the square root of k, and turned accordingly.
    """
    positions = space.bodies.gathered(point.reshape(-1, 3))
    return confined(space, positions + rng.normal(0.0, _RATTLE, positions.shape))


def swap(space: StructureSpace, point: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Exchange two atoms or molecules of different elements; of one kind nothing changes. Orientations are kept."""
    bodies = space.bodies
    positions = bodies.gathered(point.reshape(-1, 3))
    centres, kinds = bodies.centres(positions).copy(), bodies.kinds(space.numbers)
    unlike = np.argwhere(np.triu(kinds[:, None] != kinds))
    if len(unlike):
        i, j = unlike[rng.integers(len(unlike))]
        centres[[i, j]] = centres[[j, i]]
    return confined(space, bodies.carried(positions, centres))


def turn(space: StructureSpace, point: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Give one molecule a new orientation, uniform over all rotations, about its centre."""
    bodies = space.bodies
    chosen = [int(rng.choice(bodies.molecules))]
    return confined(space, bodies.turned(bodies.gathered(point.reshape(-1, 3)), rng, chosen))


def confined(space: StructureSpace, positions: FloatArray) -> FloatArray:
    """Positions ``(n, 3)`` as a point ``(3 n,)``; what leaves the confinement is put onto its wall, molecules whole."""
    return np.asarray(space.confine(space.recentred(positions.reshape(1, -1)))[0])
