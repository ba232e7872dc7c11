"""The platinum adatom and heptamer on universal potentials: SevenNet-0 and CHGNet, whose weights come with packages.

Campaigns end with the batch that solves the problem as evaluated, or with their budget. Of an island the bonds count,
at any dome of its centre; of the adatom, an energy within 0.1 eV of its minimum. Then the lowest structure that passes,
or else the lowest of all, is relaxed by the same potential (these calls are no evaluations); for the adatom the first
structure that relaxes into the minimum is found as well. Settings are the shipped ones, but for
`problem.least_distance=0.8` of the heptamer (docs/potentials.md); seeds are those from 1000 on. `godiff_transfer`
starts from a model that `godiff_ffg` trained on the adatom with the same potential, with seed 100.

"search on X" has two potentials: a search without end on the cheap one, X, of which the lowest structures that differ
are evaluated by the dear one, and the best of these is relaxed; every call of the dear one counts as an evaluation.

Random search has a small budget, since a call takes a quarter of a second: a bound, no comparison.

Cells are written one by one into benchmarks/results/universal.json, and campaigns lie in runs/universal: the same
command goes on where it was stopped. sevenn and mace-torch cannot share an environment (docs/potentials.md): this needs
one with `matseek[sevenn,chgnet]`.

    python -W ignore -m benchmarks.universal [--only sevenn/bayesian ...] [--seeds 4]
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from ase import Atoms

from benchmarks.results_io import RESULTS, ROOT, write
from matseek import Campaign
from matseek.configuration import RunSettings, run_settings
from matseek.core.problem import solves
from matseek.core.records import Evaluation, ranked
from matseek.insight.minima import distinct_minima
from matseek.insight.success import SuccessRate
from matseek.problems import StructureProblem
from matseek.problems.calculators import CALCULATORS
from matseek.problems.motifs import Relaxation
from matseek.problems.structure import passes
from matseek.run_folder import RunFolder
from matseek.runs import open_campaign

NAME = "universal"
RUNS = ROOT / "runs" / NAME
ADATOM, HEPTAMER = "platinum_adatom", "platinum_heptamer"
FIRST_SEED, TRAINING_SEED = 1000, 100
CHEAP_BUDGET, LOOKED_AT = 40, 8
"""Evaluations of a cheap search, and how many of its structures the dear potential evaluates."""

PLAN: tuple[tuple[str, str, str, int], ...] = (
    (HEPTAMER, "sevenn", "bayesian", 4),
    (ADATOM, "sevenn", "bayesian", 8),
    (HEPTAMER, "sevenn", "search on batched_emt", 4),
    (ADATOM, "sevenn", "godiff_ffg", 8),
    (HEPTAMER, "sevenn", "godiff_ffg", 4),
    (HEPTAMER, "sevenn", "godiff_transfer", 4),
    (ADATOM, "chgnet", "bayesian", 8),
    (ADATOM, "chgnet", "godiff_ffg", 8),
    (HEPTAMER, "chgnet", "bayesian", 4),
    (HEPTAMER, "sevenn", "search on chgnet", 4),
    (HEPTAMER, "chgnet", "rss", 4),
    (HEPTAMER, "sevenn", "godiff", 4),
    (HEPTAMER, "chgnet", "godiff_ffg", 4),
)
"""What is run, in order of what it tells: problem, potential, method, seeds."""

LEAST_DISTANCE = 0.8
"""Of the heptamer's atoms in summed radii, see `problem.least_distance`: SevenNet-0 has holes at 0.61 to 0.73."""

BUDGETS = {(HEPTAMER, "bayesian"): 300, (HEPTAMER, "rss"): 500}
"""Where they are not those of the configs."""

GOALS: dict[tuple[str, str, str], tuple[int, int | None]] = {
    (HEPTAMER, "sevenn", "bayesian"): (4, 150),
    (HEPTAMER, "sevenn", "godiff_ffg"): (4, 700),
    (HEPTAMER, "sevenn", "godiff_transfer"): (4, 350),
    (ADATOM, "sevenn", "godiff_ffg"): (7, None),
    (ADATOM, "chgnet", "godiff_ffg"): (7, None),
}
"""Successes as evaluated, at a mean of so many evaluations at most."""

