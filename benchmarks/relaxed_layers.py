"""Four platinum atoms on Pt(111) whose two upper layers move: what that gains, and how many evaluations it takes.

A slab of 4 x 4 x 3 atoms by effective medium theory, its lowest layer held. The lowest energies known, of this slab and
of the same one at rest, are those of basin hopping from other seeds. Searchers that relax by true forces succeed where
a structure is evaluated whose energy is that of the lowest known, GO-Diff where one has the bonds of the lowest island.
A campaign ends there, or with its budget; what it found is relaxed afterwards. Goes on where it was stopped.

    .venv/bin/python -W ignore -m benchmarks.relaxed_layers [--searchers basin_hopping godiff_ffg] [--seeds 8]
"""

from __future__ import annotations

import argparse
import json
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.build import fcc111

from benchmarks.results_io import RESULTS, successes, write
from matseek import Campaign
from matseek.configuration import run_settings
from matseek.insight.stopping import Solved
from matseek.potentials import BatchedEMT
from matseek.problems import StructureProblem
from matseek.problems.motifs import Island, ReachesEnergy, Relaxation, free_indices
from matseek.searchers import BasinHopping
from matseek.spaces import Adlayer

DEPTH = 3.0
"""Atoms less deep than this move, in angstrom: two layers."""

REFERENCE_SEEDS, REFERENCE_BUDGET = range(100, 104), 2000
BUDGETS = {"basin_hopping": 2000, "rss": 2000, "godiff_ffg": 480}
FIRST_SEED = 1000
TOLERANCE = 0.02
"""Above the lowest energy known, in eV, of a structure that counts as the same after relaxation."""

OVERRIDES = {
    "godiff_ffg": (
        *("samples=16", "draw=16", "steps=100", "batch_size=8", "buffer=64", "sampler.steps=60"),
        *("network.cutoff=4.2", "network.blocks=3", "network.features=32"),
    )
}
"""Settings of GO-Diff, smaller than those that ship: 36 atoms are nodes of its network in place of four."""

FINE = Relaxation(fmax=0.02, max_steps=400)
CELLS = RESULTS / "relaxed_layers_cells.json"


def space(depth: float | None) -> Adlayer:
    """Four atoms on the slab, of which atoms less deep than ``depth`` move; None holds all."""
    return Adlayer(fcc111("Pt", (4, 4, 3), vacuum=8), "Pt4", z=(1.0, 6.0), moving=depth)


def references() -> dict[str, Any]:
    """Lowest energies known and those of the bare slab in eV, at rest and moving, and the lowest island's point."""
    if "references" in (cells := known_cells()):
        return dict(cells["references"])
    made: dict[str, Any] = {}
    for name, depth in (("rest", None), ("moving", DEPTH)):
        problem = StructureProblem(space(depth), BatchedEMT)
        found = []
        for seed in REFERENCE_SEEDS:
            best = Campaign(problem, BasinHopping(), seed=seed).run(REFERENCE_BUDGET).best
            relaxed = FINE.relax(problem.space.atoms(best.point), BatchedEMT())
            found.append((round(relaxed.energy, 4), problem.space.point(relaxed.atoms).tolist()))
        slab = problem.space.atoms(best.point)
        bare = slab[np.setdiff1d(np.arange(len(slab)), free_indices(slab))]
        lowest, point = min(found)
        made[name] = {
            "lowest": lowest,
            "of_seeds": sorted(energy for energy, _ in found),
            "bare": round(FINE.relax(bare, BatchedEMT()).energy if depth else energy_of(bare), 4),
            "point": np.round(point, 6).tolist(),
        }
    return made


def energy_of(atoms: Atoms) -> float:
    """Of a structure as it is, in eV."""
    return float(BatchedEMT().get_potential_energy(atoms))


def problem_of(known: dict[str, Any], by_bonds: bool) -> StructureProblem:
    """The problem, solved by the bonds of the lowest island known or by the lowest energy known."""
    layers = space(DEPTH)
    best = known["moving"]
    test = Island(layers.atoms(best["point"])) if by_bonds else ReachesEnergy(best["lowest"], TOLERANCE)
    return StructureProblem(layers, BatchedEMT, test, name="relaxed_layers")


