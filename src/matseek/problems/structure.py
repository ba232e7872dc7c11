"""Structures: an adlayer, a calculator that answers with energy and forces, and a test for what is sought."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.calculators.calculator import Calculator

from matseek.problems.base import Measurement
from matseek.spaces import Adlayer

FloatArray = npt.NDArray[np.float64]
CalculatorFactory = Callable[[], Calculator]

_KEPT = threading.local()


class Recognition(Protocol):
    """Says whether a structure is what is sought."""

    def __call__(self, atoms: Atoms, energy: float) -> bool:
        """Whether it is.

        Args:
            atoms: The structure as it was evaluated, without a calculator.
            energy: Its energy in eV.
        """


@dataclass(frozen=True, eq=False)
class StructureProblem:
    """Minimise the energy of free atoms on a template.

    Args:
        space: The free atoms, their template and confinement.
        calculator: A function without arguments that makes an ASE calculator; every process and thread makes its own,
            once.
        success: Says whether a structure is what is sought; None where nobody knows.
        name: Name for records and titles.

    Raises:
        ValueError: If the space is no adlayer, or the calculator is not made by a function.
    """

    space: Adlayer
    calculator: CalculatorFactory
    success: Recognition | None = None
    name: str = "structure"

    def __post_init__(self) -> None:
        if not isinstance(self.space, Adlayer):
            raise ValueError(f"space must be an Adlayer, got {type(self.space).__name__}")
        if isinstance(self.calculator, Calculator) or not callable(self.calculator):
            raise ValueError(
                f"calculator={self.calculator!r} must be a function without arguments that makes a calculator, so that "
                "workers make their own; write calculator=EMT instead of calculator=EMT()"
            )

    def require_oracle(self) -> None:
        """A structure problem always has its calculator."""

    def energy_and_forces(self, atoms: Atoms) -> tuple[float, FloatArray]:
        """Energy in eV and forces in eV/A, shape ``(N, 3)``, by this thread's calculator."""
        calculators: dict[object, Calculator] = _KEPT.__dict__.setdefault("calculators", {})
        # Kept by the factory, not the problem: processes get new problems with every call.
        key = _key(self.calculator)
        if key not in calculators:
            calculators[key] = self.calculator()
        atoms.calc = calculators[key]
        try:
            return float(atoms.get_potential_energy()), np.asarray(atoms.get_forces(), dtype=np.float64)
        finally:
            atoms.calc = None

    def measure(self, point: FloatArray, rng: np.random.Generator) -> Measurement:  # noqa: ARG002 -- energies have no noise
        """Energy of one structure; the response is the forces on the free atoms.

        Args:
            point: Positions of the free atoms, shape ``(3 n,)``, angstrom.
            rng: Not used.

        Returns:
            The energy in eV; a failed measurement where energy or forces are not finite. The response holds the forces
            in eV/A, shape ``(n, 3)``.
        """
        energy, forces = self.energy_and_forces(self.space.atoms(point))
        mine = forces[-self.space.size :]
        if not np.isfinite(energy) or not np.isfinite(mine).all():
            return Measurement.failed(
                f"the calculator gave energy={energy} eV and {int((~np.isfinite(mine)).sum())} forces that "
                "are not finite; check it on this structure by hand"
            )
        return Measurement(energy, np.array([energy]), mine)

    @property
    def has_success(self) -> bool:
        """Whether there is a success test."""
        return self.success is not None

    def succeeded(self, point: FloatArray, value: float) -> bool | None:
        """Whether a structure is what is sought; None without a test."""
        return None if self.success is None else bool(self.success(self.space.atoms(point), value))

    def describe(self) -> dict[str, Any]:
        """Name, space and calculator as plain data."""
        return {"name": self.name, "space": self.space.describe(), "calculator": _factory_name(self.calculator)}


def _key(factory: CalculatorFactory) -> object:
    """The same for a factory and its copies that were sent to another process."""
    if isinstance(factory, partial):
        return _key(factory.func), repr(factory.args), repr(factory.keywords)
    return factory


def _factory_name(factory: CalculatorFactory) -> str:
    """A name that is the same in every process, with the settings of a partial."""
    if isinstance(factory, partial):
        return f"{_factory_name(factory.func)} with {factory.args} {factory.keywords}"
    module, name = getattr(factory, "__module__", ""), getattr(factory, "__qualname__", type(factory).__qualname__)
    return f"{module}.{name}"
