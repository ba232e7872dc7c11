"""The two platinum problems of the GO-Diff paper, on ASE's effective medium theory unless another truth is named.

Rønne, Vegge and Bhowmik, "GO-Diff", arXiv 2510.13448 (2025).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.build import fcc111, surface
from ase.calculators.emt import EMT

from matseek.problems.motifs import AfterRelaxation, Motif, bond_graph, hexagon
from matseek.problems.structure import CalculatorFactory, StructureProblem
from matseek.spaces import Adlayer

ADATOM_MINIMUM = 5.506
"""Energy in eV of the relaxed adatom at the foot of the step, by effective medium theory; the next minimum is 6.034."""

_HALFWAY = 0.25
"""Of an energy in eV above the minimum, well below the next one 0.53 eV up."""


@dataclass(frozen=True)
class AtStep:
    """Recognises an adatom in the hollow at the foot of a step, where it touches five template atoms.

    Args:
        below: Energy in eV that tells it from other places; None judges by the bonds alone, for other calculators.
    """

    below: float | None = ADATOM_MINIMUM + _HALFWAY

    def __call__(self, atoms: Atoms, energy: float) -> bool:
        """Whether the last atom is there."""
        if self.below is not None:
            return math.isfinite(energy) and energy < self.below
        last = len(atoms) - 1
        graph = bond_graph(atoms, range(len(atoms)))
        return bool(graph.degree[last] >= 5)


@dataclass(frozen=True)
class Compact:
    """Whether free atoms are so close together that a relaxation may make one cluster of them.

    Args:
        free: How many there are.
        factor: Atoms closer than this times the sum of their radii are connected.
        height: Largest difference of heights in angstrom.
    """

    free: int
    factor: float = 1.6
    height: float = 2.0

    def __call__(self, atoms: Atoms, energy: float) -> bool:  # noqa: ARG002 -- the places decide
        """Whether they are."""
        import networkx as nx

        indices = range(len(atoms) - self.free, len(atoms))
        if np.ptp(atoms.positions[list(indices), 2]) > self.height:
            return False
        return bool(nx.is_connected(bond_graph(atoms, indices, self.factor)))


def platinum_adatom(calculator: CalculatorFactory = EMT) -> StructureProblem:
    """The problem ``platinum_adatom``: where does one atom sit on stepped platinum?

    A (122) surface of five layers, one free atom up to 4 A above the highest one. Solved by a structure that relaxes to
    the hollow at the foot of the step.

    Args:
        calculator: Makes the calculator; with any but ASE's effective medium theory bonds instead of the energy
            tell where the atom sits.
    """
    template = surface("Pt", (1, 2, 2), 5, vacuum=8)
    space = Adlayer(template, "Pt", z=(0.0, 4.0))
    recognise = AtStep() if calculator is EMT else AtStep(below=None)
    success = AfterRelaxation(recognise, calculator, free=1)
    return StructureProblem(space, calculator, success, name="platinum_adatom")


def platinum_heptamer(calculator: CalculatorFactory = EMT) -> StructureProblem:
    """The problem ``platinum_heptamer``: seven atoms on Pt(111), whose best island is a hexagon with a centre.

    A slab of two layers, 6 x 6; free atoms 1 to 6 A above it. Solved by what is, or relaxes to, the hexagon.

    Args:
        calculator: Makes the calculator.
    """
    space = Adlayer(fcc111("Pt", (6, 6, 2), vacuum=8), "Pt7", z=(1.0, 6.0))
    success = AfterRelaxation(Motif(hexagon()), calculator, free=7, worth=Compact(7))
    return StructureProblem(space, calculator, success, name="platinum_heptamer")
