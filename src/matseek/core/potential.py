"""What a calculator has that takes many structures at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, cast, runtime_checkable

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.data import chemical_symbols

from matseek.checks import text

if TYPE_CHECKING:
    import torch

FloatArray = npt.NDArray[np.float64]


class EnergyAndForces(NamedTuple):
    """What a calculator says of a structure of n atoms.

    Attributes:
        energy: In eV.
        forces: In eV/A, shape ``(n, 3)``.
        stress: In eV/A^3, shape ``(6,)`` in Voigt's order (xx, yy, zz, yz, xz, xy), positive where the cell would
            shrink; None where it is not computed.
        magmoms: Magnetic moments of the atoms in Bohr magnetons, shape ``(n,)``; None where it knows none.
    """

    energy: float
    forces: FloatArray
    stress: FloatArray | None = None
    magmoms: FloatArray | None = None


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


_ON_AN_ACCELERATOR = 32
"""Structures in one forward pass of a network, where overhead costs more than memory."""


def in_one_pass(batch_size: int | None, device: torch.device) -> int:
    """How many structures a network takes in one forward pass.

    Args:
        batch_size: What the user says; None for 32 on an accelerator and 1 on a CPU, which loses time by more: its
            caches are too small for the features of many edges.
        device: Where the network is.
    """
    return batch_size or (1 if device.type == "cpu" else _ON_AN_ACCELERATOR)


@runtime_checkable
class KnowsElements(Protocol):
    """An ASE calculator that says which elements it has parameters for."""

    def require_elements(self, numbers: Iterable[int]) -> None:
        """Refuse elements, given by atomic number, that it does not know.

        Raises:
            ValueError: If there are any.
        """
        ...


@runtime_checkable
class BatchedCalculator(Protocol):
    """An ASE calculator that can do better than one structure after the other."""

    def compute_many(self, structures: Sequence[Atoms]) -> list[EnergyAndForces]:
        """Energies and forces of structures, in order; calculators that they carry are left alone."""
        ...


class ManyAtOnce(Calculator, ABC):
    """ASE's face of a potential that computes many structures in one go: one structure is many of one."""

    implemented_properties: list[str] = ["energy", "free_energy", "forces"]  # noqa: RUF012 -- as ASE declares it

    energies_of: ClassVar[str | None] = None
    """The calculator whose energies these are, where it is another one's; None for its own."""

    about_computing: ClassVar[frozenset[str]] = frozenset({"device", "dtype", "batch_size"})
    """Settings that say how energies are computed, and change none by more than rounding."""

    @property
    def title(self) -> str:
        """What errors call it."""
        return type(self).__name__

    @property
    def elements(self) -> frozenset[int] | None:
        """Atomic numbers of the elements that it knows; None where it cannot tell."""
        return None

    def require_elements(self, numbers: Iterable[int]) -> None:
        """Refuse elements, given by atomic number, that it does not know.

        Raises:
            ValueError: If there are any.
        """
        missing = set() if self.elements is None else set(numbers) - self.elements
        if missing:
            names = [chemical_symbols[z] for z in sorted(missing)]
            raise ValueError(f"{self.title} does not know {names}; take a potential that was made for them")

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
        further = {"stress": result.stress, "magmoms": result.magmoms}
        told = {name: value for name, value in further.items() if value is not None}
        return {"energy": result.energy, "free_energy": result.energy, "forces": result.forces, **told}


class InPasses(ManyAtOnce):
    """A network that computes ``batch_size`` structures in each forward pass."""

    batch_size: int

    def compute_many(self, structures: Sequence[Atoms]) -> list[EnergyAndForces]:
        """Energies and forces of structures, ``batch_size`` in each forward pass.

        Raises:
            ValueError: If an element is none of the model's.
        """
        self._prepare({int(z) for atoms in structures for z in atoms.numbers})
        result: list[EnergyAndForces] = []
        for start in range(0, len(structures), self.batch_size):
            result += self._forward(structures[start : start + self.batch_size])
        return result

    def _prepare(self, numbers: set[int]) -> None:
        """Refuse elements that the model does not know, before the first pass."""
        self.require_elements(numbers)

    @abstractmethod
    def _forward(self, structures: Sequence[Atoms]) -> list[EnergyAndForces]:
        """Energies and forces of structures in one pass."""
