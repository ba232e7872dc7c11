"""MACE, many structures in one forward pass against one after the other: seconds per structure.

The model has 128 channels, L = 1 and 89 elements, the size of MACE-MP-0 (medium), and random parameters, which cost the
same; the structures are heptamers on the (6, 6, 2) slab of Pt(111). Neighbour lists count. One by one is the same file
through mace-torch's own calculator, and through ours, which makes the model of platinum alone. All of it with glibc's
allocator as it is, and told to keep freed memory; each in a process of its own.

    .venv/bin/python -W ignore -m benchmarks.mace_batch [--quick] [--threads 2]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tests.potentials.models import small_mace

from benchmarks.results_io import write
from matseek.library.platinum import platinum_heptamer
from matseek.potentials.mace import MACE
from matseek.potentials.mace_file import mace_imported

BATCHES = (1, 2, 4, 8)
ALLOCATORS = {
    "glibc": {},
    "glibc, keeping freed memory": {"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "17179869184"},
}


def seconds_per_structure(work: Callable[[], int], repetitions: int) -> float:
    """Median wall time per structure of a call that says how many it did."""
    work()
    found = []
    for _ in range(repetitions):
        start = time.perf_counter()
        count = work()
        found.append((time.perf_counter() - start) / count)
    return statistics.median(found)


def measure(path: str, threads: int, repetitions: int) -> dict[str, Any]:
    """Seconds per structure of each way, and how far the energies are apart, in this process."""
    torch.set_num_threads(threads)
    space = platinum_heptamer().space
    points = space.sample_contiguous(max(BATCHES), np.random.default_rng(0))
    structures = [space.atoms(point) for point in points]
    os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"  # what mace does of itself when it is imported
    with mace_imported():
        from mace.calculators import MACECalculator
    theirs = MACECalculator(model_paths=path, device="cpu", default_dtype="float32")

    def by_mace() -> int:
        for atoms in structures[:4]:
            theirs.reset()
            theirs.get_forces(atoms)
        return 4

    seconds = {"mace-torch's calculator, one by one": seconds_per_structure(by_mace, repetitions)}
    for size in BATCHES:
        ours = MACE(path, batch_size=size)

        def batched(ours: MACE = ours, size: int = size) -> int:
            count = max(size, 4)
            ours.compute_many(structures[:count])
            return count

        way = "ours, one by one" if size == 1 else f"ours, {size} in one forward pass"
        seconds[way] = seconds_per_structure(batched, repetitions)
    many = MACE(path).compute_many(structures[:4])
    energies = [theirs.get_potential_energy(atoms) for atoms in structures[:4]]
    apart = max(abs(found.energy - energy) for found, energy in zip(many, energies, strict=True))
    return {"seconds": seconds, "largest_difference_of_energies_eV": float(apart)}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small model, and no result file")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--file", help=argparse.SUPPRESS)  # measures in this process, with this model
    arguments = parser.parse_args()
    channels, repetitions = (8, 1) if arguments.quick else (128, 3)
    if arguments.file:
        print(json.dumps(measure(arguments.file, arguments.threads, repetitions)))
        return
    numbers = (29, 78) if arguments.quick else tuple(range(1, 90))
    with tempfile.TemporaryDirectory() as folder:
        path = small_mace(Path(folder) / "benchmark.model", numbers=numbers, channels=channels, r_max=6.0)
        found = {}
        for allocator, settings in ALLOCATORS.items():
            command = [
                sys.executable,
                "-W",
                "ignore",
                "-m",
                "benchmarks.mace_batch",
                *sys.argv[1:],
                "--file",
                str(path),
            ]
            done = subprocess.run(command, env={**os.environ, **settings}, check=True, capture_output=True, text=True)
            found[allocator] = json.loads(done.stdout.splitlines()[-1])
    base = next(iter(found["glibc"]["seconds"].values()))
    rows = [
        {
            "way": way,
            "allocator": allocator,
            "seconds": round(seconds, 4),
            "faster_than_one_by_one": round(base / seconds, 2),
        }
        for allocator, figures in found.items()
        for way, seconds in figures["seconds"].items()
    ]
    report = {
        "command": ".venv/bin/python -W ignore -m benchmarks.mace_batch",
        "goal": "at least 2 times faster than mace-torch's calculator one by one, on two cores",
        "threads": arguments.threads,
        "channels": channels,
        "elements": len(numbers),
        "largest_difference_of_energies_eV": max(f["largest_difference_of_energies_eV"] for f in found.values()),
        "rows": rows,
    }
    print(json.dumps(report, indent=1) if arguments.quick else write("mace_batch", report))


if __name__ == "__main__":
    main()
