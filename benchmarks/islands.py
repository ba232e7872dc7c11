"""The generality suite: force-guided GO-Diff and random search on islands that no setting was chosen on.

Settings are those of the heptamer, whatever the metal and the face; budgets are the problems' own (configs/effort).
Campaigns end with the iteration that evaluates the putative minimum, or with their budget. Cells lie in runs/islands
and are gone on with.

    .venv/bin/python -W ignore -m benchmarks.islands [--seeds 3] [--workers 2] [--problems platinum_tetramer ...]
"""

from __future__ import annotations

import argparse
from typing import Any

from benchmarks.comparing import completed, records
from benchmarks.results_io import write

PROBLEMS = ("platinum_tetramer", "copper_hexamer", "platinum_copper_heptamer", "copper_nonamer", "platinum_decamer")
SEEDS = 3
SETTINGS = ("searchers=[rss,godiff_ffg]", "calculator=batched_emt", "stop=solved", "opening=0")
KEPT = (
    *("searcher", "seeds", "budget", "successes", "success_low", "success_high", "mean_evaluations_to_success"),
    *("relaxed_successes", "mean_evaluations_to_relaxed_success", "median_best_value", "median_cpu_seconds"),
)


def main() -> None:
    """Run what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--problems", nargs="+", default=PROBLEMS)
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for problem in arguments.problems:
        settings = [f"problem={problem}", *SETTINGS, f"seeds={arguments.seeds}"]
        comparison = completed(settings, f"runs/islands/{problem}", arguments.workers)
        rows += [{"problem": problem, **{key: row[key] for key in KEPT}} for row in records(comparison.table())]
        report = {
            "command": ".venv/bin/python -W ignore -m benchmarks.islands",
            "goal": "none set; the settings are the heptamer's",
            "seeds": arguments.seeds,
            "compare": " ".join(SETTINGS),
            "rows": rows,
        }
        print(write("islands", report), flush=True)


if __name__ == "__main__":
    main()
