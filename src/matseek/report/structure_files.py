"""The best structures as files for other programs."""

from __future__ import annotations

from collections.abc import Sequence

import ase.db
import ase.io
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from matseek.core.problem import Structures
from matseek.core.records import Evaluation, ranked
from matseek.files import replacing
from matseek.insight.minima import distinct_minima
from matseek.run_folder import RunFolder


def write_structures(
    problem: Structures, evaluations: Sequence[Evaluation], folder: RunFolder, count: int = 50
) -> None:
    """Write ``best.extxyz`` and ``structures.db``, the lowest energies first; files that are there are replaced.

    Each structure says which distinct minimum it belongs to, 1 for the lowest.

    Args:
        problem: The problem.
        evaluations: The campaign's evaluations.
        folder: Where to.
        count: Most structures.
    """
    best = ranked(evaluations)[:count]
    minima = distinct_minima(problem.space, best, count)
    numbers = {number: place for place, minimum in enumerate(minima, start=1) for number in minimum.evaluations}
    frames = [structure_of(problem, e) for e in best]
    if not frames:
        return
    for atoms, e in zip(frames, best, strict=True):
        atoms.info["minimum"] = numbers[e.number]
    with replacing(folder.best_structures) as draft:
        ase.io.write(draft, frames, format="extxyz")
    with replacing(folder.structures) as draft, ase.db.connect(draft) as database:
        for atoms, e in zip(frames, best, strict=True):
            database.write(
                atoms, evaluation=e.number, iteration=e.iteration, proposer=e.proposer, minimum=numbers[e.number]
            )


def structure_of(problem: Structures, e: Evaluation) -> Atoms:
    """An evaluation's structure with its energy, as files hold it."""
    atoms = problem.space.atoms(e.point)
    atoms.info = {"evaluation": e.number, "iteration": e.iteration}  # builders leave notes that no format can hold
    atoms.calc = SinglePointCalculator(atoms, energy=e.value)
    return atoms
