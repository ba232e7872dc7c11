"""Candidates that are made of two structures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from matseek.candidates.base import Generator, confined, directions, island_of, picked, turned
from matseek.core.space import StructureSpace

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Crossover(Generator):
    """One half of an island and the other half of another, cut by a vertical plane through their centres.

    Deaven and Ho, Phys. Rev. Lett. 75, 288 (1995). For each element as many atoms are taken from the first as lie on
    its side of the plane, and the rest from the second, those that lie farthest on the other side. Where nothing holds
    the free atoms, the plane has any direction, and so has the second parent. Molecules lie where their centres do.

    Args:
        weight: Its share of the candidates.
    """

    label: ClassVar[str] = "crossover"

    def propose(self, count: int, parents: FloatArray, space: StructureSpace, rng: np.random.Generator) -> FloatArray:
        """Children of two parents each."""
        mothers, fathers = picked(parents, count, rng), picked(parents, count, rng)
        children = np.empty_like(mothers)
        bodies, kinds = space.bodies, space.bodies.kinds(space.numbers)
        for k in range(count):
            mother, father = island_of(mothers[k], space, rng), island_of(fathers[k], space, rng)
            father, centre, normal = _cut(mother, father, space, rng)
            children[k] = mother
            her, his = bodies.centres(mother), bodies.centres(father)
            for kind in np.unique(kinds):
                places = np.flatnonzero(kinds == kind)
                own = (her[places] - centre) @ normal
                other = (his[places] - centre) @ normal
                taken = int((own < 0).sum())
                # The mother gives what lies on the negative side, the father what lies farthest on the positive one.
                stays = places[np.argsort(own, kind="stable")[taken:]]
                comes = places[np.argsort(-other, kind="stable")[: len(stays)]]
                for to, of in zip(stays.tolist(), comes.tolist(), strict=True):
                    children[k, list(bodies.members[to])] = father[list(bodies.members[of])]
        return confined(children, space)


def _cut(
    mother: FloatArray, father: FloatArray, space: StructureSpace, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The father on the mother's centre, that centre, and the normal of the plane through it, shape ``(3,)`` each."""
    centre, offset = mother.mean(axis=0), mother.mean(axis=0) - father.mean(axis=0)
    if space.floats:
        around, normal = directions(2, rng)
        spun = turned(father - father.mean(axis=0), around, rng.uniform(0, 2 * np.pi))
        return centre + spun, centre, normal
    offset[2] = 0.0
    angle = rng.uniform(0, 2 * np.pi)
    return father + offset, centre, np.array([np.cos(angle), np.sin(angle), 0.0])
