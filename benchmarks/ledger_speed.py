"""How long a campaign's record takes: random search at batch 1 and default settings, for growing budgets.

Run: ``python -m benchmarks.ledger_speed`` (``--quick``: 200 and 400 evaluations).
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.results_io import write
from matseek import Campaign
from matseek.problems import RecipeProblem
from matseek.searchers import RandomSearcher
from matseek.spaces import Box, Variable

BUDGETS = (1_000, 2_000, 4_000, 10_000)
LIMIT = 60.0
"""CPU seconds that the longest may take."""


def bowl(points: np.ndarray) -> np.ndarray:
    """An oracle that costs nothing."""
    return ((points - 0.3) ** 2).sum(axis=1)


def measure(budget: int) -> dict[str, float]:
    """CPU and wall seconds of one campaign."""
    problem = RecipeProblem(Box([Variable("a", 0, 1), Variable("b", 0, 1)]), bowl, name="bowl")
    with tempfile.TemporaryDirectory() as folder:
        campaign = Campaign(problem, RandomSearcher(batch_size=1), Path(folder) / "ledger.db")
        cpu, wall = time.process_time(), time.perf_counter()
        campaign.run(budget)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        begin = time.process_time()
        campaign.summary()
        return {"cpu_s": cpu, "wall_s": wall, "summary_cpu_s": time.process_time() - begin}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    budgets = (200, 400) if parser.parse_args().quick else BUDGETS
    measure(20)
    found = {}
    for budget in budgets:
        found[str(budget)] = measure(budget)
        print(budget, found[str(budget)])
    if budgets == BUDGETS:
        load = os.getloadavg()[2]  # a busy machine makes CPU seconds longer, too
        head = {
            "command": ".venv/bin/python -m benchmarks.ledger_speed",
            "goal": f"10,000 evaluations in under {LIMIT:g} CPU s",
        }
        write("ledger_speed", {**head, "batch_size": 1, "limit_cpu_s": LIMIT, "load_average": load, "budgets": found})


if __name__ == "__main__":
    main()
