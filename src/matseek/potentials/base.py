"""What a calculator has that takes many structures at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from ase import Atoms

FloatArray = npt.NDArray[np.float64]


class EnergyAndForces(NamedTuple):
    """What a calculator says of a structure of n atoms.

    Attributes:
        energy: In eV.
        forces: In eV/A, shape ``(n, 3)``.
    """

    energy: float
    forces: FloatArray


@runtime_checkable
class BatchedCalculator(Protocol):
    """An ASE calculator that can do better than one structure after the other."""

    def compute_many(self, structures: Sequence[Atoms]) -> list[EnergyAndForces]:
        """Energies and forces of structures, in order; calculators that they carry are left alone."""
        ...
