"""Structures as files for other programs: the best ones, or all that were evaluated."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import ase.db
import ase.io
from ase import Atoms

from matseek.core.problem import OfAtoms, Structures, potential_name
from matseek.core.records import Evaluation, ranked
from matseek.files import replacing
from matseek.insight.minima import distinct_minima
from matseek.run_folder import RunFolder

logger = logging.getLogger(__name__)

_ENDINGS = (".xyz", ".extxyz", ".db")
"""Of files that structures are written to."""


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


def structure_of(problem: OfAtoms, e: Evaluation) -> Atoms:
    """An evaluation's structure with what the calculator told of it, as files hold it."""
    atoms = problem.labelled(e)
    atoms.info = {"evaluation": e.number, "iteration": e.iteration}
    return atoms


@dataclass(frozen=True)
class Exported:
    """What was written.

    Args:
        structures: How many.
        forces: How many of them with forces on all atoms.
        stresses: How many of them with a stress.
        moments: How many of them with magnetic moments.
    """

    structures: int
    forces: int
    stresses: int
    moments: int

    def __str__(self) -> str:
        further = [(self.stresses, "with a stress"), (self.moments, "with magnetic moments")]
        told = [f"{self.structures} structures, {self.forces} with forces on all atoms"]
        return ", ".join(told + [f"{number} {what}" for number, what in further if number])


def export_structures(problem: OfAtoms, evaluations: Sequence[Evaluation], path: Path) -> Exported:
    """Write all structures that have an energy, in the order of their evaluation.

    They have no constraints, lest ASE take the forces on held atoms for zero: what a search holds is its own affair.
    Where forces are not known on all atoms (ledgers before version 5), a structure has its energy alone, and the log
    says how many.

    Args:
        problem: The problem.
        evaluations: The campaign's evaluations.
        path: ``.xyz`` or ``.extxyz`` for extended XYZ, ``.db`` for ASE's database; a file that is there is replaced.

    Raises:
        ValueError: If nothing has an energy, or the ending is another one.
    """
    if path.suffix not in _ENDINGS:
        raise ValueError(f"{path}: structures are written as {', '.join(_ENDINGS)}; name the file accordingly")
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.absolute().parent}; make it, or name another file")
    done = [e for e in evaluations if e.status == "done"]
    if not done:
        raise ValueError("no evaluation has an energy yet, so that there is nothing to export; run the campaign first")
    source = {"problem": problem.name, "potential": potential_name(problem.calculator)}
    count: Counter[str] = Counter()

    def frames() -> Iterator[tuple[Evaluation, Atoms]]:
        for e in done:
            atoms = structure_of(problem, e)
            atoms.set_constraint()
            atoms.info |= {"proposer": e.proposer, **source}
            count.update(atoms.calc.results.keys())
            yield e, atoms

    with replacing(path) as draft:
        if path.suffix == ".db":
            with ase.db.connect(draft, type="db") as database:
                for e, atoms in frames():
                    told = {"evaluation": e.number, "iteration": e.iteration, "proposer": e.proposer}
                    database.write(atoms, **told, **source)
        else:
            ase.io.write(draft, [atoms for _, atoms in frames()], format="extxyz")
    if count["forces"] < len(done):
        logger.warning(
            "%d of %d structures are written without forces: the ledger has only those on atoms that move, as "
            "ledgers before version 5; evaluate them again for the rest",
            len(done) - count["forces"],
            len(done),
        )
    return Exported(len(done), count["forces"], count["stress"], count["magmoms"])
