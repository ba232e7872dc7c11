"""AGOX's own GOFEE on matseek's problems: what another program needs on the same truth, counted by matseek.

AGOX is under the GPL, version 3: it is neither imported nor ported. A Python of its own runs
``benchmarks/peers/agox_gofee.py`` in a process of its own, which gets the problem as files (template, formula,
confinement, seed) and prints every structure that it has given to the truth, ASE's effective medium theory, with the
energy. Here each new one is counted as an evaluation and put to the problem's own test of success, as evaluated; the
peer is stopped at the first success, or at the end of its budget. That the truth is the same is tested: the energy of
the first structure and that of the solution are calculated again.

Cells (problem, settings, seed) that are complete in the run folder are not run again; one that was stopped is begun
anew. Processor seconds are those of the peer's process, its start (about five seconds) included; they are told apart as
``start_cpu_seconds``. Set-up and settings: docs/experiments.md.

    python3.11 -m venv PEER && PEER/bin/pip install agox==3.11.1 ase==3.26.0 numpy==2.2.6
    .venv/bin/python -W ignore -m benchmarks.agox --python PEER/bin/python [--settings wide] [--seeds 8]
        [--problems platinum_heptamer ...] [--run-dir runs/agox]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import shutil
import signal
import statistics
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import Any

import numpy as np
from ase.io import write as write_atoms

from benchmarks.results_io import ROOT, write
from matseek.files import write_text
from matseek.library import islands, platinum
from matseek.problems.structure import StructureProblem

DRIVER = Path(__file__).resolve().parent / "peers" / "agox_gofee.py"
PROBLEMS = {
    "platinum_heptamer": platinum.platinum_heptamer,
    "platinum_adatom": platinum.platinum_adatom,
    "platinum_tetramer": islands.platinum_tetramer,
    "copper_hexamer": islands.copper_hexamer,
    "copper_nonamer": islands.copper_nonamer,
    "platinum_decamer": islands.platinum_decamer,
    "platinum_copper_heptamer": islands.platinum_copper_heptamer,
}
SETTINGS = ("wide", "documented")
FIRST_SEED = 1000
BUDGET = 300
HOURS = 12.0
_SAME = 1e-6
"""Largest difference of energies of the same structure, in eV."""
_PATIENCE = 20.0
"""Seconds that a peer has to end after it was asked to."""


class PeerError(RuntimeError):
    """The peer ended by itself before its budget, or what it said is not what was asked for."""


@dataclass(frozen=True, eq=False)
class Cell:
    """One run of a peer.

    Args:
        problem: What is searched.
        settings: Name of settings that the peer's driver knows.
        seed: The peer's.
        budget: Most evaluations.
        folder: Where ``cell.json`` is kept once the cell is complete, ``evaluations.jsonl`` and ``peer.log`` from the
            beginning on.
    """

    problem: StructureProblem
    settings: str
    seed: int
    budget: int
    folder: Path

    def summary(self) -> dict[str, Any] | None:
        """What came of it; None while it is not complete, or if it was stopped by a smaller budget."""
        try:
            kept: dict[str, Any] = json.loads((self.folder / "cell.json").read_text())
        except FileNotFoundError:
            return None
        return kept if kept["stopped_by"] == "success" or kept["budget"] >= self.budget else None

    def run(self, peer: Sequence[str], hours: float = HOURS) -> dict[str, Any]:
        """Run the peer and count.

        Args:
            peer: Command that drives it; the folder with the task is appended.
            hours: After which it is stopped in any case; such a cell counts as stopped by time.

        Raises:
            PeerError: If the peer fails, or its truth is another one.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(prefix="peer-", ignore_cleanup_errors=True) as scratch,
            (self.folder / "evaluations.jsonl").open("w", buffering=1) as kept,
            (self.folder / "peer.log").open("w") as log,
        ):
            self._write_task(Path(scratch))
            count = _Count(self.problem, self.budget)
            process = subprocess.Popen(
                [*peer, scratch],
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=scratch,
                env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
                start_new_session=True,
                text=True,
            )
            assert process.stdout is not None
            late = Timer(hours * 3600, _kill, [process.pid])
            late.start()
            by_itself = False
            try:
                for line in process.stdout:
                    kept.write(line)
                    if count.take(line):
                        break
                else:
                    by_itself = True
            finally:
                in_time = late.is_alive()
                late.cancel()
                status, cpu_seconds = _ended(process, ask=not by_itself)
        if count.stopped_by is None and in_time:
            tail = (self.folder / "peer.log").read_text()[-2000:]
            raise PeerError(
                f"{self.problem.name}, {self.settings}, seed {self.seed}: the peer ended (status {status}) after "
                f"{count.evaluations} of {self.budget} evaluations: {tail}"
            )
        summary = {
            "problem": self.problem.name,
            "settings": self.settings,
            "seed": self.seed,
            "budget": self.budget,
            "stopped_by": count.stopped_by or "time",
            "evaluations": count.evaluations,
            "evaluations_to_success": count.evaluations if count.stopped_by == "success" else None,
            "repeated": count.repeated,
            "best_energy": count.best,
            "cpu_seconds": round(cpu_seconds, 2),
            "start_cpu_seconds": count.start_cpu_seconds,
            "versions": count.versions,
        }
        write_text(self.folder / "cell.json", json.dumps(summary, indent=1) + "\n")
        return summary

    def _write_task(self, folder: Path) -> None:
        space = self.problem.space
        template = space.template.copy()
        template.info = {}  # how a builder made it, which the format cannot hold
        write_atoms(folder / "template.extxyz", template, format="extxyz")
        task = {
            "free": space.free,
            "z_low": space.z_low,
            "z_high": space.z_high,
            "settings": self.settings,
            "seed": self.seed,
            "budget": self.budget,
        }
        (folder / "task.json").write_text(json.dumps(task))


