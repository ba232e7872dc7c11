"""Which of the best structures are the same one: distinct minima by energy and descriptor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from matseek.core.records import Evaluation, ranked
from matseek.core.space import StructureSpace

_NEAR = 0.5
"""Distance of two fingerprints below which structures are the same one. On Pt(111) a rattle of a heptamer by 0.05
angstrom moves its fingerprint by 0.4, and the nearest other island of seven atoms is at 1.0.
"""

_ALIKE = 0.3
"""Energies that differ by more than this, in eV, belong to different minima."""

_MOST = 500
"""Structures that are looked at, the lowest first."""


@dataclass(frozen=True, eq=False)
class Minimum:
    """A structure, and how often it was met.

    Args:
        best: The evaluation of its lowest energy.
        evaluations: Numbers of all evaluations that are near it, its own among them.
    """

    best: Evaluation
    evaluations: tuple[int, ...]


def distinct_minima(space: StructureSpace, evaluations: Sequence[Evaluation], count: int) -> list[Minimum]:
    """The lowest structures that differ, the lowest first; none of them was relaxed for this.

    Two structures are the same where permutations of like atoms, lattice vectors and symmetries of the template carry
    one nearly into the other: their fingerprints (:class:`matseek.descriptors.Fingerprint`) are close, and so are their
    energies. Islands on two kinds of hollows have fingerprints that differ by less than a rattle, and count as one.

    Args:
        space: Free atoms and template.
        evaluations: The campaign's; those without an energy are left out.
        count: How many minima, at most.
    """
    best = ranked(evaluations)[:_MOST]
    if not best:
        return []
    from matseek.descriptors import Fingerprint  # loads Numba

    features = Fingerprint().prepare(space).values(np.array([e.point for e in best]))
    leaders: list[int] = []
    members: list[list[int]] = []
    for k, e in enumerate(best):
        near = [
            place
            for place, leader in enumerate(leaders)
            if np.linalg.norm(features[k] - features[leader]) < _NEAR and e.value - best[leader].value < _ALIKE
        ]
        if near:
            members[near[0]].append(e.number)
        elif len(leaders) < count:
            leaders.append(k)
            members.append([e.number])
    return [Minimum(best[k], tuple(sorted(own))) for k, own in zip(leaders, members, strict=True)]
