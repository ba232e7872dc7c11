"""Candidates that do not begin at a known structure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from matseek.candidates.base import Generator
from matseek.core.space import StructureSpace

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Uniform(Generator):
    """Each atom anywhere in the cell and the confinement, without overlaps."""

    label: ClassVar[str] = "uniform"

    def propose(self, count: int, parents: FloatArray, space: StructureSpace, rng: np.random.Generator) -> FloatArray:  # noqa: ARG002 -- its face
        """Uniform placements."""
        return space.sample_uniform(count, rng)


@dataclass(frozen=True)
class Contiguous(Generator):
    """Each atom at a bond's distance of one that was placed before, without overlaps."""

    label: ClassVar[str] = "contiguous"

    def propose(self, count: int, parents: FloatArray, space: StructureSpace, rng: np.random.Generator) -> FloatArray:  # noqa: ARG002 -- its face
        """Contiguous placements."""
        return space.sample_contiguous(count, rng)
