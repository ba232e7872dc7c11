"""Islands of other sizes, elements and faces: what a search of structures is to be tried on beside the heptamer.

Each has a putative minimum of effective medium theory, found by basin hopping; the structures are in ``minima`` beside
this file, and how often each was found is in ``benchmarks/results/minima.json`` (``benchmarks/minima.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from io import StringIO
from typing import Any, cast

import numpy as np
from ase import Atoms
from ase.build import fcc100, fcc110, fcc111, fcc211
from ase.calculators.emt import EMT
from ase.data import atomic_numbers, reference_states
from ase.formula import Formula
from ase.io import read

from matseek.checks import one_of, several, text, whole
from matseek.problems.calculators import CalculatorFactory
from matseek.problems.motifs import AfterRelaxation, AsLowAs, Island, Relaxation
from matseek.problems.structure import StructureProblem
from matseek.spaces import Adlayer

_FINE = Relaxation(fmax=0.02, max_steps=400)
"""Relaxations whose energies are compared: converged well within a hundredth of an eV."""


FACES = {"111": fcc111, "100": fcc100, "110": fcc110, "211": fcc211}
"""Faces of fcc metals that islands can lie on, by their Miller indices."""

_MARGIN = 8.0
"""Least room between an island and its image, in angstrom: more than potentials of a cutoff of 6 see across."""

_ROWS = 3
"""Columns of fcc211 that make one terrace."""


def island_template(metal: str, face: str | int, atoms: int, layers: int = 2) -> Atoms:
    """A surface that is wide enough for an island: a compact island and its image are 8 angstrom apart.

    Args:
        metal: Symbol of an element that ASE knows as fcc.
        face: ``111``, ``100``, ``110`` or ``211`` (a stepped face).
        atoms: Atoms of the largest island that is to be searched on it.
        layers: Layers of the slab.

    Raises:
        ValueError: If the metal is none, or the face is another one.

    Example:
        >>> len(island_template("Pt", "111", atoms=7))
        72
    """
    sides = np.linalg.norm(np.asarray(fcc_face(metal, face, (1, 1), layers).cell)[:2], axis=1)
    atoms = whole(1, 1000)("atoms", atoms)
    nearest = float(cast("dict[str, Any]", reference_states[atomic_numbers[metal]])["a"]) / np.sqrt(2)
    # A close-packed disc of the island's atoms.
    diameter = 2 * np.sqrt(atoms * nearest**2 * np.sqrt(3) / 2 / np.pi)
    repeats = [max(int(np.ceil((diameter + _MARGIN) / side)), 2) for side in sides]
    return fcc_face(metal, face, (repeats[0], repeats[1]), layers)


def fcc_face(metal: str, face: str | int, size: tuple[int, int], layers: int) -> Atoms:
    """A face of an fcc metal at its experimental lattice constant, with 8 angstrom of vacuum on either side.

    Args:
        metal: Symbol of an element that ASE knows as fcc.
        face: ``111``, ``100``, ``110`` or ``211`` (a stepped face).
        size: Repeats of its smallest cell; of ``211`` this is one terrace of three rows.
        layers: Layers of the slab.

    Raises:
        ValueError: If the metal is none, or the face is another one.
    """
    text("metal", metal)
    known: dict[str, Any] = reference_states[atomic_numbers.get(metal, 0)] or {}
    if known.get("symmetry") != "fcc":
        raise ValueError(f"metal={metal!r} is no fcc metal that is known; take for example 'Pt', 'Cu' or 'Al'")
    build: Callable[..., Atoms] = FACES[one_of(FACES)("face", str(face))]
    a, b = several(whole(1, 100), 2, 2)("size", size)
    return build(metal, (a * (_ROWS if str(face) == "211" else 1), b, whole(1, 20)("layers", layers)), vacuum=8)


def island(
    calculator: CalculatorFactory = EMT,
    free: str = "Pt7",
    metal: str = "Pt",
    face: str | int = "111",
    layers: int = 2,
    z: tuple[float, float] | None = None,
    least_distance: float | None = None,
    moving: float | None = None,
) -> StructureProblem:
    """The problem ``island``: any atoms on any face of an fcc metal, on a template that is wide enough for them.

    Its minimum is not known, so that there is no test of success.

    Args:
        calculator: Zero-argument callable that makes an ASE calculator.
        free: Formula of the island, for example ``Pt7`` or ``Pt3Cu4``.
        metal: Element of the surface.
        face: ``111``, ``100``, ``110`` or ``211``.
        layers: Layers of the slab.
        z: Confinement in angstrom above the highest atom of the template; None for 1 to 6.
        least_distance: See :class:`matseek.spaces.Adlayer`.
        moving: Atoms of the slab that are less deep than this, in angstrom, move with the island; None holds all.

    Raises:
        ValueError: If a setting is not as described.
    """
    template = island_template(metal, face, _atoms_of(free), layers)
    confinement = (1.0, 6.0) if z is None else z
    space = Adlayer(template, free, z=confinement, least_distance=least_distance, moving=moving)
    return StructureProblem(space, calculator, name=f"{free} on {metal}({face})")


def _atoms_of(free: object) -> int:
    """Atoms of a formula, 1 where it is none: the space refuses it then."""
    try:
        return max(sum(Formula(text("free", free)).count().values()), 1)
    except Exception:  # ASE's parser raises whatever it trips over
        return 1


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