GOAL = (
    "Pt7 on SevenNet-0: best method 4 of 4 within a mean of 150 evaluations and 10 CPU minutes a run, godiff_ffg 4 of "
    "4 within 700, godiff_transfer 4 of 4 within 350; adatom: 8 of 8 relaxed, 7 of 8 as evaluated"
)


def settings_of(problem: str, potential: str, method: str, seed: int, **changes: object) -> RunSettings:
    """One campaign in its folder, with other settings where they are given."""
    settings: dict[str, object] = {
        "problem": problem,
        "searcher": method,
        "calculator": potential,
        "evaluator": "batched",
        "stop": "solved",
        "opening": 0,
        "seed": seed,
        "run_dir": f"'{RUNS / problem / potential / method / str(seed)}'",
    }
    if problem == HEPTAMER:
        settings["problem.least_distance"] = LEAST_DISTANCE
    if (problem, method) in BUDGETS:
        settings["budget"] = BUDGETS[problem, method]
    return run_settings([f"{name}={value}" for name, value in {**settings, **changes}.items()])


def completed(settings: RunSettings) -> Campaign:
    """A campaign at its end; it goes on from its ledger."""
    return open_campaign(settings).run(settings.budget)


def adatom_model(potential: str) -> Path:
    """The model of an adatom on a potential, to start from; trained where it is missing."""
    more = {"stop": "none", "searcher.steps": 300}
    settings = settings_of(ADATOM, potential, "godiff_ffg", TRAINING_SEED, **more)
    completed(settings)
    return RunFolder(settings.run_dir).ledger.with_suffix(".safetensors")


def relaxed(atoms: Atoms, problem: StructureProblem) -> tuple[float, bool, int, float]:
    """Energy in eV of what a structure relaxes to, whether that is a success, calls, and how far it rises."""
    with CALCULATORS.lent(problem.calculator) as calculator:
        found = Relaxation(fmax=0.02).relax(atoms, calculator)
    heights = found.atoms.positions[-len(problem.space.numbers) :, 2]
    assert problem.success is not None
    return found.energy, passes(problem.success, found.atoms, found.energy), found.calls, float(np.ptp(heights))


def outcome(campaign: Campaign) -> dict[str, Any]:
    """A campaign in numbers, and its best structure relaxed."""
    problem, summary = campaign.problem, campaign.summary()
    done = ranked(campaign.ledger.evaluations())
    passing = [e for e in done if solves(problem, e.point, e.value)]
    best = (passing or done)[0]
    energy, success, calls, height = relaxed(problem.space.atoms(best.point), problem)
    result = {
        "evaluations": summary["evaluations"],
        "failed": summary["failed"],
        "evaluations_to_success": summary["evaluations_to_success"],
        "best_value": round(campaign.lowest.value, 4),
        "energy_of_success": round(passing[0].value, 4) if passing else None,
        "relaxed_energy": round(energy, 4),
        "relaxed_success": success,
        "relaxed_height": round(height, 3),
        "relaxation_calls": calls,
        "cpu_seconds": round(summary["cpu_seconds"], 1),
        "wall_seconds": round(summary["wall_seconds"], 1),
        "stopped_by": summary["stopped_by"],
        "told": [message for message in summary["events"] if "learnt the energies" in message],
    }
    if problem.name == ADATOM:  # few of its relaxations are needed, and each moves one atom
        campaign.recognise()
        result["evaluations_to_relaxed_success"] = campaign.summary()["evaluations_to_relaxed_success"]
    return result


def dear_on_cheap(dear: StructureProblem, found: Sequence[Evaluation], most: int = LOOKED_AT) -> dict[str, Any]:
    """Evaluate by a dear potential what a search on a cheap one has found, and relax the best of it.

    Args:
        dear: The problem with the dear potential.
        found: The cheap search's evaluations, of the same space.
        most: Structures that are evaluated: the lowest that differ.

    Returns:
        Evaluations of the dear potential, all its calls counted, and what they came to.
    """
    chosen = [minimum.best.point for minimum in distinct_minima(dear.space, found, most)]
    values = [m.value for m in dear.measure_many(np.array(chosen))]
    order = np.argsort(values)
    passing = [n for n, pair in enumerate(zip(chosen, values, strict=True), start=1) if solves(dear, *pair)]
    energy, success, calls, height = relaxed(dear.space.atoms(chosen[order[0]]), dear)
    return {
        "evaluations": len(chosen) + calls,
        "evaluations_to_success": passing[0] if passing else len(chosen) + calls if success else None,
        "best_value": round(float(values[order[0]]), 4),
        "relaxed_energy": round(energy, 4),
        "relaxed_success": success,
        "relaxed_height": round(height, 3),
    }


