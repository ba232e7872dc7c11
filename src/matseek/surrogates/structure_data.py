"""Evaluated structures as models of their energies learn from them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from matseek.core.history import History
from matseek.core.space import StructureSpace
from matseek.descriptors.repulsion import PreparedRepulsion
from matseek.surrogates.gp import informative

FloatArray = npt.NDArray[np.float64]

_LOW, _LINEAR = 0.3, 2.0
"""The share of energies whose range sets what is low, and the multiple of it up to which energies count as they are."""

_REPULSION = 0.15
"""Strength of the prior's repulsion, in ranges of the low energies."""


_LEAST_SCALE = 0.1
"""Least scale of what the prior leaves of the energies, in standard deviations of the energies."""


class Targets(NamedTuple):
    """What is learnt of n structures.

    Attributes:
        energies: Compressed, the prior's repulsion taken off, in eV, shape ``(n,)``.
        gradients: Of these energies, in eV/A, shape ``(n, 3a)``; NaN where no forces are known.
        strength: Of the prior's repulsion, in eV.
        scale: What targets are divided by, in eV.
    """

    energies: FloatArray
    gradients: FloatArray
    strength: float
    scale: float


def known_forces(history: History, space: StructureSpace) -> FloatArray:
    """Forces on the free atoms in eV/A, shape ``(n, 3a)``; NaN where none are known."""
    unknown = np.full(space.dim, np.nan)
    answers = [e.response for e in history.done]
    return np.array(
        [unknown if a is None or np.size(a) != space.dim else np.asarray(a, dtype=np.float64).ravel() for a in answers]
    ).reshape(-1, space.dim)


def targets(points: FloatArray, energies: FloatArray, forces: FloatArray, repulsion: PreparedRepulsion) -> Targets:
    """Energies far above the low ones are compressed by a logarithm, and the prior's repulsion is taken off.

    So one overlap does not hide the differences between good structures. Forces are changed with the energies.

    Args:
        points: Structures, shape ``(n, 3a)``.
        energies: In eV, shape ``(n,)``; at least two differ.
        forces: On the free atoms in eV/A, shape ``(n, 3a)``, NaN where unknown.
        repulsion: The prior's.
    """
    least = float(energies.min())
    # What is low is told by the lower part of the energies, so that most of them may be of overlaps.
    low = 2.0 * float(np.quantile(energies, _LOW) - least)
    if low <= 0:
        low = float(np.ptp(energies))
    strength = _REPULSION * low
    pushed, push = repulsion.energies(points)
    above = np.maximum(energies - least - _LINEAR * low, 0.0)
    slope = 1.0 / (1.0 + above / low)
    compressed = energies - above + low * np.log1p(above / low)
    rest = compressed - strength * pushed
    scale = max(float(np.std(rest)), _LEAST_SCALE * float(np.std(compressed)))
    return Targets(rest, -forces * slope[:, None] - strength * push, strength, scale)


def reason_to_wait(history: History) -> str | None:
    """Why no model of structures can learn from a history: points that are none, or too few different energies."""
    if history.space.as_structures() is None:
        return "it learns from structures"
    return None if informative(history.values) else "it needs two energies that differ"


def require_structures(label: str, history: History) -> StructureSpace:
    """The structures that a history is of, and that a model can learn from.

    Args:
        label: Of the model, for the message.
        history: What it is to learn from.

    Raises:
        ValueError: If it cannot, see :func:`reason_to_wait`.
    """
    space, reason = history.space.as_structures(), reason_to_wait(history)
    if space is None or reason is not None:
        raise ValueError(f"{label}: {reason}; evaluate more structures")
    return space


def median_distance(values: FloatArray) -> float:
    """Median distance of descriptors ``(n, D)`` that differ, of some 200 of them; 1 where none do."""
    some = values[:: max(len(values) // 200, 1)]
    squares = (some * some).sum(axis=1)
    distances = np.sqrt(np.maximum(squares[:, None] + squares[None] - 2 * some @ some.T, 0.0))
    apart = distances[np.triu_indices(len(some), 1)]
    apart = apart[apart > 1e-6]
    return float(np.median(apart)) if len(apart) else 1.0
