"""Measures some figures of the documentation again, drawn at random, and tells whether they are what is written.

Every table of docs/ has a file in benchmarks/results with the command that measured it. Of tables whose file keeps each
run, single runs that took less than a minute are drawn and run again with their seed; the others are listed with
their command. Files and pages are left as they are.

    .venv/bin/python -W ignore -m benchmarks.claims [--count 10] [--seed 0] [--dry]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from benchmarks.results_io import RESULTS, write
from benchmarks.tables import PAGES

MOST_CPU_S = 60.0
"""What a run may have taken when it was stored."""

AGREES = 1e-3
"""Relative difference up to which two numbers are the same: machines differ in the last bit, and runs amplify it."""


@dataclass(frozen=True)
class Run:
    """A stored run that can be made again.

    Args:
        name: Table and run, as they are told.
        stored: The figures that are compared.
        again: Measures them.
        cpu_seconds: What it took when it was stored.
    """

    name: str
    stored: Mapping[str, float | None]
    again: Callable[[], Mapping[str, float | None]]
    cpu_seconds: float


def tables() -> dict[str, str]:
    """By the name of each table of the documentation, the command that measures it.

    Raises:
        ValueError: If a table has none.
    """
    result = {}
    for page in PAGES:
        for name in re.findall(r"<!-- table (\w+) -->", page.read_text(encoding="utf-8")):
            path = RESULTS / f"{name}.json"
            command = json.loads(path.read_text()).get("command") if path.is_file() else None
            if command is None:
                command = _command_below(page.read_text(encoding="utf-8"), name)
            if not command:
                raise ValueError(f"table {name} of {page.name} names no command that measures it")
            result[name] = str(command)
    return result


def runs() -> list[Run]:
    """The stored runs that can be made again, in the order of their names."""
    every = [*_structures(), *_clusters(), *_harder(), *_functions()]
    return sorted((run for run in every if run.cpu_seconds <= MOST_CPU_S), key=lambda run: run.name)


def agrees(stored: float | None, now: float | None) -> bool:
    """Whether a figure is what was stored."""
    if stored is None or now is None:
        return stored is now
    return math.isclose(stored, now, rel_tol=AGREES, abs_tol=AGREES)


def _command_below(page: str, name: str) -> str | None:
    """The command in the first code after a table."""
    table = page.partition(f"<!-- table {name} -->")[2].partition("<!-- end -->")
    found = re.search(r"`([^`]*-m benchmarks\.[^`]*)`", table[0]) or re.search(
        r"`([^`]*-m benchmarks\.[^`]*)`", table[2]
    )
    return found and found[1]


def _stored(name: str) -> dict[str, Any]:
    path = RESULTS / f"{name}.json"
    content: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    return content


def _structures() -> Iterator[Run]:
    from benchmarks import structures

    told = ("evaluations_to_success", "evaluations_to_minimum", "best_value")
    for key, cell in _stored("structures").get("cells", {}).items():
        problem, method, seed = key.split("/")
        if method in structures.METHODS:
            yield _of_cell(
                f"structures: {key}",
                cell,
                told,
                lambda p=problem, m=method, s=int(seed): structures.campaign(p, m, s),  # type: ignore[misc]
            )


def _clusters() -> Iterator[Run]:
    from benchmarks import clusters

    for key, cell in _stored("clusters_cells").items():
        problem, searcher, seed = key.split("/")
        yield _of_cell(
            f"clusters: {key}",
            cell,
            ("evaluations_to_success", "best_value"),
            lambda p=problem, w=searcher, s=int(seed): clusters.run(p, w, s),  # type: ignore[misc]
        )


def _harder() -> Iterator[Run]:
    from benchmarks import harder

    def named(cell: Mapping[str, Any]) -> dict[str, Any]:
        best = {f"best after {count}": value for count, value in zip(harder.COUNTS, cell["best"], strict=True)}
        return best | {"cpu_seconds": cell["cpu_seconds"]}

    for key, cell in _stored("harder_cells").items():
        searcher, seed = key.split("/")
        stored = named(cell)
        yield _of_cell(
            f"harder: {key}",
            stored,
            tuple(stored)[:-1],
            lambda w=searcher, s=int(seed): named(harder.run(harder.SEARCHERS[w], s)),  # type: ignore[misc]
        )


def _functions() -> Iterator[Run]:
    from benchmarks import functions

    def again(name: str, method: str, seed: int) -> dict[str, float]:
        function = functions.FUNCTIONS[name]
        values = functions.run(method, function, seed, sys.executable).values
        regrets = np.minimum.accumulate(values) - function.least
        half = (function.opening + function.budget) // 2
        return {f"regret after {n}": float(regrets[n - 1]) for n in (half, function.budget)}

    for name, methods in _stored("functions").get("cells", {}).items():
        batches = functions.FUNCTIONS[name].budget / functions.BATCH
        for method, seeds in methods.items():
            if method == "ax":  # of an environment of its own
                continue
            for seed, cell in seeds.items():
                stored = {f"regret after {n}": value for n, value in cell["regret"].items()}
                yield _of_cell(
                    f"functions: {name}/{method}/{seed}",
                    stored | {"cpu_seconds": batches * cell["cpu_seconds_per_batch"]},
                    tuple(stored),
                    lambda n=name, m=method, s=int(seed): again(n, m, s),  # type: ignore[misc]
                )


def _of_cell(name: str, cell: Mapping[str, Any], told: tuple[str, ...], again: Callable[[], Mapping[str, Any]]) -> Run:
    def figures(content: Mapping[str, Any]) -> dict[str, float | None]:
        return {key: content[key] for key in told if key in content}

    return Run(name, figures(cell), lambda: figures(again()), float(cell["cpu_seconds"]))


def main() -> None:
    """Draw, run, compare, and write what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10, help="runs that are made again")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--dry", action="store_true", help="print, and write no result")
    given = parser.parse_args()
    every, commands = runs(), tables()
    chosen = np.random.default_rng(given.seed).permutation(len(every))[: given.count]
    rows = []
    for run in (every[i] for i in sorted(chosen)):
        begun = time.process_time()
        now = run.again()
        same = all(agrees(value, now.get(key)) for key, value in run.stored.items())
        rows.append(
            {
                "run": run.name,
                "agrees": same,
                "stored": dict(run.stored),
                "now": dict(now),
                "cpu_seconds": round(time.process_time() - begun, 1),
            }
        )
        print(
            "agrees " if same else "DIFFERS", run.name, dict(run.stored), "" if same else f"now {dict(now)}", flush=True
        )
    again = {run.name.partition(":")[0] for run in every}
    left = {name: command for name, command in commands.items() if name not in again}
    agreed = sum(row["agrees"] for row in rows)
    print(f"{agreed} of {len(rows)} agree, of {len(every)} that can be run again; not run again:")
    for name, command in left.items():
        print(f"  {name}: {command}")
    if not given.dry:
        content = {
            "command": f".venv/bin/python -W ignore -m benchmarks.claims --count {given.count} --seed {given.seed}",
            "goal": "ten figures of the documentation, drawn at random, are measured again as they are written",
            "can_be_run_again": len(every),
            "rows": rows,
            "not_run_again": left,
        }
        print(write("claims", content))


if __name__ == "__main__":
    main()