def cell(problem: str, potential: str, method: str, seed: int) -> dict[str, Any]:
    """One entry of the result."""
    if not method.startswith("search on "):
        more = {"searcher.start": f"'{adatom_model(potential)}'"} if method == "godiff_transfer" else {}
        return outcome(completed(settings_of(problem, potential, method, seed, **more)))
    cheap = method.removeprefix("search on ")
    folder = RUNS / problem / cheap / "search" / str(seed)  # beside the campaign that ends with its success
    more = {"stop": "none", "budget": CHEAP_BUDGET, "run_dir": f"'{folder}'"}
    search = completed(settings_of(problem, cheap, "bayesian", seed, **more))
    dear = settings_of(problem, potential, "bayesian", seed).problem
    began = time.process_time()
    result = dear_on_cheap(dear, search.ledger.evaluations())
    seconds = time.process_time() - began + search.summary()["cpu_seconds"]
    return result | {"cheap_evaluations": CHEAP_BUDGET, "cpu_seconds": round(seconds, 1)}


def rows(cells: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """A row per problem, potential and method, with as many seeds as there are."""
    result = []
    for problem, potential, method, seeds in PLAN:
        own = [c for k, c in cells.items() if k.rsplit("/", 1)[0] == f"{problem}/{potential}/{method}"]
        if not own:
            continue
        rate = SuccessRate([c["evaluations_to_success"] for c in own])
        low, high = rate.interval()
        mean = rate.mean_of_successes if rate.evaluations else None
        goal = GOALS.get((problem, potential, method))
        result.append(
            {
                "problem": problem,
                "potential": potential,
                "method": method,
                "seeds": rate.runs,
                "planned": seeds,
                "successes": rate.successes,
                "success_low": low,
                "success_high": high,
                "mean_evaluations": mean,
                "most_evaluations": max(c["evaluations"] for c in own),
                "relaxed_successes": sum(
                    c["relaxed_success"] or c.get("evaluations_to_relaxed_success") is not None for c in own
                ),
                "lowest_relaxed": min(c["relaxed_energy"] for c in own),
                "mean_cpu_seconds": float(np.mean([c["cpu_seconds"] for c in own])),
                "published": published(problem, method),
                "goal_met": None
                if goal is None or rate.runs < seeds
                else bool(rate.successes >= goal[0] and (goal[1] is None or (mean is not None and mean <= goal[1]))),
            }
        )
    return result


def published(problem: str, method: str) -> dict[str, Any] | None:
    """The paper's figures for the method with MACE-MP-0, as the configs have them."""
    if method.startswith("search on "):
        return None
    config = run_settings([f"problem={problem}", f"searcher={method}", "calculator=batched_emt"]).config
    return None if config.published is None else dict(config.published)


def main() -> None:
    """Run what is missing, in the plan's order, and write the result after each cell."""
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[], help="ends of PROBLEM/POTENTIAL/METHOD")
    parser.add_argument("--seeds", type=int, default=8, help="at most so many of each")
    arguments = parser.parse_args()
    path = RESULTS / f"{NAME}.json"
    cells: dict[str, dict[str, Any]] = json.loads(path.read_text())["cells"] if path.is_file() else {}
    for problem, potential, method, seeds in PLAN:
        name = f"{problem}/{potential}/{method}"
        if arguments.only and not any(name.endswith(wanted) for wanted in arguments.only):
            continue
        for seed in range(FIRST_SEED, FIRST_SEED + min(seeds, arguments.seeds)):
            key = f"{name}/{seed}"
            if key in cells:
                continue
            cells[key] = cell(problem, potential, method, seed)
            print(key, json.dumps(cells[key]), flush=True)
            report = {
                "command": "python -W ignore -m benchmarks.universal",
                "goal": GOAL,
                "plan": PLAN,
                "rows": rows(cells),
                "cells": cells,
            }
            write(NAME, report)
    print(path)


if __name__ == "__main__":
    main()
