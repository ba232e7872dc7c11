"""Arrangements of atoms in an alloy whose best one is known: every arrangement of a small cell was calculated."""

from __future__ import annotations

from ase.build import bulk
from ase.calculators.emt import EMT

from matseek.checks import real
from matseek.problems.calculators import CalculatorFactory
from matseek.problems.lattice import LatticeProblem
from matseek.problems.motifs import ReachesEnergy
from matseek.spaces import Lattice

LOWEST = -1.840027
"""Lowest energy of the 12,870 arrangements of Pt8Cu8 by effective medium theory, in eV; the next has -1.824798."""

_LATTICE_CONSTANT = 3.77
"""Mean of platinum's and copper's, in angstrom."""


def platinum_copper_alloy(calculator: CalculatorFactory = EMT, lowest: float | None = None) -> LatticeProblem:
    """The problem ``platinum_copper_alloy``: eight Pt and eight Cu on the sites of a fixed 2 x 2 x 1 fcc cell.

    By symmetry its 12,870 arrangements are 153 different ones. Eight of them, all the same by symmetry, have the
    lowest energy, found by calculating all (``tests/library/test_alloys.py``).

    Args:
        calculator: Zero-argument callable that makes an ASE calculator.
        lowest: Energy to reach with another calculator, in eV; None for the lowest of EMT.
    """
    space = Lattice(bulk("Pt", "fcc", a=_LATTICE_CONSTANT, cubic=True) * (2, 2, 1), "Pt8Cu8")
    reached = ReachesEnergy(LOWEST if lowest is None else real(unit="eV")("lowest", lowest), 0.001)
    return LatticeProblem(space, calculator, reached, name="platinum_copper_alloy")
