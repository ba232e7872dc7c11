"""Clusters in the gas phase whose minima are known: Lennard-Jones clusters, and thirteen platinum atoms.

The energies of the Lennard-Jones clusters are those of the Cambridge Cluster Database: D. J. Wales and J. P. K. Doye,
J. Phys. Chem. A 101, 5111 (1997); D. J. Wales, J. P. K. Doye, A. Dullweber, M. P. Hodges, F. Y. Naumkin, F. Calvo,
J. Hernandez-Rojas and T. F. Middleton, https://www-wales.ch.cam.ac.uk/CCD.html.
"""

from __future__ import annotations

from ase.calculators.emt import EMT

from matseek.checks import real, whole
from matseek.potentials import ClusterLennardJones
from matseek.problems.calculators import CalculatorFactory
from matseek.problems.motifs import AfterRelaxation, ReachesEnergy, Relaxation
from matseek.problems.structure import StructureProblem
from matseek.spaces import Cluster

LOWEST = {
    7: -16.505384,
    8: -19.821489,
    9: -24.113360,
    10: -28.422532,
    11: -32.765970,
    12: -37.967600,
    13: -44.326801,
    14: -47.845157,
    15: -52.322627,
    16: -56.815742,
    17: -61.317995,
    18: -66.530949,
    19: -72.659782,
    20: -77.177043,
    38: -173.928427,
}
"""Lowest energies known of Lennard-Jones clusters by their number of atoms, in units of a pair's depth."""

PT13 = 8.9995
"""Lowest energy known of thirteen platinum atoms by effective medium theory, in eV (``benchmarks/clusters.py``)."""

TOLERANCE = 0.01
"""By how much an evaluated structure's energy may lie above the lowest known, in eV."""

_ELEMENT = "Ar"
_FINE = Relaxation(fmax=0.01, max_steps=400)


def lennard_jones_cluster(
    atoms: int = 13,
    calculator: CalculatorFactory = ClusterLennardJones,
    radius: float | None = None,
    least_distance: float | None = None,
    lowest: float | None = None,
) -> StructureProblem:
    """The problem ``lennard_jones_cluster``: n Lennard-Jones atoms in the gas phase.

    A pair is 1 eV deep and as long as two covalent radii of argon, so that energies in eV are those of the Cambridge
    Cluster Database. It is solved by a structure that as evaluated lies at most 0.01 eV above the lowest energy known.

    Args:
        atoms: 7 to 20, or 38: those whose lowest energy is known here.
        calculator: Zero-argument callable that makes an ASE calculator.
        radius: Of the sphere, see :class:`matseek.spaces.Cluster`.
        least_distance: See there.
        lowest: Energy to reach, in eV, of another calculator; None for that of the database.

    Raises:
        ValueError: If a setting is not as described.

    Example:
        >>> lennard_jones_cluster(38).name
        'lj38'
    """
    if whole(1)("atoms", atoms) not in LOWEST:
        raise ValueError(f"atoms={atoms}: no lowest energy is known here; take one of {sorted(LOWEST)}")
    space = Cluster(f"{_ELEMENT}{atoms}", radius, least_distance)
    return _solved_at(LOWEST[atoms] if lowest is None else lowest, space, calculator, f"lj{atoms}")


def lj13(
    calculator: CalculatorFactory = ClusterLennardJones,
    radius: float | None = None,
    least_distance: float | None = None,
) -> StructureProblem:
    """The problem ``lj13``: thirteen Lennard-Jones atoms, an icosahedron at its best."""
    return lennard_jones_cluster(13, calculator, radius, least_distance)


def lj38(
    calculator: CalculatorFactory = ClusterLennardJones,
    radius: float | None = None,
    least_distance: float | None = None,
) -> StructureProblem:
    """The problem ``lj38``: thirty-eight, at their best a truncated octahedron behind a wide funnel to icosahedra."""
    return lennard_jones_cluster(38, calculator, radius, least_distance)


def pt13(
    calculator: CalculatorFactory = EMT,
    radius: float | None = None,
    least_distance: float | None = None,
    lowest: float | None = None,
) -> StructureProblem:
    """The problem ``pt13``: thirteen platinum atoms in the gas phase, by effective medium theory.

    Args:
        calculator: Zero-argument callable that makes an ASE calculator.
        radius: Of the sphere, see :class:`matseek.spaces.Cluster`.
        least_distance: See there.
        lowest: Energy to reach, in eV, of another calculator; None for the lowest known of EMT.
    """
    space = Cluster("Pt13", radius, least_distance)
    return _solved_at(PT13 if lowest is None else lowest, space, calculator, "pt13")


def _solved_at(energy: float, space: Cluster, calculator: CalculatorFactory, name: str) -> StructureProblem:
    """Solved by a structure of that energy, as evaluated or after relaxation."""
    reached = ReachesEnergy(real(unit="eV")("lowest", energy), TOLERANCE)
    relaxed = AfterRelaxation(reached, calculator, _FINE)
    return StructureProblem(space, calculator, reached, name=name, relaxed_success=relaxed)
