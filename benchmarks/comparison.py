"""BO, the network and GO-Diff on the same work at the same cost: recipes and the adatom, seeds 0 to 9.

All searchers of a problem are given the same first 15 points of each seed, and the same budget, which none ends before.
Settings were chosen on seeds from 100 on (docs/experiments.md). Cells lie in runs/comparison and are gone on with.

    .venv/bin/python -W ignore -m benchmarks.comparison [--seeds 10] [--workers 2]
"""

from __future__ import annotations

import argparse
from typing import Any

from benchmarks.comparing import completed, records
from benchmarks.results_io import write

SEEDS = 10
PROBLEMS = {
    "silver": ["searchers=[random,lhs,bayesian,network,two_step,godiff]", "budget=135"],
    "platinum_adatom": ["searchers=[random,rss,bayesian_box,network_box,godiff,godiff_ffg]", "calculator=batched_emt"],
}
KEPT = (
    *("searcher", "seeds", "budget", "evaluations", "successes", "success_low", "success_high"),
    *("median_evaluations_to_success", "mean_evaluations_to_success", "relaxed_successes"),
    *("median_best_value", "median_best_low", "median_best_high", "median_area", "median_area_low", "median_area_high"),
    *("seconds_thinking_per_evaluation", "median_cpu_seconds"),
)


def main() -> None:
    """Run what is missing, then write the table; benchmarks.pictures draws it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    pairs: list[dict[str, Any]] = []
    for problem, overrides in PROBLEMS.items():
        settings = [f"problem={problem}", *overrides, f"seeds={arguments.seeds}"]
        comparison = completed(settings, f"runs/comparison/{problem}", arguments.workers)
        rows += [{"problem": problem, **{key: row[key] for key in KEPT}} for row in records(comparison.table())]
        pairs += [{"problem": problem, **pair} for pair in records(comparison.pairs())]
    report = {
        "command": ".venv/bin/python -W ignore -m benchmarks.comparison",
        "goal": "none set; successes, evaluations to them, best values and optimizer overhead as measured",
        "seeds": arguments.seeds,
        "compare": {problem: " ".join(overrides) for problem, overrides in PROBLEMS.items()},
        "rows": rows,
        "pairs": pairs,
    }
    print(write("comparison", report))


if __name__ == "__main__":
    main()
