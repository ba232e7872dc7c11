"""Rigid molecules on faces of fcc metals."""

from __future__ import annotations

from collections.abc import Sequence

from ase.calculators.emt import EMT

from matseek.library.islands import fcc_face
from matseek.problems.calculators import CalculatorFactory
from matseek.problems.structure import StructureProblem
from matseek.spaces import MolecularAdlayer


def adsorbates(
    calculator: CalculatorFactory = EMT,
    molecules: str | Sequence[str] = "2CO + O",
    metal: str = "Pt",
    face: str | int = "211",
    size: tuple[int, int] = (1, 3),
    layers: int = 3,
    z: tuple[float, float] | None = None,
    least_distance: float | None = None,
) -> StructureProblem:
    """The problem ``adsorbates``: rigid molecules and atoms on a face of an fcc metal; CO and O on stepped Pt.

    Where they lie and how they are turned is searched; bonds neither break nor form. The minimum is not known, so that
    there is no test of success. The parameters that ASE's effective medium theory has for C, N, O and H are not meant
    for chemistry: take its energies to try things out, and those of a universal potential (``calculator=chgnet``) for
    the rest.

    Args:
        calculator: Zero-argument callable that makes an ASE calculator.
        molecules: What is adsorbed, see :class:`matseek.spaces.MolecularAdlayer`.
        metal: Element of the surface.
        face: ``111``, ``100``, ``110`` or ``211`` (a stepped face: terraces three rows wide).
        size: Repeats of the face's smallest cell, of ``211`` of one terrace.
        layers: Layers of the slab.
        z: Confinement in angstrom above the highest atom of the template; None for 0.5 to 5.
        least_distance: See :class:`matseek.spaces.Adlayer`.

    Raises:
        ValueError: If a setting is not as described.
        InfeasibleSpaceError: If the molecules do not fit.

    Example:
        >>> adsorbates(molecules="H2O + OH", face="111", size=(3, 3)).space.species
        ('H2O', 'OH')
    """
    space = MolecularAdlayer(
        fcc_face(metal, face, size, layers),
        molecules,
        z=(0.5, 5.0) if z is None else z,
        least_distance=least_distance,
    )
    return StructureProblem(space, calculator, name=f"{' + '.join(space.species)} on {metal}({face})")
