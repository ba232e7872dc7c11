"""One process and two (gloo, one thread each): the same evaluations, kills, resumes, and what sampling gains.

.venv/bin/python -W ignore -m benchmarks.ranks
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results_io import ROOT, write

SAMPLES = 32
"""Evaluated in an iteration."""

DRAWS = (64, 256)
"""Samples that the processes make together in one call of the sampler of each."""

SCRIPT = """
import sys, time, torch
from matseek import Campaign
from matseek.diffusion import EulerMaruyama, GeometricSchedule
from matseek.godiff import GODiffSearcher
from matseek.godiff.domains import NetworkSettings
from matseek.godiff.loop import Iterations
from matseek.library.platinum import platinum_heptamer
from matseek.potentials import BatchedEMT
from matseek.training.trainer import TrainerSettings

torch.set_num_threads(1)
processes, draw, budget, path = *map(int, sys.argv[1:4]), sys.argv[4]
spent = 0.0
inner = Iterations._draw

def measured(self, trainer, module, iteration):
    global spent
    trainer.strategy.barrier()
    began = time.perf_counter()
    found = inner(self, trainer, module, iteration)
    if iteration:
        spent += time.perf_counter() - began
    return found

Iterations._draw = measured
settings = TrainerSettings(accelerator="cpu", devices=processes, strategy="ddp" if processes > 1 else "auto")
searcher = GODiffSearcher(
    samples=32, draw=draw, steps=10, batch_size=8, trainer=settings, network=NetworkSettings(cutoff=5.0),
    sampler=EulerMaruyama(GeometricSchedule(0.03, 4.0), 100))
campaign = Campaign(platinum_heptamer(calculator=BatchedEMT), searcher, path, seed=0)
campaign.run(budget, on_evaluation=lambda e: print(e.number, flush=True))
if campaign.leads:
    drawn = sum(e.data["drawn"] for e in campaign.ledger.events() if "drawn" in e.data)
    print("sampled", spent, drawn, flush=True)
"""


def started(script: Path, processes: int, draw: int, budget: int, ledger: Path) -> subprocess.Popen[str]:
    """A campaign in a group of processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    many = ["-m", "torch.distributed.run", f"--nproc_per_node={processes}", f"--master_port={port}"]
    return subprocess.Popen(
        [
            sys.executable,
            "-W",
            "ignore",
            *(many if processes > 1 else []),
            str(script),
            str(processes),
            str(draw),
            str(budget),
            str(ledger),
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def sampling(script: Path, processes: int, draw: int, budget: int, ledger: Path) -> float:
    """Seconds of sampling of a campaign that ends by itself."""
    output, _ = started(script, processes, draw, budget, ledger).communicate(timeout=1800)
    return float(next(line.split()[1] for line in output.splitlines() if line.startswith("sampled")))


def points(ledger: Path) -> np.ndarray:
    """All points of a ledger."""
    from matseek.evaluation import Ledger

    return np.array([e.point for e in Ledger(ledger).evaluations()])


def main() -> None:
    """Run, then write."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    report: dict[str, Any] = {"command": ".venv/bin/python -W ignore -m benchmarks.ranks", "threads": 1, "draws": []}
    with tempfile.TemporaryDirectory() as folder:
        script, killed = Path(folder) / "script.py", Path(folder) / "killed.db"
        script.write_text(SCRIPT)
        for draw in DRAWS:
            one, two = Path(folder) / f"one_{draw}.db", Path(folder) / f"two_{draw}.db"
            seconds = {n: sampling(script, n, draw, 3 * SAMPLES, ledger) for n, ledger in ((1, one), (2, two))}
            report["draws"].append(
                {
                    "samples_of_a_draw": draw,
                    "seconds_of_one_and_two": list(seconds.values()),
                    "two_processes_sample_faster_by": seconds[1] / seconds[2],
                    "largest_difference_in_A": float(abs(points(one) - points(two)).max()),
                }
            )
        group = started(script, 2, DRAWS[0], 100_000, killed)
        assert group.stdout is not None
        group.stdout.readline()
        ranks = subprocess.run(
            ["pgrep", "-P", str(group.pid)], capture_output=True, text=True, check=True
        ).stdout.split()
        os.kill(int(ranks[-1]), signal.SIGKILL)
        began = time.monotonic()
        group.communicate(timeout=120)
        report["a_group_ends_after_a_kill_s"] = time.monotonic() - began
        paid = points(killed)
        for processes in (1, 2, 2):
            sampling(script, processes, DRAWS[0], len(points(killed)) + SAMPLES, killed)
        report["resumes 2-1-2-2"] = {
            "evaluations": len(points(killed)),
            "wanted": len(paid) + 3 * SAMPLES,
            "paid_again": int((points(killed)[: len(paid)] != paid).any(axis=1).sum()),
        }
    print(write("ranks", report))


if __name__ == "__main__":
    main()
