"""What a calculator told of a structure, kept with its evaluation, and the structure with all of it for other programs.

An evaluation's response are the forces on the atoms of its point, which searchers read. The rest is its properties:
forces on the atoms that never move, stress and magnetic moments, where the calculator gives them.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress

from matseek.core.records import Evaluation

FloatArray = npt.NDArray[np.float64]

HELD_FORCES = "held_forces"
"""Property: forces on the atoms that never move, in eV/angstrom, in single precision, shape ``(k, 3)``."""

STRESS = "stress"
"""Property: in eV/angstrom^3, shape ``(6,)`` in Voigt's order."""

MAGMOMS = "magmoms"
"""Property: magnetic moments in Bohr magnetons, in single precision, shape ``(n,)``."""


class SpaceOfAtoms(Protocol):
    """A space each of whose points is a structure."""

    @property
    def size(self) -> int:
        """Atoms of a structure that belong to its point: the last ones."""
        ...

    def atoms(self, point: npt.ArrayLike) -> Atoms:
        """The structure of one point."""
        ...

    def describe(self) -> dict[str, Any]:
        """The space as plain data."""
        ...


def properties_of(held_forces: FloatArray, stress: object, magmoms: object, atoms: int) -> dict[str, npt.NDArray[Any]]:
    """What is kept of a call besides its energy and the forces on a point's atoms.

    Nothing of it steers a search: what is no finite array of the right shape is left out, and fails no evaluation.

    Args:
        held_forces: Forces on the atoms that never move, shape ``(k, 3)``, in eV/angstrom.
        stress: As calculators give it, ``(6,)`` or ``(3, 3)``, in eV/angstrom^3; None where there is none.
        magmoms: Magnetic moments of all atoms, ``(n,)``; None where there are none.
        atoms: Atoms of the structure, n.
    """
    tensor = _finite(stress)
    if tensor is not None and tensor.shape == (3, 3):
        tensor = np.asarray(full_3x3_to_voigt_6_stress(tensor), dtype=np.float64)
    moments = _finite(magmoms)
    result: dict[str, npt.NDArray[Any]] = {}
    if len(held_forces) and np.isfinite(held_forces).all():
        result[HELD_FORCES] = held_forces.astype(np.float32)
    if tensor is not None and tensor.shape == (6,):
        result[STRESS] = tensor
    if moments is not None and moments.shape == (atoms,):
        result[MAGMOMS] = moments.astype(np.float32)
    return result


def labelled(space: SpaceOfAtoms, evaluation: Evaluation) -> Atoms:
    """An evaluation's structure with its energy, and with forces on all atoms, stress and moments where they are known.

    Ledgers before version 5 do not have the forces on atoms that never move: without them no forces are given, since
    those who train a potential would take zeros or gaps for forces.

    Args:
        space: The problem's.
        evaluation: One with an energy.
    """
    atoms = space.atoms(evaluation.point)
    atoms.info = {}  # builders leave notes that no format can hold
    response, kept = evaluation.response, evaluation.properties
    results: dict[str, Any] = {"energy": evaluation.value}
    held = len(atoms) - space.size
    if response is not None and (not held or HELD_FORCES in kept):
        own = np.asarray(response, dtype=np.float64).reshape(-1, 3)
        results["forces"] = np.concatenate([kept[HELD_FORCES], own]) if held else own
    results |= {name: np.asarray(kept[name], dtype=np.float64) for name in (STRESS, MAGMOMS) if name in kept}
    atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


def _finite(value: object) -> FloatArray | None:
    """An array of finite real numbers; None for what is none."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return array if value is not None and array.size and np.isfinite(array).all() else None
