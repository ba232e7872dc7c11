"""PaiNN beside SchNetPack's: forward, training step, and seconds per sampled structure, on one thread.

SchNetPack comes from PyPI into an environment of its own, which this benchmark makes in ~/.cache/matseek-benchmarks.
All contenders have 4 blocks, 64 features, 30 Gaussians, 6 A, and two vector heads of the same kind; they see the same
atoms and the same edges, written to a file by this package. Each contender is a process of its own with one thread,
and seconds are CPU seconds (user and system), which other work on the machine changes less than the wall clock. Each is
made twice, with glibc's allocator as it is and told to keep freed memory, the same for everyone.

A training step is a forward pass, the mean squared errors of score and forces, backward and fused Adam. Sampling is 500
steps of Euler-Maruyama for 32 structures at once, extrapolated from the median of a few steps. Ours find the neighbours
anew in every step; SchNetPack is given them once, which favours it.

    .venv/bin/python -W ignore -m benchmarks.painn_speed
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
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

CACHE = Path.home() / ".cache" / "matseek-benchmarks" / "schnetpack"
SAMPLES, STEPS = 32, 500
WORKS = ("forward", "training", "sampling")
BATCH = {"stepped": 8, "heptamer": 16}
FEATURES, BLOCKS, GAUSSIANS, CUTOFF = 64, 4, 30, 6.0
CONTENDERS = ("template", "full", "schnetpack")
ALLOCATORS = {
    "glibc": {},
    "glibc, keeping freed memory": {"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "17179869184"},
}
GOAL = (
    "on the heptamer slab, per training step and per sampled structure: template at least 15 times faster than "
    "SchNetPack, full at least 1.5 times"
)

Model = Callable[[], tuple[torch.Tensor, torch.Tensor]]


def system_and_positions(name: str, batch: int) -> tuple[Any, torch.Tensor]:
    """The stepped surface with an adatom or the (111) slab with a rattled heptamer, and a batch of free positions."""
    import numpy as np
    from ase.build import fcc111, surface

    from matseek.networks.graphs import AtomicSystem

    rng = np.random.default_rng(0)
    if name == "stepped":
        slab, offsets = surface("Pt", (1, 2, 2), 5, vacuum=8), np.zeros((1, 3))
    else:
        slab = fcc111("Pt", (6, 6, 2), vacuum=8)
        angles = np.arange(6) * np.pi / 3
        ring = 2.77 * np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
        offsets = np.concatenate([np.zeros((1, 3)), ring])
    n = len(offsets)
    places = rng.random((batch, 1, 3)) @ (slab.cell.array * [[1], [1], [0]])
    places[..., 2] = slab.positions[:, 2].max() + 2.2
    positions = places + offsets + rng.normal(0, 0.2, (batch, n, 3))
    system = AtomicSystem(slab.positions, slab.numbers, slab.cell.array, tuple(slab.pbc), np.full(n, 78))
    return system, torch.tensor(positions, dtype=torch.float32)


def write_graphs(folder: Path) -> None:
    """The full graphs of every system and batch size, for SchNetPack."""
    from matseek.godiff.atomic_score import FullScore

    for name, training in BATCH.items():
        for batch in (training, SAMPLES):
            graph = FullScore().graph(*system_and_positions(name, batch))
            keys = ("numbers", "edge_index", "edge_vectors", "free")
            torch.save({key: graph[key] for key in keys}, folder / f"{name}_{batch}.pt")


def schnetpack_model(graphs: Path, name: str, batch: int, sigma: torch.Tensor) -> tuple[torch.nn.Module, Model]:
    """SchNetPack's PaiNN with its own gated equivariant blocks as heads, and its pass over a stored graph."""
    import torch.utils.data.dataloader as dataloader

    if not hasattr(dataloader, "T_co"):  # SchNetPack 2.1.1 imports a name that newer torch no longer has
        dataloader.T_co = typing.TypeVar("T_co", covariant=True)
    import schnetpack.nn
    from schnetpack import properties
    from schnetpack.representation import PaiNN

    graph = torch.load(graphs / f"{name}_{batch}.pt", weights_only=True)
    representation = PaiNN(
        FEATURES,
        BLOCKS,
        radial_basis=schnetpack.nn.GaussianRBF(GAUSSIANS, CUTOFF),
        cutoff_fn=schnetpack.nn.CosineCutoff(CUTOFF),
    )

    def head(scalars: int) -> torch.nn.Module:
        blocks = [
            schnetpack.nn.GatedEquivariantBlock(scalars, FEATURES, FEATURES, FEATURES, FEATURES),
            schnetpack.nn.GatedEquivariantBlock(FEATURES, FEATURES, 1, 1, FEATURES),
        ]
        return torch.nn.Sequential(*blocks)

    model = torch.nn.ModuleList([representation, head(2 * FEATURES), head(FEATURES), torch.nn.Linear(1, FEATURES)])
    n = len(graph["free"]) // batch

    def forward() -> tuple[torch.Tensor, torch.Tensor]:
        out = representation(
            {
                properties.Z: graph["numbers"],
                properties.Rij: graph["edge_vectors"],
                properties.idx_i: graph["edge_index"][1],
                properties.idx_j: graph["edge_index"][0],
            }
        )
        s = out["scalar_representation"][graph["free"]]
        v = out["vector_representation"][graph["free"]]
        noise = model[3](sigma.log().unsqueeze(-1)).repeat_interleave(n, dim=0)
        score = model[1]((torch.cat([s, noise], dim=-1), v))[1]
        return score.view(batch, n, 3), model[2]((s, v))[1].view(batch, n, 3)

    return model, forward


