"""kill -9 at random moments of GO-Diff searches; each must end with the bits of one that nobody killed.

The real command searches the adatom with small settings and is killed while it starts, samples, evaluates, trains and
writes. Compared at the end: every point and value, the model file, and the checkpoint's weights, averages, optimiser,
buffer and counters.

    .venv/bin/python -m benchmarks.resume [--kills 15] [--seed 0] [--searchers godiff godiff_ffg godiff_transfer]
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
from typing import Any

import numpy as np
import torch

from benchmarks.results_io import write

SEARCHERS = ("godiff", "godiff_ffg", "godiff_transfer")
BUDGET = 64
SETTINGS = (
    "problem=platinum_adatom",
    "searcher.samples=8",
    "searcher.draw=8",
    "searcher.steps=20",
    "searcher.sampler.steps=20",
    f"budget={BUDGET}",
    "seed=0",
)


def recorded(run_dir: Path) -> dict[int, tuple[str, float]]:
    """Point and value of every evaluation with a result, by number, read without the package."""
    path = run_dir / "ledger.db"
    if not path.exists():
        return {}
    with closing(sqlite3.connect(path)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'evaluations'").fetchall():
            return {}
        rows = connection.execute("SELECT number, point, value FROM evaluations WHERE status = 'done'")
        return {number: (point, value) for number, point, value in rows}


def start(searcher: str, run_dir: Path) -> subprocess.Popen[bytes]:
    """One life of the campaign."""
    matseek = str(Path(sys.executable).with_name("matseek"))
    command = [matseek, "run", f"searcher={searcher}", *SETTINGS, f"run_dir='{run_dir}'"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def kill(searcher: str, run_dir: Path, kills: int, rng: np.random.Generator) -> int:
    """Kill the campaign and start it again, then let it end; gives how often it was killed."""
    done = 0
    while done < kills:
        process, before = start(searcher, run_dir), len(recorded(run_dir))
        # Every life gets about the same share of the work; where no progress is waited for, it is cut while it starts.
        progress = int(rng.integers(0, 2 * BUDGET // kills))
        target = min(before + progress, BUDGET)
        while process.poll() is None and len(recorded(run_dir)) < target:
            time.sleep(0.05)
        deadline = time.monotonic() + float(rng.uniform(0, 1.5))
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        if process.poll() is not None:
            break  # it has ended; what is left is to start it once more
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        done += 1
        print(f"{searcher}: killed {done} times, {len(recorded(run_dir))} evaluations", flush=True)
    start(searcher, run_dir).wait()
    return done


def same(a: Any, b: Any) -> bool:  # noqa: ANN401 -- whatever a checkpoint holds
    """Whether two states agree to the last bit."""
    if isinstance(a, torch.Tensor):
        return bool(torch.equal(torch.nan_to_num(a, nan=-1.0), torch.nan_to_num(b, nan=-1.0)))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


def compared(killed: Path, whole: Path) -> dict[str, bool]:
    """What agrees to the last bit."""
    lives = [recorded(folder) for folder in (killed, whole)]
    states = [torch.load(folder / "ledger.ckpt", weights_only=True) for folder in (killed, whole)]
    keys = ("state_dict", "optimizer_states", "epoch", "global_step", "ReplayDataModule")
    models = [(folder / "ledger.safetensors").read_bytes() for folder in (killed, whole)]
    return {
        "points_and_values": len(lives[0]) == BUDGET and lives[0] == lives[1],
        "model": models[0] == models[1],
        **{key: same(states[0][key], states[1][key]) for key in keys},
    }


def main() -> None:
    """Kill, compare and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--searchers", nargs="+", choices=SEARCHERS, default=SEARCHERS)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for searcher in arguments.searchers:
            whole, killed = Path(folder) / f"{searcher}-whole", Path(folder) / f"{searcher}-killed"
            start(searcher, whole).wait()
            kills = kill(searcher, killed, arguments.kills, rng)
            found[searcher] = {"kills": kills, "same": compared(killed, whole)}
            print(searcher, json.dumps(found[searcher]), flush=True)
    report = {
        "command": ".venv/bin/python -m benchmarks.resume",
        "goal": "killed at 15 random moments and resumed = uninterrupted, to the last bit",
        "evaluations": BUDGET,
        "searchers": found,
        "all_same": all(all(result["same"].values()) for result in found.values()),
    }
    print(write("resume", report))
    if not report["all_same"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
