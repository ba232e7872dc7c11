"""What a campaign came to, as files and tables that a tracker can show."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from matseek.core.problem import Problem
from matseek.core.records import Evaluation
from matseek.evaluation import Ledger
from matseek.run_folder import RunFolder
from matseek.tables import write_csv

if TYPE_CHECKING:
    import pandas as pd
    from ase import Atoms
    from matplotlib.figure import Figure

CANDIDATES, STRUCTURES, PICTURED = 50, 5, 10
"""How many of the best are listed, are shown as structures, and have a picture in the list."""


@dataclass(frozen=True, eq=False)
class IterationState:
    """What a search for structures has after an iteration.

    Args:
        iteration: Its number, 1 for the first.
        improved: Whether the best structure is of this iteration.
        structure: The best structure, with its energy.
        models: Files of what is being trained.
    """

    iteration: int
    improved: bool
    structure: Atoms
    models: tuple[Path, ...]


@dataclass(frozen=True, eq=False)
class CampaignOutcome:
    """What a campaign came to.

    Args:
        evaluations: How many there are.
        summary: What ``summary.json`` holds.
        figures: Pictures, PNG files.
        candidates: The best evaluations, best first, the variables in units.
        draw: Draws a figure of each of the first candidates, in their order: its spectra, or its structure.
        structures: The best structures by a name each; none where the problem has no atoms.
        models: Files of what was trained, with names.
        ledger: The ledger's SQLite file; None in memory or on a server.
        record: Further files of the record: all evaluations as a table, the config.
    """

    evaluations: int
    summary: Mapping[str, Any]
    figures: tuple[Path, ...]
    candidates: pd.DataFrame
    draw: Callable[[], tuple[Figure, ...]]
    structures: Mapping[str, Atoms]
    models: tuple[Path, ...]
    ledger: Path | None
    record: tuple[Path, ...]

    @property
    def scalars(self) -> dict[str, float | str | bool]:
        """The summary's single figures."""
        return {k: v for k, v in self.summary.items() if isinstance(v, (bool, int, float, str))}


def outcome_of(
    problem: Problem,
    ledger: Ledger,
    summary: Mapping[str, Any],
    frame: pd.DataFrame,
    models: Iterable[Path],
    folder: RunFolder,
) -> CampaignOutcome:
    """What a campaign came to, from its run folder and its ledger.

    Args:
        problem: The problem.
        ledger: Its ledger.
        summary: What ``summary.json`` holds.
        frame: A row per evaluation.
        models: Where what was trained lies; files that are missing are left out.
        folder: The run folder; ``evaluations.csv`` is written into it.
    """
    evaluations = ledger.evaluations()
    best = problem.ranked(evaluations)[:CANDIDATES]
    structures = {}
    atomic = problem.as_structures()
    if atomic is not None:
        from matseek.report.structure_files import structure_of  # with Numba

        structures = {f"evaluation {e.number}, {e.value:.4f} eV": structure_of(atomic, e) for e in best[:STRUCTURES]}
    write_csv(frame, folder.evaluations)
    record = (folder.evaluations, folder.config, folder.summary)
    return CampaignOutcome(
        evaluations=len(evaluations),
        summary=summary,
        figures=tuple(sorted(folder.figures.glob("*.png"))),
        candidates=_candidates(problem, best),
        draw=partial(_pictures, problem, best[:PICTURED]),
        structures=structures,
        models=tuple(path for path in models if path.is_file()),
        ledger=ledger.path,
        record=tuple(path for path in record if path.is_file()),
    )


def _candidates(problem: Problem, best: Sequence[Evaluation]) -> pd.DataFrame:
    points = np.array([e.point for e in best]).reshape(-1, problem.space.dim)
    who: dict[str, Sequence[object]] = {
        "rank": range(1, len(best) + 1),
        "evaluation": [e.number for e in best],
        "value": [e.value for e in best],
        "proposer": [e.proposer for e in best],
    }
    if any(len(e.finite_replicates) > 1 for e in best):
        who["upper_bound"] = [e.upper_bound() for e in best]
    import pandas as pd

    return pd.concat([pd.DataFrame(who), problem.space.to_frame(points)], axis=1)


def _pictures(problem: Problem, best: Sequence[Evaluation]) -> tuple[Figure, ...]:
    """A small picture of each, where the problem has anything to see."""
    from matseek.report.figures import spectra, structure
    from matseek.report.structure_files import structure_of

    atomic, objective = problem.as_structures(), problem.objective
    if atomic is not None:
        return tuple(structure(structure_of(atomic, e), f"{e.value:.4f} eV") for e in best)
    if objective is not None and objective.target_spectrum is not None:
        return tuple(spectra(problem, [e]) for e in best)
    return ()


def iteration_state(
    problem: Problem, evaluations: Sequence[Evaluation], iteration: int, models: Iterable[Path]
) -> IterationState | None:
    """What a search for structures has after an iteration; None where there is no structure.

    Args:
        problem: The problem.
        evaluations: All up to the iteration's last.
        iteration: Its number.
        models: Where what is trained lies; files that are missing are left out.
    """
    atomic, best = problem.as_structures(), next(iter(problem.ranked(evaluations)), None)
    if atomic is None or best is None:
        return None
    from matseek.report.structure_files import structure_of  # with Numba

    there = tuple(path for path in models if path.is_file())
    return IterationState(iteration, best.iteration == iteration, structure_of(atomic, best), there)
