"""Structures: atoms on a surface, and a calculator that gives their energy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.calculators.calculator import BaseCalculator

from matseek.potentials import BatchedCalculator
from matseek.problems.base import Measurement, callable_name
from matseek.problems.calculators import CALCULATORS, CalculatorFactory
from matseek.spaces import Adlayer

FloatArray = npt.NDArray[np.float64]
SuccessTest = Callable[[Atoms, float], bool]


@dataclass(frozen=True, eq=False)
class StructureProblem:
    """Minimise the total energy of free atoms above a template.

    Args:
        space: The structures that may be tried.
        calculator: Zero-argument callable that makes an ASE calculator with energies and forces. The factory, not a
            calculator, travels to worker processes; it must be picklable then (a class, a function of a module or a
            ``functools.partial`` of one).
        success: Whether a structure and its energy in eV solve the problem, for example
            :class:`matseek.problems.motifs.Heptamer`; None if there is no such test.
        name: Name for records and titles.
        relaxed_success: Whether what a structure relaxes to solves it, such as
            :class:`matseek.problems.motifs.AfterRelaxation`; None if that is not told apart.

    Raises:
        ValueError: If a setting is not as described.
    """

    space: Adlayer
    calculator: CalculatorFactory
    success: SuccessTest | None = None
    name: str = "structure"
    relaxed_success: SuccessTest | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.space, Adlayer):
            raise ValueError(f"space must be an Adlayer, got {type(self.space).__name__}; build one from a template")
        if isinstance(self.calculator, BaseCalculator) or not callable(self.calculator):
            kind = type(self.calculator).__name__
            raise ValueError(
                f"calculator must be a callable without arguments that makes a calculator, got a {kind}; give the "
                "class (EMT, not EMT()), or functools.partial(CLASS, setting=...)"
            )
        for name in ("success", "relaxed_success"):
            test = getattr(self, name)
            if test is not None and not callable(test):
                raise ValueError(f"{name}={test!r} must be callable on (atoms, energy), or None for no such test")

    def require_oracle(self) -> None:
        """Make a calculator, so that a missing file or package is told before anything is evaluated."""
        with CALCULATORS.lent(self.calculator):
            pass

    def measure(self, point: FloatArray, rng: np.random.Generator) -> Measurement:  # noqa: ARG002 -- the problem's face
        """Energy and forces of one structure.

        Args:
            point: Positions of the free atoms, shape ``(3n,)``, in angstrom.
            rng: Not used; energies have no noise.

        Returns:
            The total energy in eV, with the forces on the free atoms ``(n, 3)`` in eV/angstrom as its response. It has
            failed if either is not finite; exceptions that the calculator raises pass through.
        """
        atoms = self.space.atoms(point)
        with CALCULATORS.lent(self.calculator) as calculator:
            atoms.calc = calculator
            energy = float(atoms.get_potential_energy())
            forces = atoms.get_forces(apply_constraint=False)
        return self._measurement(energy, forces)

    def measure_many(self, points: FloatArray) -> list[Measurement]:
        """Energies and forces of many structures, in one call where the calculator can take them.

        Args:
            points: Positions of the free atoms, shape ``(m, 3n)``, in angstrom.

        Returns:
            As :meth:`measure` gives them, in order; exceptions that the calculator raises pass through.
        """
        structures = [self.space.atoms(point) for point in points]
        with CALCULATORS.lent(self.calculator) as calculator:
            if isinstance(calculator, BatchedCalculator):
                return [self._measurement(found.energy, found.forces) for found in calculator.compute_many(structures)]
        return [self.measure(point, np.random.default_rng()) for point in points]

    def _measurement(self, energy: float, all_forces: FloatArray) -> Measurement:
        """What is kept of a call: the energy, and the forces on the free atoms."""
        forces = np.array(all_forces[-self.space.size :], dtype=np.float64)
        if not np.isfinite(energy):
            return Measurement.failed(f"the calculator gave the energy {energy} eV", forces)
        if not np.isfinite(forces).all():
            return Measurement.failed(f"the energy is {energy:.6g} eV, but not all forces are finite", forces)
        return Measurement(energy, np.array([energy]), forces)

    @property
    def has_success(self) -> bool:
        """Whether there is a test of success."""
        return self.success is not None

    def succeeded(self, point: FloatArray, value: float) -> bool | None:
        """Whether a structure of this energy in eV passes the test; None without one."""
        return None if self.success is None else bool(self.success(self.space.atoms(point), value))

    def describe(self) -> dict[str, Any]:
        """Name, space and calculator as plain data; the test of success changes no evaluation and is left out."""
        return {
            "name": self.name,
            "space": self.space.describe(),
            "calculator": callable_name(self.calculator),
        }
