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
    """Structures ``(m, n, 3)`` as points ``(m, 3n)``: wrapped in plane, and put back onto the walls."""
    return space.wrap(space.confine(positions.reshape(len(positions), -1)))


def nearest_images(offsets: FloatArray, space: StructureSpace) -> FloatArray:
    """Offsets ``(..., 3)`` with their in-plane part taken to the image nearest in fractions of the cell."""
    fractions = offsets[..., :2] @ np.linalg.inv(space.plane)
    result = offsets.copy()
    result[..., :2] = (fractions - np.round(fractions)) @ space.plane
    return result


def island_of(positions: FloatArray, space: StructureSpace, rng: np.random.Generator) -> FloatArray:
    """A structure ``(n, 3)`` in one piece: every atom at the image that is nearest to one of them, which is drawn."""
    anchor = positions[rng.integers(len(positions))]
    return np.asarray(anchor + nearest_images(positions - anchor, space))
