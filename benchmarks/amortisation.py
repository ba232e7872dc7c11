"""From how many related searches on does a trained sampler pay? Training counts.

The zoo's ``islands`` (``benchmarks/train_islands.py``) is tried on islands, faces and metals that it has not seen.
Samples: how many of its raw samples are the lowest island known, as drawn and after relaxation, against contiguous
placements. Searches: evaluations, rounds, and CPU seconds until a batch solves the problem as evaluated (the island's
bonds, see ``benchmarks/structures.py``), seeds 1000 to 1007; no setting was tuned. Table:
training and k searches, from these means. Known minima of islands that do not ship are the lowest of a search by
``bayesian`` and of all relaxed samples. Cells are gone on with.

    .venv/bin/python -W ignore -m benchmarks.amortisation [--parts minima samples searches] [--seeds 8]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from benchmarks.results_io import RESULTS, write
from benchmarks.structures import NO_MEAN
from benchmarks.train_islands import island, left_out
from matseek import Campaign
from matseek.configuration import run_settings
from matseek.core.searcher import Searcher
from matseek.godiff import DiffusionModel, SurrogateRelaxation
from matseek.insight.stopping import Solved
from matseek.insight.success import SuccessRate
from matseek.library.islands import putative_minimum
from matseek.potentials import BatchedEMT
from matseek.problems.motifs import Heptamer, Island, Relaxation
from matseek.problems.structure import StructureProblem, SuccessTest, passes
from matseek.spaces import Adlayer

SHIPPED: dict[str, str] = {
    "Pt7_Pt111": "platinum_heptamer",
    "Pt10_Pt111": "platinum_decamer",
    "Cu9_Cu100": "copper_nonamer",
    "Pt3Cu4_Pt111": "platinum_copper_heptamer",
}
OTHERS = ("Ag6_Ag100", "Pd5_Pd111", "Pd4_Pd122")
"""A size that was left out on that face; another metal on a terrace, and at a step."""

PROBLEMS = (*SHIPPED, *OTHERS)
SMALL = ("searcher.samples=4", "searcher.steps=20")
METHODS: dict[str, tuple[str, ...]] = {
    "bayesian": ("searcher=bayesian", NO_MEAN),
    "bayesian that begins with islands": (
        "searcher=bayesian",
        NO_MEAN,
        "searcher.structures.search.beginning=diffusion",
    ),
    "godiff_active from islands": (
        *("searcher=godiff_active", "searcher.start=islands", "searcher.active.structures.search.mean_every=null"),
        *SMALL,
    ),
}
PAIR = ("bayesian", "bayesian that begins with islands")
"""What is searched for on all islands."""

BUDGET, SEEDS, SAMPLES = 320, range(1000, 1008), 32
RELATED = (1, 2, 5, 10, 20)
HOW = ("contiguous", "islands", "islands, relaxed on its forces")
ADATOM_EVALUATIONS = 320
"""That ``godiff_transfer``'s model was trained on, see its card."""

FINE = Relaxation(fmax=0.03, max_steps=150)
PATH = RESULTS / "amortisation.json"


def space_of(name: str) -> Adlayer:
    """The space of a problem."""
    free, face = name.split("_")
    assert left_out(free, face[2:]), f"{name} was trained on"
    return island(free, face[:2], face[2:])


def test_of(name: str, minima: dict[str, Any]) -> SuccessTest:
    """What solves a problem: the bonds of the lowest island known."""
    if name == "Pt7_Pt111":
        return Heptamer()
    return Island(known(name, minima))


def known(name: str, minima: dict[str, Any]) -> Atoms:
    """The lowest island known."""
    shipped = SHIPPED.get(name)
    if shipped is not None:
        return putative_minimum(shipped)
    return space_of(name).atoms(np.array(minima[name]["point"]))


def searcher_of(overrides: Sequence[str]) -> Searcher:
    """The searcher of a method."""
    return run_settings(["problem=platinum_heptamer", *overrides]).searcher


def minimum(name: str) -> dict[str, Any]:
    """The lowest that a search and its relaxations find."""
    space, calculator = space_of(name), BatchedEMT()
    problem = StructureProblem(space, BatchedEMT, name=name)
    lowest: dict[str, Any] = {"energy": np.inf}
    found = Campaign(problem, searcher_of(METHODS["bayesian"]), seed=7).run(24).history()
    for k in np.argsort(found.values, kind="stable")[:4]:
        better(lowest, space, FINE.relax(space.atoms(found.points[k]), calculator))
    return lowest


def better(lowest: dict[str, Any], space: Adlayer, relaxed: Any) -> None:  # noqa: ANN401 -- a RelaxedStructure
    """Keep a relaxed structure if it is the lowest."""
    point = space.point(relaxed.atoms)
    if relaxed.energy < lowest["energy"] and not space.refusals(point)[0]:
        lowest.update(energy=round(relaxed.energy, 4), point=np.round(point, 4).ravel().tolist())


