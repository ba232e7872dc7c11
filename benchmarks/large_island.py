"""Thirty platinum atoms on Pt(111), 10 x 10: the best energy after equal numbers of evaluations.

No minimum is known and no campaign succeeds; each ends with its method's budget. CPU seconds are of the campaign alone.
Lowest energies are as evaluated, without any relaxation afterwards.

    .venv/bin/python -W ignore -m benchmarks.large_island [--methods "bayesian, 8 at once" ...] [--seeds 3]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from ase.build import fcc111

from benchmarks.results_io import RESULTS, write
from matseek import Campaign
from matseek.configuration import run_settings
from matseek.potentials import BatchedEMT
from matseek.problems import StructureProblem
from matseek.spaces import Adlayer

METHODS: dict[str, tuple[int, tuple[str, ...]]] = {
    "bayesian, 8 at once": (100, ("searcher=bayesian", "searcher.batch_size=8")),
    "basin_hopping": (2000, ("searcher=basin_hopping",)),
    "rss": (2000, ("searcher=rss", "searcher.placement=contiguous")),
}
"""Evaluations and settings of each."""

AT = (50, 100, 250, 500, 1000, 2000)
SEEDS = range(1000, 1008)


def problem() -> StructureProblem:
    """Pt30 on the 10 x 10 surface."""
    space = Adlayer(fcc111("Pt", (10, 10, 2), vacuum=8), "Pt30", z=(1.0, 6.0))
    return StructureProblem(space, BatchedEMT, name="Pt30")


def campaign(method: str, seed: int, folder: Path) -> dict[str, Any]:
    """One campaign: the lowest energies so far, and what it cost."""
    budget, settings = METHODS[method]
    searcher = run_settings([*settings, "problem=platinum_heptamer", f"run_dir={folder}"]).searcher
    began = time.process_time()
    trace = Campaign(problem(), searcher, folder / "ledger.db", seed).run(budget).to_frame()
    cpu = time.process_time() - began
    lowest = np.minimum.accumulate(trace["value"].fillna(np.inf).to_numpy())
    return {
        "lowest": {str(n): round(float(lowest[n - 1]), 4) for n in AT if n <= budget},
        "rounds": int(trace["iteration"].max()),
        "cpu_seconds": round(cpu, 1),
    }


def main() -> None:
    """Run what is missing, and write the table after each campaign."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    path = RESULTS / "large_island.json"
    for seed in SEEDS[: arguments.seeds]:
        for method in arguments.methods:
            known = json.loads(path.read_text())["cells"] if path.is_file() else {}
            key = f"{method}/{seed}"
            if key in known:
                continue
            with tempfile.TemporaryDirectory() as folder:
                result = campaign(method, seed, Path(folder))
            known = json.loads(path.read_text())["cells"] if path.is_file() else {}
            print(key, result, flush=True)
            write(
                "large_island",
                {
                    "command": ".venv/bin/python -W ignore -m benchmarks.large_island",
                    "goal": "the lowest energy below that of basin hopping at equal evaluations",
                    "settings": {name: " ".join((*own, f"budget={n}")) for name, (n, own) in METHODS.items()},
                    "cells": {**known, key: result},
                },
            )


if __name__ == "__main__":
    main()