def run(searcher: str, seed: int, known: dict[str, Any]) -> dict[str, Any]:
    """One campaign."""
    torch.set_num_threads(1)
    start = time.process_time()
    problem = problem_of(known, searcher in OVERRIDES)
    own = [f"searcher.{setting}" for setting in OVERRIDES.get(searcher, ())]
    settings = run_settings(["problem=platinum_tetramer", f"searcher={searcher}", *own])
    campaign = Campaign(problem, settings.searcher, seed=seed, stop=(Solved(),)).run(BUDGETS[searcher])
    cpu = time.process_time() - start
    summary = campaign.summary()
    found = summary["evaluations_to_success"]
    chosen = campaign.ledger.evaluations()[found - 1] if found else campaign.lowest
    relaxed = FINE.relax(problem.space.atoms(chosen.point), BatchedEMT())
    return {
        "evaluations_to_success": found,
        "evaluations": summary["evaluations"],
        "as_evaluated": round(chosen.value, 4),
        "relaxed": round(relaxed.energy, 4),
        "cpu_seconds": round(cpu, 1),
    }


def report_of(cells: dict[str, Any]) -> dict[str, Any]:
    """What the moving layers gain, and success and evaluations of every searcher that was run."""
    known = cells["references"]
    rest, moving = known["rest"], known["moving"]
    rows = []
    for searcher in BUDGETS:
        mine = [cell for key, cell in sorted(cells.items()) if key.startswith(f"{searcher}/")]
        if not mine:
            continue
        found = [c for c in mine if c["evaluations_to_success"]]
        rows.append(
            {
                "searcher": searcher,
                "test": "bonds" if searcher in OVERRIDES else "energy",
                "budget": BUDGETS[searcher],
                **successes([c["evaluations_to_success"] for c in mine]),
                "most_evaluations_to_success": max((c["evaluations_to_success"] for c in found), default=None),
                "relaxed_within": sum(c["relaxed"] < moving["lowest"] + TOLERANCE for c in found),
                "mean_as_evaluated": round(float(np.mean([c["as_evaluated"] for c in found])), 3) if found else None,
                "least_gain": round(rest["lowest"] - max(c["relaxed"] for c in found), 3) if found else None,
                "median_cpu_seconds": round(float(np.median([c["cpu_seconds"] for c in mine])), 1),
            }
        )
    return {
        "command": ".venv/bin/python -W ignore -m benchmarks.relaxed_layers",
        "goal": "the energy gain against the slab at rest is shown; success 8 of 8",
        "at_rest": {key: rest[key] for key in ("lowest", "bare", "of_seeds")},
        "moving": {key: moving[key] for key in ("lowest", "bare", "of_seeds")},
        "gain": round(rest["lowest"] - moving["lowest"], 3),
        "gain_of_the_bare_slab": round(rest["bare"] - moving["bare"], 3),
        "rows": rows,
    }


def known_cells() -> dict[str, Any]:
    """What was run before."""
    return dict(json.loads(CELLS.read_text())) if CELLS.exists() else {}


def kept(cells: dict[str, Any]) -> None:
    """Write what was run."""
    CELLS.write_text(json.dumps(cells, indent=1, sort_keys=True) + "\n")


def main() -> None:
    """Run what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--searchers", nargs="+", default=("basin_hopping",), choices=tuple(BUDGETS))
    parser.add_argument("--seeds", type=int, default=8)
    arguments = parser.parse_args()
    known = references()
    kept({**known_cells(), "references": known})
    for searcher in arguments.searchers:
        for seed in range(FIRST_SEED, FIRST_SEED + arguments.seeds):
            key = f"{searcher}/{seed}"
            if key not in known_cells():
                cell = run(searcher, seed, known)
                kept({**known_cells(), key: cell})
                print(key, json.dumps(cell), flush=True)
    print(write("relaxed_layers", report_of(known_cells())))


if __name__ == "__main__":
    main()
