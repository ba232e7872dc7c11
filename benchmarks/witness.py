"""Problems whose oracle keeps a record of its own calls, apart from the ledger: what was really paid for.

The record is the file that the environment variable MATSEEK_WITNESS names. Each call appends a line when it begins
and one when it ends, and waits until the line is on the disk.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ase.calculators.emt import EMT

from matseek.library import platinum
from matseek.library.silver_problems import silver as embedded_silver
from matseek.problems import RecipeProblem, StructureProblem

VARIABLE = "MATSEEK_WITNESS"


def key_of(numbers: npt.ArrayLike) -> str:
    """A short name of a point, the same for the same bytes."""
    return hashlib.sha256(np.ascontiguousarray(numbers, dtype=np.float64).tobytes()).hexdigest()[:16]


def note(word: str, key: str) -> None:
    """Append a line to the record."""
    descriptor = os.open(os.environ[VARIABLE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, f"{word} {key} {os.getpid()}\n".encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def calls(path: Path) -> list[tuple[str, str, int]]:
    """The lines of a record: ``begin`` or ``end``, the point's name, the process; a line that was cut is left out."""
    text = path.read_text() if path.is_file() else ""
    rows = [line.split() for line in text.splitlines()]
    return [(row[0], row[1], int(row[2])) for row in rows if len(row) == 3]


class Witnessed:
    """An oracle of recipes whose calls are recorded.

    Args:
        oracle: The oracle.
    """

    def __init__(self, oracle: Any) -> None:  # noqa: ANN401 -- any oracle
        self.oracle = oracle

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 -- whatever the oracle has
        if name == "oracle":
            raise AttributeError(name)
        return getattr(self.oracle, name)

    def __call__(self, points: npt.NDArray[np.float64], rng: np.random.Generator) -> Any:  # noqa: ANN401
        """Record the call, and answer."""
        key = key_of(points)
        note("begin", key)
        answer = self.oracle(points, rng=rng)
        note("end", key)
        return answer


class WitnessedEMT(EMT):
    """ASE's EMT whose calls are recorded, by the position of the last atom."""

    def calculate(self, atoms: Any = None, *others: Any, **options: Any) -> None:  # noqa: ANN401 -- ASE's signature
        """Record the call, and calculate."""
        key = key_of(atoms.positions[-1:])  # the free atom
        note("begin", key)
        super().calculate(atoms, *others, **options)
        note("end", key)


def silver(**settings: Any) -> RecipeProblem:  # noqa: ANN401 -- those of the problem
    """The problem ``silver``, recorded."""
    problem = embedded_silver(**settings)
    return replace(problem, oracle=Witnessed(problem.oracle))


def platinum_adatom(**settings: Any) -> StructureProblem:  # noqa: ANN401 -- those of the problem
    """The problem ``platinum_adatom``, recorded; its test of success calls an EMT that is not recorded."""
    problem = platinum.platinum_adatom(**settings)
    return replace(problem, calculator=WitnessedEMT)