def samples(name: str, how: str, minima: dict[str, Any]) -> dict[str, Any]:
    """What samples are, as drawn and relaxed."""
    space, calculator = space_of(name), BatchedEMT()
    problem = StructureProblem(space, BatchedEMT, name=name)
    began = time.process_time()
    if how == "contiguous":
        drawn = [space.atoms(p) for p in space.sample_contiguous(SAMPLES, np.random.default_rng(1000))]
    else:
        model = DiffusionModel.load("islands")
        if how == "islands, relaxed on its forces":
            model = DiffusionModel(model.card, model.sampler, relaxation=SurrogateRelaxation())
        drawn = model.sample(problem, SAMPLES, seed=1000)
    cpu = time.process_time() - began
    relaxed = [FINE.relax(atoms, calculator) for atoms in drawn]
    if name in OTHERS:
        for r in relaxed:
            better(minima[name], space, r)
    test = test_of(name, minima)
    energies = np.array([r.energy for r in relaxed])
    return {
        "samples": len(drawn),
        "as_drawn": int(sum(passes(test, a, 0.0) for a in drawn)),
        "relaxed": int(sum(passes(test, r.atoms, r.energy) for r in relaxed)),
        "lowest_relaxed": round(float(energies.min()), 4),
        "median_relaxed": round(float(np.median(energies)), 4),
        "mean_relaxation_calls": round(float(np.mean([r.calls for r in relaxed])), 1),
        "cpu_seconds_a_sample": round(cpu / len(drawn), 3),
    }


def search(name: str, method: str, seed: int, minima: dict[str, Any]) -> dict[str, Any]:
    """A campaign in numbers; of ``bayesian`` on problems that ship those of ``benchmarks/structures.py``."""
    stored = json.loads((RESULTS / "structures.json").read_text())["cells"] if method == "bayesian" else {}
    if (cell := stored.get(f"{SHIPPED.get(name)}/bayesian without the mean, 1 at once/{seed}")) is not None:
        return {
            "evaluations": cell["evaluations_to_success"],
            "rounds": cell["rounds_to_success"],
            "paid": cell["evaluations"],
            "cpu_seconds": cell["cpu_seconds"],
        }
    problem = StructureProblem(space_of(name), BatchedEMT, test_of(name, minima), name=name)
    searcher = searcher_of(METHODS[method])
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        ledger = Path(folder) / "ledger.sqlite"
        found = Campaign(problem, searcher, ledger, seed=seed, stop=(Solved(),)).run(BUDGET)
        cpu = time.process_time() - began
        first, trace = found.summary()["evaluations_to_success"], found.to_frame()
    rounds = None if first is None else int(trace.loc[trace["evaluation"] == first, "iteration"].iloc[0])
    return {"evaluations": first, "rounds": rounds, "paid": len(trace), "cpu_seconds": round(cpu, 2)}


