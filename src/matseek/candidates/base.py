"""The contract of a generator of candidates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from matseek.checks import check, of, one_of, real
from matseek.core.space import StructureSpace
from matseek.plugins import GENERATORS, offered, part

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Generator(ABC):
    """Makes structures that may be good; they are relaxed on the acquisition function before one is chosen.

    A new generator gives ``label`` and :meth:`propose`; its name is that of its entry point in ``matseek.candidates``.
    What it makes need not be free of overlaps: the relaxation takes atoms apart, and what is still refused by the space
    afterwards is left out.

    Args:
        weight: Its share of the candidates, relative to the weights of the other generators.
    """

    label: ClassVar[str]
    """How people read the name."""

    weight: float = 1.0

    def __post_init__(self) -> None:
        check(self, weight=real(above=0, high=1e6))

    def check(self, space: StructureSpace) -> None:  # noqa: B027 -- most generators suit every space
        """Refuse a space that nothing can be proposed for, before anything is paid.

        Raises:
            ValueError: If it is one.
        """

    @abstractmethod
    def propose(self, count: int, parents: FloatArray, space: StructureSpace, rng: np.random.Generator) -> FloatArray:
        """Candidates, shape ``(count, 3n)``, in angstrom, inside the confinement.

        Args:
            count: How many.
            parents: Good structures that differ, best first, shape ``(k, 3n)``, k >= 1.
            space: Free atoms and template, none of which moves: see ``StructureSpace.placements``.
            rng: Source of randomness.
        """


def generator_of(setting: str, value: object) -> Generator:
    """The generator that a setting holds, or names by an entry point.

    Args:
        setting: The setting's name, for messages.
        value: A generator, or the name of one.

    Raises:
        ValueError: If it is neither.
        ConfigurationError: If what an installed package offers by the name cannot be imported.
    """
    if isinstance(value, str):
        value = part(GENERATORS, one_of(sorted(offered(GENERATORS)))(setting, value))()
    return of(Generator, "a generator or the name of one")(setting, value)  # type: ignore[no-any-return]


def picked(parents: FloatArray, count: int, rng: np.random.Generator) -> FloatArray:
    """Parents drawn by rank, better ones more often: ranks fall exponentially; shape ``(count, n, 3)``."""
    ranks = np.minimum(rng.exponential(max(len(parents) / 3.0, 0.5), size=count).astype(int), len(parents) - 1)
    return np.array(parents[ranks]).reshape(count, -1, 3)


def confined(positions: FloatArray, space: StructureSpace) -> FloatArray:
    """Structures ``(m, n, 3)`` as points ``(m, 3n)``: wrapped into the cell, and put back onto the walls."""
    return space.wrap(space.confine(space.recentred(positions.reshape(len(positions), -1))))


def island_of(positions: FloatArray, space: StructureSpace, rng: np.random.Generator) -> FloatArray:
    """A structure ``(n, 3)`` in one piece: every atom at the image that is nearest to one of them, which is drawn."""
    anchor = positions[rng.integers(len(positions))]
    return np.asarray(anchor + space.nearest_images(positions - anchor))


def directions(count: int, rng: np.random.Generator) -> FloatArray:
    """Uniform directions, shape ``(count, 3)``."""
    result = rng.standard_normal((count, 3))
    return np.asarray(result / np.linalg.norm(result, axis=1, keepdims=True))


def turned(vectors: FloatArray, axis: FloatArray, angle: float) -> FloatArray:
    """Vectors ``(k, 3)`` turned about an axis ``(3,)`` of length 1 by an angle in rad (Rodrigues' formula)."""
    along = (vectors @ axis)[:, None] * axis
    across = np.cross(axis, vectors)
    return np.asarray(along + np.cos(angle) * (vectors - along) + np.sin(angle) * across)
