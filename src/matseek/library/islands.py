"""Islands of other sizes, elements and faces: what a search of structures is to be tried on beside the heptamer.

Each has a putative minimum of effective medium theory, found by basin hopping; the structures are in ``minima`` beside
this file, and how often each was found is in ``benchmarks/results/minima.json`` (``benchmarks/minima.py``).
"""

from __future__ import annotations

from importlib import resources
from io import StringIO

from ase import Atoms
from ase.build import fcc100, fcc111
from ase.calculators.emt import EMT
from ase.io import read

from matseek.problems.calculators import CalculatorFactory
from matseek.problems.motifs import AfterRelaxation, AsLowAs, Island, Relaxation
from matseek.problems.structure import StructureProblem
from matseek.spaces import Adlayer

_FINE = Relaxation(fmax=0.02, max_steps=400)
"""Relaxations whose energies are compared: converged well within a hundredth of an eV."""


def island_space(name: str, z: tuple[float, float] | None = None, least_distance: float | None = None) -> Adlayer:
    """The space of an island's problem.

    Args:
        name: The problem's.
        z: Confinement, see :class:`matseek.spaces.Adlayer`; None for 1 to 6 angstrom.
        least_distance: Of atoms, see there.

    Raises:
        KeyError: If there is no such island.
    """
    slab, free = {
        "platinum_tetramer": (fcc111("Pt", (6, 6, 2), vacuum=8), "Pt4"),
        "platinum_decamer": (fcc111("Pt", (6, 6, 2), vacuum=8), "Pt10"),
        "copper_hexamer": (fcc111("Cu", (6, 6, 2), vacuum=8), "Cu6"),
        "copper_nonamer": (fcc100("Cu", (6, 6, 2), vacuum=8), "Cu9"),
        "platinum_copper_heptamer": (fcc111("Pt", (6, 6, 2), vacuum=8), "Pt3Cu4"),
    }[name]
    return Adlayer(slab, free, z=(1.0, 6.0) if z is None else z, least_distance=least_distance)


def putative_minimum(name: str) -> Atoms:
    """The lowest structure known of an island, its template held, its energy in eV in ``info``."""
    text = resources.files("matseek.library").joinpath("minima", f"{name}.extxyz").read_text(encoding="utf-8")
    known = read(StringIO(text), format="extxyz")
    assert isinstance(known, Atoms)
    space = island_space(name)
    structure = space.atoms(space.point(known))
    structure.info["energy"] = known.info["putative_minimum"]
    return structure


def platinum_tetramer(
    calculator: CalculatorFactory = EMT,
    z: tuple[float, float] | None = None,
    least_distance: float | None = None,
) -> StructureProblem:
    """The problem ``platinum_tetramer``: Pt4 on Pt(111)."""
    return _island("platinum_tetramer", calculator, z, least_distance)


def platinum_decamer(
    calculator: CalculatorFactory = EMT,
    z: tuple[float, float] | None = None,
    least_distance: float | None = None,
) -> StructureProblem:
    """The problem ``platinum_decamer``: Pt10 on Pt(111)."""
    return _island("platinum_decamer", calculator, z, least_distance)


def copper_hexamer(
    calculator: CalculatorFactory = EMT,
    z: tuple[float, float] | None = None,
    least_distance: float | None = None,
) -> StructureProblem:
    """The problem ``copper_hexamer``: Cu6 on Cu(111)."""
    return _island("copper_hexamer", calculator, z, least_distance)


def copper_nonamer(
    calculator: CalculatorFactory = EMT,
    z: tuple[float, float] | None = None,
    least_distance: float | None = None,
) -> StructureProblem:
    """The problem ``copper_nonamer``: Cu9 on Cu(100)."""
    return _island("copper_nonamer", calculator, z, least_distance)


def platinum_copper_heptamer(
    calculator: CalculatorFactory = EMT,
    z: tuple[float, float] | None = None,
    least_distance: float | None = None,
) -> StructureProblem:
    """The problem ``platinum_copper_heptamer``: Pt3Cu4 on Pt(111)."""
    return _island("platinum_copper_heptamer", calculator, z, least_distance)


def _island(
    name: str, calculator: CalculatorFactory, z: tuple[float, float] | None, least_distance: float | None
) -> StructureProblem:
    """Solved by the putative minimum's island as evaluated, or by its energy after relaxation."""
    known = putative_minimum(name)
    relaxed = AfterRelaxation(AsLowAs(known, calculator, _FINE), calculator, _FINE)
    space = island_space(name, z, least_distance)
    return StructureProblem(space, calculator, Island(known), name=name, relaxed_success=relaxed)