class _Count:
    """Counts what a peer says that it has evaluated, until the problem is solved or the budget spent."""

    def __init__(self, problem: StructureProblem, budget: int) -> None:
        self.problem, self.budget = problem, budget
        self.evaluations = self.repeated = 0
        self.best: float | None = None
        self.stopped_by: str | None = None
        self.versions: dict[str, str] = {}
        self.start_cpu_seconds: float | None = None
        self._seen: set[bytes] = set()

    def take(self, line: str) -> bool:
        """Take one line; whether the peer is to be stopped."""
        try:
            said = json.loads(line)
        except json.JSONDecodeError as error:
            raise PeerError(f"the peer printed {line[:80]!r}, which is no JSON line") from error
        if "versions" in said:
            self.versions, self.start_cpu_seconds = said["versions"], said.get("cpu_seconds")
            return False
        point, energy = self._point(said), float(said["energy"])
        if point.tobytes() in self._seen:
            self.repeated += 1
            return False
        self._seen.add(point.tobytes())
        self.evaluations += 1
        if math.isfinite(energy):
            self.best = energy if self.best is None else min(self.best, energy)
        solved = bool(self.problem.succeeded(point, energy))
        if solved or self.evaluations == 1:
            self._require_same_truth(point, energy)
        if solved or self.evaluations >= self.budget:
            self.stopped_by = "success" if solved else "budget"
        return self.stopped_by is not None

    def _point(self, said: dict[str, Any]) -> np.ndarray:
        """The point, its atoms in the order of the formula."""
        numbers, positions = np.asarray(said["numbers"]), np.asarray(said["positions"], dtype=np.float64)
        wanted = self.problem.space.numbers
        given, asked = np.argsort(numbers, kind="stable"), np.argsort(wanted, kind="stable")
        if not np.array_equal(numbers[given], wanted[asked]):
            raise PeerError(f"the peer evaluated atoms {numbers.tolist()}; {wanted.tolist()} was asked for")
        ordered = np.empty_like(positions)
        ordered[asked] = positions[given]
        return ordered.ravel()

    def _require_same_truth(self, point: np.ndarray, energy: float) -> None:
        here = self.problem.measure(point, np.random.default_rng(0)).value
        if not abs(here - energy) <= _SAME * max(1.0, abs(here)):
            raise PeerError(f"the peer's truth gives {energy} eV for a structure that has {here} eV")