def measure(contender: str, name: str, work: str, graphs: Path) -> dict[str, Any]:
    """CPU milliseconds of one kind of work by one contender."""
    torch.manual_seed(0)
    batch = SAMPLES if work == "sampling" else BATCH[name]
    sigma = torch.linspace(0.01, 1.0, batch)
    if contender == "schnetpack":
        module, forward = schnetpack_model(graphs, name, batch, sigma)
        n = 1 if name == "stepped" else 7
        positions = torch.zeros(batch, n, 3)
        sampling = forward
    else:
        from matseek.godiff.atomic_score import FullScore, TemplateScore

        network = {"template": TemplateScore, "full": FullScore}[contender](FEATURES, BLOCKS, CUTOFF, GAUSSIANS)
        system, positions = system_and_positions(name, batch)
        module = network
        with torch.no_grad():
            template = network.encode_template(system)

        def forward() -> tuple[torch.Tensor, torch.Tensor]:
            return network(network.graph(system, positions), sigma)

        def sampling() -> tuple[torch.Tensor, torch.Tensor]:
            return network(network.graph(system, positions), sigma, template)

    score_target, force_target = torch.randn(2, *positions.shape)
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-4, fused=True)

    def train() -> None:
        score, forces = forward()
        loss = (score - score_target).square().mean() + (forces - force_target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    @torch.no_grad()
    def sample() -> None:
        score, _ = sampling()
        # In its place up to rounding, so that every step sees the graph that SchNetPack was given.
        positions.add_(1e-9 * (score + torch.randn_like(positions)))

    run = {"forward": torch.no_grad()(forward), "training": train, "sampling": sample}[work]
    seconds, started = [], time.process_time()
    for _ in range(3):
        run()
    while len(seconds) < 5 or (len(seconds) < 200 and time.process_time() - started < 3):
        start = time.process_time()
        run()
        seconds.append(time.process_time() - start)
    return {"milliseconds": 1e3 * statistics.median(seconds), "repetitions": len(seconds)}


def measure_all(contender: str, name: str, graphs: Path) -> dict[str, Any]:
    """Every kind of work by one contender on one system, and the peak memory of it all."""
    torch.set_num_threads(1)
    figures: dict[str, Any] = {work: measure(contender, name, work, graphs) for work in WORKS}
    return figures | {"peak_megabytes": round(peak_megabytes())}


def peak_megabytes() -> float:
    """Largest resident size of this process so far; unlike ``ru_maxrss`` it does not begin at the parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024.0


def environment() -> Path:
    """The interpreter of an environment with SchNetPack and this process's version of torch."""
    python = CACHE / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(CACHE)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet"]
        version = f"torch=={torch.__version__.split('+')[0]}"
        subprocess.run([*pip, version], check=True)
        subprocess.run([*pip, "schnetpack==2.1.1", version], check=True)
    return python


def in_a_process(contender: str, name: str, graphs: Path, allocator: str) -> dict[str, Any]:
    """One contender's figures on one system, from a fresh process."""
    from benchmarks.results_io import ROOT

    python = str(environment()) if contender == "schnetpack" else sys.executable
    variables = os.environ | {"OMP_NUM_THREADS": "1"} | ALLOCATORS[allocator]
    part = json.dumps([contender, name, str(graphs)])
    command = [python, "-W", "ignore", "-m", "benchmarks.painn_speed", "--part", part]
    output = subprocess.run(command, cwd=ROOT, env=variables, check=True, capture_output=True, text=True).stdout
    result: dict[str, Any] = json.loads(output.strip().splitlines()[-1])
    print(f"{name:9} {contender:11} {allocator:30} {json.dumps(result)}", flush=True)
    return result


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part")
    options = parser.parse_args()
    if options.part:
        contender, name, graphs = json.loads(options.part)
        print(json.dumps(measure_all(contender, name, Path(graphs))))
        return
    from benchmarks.results_io import write

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        write_graphs(Path(folder))
        for name in reversed(BATCH):
            for allocator in ALLOCATORS:
                figures = {c: in_a_process(c, name, Path(folder), allocator) for c in CONTENDERS}
                rows += [compare(name, allocator, work, figures) for work in WORKS]
    judged = [r for r in rows if r["system"] == "heptamer" and r["work"] != "forward"]
    report = {
        "goal": GOAL,
        "command": ".venv/bin/python -W ignore -m benchmarks.painn_speed",
        "clock": "CPU seconds, one thread; median of the repetitions",
        "settings": {"features": FEATURES, "blocks": BLOCKS, "gaussians": GAUSSIANS, "cutoff": CUTOFF},
        "batch": {**BATCH, "sampling": SAMPLES},
        "sampling": f"{STEPS} steps, extrapolated from the median step",
        "rows": rows,
        "goals_met": {
            "template": min(r["template_is_faster_by"] for r in judged) >= 15,
            "full": min(r["full_is_faster_by"] for r in judged) >= 1.5,
        },
    }
    print(write("painn_speed", report))


def compare(name: str, allocator: str, work: str, figures: dict[str, Any]) -> dict[str, Any]:
    """One kind of work by all contenders."""
    row: dict[str, Any] = {"system": name, "work": work, "allocator": allocator}
    for contender, of_all in figures.items():
        row[contender] = of_all[work] | {"peak_megabytes_of_all_works": of_all["peak_megabytes"]}
        if work == "sampling":
            row[contender]["seconds_per_structure"] = row[contender]["milliseconds"] * 1e-3 * STEPS / SAMPLES
    for ours in ("template", "full"):
        row[f"{ours}_is_faster_by"] = round(row["schnetpack"]["milliseconds"] / row[ours]["milliseconds"], 2)
    return row


if __name__ == "__main__":
    main()
