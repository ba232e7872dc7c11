"""kill -9 at 20 random moments of a campaign, restarted with the same command each time.

Each life runs the installed command; after each death the ledger is read without the package. What was recorded must
still be there, nothing recorded may be evaluated again, and the end must equal a campaign that nobody killed.

    .venv/bin/python -m benchmarks.killing [--kills 20]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import numpy as np

from benchmarks.results_io import write

BUDGET = 180


def command(run_dir: Path) -> list[str]:
    """The command that is killed and started again."""
    matseek = str(Path(sys.executable).with_name("matseek"))
    return [matseek, "run", "problem=silver", "searcher=bayesian", f"budget={BUDGET}", "seed=0", f"run_dir={run_dir}"]


def recorded(run_dir: Path) -> dict[int, tuple[str, float, str]]:
    """Point, value and time of every evaluation with a result, by number."""
    path = run_dir / "ledger.db"
    if not path.exists():
        return {}
    with closing(sqlite3.connect(path)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        if "evaluations" not in tables:
            return {}
        query = "SELECT number, point, value, finished_at FROM evaluations WHERE status = 'done'"
        return {number: (point, value, at) for number, point, value, at in connection.execute(query)}


def start(run_dir: Path) -> subprocess.Popen[bytes]:
    """One life of the campaign."""
    return subprocess.Popen(command(run_dir), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main() -> None:
    """Kill, compare and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        whole, killed = Path(folder) / "whole", Path(folder) / "killed"
        start(whole).wait()
        lost = changed = kills = 0
        while kills < arguments.kills:
            before = recorded(killed)
            process = start(killed)
            # Every life gets about the same share of the work, and is cut at a random moment: asking, evaluating,
            # writing, or (where no progress is waited for) starting.
            progress = int(rng.integers(0, BUDGET // arguments.kills))
            while process.poll() is None and len(recorded(killed)) < len(before) + progress:
                time.sleep(0.01)
            time.sleep(float(rng.uniform(0, 0.1)))
            if process.poll() is not None:
                raise SystemExit(f"the campaign ended after {kills} kills; raise BUDGET")
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
            after = recorded(killed)
            lost += len(before.keys() - after.keys())
            changed += sum(after[n] != before[n] for n in before.keys() & after.keys())
        last = start(killed)
        last.wait()
        end, reference = recorded(killed), recorded(whole)
    same = [end[n][:2] == reference[n][:2] for n in reference if n in end]
    report = {
        "command": ".venv/bin/python -m benchmarks.killing",
        "goal": "0 evaluations lost, 0 paid twice, the same total",
        "kills": kills,
        "evaluations_lost": lost,
        "evaluations_paid_twice": changed + len(end) - len({point for point, _, _ in end.values()}),
        "total": len(end),
        "total_without_kills": len(reference),
        "same_points_and_values_as_without_kills": bool(all(same) and len(same) == len(reference)),
        "exit_code_of_the_last_life": last.returncode,
    }
    print(json.dumps(report, indent=1))
    print(write("killing", report))


if __name__ == "__main__":
    main()
