"""The contract of a potential: an ASE calculator, and perhaps many structures at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from ase.units import Bohr, Hartree, kcal, kJ, mol

from matseek.core.potential import BatchedCalculator
from matseek.testing.rules import Rules

FloatArray = npt.NDArray[np.float64]

_DIRECTIONS = 3
"""Random displacements of all atoms along which energies are differentiated."""

_UNITS = {"kcal/mol": kcal / mol, "kJ/mol": kJ / mol, "hartree": Hartree, "hartree/bohr": Hartree / Bohr}
"""In eV, or eV/angstrom: what forces are by mistake."""


def check_potential(
    calculator_factory: Callable[[], BaseCalculator],
    atoms_list: Sequence[Atoms],
    tolerance: float = 1e-3,
    step: float = 1e-3,
    seed: int = 0,
) -> None:
    """Certify a potential on structures.

    Energies are single numbers and forces have shape ``(n, 3)``; forces are minus the gradient of the energy, by
    central differences; translations and the order of like and unlike atoms change nothing; structures come back as
    they were given; what has ``compute_many`` says the same of many as of each.

    The energy's own unit cannot be told from inside: energies and forces that are both in another unit pass. Compare
    one energy with a published one in eV.

    Args:
        calculator_factory: Makes an ASE calculator, for example a class or a ``functools.partial`` of one.
        atoms_list: Structures that it knows, best of different sizes, off their minima and clear of its cutoff.
        tolerance: Largest error of forces, as a fraction of 1 eV/angstrom and of the largest force; single precision
            needs 1e-2.
        step: Of the differences, in angstrom; single precision needs 1e-2.
        seed: Of displacements and orders.

    Raises:
        ConformanceError: If it breaks a rule; the message says which, what was found and what to change.
    """
    calculator = calculator_factory()
    rules = Rules(f"the potential {type(calculator).__name__}")
    rules.require(
        callable(getattr(calculator, "get_potential_energy", None)),
        "the factory makes an ASE calculator",
        type(calculator).__name__,
        "derive from ase.calculators.calculator.Calculator, or matseek.core.potential.ManyAtOnce",
    )
    rng = np.random.default_rng(seed)
    for atoms in atoms_list:
        energy, forces = _check_one(rules, calculator, atoms)
        _check_gradient(rules, calculator, atoms, forces, tolerance, step, rng)
        _check_symmetries(rules, calculator, atoms, energy, forces, tolerance, rng)
    _check_memory(rules, calculator, calculator_factory(), atoms_list, tolerance)
    if isinstance(calculator, BatchedCalculator):
        _check_many(rules, calculator, calculator_factory(), atoms_list, tolerance)


def _evaluated(calculator: BaseCalculator, atoms: Atoms) -> tuple[float, FloatArray]:
    given = atoms.copy()
    given.calc = calculator
    return given.get_potential_energy(), given.get_forces(apply_constraint=False)


def _state(atoms: Atoms) -> list[FloatArray]:
    return [np.array(atoms.cell), np.array(atoms.pbc), *(np.array(a) for _, a in sorted(atoms.arrays.items()))]


def _check_one(rules: Rules, calculator: BaseCalculator, atoms: Atoms) -> tuple[float, FloatArray]:
    given = atoms.copy()
    before = _state(given)
    given.calc = calculator
    energy, forces = given.get_potential_energy(), given.get_forces(apply_constraint=False)
    same = len(before) == len(_state(given)) and all(map(np.array_equal, before, _state(given)))
    rules.require(same, "a structure comes back as it was given", atoms.get_chemical_formula(), "work on a copy")
    value = rules.require_array("the energy", energy, ())
    return float(value), rules.require_array("forces", forces, (len(atoms), 3))


def _check_gradient(
    rules: Rules,
    calculator: BaseCalculator,
    atoms: Atoms,
    forces: FloatArray,
    tolerance: float,
    step: float,
    rng: np.random.Generator,
) -> None:
    allowed = tolerance * max(1.0, float(np.abs(forces).max())) * np.sqrt(len(atoms))
    for _ in range(_DIRECTIONS):
        direction = rng.standard_normal((len(atoms), 3))
        direction /= np.linalg.norm(direction)
        ends = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.set_constraint()
            moved.positions += sign * step * direction
            ends.append(_evaluated(calculator, moved)[0])
        slope = (ends[1] - ends[0]) / (2 * step)
        force = float((forces * direction).sum())
        rules.require(
            abs(force - slope) <= allowed,
            "forces are minus the gradient of the energy, in eV/angstrom",
            f"{force:.6g} along a direction in which the energy falls by {slope:.6g} eV/angstrom",
            _unit_remedy(force, slope),
        )


def _unit_remedy(force: float, slope: float) -> str:
    """What the ratio of both looks like."""
    ratio = force / slope if slope else 0.0
    if abs(ratio + 1) < 0.02:
        return "change the sign: forces are minus the gradient"
    for name, unit in _UNITS.items():
        for factor in (unit, 1 / unit):
            if abs(ratio * factor - 1) < 0.02:
                return f"convert units: the ratio is that of eV and {name}"
    return "check the derivative, units (eV, angstrom), and a cutoff at which the energy jumps"


def _check_symmetries(
    rules: Rules,
    calculator: BaseCalculator,
    atoms: Atoms,
    energy: float,
    forces: FloatArray,
    tolerance: float,
    rng: np.random.Generator,
) -> None:
    moved = atoms.copy()
    moved.set_constraint()
    moved.positions += rng.uniform(-1, 1, 3)
    order = rng.permutation(len(atoms))
    mixed = atoms.copy()
    mixed.set_constraint()
    cases = (("translations of all atoms", moved, forces), ("the order of the atoms", mixed[order], forces[order]))
    for what, changed, expected in cases:
        found, found_forces = _evaluated(calculator, changed)
        remedy = "let the energy depend on distances and elements alone"
        rules.require_close(found, energy, f"{what} change no energy", remedy, tolerance=0.1 * tolerance)
        rules.require_close(
            found_forces, expected, f"{what} change no force on an atom", remedy, tolerance=0.1 * tolerance
        )


def _check_memory(
    rules: Rules, used: BaseCalculator, fresh: BaseCalculator, atoms_list: Sequence[Atoms], tolerance: float
) -> None:
    for atoms in (*atoms_list, *atoms_list[:1]):
        (energy, forces), (expected, expected_forces) = _evaluated(used, atoms), _evaluated(fresh, atoms)
        rule, remedy = "what was computed before changes nothing", "keep nothing of earlier structures"
        rules.require_close(energy, expected, rule, remedy, tolerance=0.1 * tolerance)
        rules.require_close(forces, expected_forces, rule, remedy, tolerance=0.1 * tolerance)


def _check_many(
    rules: Rules,
    calculator: BatchedCalculator,
    alone: BaseCalculator,
    atoms_list: Sequence[Atoms],
    tolerance: float,
) -> None:
    given = [atoms.copy() for atoms in atoms_list]
    before = [_state(atoms) for atoms in given]
    found = calculator.compute_many(given)
    rules.require(
        len(found) == len(atoms_list), "compute_many gives a result for each structure", len(found), "keep the order"
    )
    for result, atoms, state, original in zip(found, given, before, atoms_list, strict=True):
        rules.require(
            all(map(np.array_equal, state, _state(atoms))),
            "compute_many leaves structures as they are",
            atoms.get_chemical_formula(),
            "work on copies",
        )
        energy, forces = _evaluated(alone, original)
        remedy = "let no structure see another one, and keep the order"
        rules.require_array("a force of compute_many", result.forces, (len(original), 3))
        rules.require_close(
            result.energy, energy, "compute_many is one by one: energies", remedy, tolerance=0.1 * tolerance
        )
        rules.require_close(
            result.forces, forces, "compute_many is one by one: forces", remedy, tolerance=0.1 * tolerance
        )
