"""MACE, many structures in one forward pass against one after the other: seconds per structure.

The model has 128 channels and L = 1, the size of MACE-MP-0 (medium), and random parameters, which cost the same; the
structures are heptamers on the (6, 6, 2) slab of Pt(111), rattled. Neighbour lists count. One by one is the same model
through mace-torch's own calculator, and through ours.

    .venv/bin/python -W ignore -m benchmarks.mace_batch [--quick] [--threads 2]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tests.potentials.models import small_mace

from benchmarks.results_io import write
from matseek.potentials.mace import MACE, mace_imported
from matseek.problems.platinum import platinum_heptamer

BATCHES = (1, 4, 16, 32)


def seconds_per_structure(work: Callable[[], int], repetitions: int) -> float:
    """Median wall time per structure of a call that says how many it did."""
    work()
    found = []
    for _ in range(repetitions):
        start = time.perf_counter()
        count = work()
        found.append((time.perf_counter() - start) / count)
    return statistics.median(found)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small model, and no result file")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    channels, repetitions = (8, 1) if arguments.quick else (128, 3)
    space = platinum_heptamer().space
    points = space.sample_contiguous(max(BATCHES), np.random.default_rng(0))
    structures = [space.atoms(point) for point in points]
    with tempfile.TemporaryDirectory() as folder:
        path = small_mace(Path(folder) / "benchmark.model", numbers=(78,), channels=channels, angular=1)
        with mace_imported():
            from mace.calculators import MACECalculator
        os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"  # what mace does of itself when it is imported
        theirs = MACECalculator(model_paths=str(path), device="cpu", default_dtype="float32")
        del os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"]
        one = MACE(path)

        def by_mace() -> int:
            for atoms in structures[:4]:
                theirs.get_potential_energy(atoms)
                theirs.get_forces(atoms)
                theirs.reset()
            return 4

        rows: list[dict[str, Any]] = [
            {"way": "mace-torch's calculator, one by one", "seconds": seconds_per_structure(by_mace, repetitions)}
        ]
        for size in BATCHES:
            ours = MACE(path, batch_size=size)

            def batched(ours: MACE = ours, size: int = size) -> int:
                count = max(size, 4)
                ours.compute_many(structures[:count])
                return count

            way = "ours, one by one" if size == 1 else f"ours, {size} in one forward pass"
            rows.append({"way": way, "seconds": seconds_per_structure(batched, repetitions)})
        many = one.compute_many(structures[:4])
        energies = [theirs.get_potential_energy(atoms) for atoms in structures[:4]]
    for row in rows:
        row["seconds"] = round(row["seconds"], 4)
        row["faster_than_one_by_one"] = round(rows[0]["seconds"] / row["seconds"], 2)
        print(row, flush=True)
    largest = max(abs(found.energy - energy) for found, energy in zip(many, energies, strict=True))
    report = {
        "command": ".venv/bin/python -W ignore -m benchmarks.mace_batch",
        "goal": "many structures in one forward pass at least 2 times faster than one by one, on two cores",
        "threads": arguments.threads,
        "channels": channels,
        "largest_difference_of_energies_eV": float(largest),
        "rows": rows,
    }
    if arguments.quick:
        print(report)
    else:
        print(write("mace_batch", report))


if __name__ == "__main__":
    main()
