"""What one choice of `bayesian` costs on structures, against the evaluations that it learns from and the atoms.

Histories are contiguous random placements with EMT's energies and forces; one structure is then asked for. CPU seconds
of fitting and of the search of its surface, one thread, after everything was compiled. The model is conditioned on at
most 2,000 energies and force components, energies first.

    OMP_NUM_THREADS=1 .venv/bin/python -W ignore -m benchmarks.structure_scaling
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from benchmarks.results_io import write
from matseek import Campaign
from matseek.library.islands import island
from matseek.potentials import BatchedEMT
from matseek.searchers import BayesianSearcher, RandomSearcher

CASES = (("Pt7", 20), ("Pt7", 100), ("Pt7", 500), ("Pt7", 2000), ("Pt", 500), ("Pt15", 500), ("Pt30", 100))
GOAL = "one choice with 2,000 observations under 10 CPU s"


def measured(free: str, evaluations: int) -> dict[str, Any]:
    """Seconds of one choice."""
    problem = island(BatchedEMT, free=free)
    campaign = Campaign(problem, RandomSearcher(evaluations), seed=0).run(evaluations)
    history = replace(campaign.history(), iteration=2)
    searcher = BayesianSearcher()
    on = searcher.structures
    assert on is not None
    began = time.process_time()
    surface = on.surrogate.fit(history)
    fitted = time.process_time()
    on.search.propose(1, surface, history)
    done = time.process_time()
    return {
        "free": free,
        "evaluations": evaluations,
        "seconds_fitting": round(fitted - began, 2),
        "seconds_searching": round(done - fitted, 2),
        "seconds": round(done - began, 2),
    }


def main() -> None:
    """Measure, and write the table."""
    measured("Pt7", 10)
    rows = []
    for free, evaluations in CASES:
        rows.append(measured(free, evaluations))
        print(rows[-1], flush=True)
    command = "OMP_NUM_THREADS=1 .venv/bin/python -W ignore -m benchmarks.structure_scaling"
    print(write("structure_scaling", {"command": command, "goal": GOAL, "rows": rows}))


if __name__ == "__main__":
    main()
