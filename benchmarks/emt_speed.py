"""The compiled EMT beside ASE's own: milliseconds per structure on one thread, and the largest differences.

Energy and forces of structures that all differ: Pt(111) slabs with a rattled layer of free atoms. Milliseconds are CPU
time (user and system), the median over passes that take turns, so that other work on the machine meets all alike.
Differences are over random structures of all elements, any periodicity and cells thinner than the cutoff, in which no
two atoms are closer than 1.5 A.

    .venv/bin/python -W ignore -m benchmarks.emt_speed
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import fcc111
from ase.calculators.emt import EMT
from ase.neighborlist import neighbor_list

from benchmarks.results_io import write
from matseek.potentials import BatchedEMT
from matseek.potentials.emt import ELEMENTS
from matseek.spaces import Adlayer

SLABS = {21: (3, 3, 2, 3), 79: (6, 6, 2, 7), 200: (9, 9, 2, 38), 450: (15, 14, 2, 30)}
"""By number of atoms: the slab and its free atoms."""

PASSES = 7
CLOSEST = 1.5
"""Distance in angstrom: below it energies are so large that absolute differences mean nothing."""


def structures(atoms: int, count: int, rng: np.random.Generator) -> list[Atoms]:
    """Slabs of one size with different free atoms."""
    *size, free = SLABS[atoms]
    space = Adlayer(fcc111("Pt", size, vacuum=8), f"Pt{free}", z=(1.0, 6.0))
    return [space.atoms(point) for point in space.sample_uniform(count, rng)]


def asked_singly(calculator: Any, many: list[Atoms]) -> Callable[[], None]:  # noqa: ANN401 -- an ASE calculator
    """Energy and forces as an optimiser or a campaign asks for them."""
    atoms = many[0].copy()
    atoms.calc = calculator
    rng = np.random.default_rng(0)

    def work() -> None:
        for structure in many:
            # A calculator remembers its last structure; no two are the same here.
            atoms.positions = structure.positions + rng.uniform(0, 1e-6)
            atoms.get_potential_energy()
            atoms.get_forces(apply_constraint=False)

    return work


def milliseconds(atoms: int, rng: np.random.Generator) -> dict[str, Any]:
    """All three on structures of one size."""
    many = structures(atoms, 20, rng)
    together = BatchedEMT()
    works = {
        "ase": asked_singly(EMT(), many),
        "batched_emt": asked_singly(BatchedEMT(), many),
        "compute_many": lambda: together.compute_many(many),
    }
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for work in works.values():
        work()
    for _ in range(PASSES):
        for name, work in works.items():
            start = time.process_time()
            work()
            seconds[name].append((time.process_time() - start) / len(many))
    found = {name: 1e3 * statistics.median(values) for name, values in seconds.items()}
    return {
        "atoms": atoms,
        **{name: round(value, 4) for name, value in found.items()},
        "faster_by": round(found["ase"] / found["batched_emt"], 1),
    }


def random_structure(rng: np.random.Generator) -> Atoms:
    """Up to 14 atoms of any elements in any cell, some of them outside of it."""
    while True:
        count = int(rng.integers(1, 15))
        cell = np.diag(rng.uniform(3, 12, 3)) + rng.uniform(-1, 1, (3, 3))
        positions = rng.uniform(-4, 14, (count, 3))
        atoms = Atoms(rng.choice(ELEMENTS, count), positions=positions, cell=cell, pbc=rng.random(3) < 0.5)
        if not len(neighbor_list("i", atoms, CLOSEST)):
            return atoms


def differences(count: int, rng: np.random.Generator) -> dict[str, Any]:
    """The largest ones, in eV and eV/A."""
    energy, force = 0.0, 0.0
    seen: set[str] = set()
    for _ in range(count):
        atoms = random_structure(rng)
        seen.update(atoms.symbols)
        theirs, ours = EMT(), BatchedEMT()
        energy = max(energy, abs(theirs.get_potential_energy(atoms) - ours.get_potential_energy(atoms)))
        force = max(force, np.abs(theirs.get_forces(atoms) - ours.get_forces(atoms)).max())
    return {"structures": count, "elements": len(seen), "energy_eV": energy, "force_eV_per_A": force}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--structures", type=int, default=2000, help="random structures for the differences")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    report = {
        "command": ".venv/bin/python -W ignore -m benchmarks.emt_speed",
        "goal": "0.2 ms per structure of 79 atoms on one thread, energies and forces within 1e-8 eV and eV/A of ASE's",
        "rows": [milliseconds(atoms, rng) for atoms in SLABS],
        "largest_differences": differences(arguments.structures, rng),
    }
    print(json.dumps(report, indent=1))
    print(write("emt_speed", report))


if __name__ == "__main__":
    main()