def _kill(pid: int) -> None:
    """The peer and what it has started, which is in its session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _ended(process: subprocess.Popen[str], *, ask: bool) -> tuple[int, float]:
    """See a peer end, asked to or by itself: its exit status and its processor seconds (user and system)."""
    if ask:
        os.kill(process.pid, signal.SIGTERM)  # Popen's own would take the exit status from wait4
    impatient = Timer(_PATIENCE, _kill, [process.pid])
    impatient.start()
    assert process.stdout is not None
    process.stdout.close()
    _, status, usage = os.wait4(process.pid, 0)
    impatient.cancel()
    _kill(process.pid)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_utime + usage.ru_stime


def rows(cells: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each problem and settings, in the order of the cells."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for cell in cells:
        groups.setdefault((cell["problem"], cell["settings"]), []).append(cell)
    return [_row(problem, settings, group) for (problem, settings), group in groups.items()]


def _row(problem: str, settings: str, group: Sequence[dict[str, Any]]) -> dict[str, Any]:
    reached = [cell["evaluations_to_success"] for cell in group if cell["evaluations_to_success"] is not None]
    return {
        "problem": problem,
        "settings": settings,
        "seeds": [cell["seed"] for cell in group],
        "budget": max(cell["budget"] for cell in group),
        "successes": len(reached),
        "evaluations_to_success": [cell["evaluations_to_success"] for cell in group],
        "mean_evaluations_to_success": round(statistics.fmean(reached), 2) if reached else None,
        "mean_cpu_seconds": round(statistics.fmean(cell["cpu_seconds"] for cell in group), 1),
        "cpu_seconds_per_evaluation": round(
            sum(cell["cpu_seconds"] for cell in group) / max(1, sum(cell["evaluations"] for cell in group)), 2
        ),
    }


def finished(run_dir: Path) -> list[dict[str, Any]]:
    """Every complete cell of a run folder, in the order of problems, settings and seeds."""
    found = [json.loads(path.read_text()) for path in run_dir.glob("*/*/*/cell.json")]
    return sorted(found, key=lambda c: (list(PROBLEMS).index(c["problem"]), SETTINGS.index(c["settings"]), c["seed"]))


def main() -> None:
    """Run what is missing, and write the table after each cell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", required=True, help="the Python that has agox")
    parser.add_argument("--problems", nargs="+", default=list(PROBLEMS), choices=PROBLEMS)
    parser.add_argument("--settings", nargs="+", default=("wide",), choices=SETTINGS)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    parser.add_argument("--budget", type=int, default=BUDGET)
    parser.add_argument("--hours", type=float, default=HOURS, help="most for one cell")
    parser.add_argument("--run-dir", default="runs/agox")
    arguments = parser.parse_args()
    python = shutil.which(arguments.python)
    if python is None:
        raise SystemExit(f"--python {arguments.python}: no such program")
    peer, run_dir, failures = (python, "-W", "ignore", str(DRIVER)), ROOT / arguments.run_dir, []
    for name in arguments.problems:
        problem = PROBLEMS[name]()
        for settings in arguments.settings:
            for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
                cell = Cell(problem, settings, seed, arguments.budget, run_dir / name / settings / str(seed))
                if cell.summary() is None:
                    try:
                        print(json.dumps(cell.run(peer, arguments.hours)), flush=True)
                    except PeerError as error:
                        failures.append(str(error))
                        print(error, flush=True)
                _report(finished(run_dir))
    if failures:
        raise SystemExit(1)


def _report(cells: Sequence[dict[str, Any]]) -> None:
    report = {
        "command": ".venv/bin/python -W ignore -m benchmarks.agox --python PEER/bin/python",
        "peer": "GOFEE of AGOX, serial, on ASE's EMT; success as evaluated, every new structure counted",
        "rows": rows(cells),
        "cells": cells,
    }
    write("agox", report)


if __name__ == "__main__":
    main()
