"""What a calculator has that takes many structures at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast, runtime_checkable

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from matseek.checks import text

if TYPE_CHECKING:
    import torch

FloatArray = npt.NDArray[np.float64]


class EnergyAndForces(NamedTuple):
    """What a calculator says of a structure of n atoms.

    Attributes:
        energy: In eV.
        forces: In eV/A, shape ``(n, 3)``.
    """

    energy: float
    forces: FloatArray


def device_named(device: str) -> torch.device:
    """The torch device of a name.

    Raises:
        ValueError: If this machine has none of that name.
    """
    import torch

    try:
        return torch.empty(0, device=torch.device(text("device", device))).device
    except (RuntimeError, AssertionError) as error:  # the latter where torch is built without CUDA
        raise ValueError(
            f"device={device!r} cannot be used here ({error}); take cpu, or cuda where there is a GPU"
        ) from error


@runtime_checkable
class BatchedCalculator(Protocol):
    """An ASE calculator that can do better than one structure after the other."""

    def compute_many(self, structures: Sequence[Atoms]) -> list[EnergyAndForces]:
        """Energies and forces of structures, in order; calculators that they carry are left alone."""
        ...


class ManyAtOnce(Calculator, ABC):
    """ASE's face of a potential that computes many structures in one go: one structure is many of one."""

    implemented_properties: list[str] = ["energy", "free_energy", "forces"]  # noqa: RUF012 -- as ASE declares it

    @abstractmethod
    def compute_many(self, structures: Sequence[Atoms]) -> list[EnergyAndForces]:
        """Energies and forces of structures, in order."""

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Energy, forces and what else there is of one structure; ASE calls this."""
        super().calculate(atoms, properties, system_changes)  # type: ignore[no-untyped-call]
        self.results = self.results_of(cast("Atoms", self.atoms), properties)

    def results_of(self, atoms: Atoms, properties: Sequence[str]) -> dict[str, Any]:  # noqa: ARG002 -- for those with more
        """What ASE is told of one structure, by property.

        Args:
            atoms: The structure.
            properties: What is wanted at least.
        """
        (result,) = self.compute_many([atoms])
        return {"energy": result.energy, "free_energy": result.energy, "forces": result.forces}