def rows(cells: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """A row per problem and method."""
    result = []
    for problem in PROBLEMS:
        for method in METHODS:
            own = [c for k, c in cells.items() if k.rsplit("/", 1)[0] == f"{problem}/{method}"]
            if not own:
                continue
            rate = SuccessRate([c["evaluations"] for c in own])
            row: dict[str, Any] = {
                "problem": problem,
                "method": method,
                "seeds": rate.runs,
                "successes": rate.successes,
            }
            for key in ("evaluations", "paid", "rounds", "cpu_seconds"):
                some = [c[key] for c in own if c[key] is not None]
                row[f"mean_{key}"] = float(np.mean(some)) if some else None
                row[f"error_{key}"] = float(np.std(some, ddof=1) / np.sqrt(len(some))) if len(some) > 1 else None
            row["most_evaluations"] = max(rate.evaluations, default=None)
            result.append(row)
    return result


def costs(table: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each method what training takes, and what a search takes: on Pt7, and on average over all islands."""
    of = {(r["problem"], r["method"]): r for r in table}
    training = DiffusionModel.load("islands").card.training
    found = []
    everywhere = [p for p in PROBLEMS if all((p, m) in of for m in PAIR)]
    for scope, problems in (("Pt7", ["Pt7_Pt111"]), (f"{len(everywhere)} islands", everywhere)):
        for method in METHODS:
            own = [of[p, method] for p in problems if (p, method) in of]
            if not own or len(own) < len(problems):
                continue
            trained = "islands" in method
            seconds = training["data_cpu_seconds"] + training["training_cpu_seconds"]
            cost = {"method": method, "searches": scope}
            cost |= {"training_evaluations": training["evaluations"] if trained else 0}
            cost |= {"training_cpu_seconds": seconds if trained else 0.0}
            for key in ("evaluations", "cpu_seconds", "rounds"):
                cost[f"mean_{key}"] = float(np.mean([r[f"mean_{key}"] for r in own]))
                errors = np.array([r[f"error_{key}"] or 0.0 for r in own])
                cost[f"error_{key}"] = float(np.sqrt((errors**2).sum()) / len(own))
            found.append(cost)
    stored = json.loads((RESULTS / "heptamer.json").read_text())["cells"]
    adatom = json.loads((RESULTS / "adatom.json").read_text())["rows"][0]["median_cpu_seconds"]
    for method, evaluations, seconds in (("godiff_ffg", 0, 0.0), ("godiff_transfer", ADATOM_EVALUATIONS, adatom)):
        own = [c for k, c in stored.items() if k.split("/")[0] == method]
        cost = {"method": method, "searches": "Pt7"}
        cost |= {"training_evaluations": evaluations, "training_cpu_seconds": seconds}
        calls = np.array([c["evaluations_to_success"] for c in own], dtype=float)
        per = {"evaluations": calls, "cpu_seconds": np.array([c["cpu_seconds"] for c in own])}
        for key, values in (per | {"rounds": np.ceil(calls / 32)}).items():
            cost[f"mean_{key}"] = float(values.mean())
            cost[f"error_{key}"] = float(values.std(ddof=1) / np.sqrt(len(own)))
        found.append(cost)
    return found


def totals(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Training and k searches; errors are those of k times the mean."""
    result = []
    for cost in found:
        for unit in ("evaluations", "cpu_seconds"):
            row: dict[str, Any] = {key: cost[key] for key in ("method", "searches")}
            row |= {"unit": unit, "training": cost[f"training_{unit}"]}
            row |= {"mean": cost[f"mean_{unit}"], "error": cost[f"error_{unit}"]}
            for k in RELATED:
                row[f"k={k}"] = round(cost[f"training_{unit}"] + k * cost[f"mean_{unit}"], 1)
                row[f"error k={k}"] = round(k * cost[f"error_{unit}"], 1)
            less = [c for c in found if c["searches"] == cost["searches"] and c[f"training_{unit}"] < row["training"]]
            row["pays from"] = {c["method"]: pays(cost, c, unit) for c in less}
            result.append(row)
    return result


def pays(trained: dict[str, Any], other: dict[str, Any], unit: str) -> int | None:
    """From how many searches on training is made up for against a method with less; None if never."""
    won = other[f"mean_{unit}"] - trained[f"mean_{unit}"]
    more = trained[f"training_{unit}"] - other[f"training_{unit}"]
    return int(np.ceil(more / won)) if won > 0 else None


def main() -> None:
    """Do what is missing, and write the report after each cell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", default=["minima", "samples", "searches"])
    parser.add_argument("--problems", nargs="+", default=PROBLEMS)
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--seeds", type=int, default=len(SEEDS))
    arguments = parser.parse_args()
    known_before = json.loads(PATH.read_text()) if PATH.is_file() else {}
    state: dict[str, dict[str, Any]] = {part: known_before.get(part, {}) for part in ("minima", "samples", "cells")}

    def keep(part: str, key: str, value: dict[str, Any]) -> None:
        state[part][key] = value
        print(part, key, {k: v for k, v in value.items() if k != "point"}, flush=True)
        report(state)

    if "minima" in arguments.parts:
        for name in (n for n in arguments.problems if n in OTHERS and n not in state["minima"]):
            keep("minima", name, minimum(name))
    if "samples" in arguments.parts:
        for name in arguments.problems:
            for how in HOW:
                if f"{name}/{how}" not in state["samples"]:
                    keep("samples", f"{name}/{how}", samples(name, how, state["minima"]))
    if "searches" in arguments.parts:
        search("Pt7_Pt111", "bayesian", 0, {})  # everything is compiled once
        for seed in SEEDS[: arguments.seeds]:
            for name in arguments.problems:
                for method in arguments.methods:
                    key = f"{name}/{method}/{seed}"
                    if key not in state["cells"]:
                        keep("cells", key, search(name, method, seed, state["minima"]))
    report(state)
    print(PATH)


def report(state: dict[str, Any]) -> None:
    """Write everything, tables first."""
    table = rows(state["cells"])
    found = costs(table)
    content = {
        "command": ".venv/bin/python -W ignore -m benchmarks.amortisation",
        "goal": "Pt7, left out of the training: 8 of 8 with the shipped model, after 25 evaluations on average",
        "test": [*PROBLEMS],
        "settings": {k: " ".join(v) for k, v in METHODS.items()},
        "training": DiffusionModel.load("islands").card.training,
        "totals": totals(found),
        "costs": found,
        "rows": table,
        **state,
    }
    write("amortisation", content)


if __name__ == "__main__":
    main()
