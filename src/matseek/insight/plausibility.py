"""Whether the best of a structure search can be believed: walls of the confinement, and holes of the potential."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from matseek.core.records import Evaluation, best_of, ranked
from matseek.core.space import Space, StructureSpace
from matseek.spaces.free_atoms import CLOSE

FloatArray = npt.NDArray[np.float64]

_REACH, _NEAR = 0.01, 0.1
"""An atom lies on a wall within the first, and within the second if it is pushed outwards; in angstrom."""

_PUSH = 0.05
"""Smallest force on an atom that counts, in eV/angstrom."""

_LOWEST, _LEAST = 10, 20
"""Lowest energies that are looked at for a hole, and evaluations that it takes."""


_SHORTEST_BOND, _EXACTLY = 0.75, 1.02
"""Of real bonds, as a fraction of the sum of the covalent radii; and what counts as the least distance beyond it."""


_SIDES = {"lower": -1, "upper": 1}
"""Walls as spaces number them."""


@dataclass(frozen=True)
class Doubt:
    """A reason not to believe the best structure.

    Args:
        about: ``wall`` or ``least distance``.
        message: The reason and what can be done, in sentences.
    """

    about: str
    message: str


def doubts(space: Space, evaluations: Sequence[Evaluation]) -> list[Doubt]:
    """What speaks against the best of a campaign; nothing for recipes, whose page looks at the ends of windows.

    Args:
        space: What was searched.
        evaluations: The campaign's.
    """
    best = best_of(evaluations)
    layer = space.as_structures()
    if layer is None or best is None:
        return []
    result = [Doubt("wall", _wall(layer, best, wall, atoms)) for wall, atoms in on_walls(layer, best).items()]
    close = at_least_distance(layer, evaluations)
    if close is not None and 2 * close > _LOWEST:
        result.append(Doubt("least distance", _hole(layer, close)))
    return result


def plausibility(space: Space, evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    """The same as a summary holds it.

    Args:
        space: What was searched.
        evaluations: The campaign's.

    Returns:
        ``best_on_wall``: free atoms by wall, see :func:`on_walls`; ``lowest_at_least_distance``: their number, see
        :func:`at_least_distance`; both None for recipes, and where there is too little to tell; ``warnings``.
    """
    best = best_of(evaluations)
    layer = space.as_structures()
    return {
        "best_on_wall": None if layer is None or best is None else on_walls(layer, best),
        "lowest_at_least_distance": None if layer is None else at_least_distance(layer, evaluations),
        "warnings": [doubt.message for doubt in doubts(space, evaluations)],
    }


def on_walls(space: StructureSpace, evaluation: Evaluation) -> dict[str, list[int]]:
    """Free atoms, counted from 1, that a wall of the confinement holds, by ``lower`` and ``upper``; {} for none.

    An atom is held within 0.01 angstrom of a wall unless its force points inwards, and within 0.1 angstrom if its force
    points outwards, by more than 0.05 eV/angstrom each.

    Args:
        space: The space.
        evaluation: Of one of its structures, with or without forces.
    """
    at, near = (space.walls(evaluation.point, reach)[0] for reach in (_REACH, _NEAR))
    forces = np.zeros(space.dim) if evaluation.response is None else np.ravel(evaluation.response)
    # What a wall takes of a force points out of it, and what it takes of the opposite force points inwards.
    out, back = (sign * forces - space.slide(evaluation.point, sign * forces, _NEAR)[0] for sign in (1.0, -1.0))
    outwards = np.linalg.norm(out.reshape(-1, 3), axis=1) - np.linalg.norm(back.reshape(-1, 3), axis=1)
    held = ((at != 0) & (outwards >= -_PUSH)) | ((near != 0) & (outwards >= _PUSH))
    held = held[space.moving :]
    near = near[space.moving :]
    atoms = {name: (np.flatnonzero(held & (near == side)) + 1).tolist() for name, side in _SIDES.items()}
    return {name: numbers for name, numbers in atoms.items() if numbers}


def at_least_distance(space: StructureSpace, evaluations: Sequence[Evaluation]) -> int | None:
    """How many of the ten lowest energies belong to structures with two atoms at the least distance.

    At it is up to 15 % beyond, since what falls into a hole is last seen there: the next step of a relaxation, 0.2
    angstrom at most, would be an overlap. Where real bonds begin, at 0.75 of the sum of the covalent radii (N2 has
    0.78), it is 2 % beyond.

    More than half of them are a sign that the energy falls where atoms approach each other further, as it does in a
    hole of a potential that was not trained there.

    Args:
        space: The space.
        evaluations: The campaign's.

    Returns:
        The number; None with fewer than 20 evaluations that have an energy.
    """
    done = ranked(evaluations)
    if len(done) < _LEAST:
        return None
    points = np.array([e.point for e in done[:_LOWEST]])
    return int((space.closeness(points) <= _at_it(space)).sum())


def _at_it(space: StructureSpace) -> float:
    """Up to which multiple of the least distance two atoms are at it."""
    return float(np.clip(_SHORTEST_BOND / space.least_distance, _EXACTLY, CLOSE))


def _wall(space: StructureSpace, best: Evaluation, wall: str, atoms: Sequence[int]) -> str:
    where, remedy = space.wall_told(_SIDES[wall])
    which = f"free {'atom' if len(atoms) == 1 else 'atoms'} {', '.join(map(str, atoms))}"
    lies = f"The best structure, evaluation {best.number}, lies on {where}: {which}."
    return f"{lies} Lower energies may lie beyond. {remedy}"


def _hole(space: StructureSpace, close: int) -> str:
    least, larger = space.least_distance, min(round(space.least_distance + 0.1, 2), 1)
    return (
        f"{close} of the {_LOWEST} lowest energies belong to structures with two atoms at the least distance "
        f"({least:g} of the sum of their covalent radii, or up to {_at_it(space) - 1:.0%} more). The potential may "
        "have a hole there, where energies mean nothing. Look at these structures; exclude them by a larger least "
        f"distance, for example least_distance={larger:g}, in another run folder, or take another potential. If they "
        "are real bonds, take a smaller one."
    )
