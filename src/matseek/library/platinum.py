"""The platinum problems by name: an adatom at a step, and a heptamer on a terrace.

Both are those of Ronne, Vegge and Bhowmik, arXiv 2510.13448 (2025), with any ASE calculator.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.build import fcc111, surface
from ase.calculators.emt import EMT

from matseek.checks import check, of, real
from matseek.problems.calculators import CALCULATORS, CalculatorFactory, calculator_factory
from matseek.problems.motifs import AfterRelaxation, Heptamer, Relaxation, free_indices
from matseek.problems.structure import StructureProblem
from matseek.spaces import Adlayer

FloatArray = npt.NDArray[np.float64]

_HOLLOW = np.array([[0.236, 0.382], [0.236, 0.882]])
"""The hollow at the foot of the step, in fractions of the stepped cell, which holds it twice."""

_HOLLOW_HEIGHT = 0.463
"""Height of a relaxed adatom in that hollow, in angstrom above the highest atom of the step."""

_FINE = Relaxation(fmax=0.02)
"""Relaxations whose energies are compared: converged well within a hundredth of an eV."""


def stepped_platinum() -> Atoms:
    """The stepped surface Pt(122): five layers, 20 atoms, periodic in plane."""
    template: Atoms = surface("Pt", (1, 2, 2), 5, vacuum=8)
    template.pbc = (True, True, False)
    return template


@dataclass(frozen=True, eq=False)
class InStepHollow:
    """Whether the free atom is, in plane, near one of the hollows at the foot of the step.

    Args:
        reach: How near, in angstrom, the nearest periodic image counting.
    """

    reach: float = 3.0

    def __post_init__(self) -> None:
        check(self, reach=real(above=0, unit="angstrom"))

    def __call__(self, atoms: Atoms, energy: float) -> bool:  # noqa: ARG002 -- the face of a test of success
        """Whether it is; the energy does not matter."""
        plane = np.array(atoms.cell)[:2, :2]
        place = atoms.positions[free_indices(atoms), :2] @ np.linalg.inv(plane)
        images = np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1]), axis=-1).reshape(-1, 1, 2)
        apart = ((place - _HOLLOW + 0.5) % 1.0 - 0.5 + images) @ plane
        return bool(np.linalg.norm(apart, axis=-1).min() < self.reach)


@dataclass(frozen=True, eq=False)
class StepHollowEnergy:
    """Whether a structure has the energy of an adatom relaxed in the hollow at the foot of the step, 5.506 eV in EMT.

    Args:
        space: Stepped surface and adatom.
        calculator: Zero-argument callable that makes an ASE calculator.
        tolerance: Largest difference in eV.
    """

    space: Adlayer
    calculator: CalculatorFactory
    tolerance: float = 0.02
    relaxation: Relaxation = field(default=_FINE)

    def __post_init__(self) -> None:
        rules = {"space": of(Adlayer), "calculator": calculator_factory, "relaxation": of(Relaxation)}
        check(self, **rules, tolerance=real(above=0, unit="eV"))

    @property
    def criterion(self) -> str:
        """What it asks for."""
        return (
            f"the energy is within {self.tolerance:g} eV of the adatom's, relaxed in the hollow at the foot of the step"
        )

    @cached_property
    def minimum(self) -> float:
        """Energy in eV of the adatom relaxed in the hollow, with this calculator."""
        place = _HOLLOW[0] @ np.array(self.space.template.cell)[:2, :2]
        height = self.space.template.positions[:, 2].max() + _HOLLOW_HEIGHT
        start = self.space.atoms(np.array([*place, height]))
        with CALCULATORS.lent(self.calculator) as calculator:
            return self.relaxation.relax(start, calculator).energy

    @property
    def lowest_known(self) -> float:
        """That energy."""
        return self.minimum

    def __call__(self, atoms: Atoms, energy: float) -> bool:  # noqa: ARG002 -- the face of a test of success
        """Whether the energy is that of the minimum."""
        return abs(energy - self.minimum) < self.tolerance


def platinum_adatom(
    calculator: CalculatorFactory = EMT,
    z: tuple[float, float] | None = None,
    least_distance: float | None = None,
) -> StructureProblem:
    """The problem ``platinum_adatom``: one atom on the stepped surface Pt(122), at most 4 angstrom above the step.

    It is solved by a structure that is, as evaluated, within 0.1 eV of the minimum in the hollow at the foot of the
    step; the next minimum is half an eV above. ``problem.relaxed_success`` says whether a structure's relaxation ends
    within 0.02 eV of it. Only atoms near the hollow are relaxed, and the calls that this takes are counted there.

    Args:
        calculator: Zero-argument callable that makes an ASE calculator.
        z: Confinement, see :class:`matseek.spaces.Adlayer`; None for 0 to 4 angstrom.
        least_distance: Of atoms, see there.
    """
    space = Adlayer(stepped_platinum(), "Pt", z=(0.0, 4.0) if z is None else z, least_distance=least_distance)
    relaxed = AfterRelaxation(StepHollowEnergy(space, calculator), calculator, _FINE, before=InStepHollow())
    success = StepHollowEnergy(space, calculator, tolerance=0.1)
    return StructureProblem(space, calculator, success, name="platinum_adatom", relaxed_success=relaxed)


def platinum_heptamer(
    calculator: CalculatorFactory = EMT,
    z: tuple[float, float] | None = None,
    least_distance: float | None = None,
) -> StructureProblem:
    """The problem ``platinum_heptamer``: seven atoms on a (6, 6) cell of Pt(111), 1 to 6 angstrom above it.

    It is solved by a hexagonal heptamer in one layer, see :class:`matseek.problems.motifs.Heptamer`, as evaluated;
    ``problem.relaxed_success`` looks at what a structure relaxes to, and counts the calls of these relaxations.

    Args:
        calculator: Zero-argument callable that makes an ASE calculator.
        z: Confinement, see :class:`matseek.spaces.Adlayer`; None for 1 to 6 angstrom.
        least_distance: Of atoms, see there.
    """
    template = fcc111("Pt", (6, 6, 2), vacuum=8)
    space = Adlayer(template, "Pt7", z=(1.0, 6.0) if z is None else z, least_distance=least_distance)
    relaxed = AfterRelaxation(Heptamer(), calculator)
    return StructureProblem(space, calculator, Heptamer(), name="platinum_heptamer", relaxed_success=relaxed)
