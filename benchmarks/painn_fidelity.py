"""What the template form loses: both forms trained alike on the same heptamer configurations.

Configurations are Pt7 on the (6,6,2) slab under ASE's EMT: contiguous random placements, relaxed for a few steps so
that they lie around minima, and rattled. The last quarter is held out. Both forms start from the same parameters and
see the same batches and the same noise. Noise is Gaussian, wrapped in plane by the graphs; its target is minus the
noise over sigma, which is right while sigma is small against the cell. Forces are of the configurations as they are.

    .venv/bin/python -W ignore -m benchmarks.painn_fidelity [--configurations 2000] [--steps 2000]
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.build import fcc111
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms
from ase.optimize import FIRE

from benchmarks.results_io import write
from matseek.godiff.atomic_score import AtomicScore, FullScore, TemplateScore
from matseek.networks.graphs import AtomicSystem

FREE, BATCH, LEARNING_RATE = 7, 16, 1e-3
SIGMAS = (0.01, 1.0)
LARGEST_FORCE = 20.0
"""Configurations with a larger force, in eV/A, are thrown away: atoms on top of each other."""


def slab() -> Atoms:
    """The slab of the heptamer problem."""
    return fcc111("Pt", (6, 6, 2), vacuum=8)


def system() -> AtomicSystem:
    """The slab and seven free atoms."""
    atoms = slab()
    return AtomicSystem(atoms.positions, atoms.numbers, atoms.cell.array, tuple(atoms.pbc), np.full(FREE, 78))


def configurations(count: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Positions and forces of the free atoms, ``(count, 7, 3)`` each."""
    template = slab()
    top = template.positions[:, 2].max()
    positions, forces = [], []
    while len(positions) < count:
        cluster = [np.array([*(rng.random(2) @ template.cell.array[:2, :2]), top + 2.1])]
        while len(cluster) < FREE:
            angle, parent = rng.random() * 2 * np.pi, cluster[rng.integers(len(cluster))]
            place = parent + 2.7 * np.array([np.cos(angle), np.sin(angle), 0.0])
            if min(np.linalg.norm(place - other) for other in cluster) > 2.2:
                cluster.append(place)
        atoms = template + Atoms(f"Pt{FREE}", np.array(cluster))
        atoms.calc = EMT()
        atoms.set_constraint(FixAtoms(range(len(template))))
        FIRE(atoms, logfile=None).run(fmax=0.05, steps=int(rng.integers(5, 40)))
        base = atoms.positions.copy()
        for _ in range(8):
            moved = base.copy()
            moved[-FREE:] += rng.normal(0, rng.uniform(0, 0.25), (FREE, 3))
            atoms.positions = moved
            force = atoms.get_forces()[-FREE:]
            if np.abs(force).max() < LARGEST_FORCE:
                positions.append(moved[-FREE:])
                forces.append(force)
    return tuple(torch.tensor(np.array(a[:count]), dtype=torch.float32) for a in (positions, forces))


def losses(
    model: AtomicScore, where: AtomicSystem, positions: torch.Tensor, forces: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Squared errors per atom: of sigma times the score, summed over the components, and of the forces in (eV/A)^2."""
    low, high = np.log(SIGMAS)
    sigma = torch.exp(low + (high - low) * torch.rand(len(positions), generator=generator))
    noise = torch.randn(positions.shape, generator=generator)
    score = model(model.graph(where, positions + sigma[:, None, None] * noise), sigma).score
    predicted = model(model.graph(where, positions), sigma).forces
    return (score + noise).square().sum(-1).mean(), (predicted - forces).square().sum(-1).mean()


def train(model: AtomicScore, data: tuple[torch.Tensor, torch.Tensor], held: int, steps: int) -> dict[str, Any]:
    """Train on all but the last configurations, and measure on those."""
    where = system()
    positions, forces = data
    generator = torch.Generator().manual_seed(1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    spread = forces[:-held].square().sum(-1).mean()
    start = time.process_time()
    for _ in range(steps):
        rows = torch.randint(len(positions) - held, (BATCH,), generator=generator)
        score, force = losses(model, where, positions[rows], forces[rows], generator)
        optimizer.zero_grad()
        (score + force / spread).backward()
        optimizer.step()
        schedule.step()
    seconds = time.process_time() - start
    generator.manual_seed(2)
    with torch.no_grad():
        chunks = zip(positions[-held:].split(50), forces[-held:].split(50), strict=True)
        measured = torch.tensor([[*losses(model, where, p, f, generator)] for p, f in chunks]).mean(0)
        absolute = torch.cat(
            [
                (model(model.graph(where, p), torch.ones(len(p))).forces - f).abs()
                for p, f in zip(positions[-held:].split(50), forces[-held:].split(50), strict=True)
            ]
        ).mean()
    return {
        "score_matching_loss_per_atom": round(float(measured[0]), 4),
        "force_rms_error_eV_per_A": round(float((measured[1] / 3).sqrt()), 4),
        "force_mean_absolute_error_eV_per_A": round(float(absolute), 4),
        "training_cpu_seconds": round(seconds, 1),
    }


def main() -> None:
    """Make the configurations, train both forms, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configurations", type=int, default=2000)
    parser.add_argument("--steps", type=int, default=2000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = configurations(options.configurations, np.random.default_rng(0))
    held = options.configurations // 4
    forces = data[1][-held:]
    report: dict[str, Any] = {
        "goal": "score-matching loss and force error of both forms side by side",
        "command": ".venv/bin/python -W ignore -m benchmarks.painn_fidelity "
        f"--configurations {options.configurations} --steps {options.steps}",
        "held_out": held,
        "batch": BATCH,
        "forms": {
            "score 0, forces 0": {
                "score_matching_loss_per_atom": 3.0,
                "force_rms_error_eV_per_A": round(float(forces.square().mean().sqrt()), 4),
                "force_mean_absolute_error_eV_per_A": round(float(forces.abs().mean()), 4),
            }
        },
    }
    for name, form in (("template", TemplateScore), ("full", FullScore)):
        report["forms"][name] = train(form(seed=0), data, held, options.steps)
        print(name, report["forms"][name], flush=True)
    print(write("painn_fidelity", report))


if __name__ == "__main__":
    main()
