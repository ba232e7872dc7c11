"""How GO-Diff's network scales with template atoms and free atoms: CPU seconds on one thread.

A training step is a batch of 16 under noise with 16 labelled structures: score and forces, backward, AdamW. A sample is
one of 32 drawn together: 150 network calls of the sampler and 60 of the relaxation, extrapolated from the median call.

    .venv/bin/python -W ignore -m benchmarks.scaling
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.build import fcc111

from benchmarks.painn_speed import peak_megabytes
from benchmarks.results_io import write
from matseek.diffusion import PeriodicSlab
from matseek.godiff.atomic_score import AtomicFields, AtomicScore, FullScore, TemplateScore
from matseek.networks.graphs import AtomicSystem

SLABS = {72: (6, 6, 2), 200: (10, 10, 2), 450: (15, 15, 2)}
FREE = (7, 20, 50)
BATCH, SAMPLES, CALLS = 16, 32, 210
FORMS: dict[str, type[AtomicScore]] = {"template": TemplateScore, "full": FullScore}
FULL_UP_TO = 200
"""The full form takes some seconds per step beyond."""


def median_seconds(work: Callable[[], None], least: int = 3, budget: float = 4.0) -> float:
    """Median CPU seconds of a repeated call."""
    work()
    seconds: list[float] = []
    while len(seconds) < least or (sum(seconds) < budget and len(seconds) < 50):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return statistics.median(seconds)


def layer_of(slab: Atoms, free: int) -> PeriodicSlab:
    """Where free atoms are put: from 1 to 6 angstrom above the slab."""
    (a, b), (c, d) = slab.cell.array[:2, :2].tolist()
    top = float(slab.positions[:, 2].max())
    return PeriodicSlab(((a, b), (c, d)), top + 1.0, top + 6.0, free)


def measure(form: str, template: int, free: int) -> dict[str, Any]:
    """One form on one system."""
    slab = fcc111("Pt", SLABS[template], vacuum=8)
    system = AtomicSystem(slab.positions, slab.numbers, slab.cell.array, (True, True, False), np.full(free, 78))
    fields = AtomicFields(FORMS[form](seed=0), system, layer_of(slab, free))
    generator = torch.Generator().manual_seed(0)
    # As dense as the layer of the first iteration: uniform over the cell, 1 to 6 A above it.
    count = 2 * BATCH
    places = torch.rand(count, free, 3, generator=generator, dtype=torch.float64)
    heights = slab.positions[:, 2].max() + 1 + 5 * places[..., 2:]
    plane = places[..., :2] @ torch.tensor(slab.cell.array[:2])
    positions = torch.cat([plane[..., :2], heights], dim=-1).float()
    sigma = torch.linspace(0.01, 4.0, count)
    optimizer = torch.optim.AdamW(fields.parameters(), fused=True)

    def train() -> None:
        found = fields(positions, sigma)
        assert found.forces is not None
        loss = found.score[:BATCH].square().mean() + found.forces[BATCH:].square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def sample() -> None:
        fields(positions[:SAMPLES], sigma[:SAMPLES])

    training = median_seconds(train)
    with torch.no_grad(), fields.cached_template():
        sampling = median_seconds(sample)
    row = {
        "form": form,
        "template_atoms": template,
        "free_atoms": free,
        "seconds_per_training_step": round(training, 4),
        "seconds_per_sample": round(sampling * CALLS / SAMPLES, 3),
    }
    print(row, round(peak_megabytes()), flush=True)
    return row


def main() -> None:
    """Measure, print and write."""
    torch.set_num_threads(1)
    cells = [("template", t, f) for t in SLABS for f in FREE]
    cells += [("full", t, f) for t in SLABS if t <= FULL_UP_TO for f in FREE]
    report = {
        "goal": "none set; seconds as measured",
        "command": ".venv/bin/python -W ignore -m benchmarks.scaling",
        "clock": "CPU seconds, one thread, median of the repetitions",
        "batch": BATCH,
        "samples_at_once": SAMPLES,
        "network_calls_per_sample": CALLS,
        "rows": [measure(*cell) for cell in cells],
    }
    print(write("scaling", report))


if __name__ == "__main__":
    main()
