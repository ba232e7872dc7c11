"""What only a GPU shows, in one call of at most nine minutes: precision, throughput, captured steps, a whole campaign.

Each section stands alone: what fails is recorded with its traceback, the next one goes on, and the file is written
after each. `--tiny --device cpu` shows that the script itself runs. No section has run on a GPU yet.

    .venv/bin/python -W ignore -m benchmarks.gpu [--minutes 9] [--only sampling] [--tiny] [--device cpu]
"""

from __future__ import annotations

import argparse
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.results_io import write
from matseek import Campaign
from matseek.diffusion import EulerMaruyama, GeometricSchedule, Guidance, LinearSchedule, Noised, noise
from matseek.diffusion.capture import can_capture
from matseek.godiff.domains import NetworkSettings, StructureDomain
from matseek.godiff.replay import ReplayBatch
from matseek.godiff.sampling import forces_of, sampled
from matseek.godiff.score_matching import ScoreMatching
from matseek.godiff.searcher import GODiffSearcher
from matseek.godiff.steering import SurrogateRelaxation
from matseek.library.platinum import platinum_heptamer
from matseek.networks.graphs import free_edges, surroundings
from matseek.potentials import BatchedEMT
from matseek.problems import StructureProblem
from matseek.spaces import Box, Variable
from matseek.surrogates.gp import GaussianProcess
from matseek.training.trainer import TrainerSettings

GOALS = {
    "sampling": "500 steps of 1,024 heptamer structures: captured at least 5 times faster than eager",
    "campaign": "godiff_ffg with 2,560 evaluations in at most 2 minutes",
    "training": "at most twice the time that the launches of a step take",
    "geometry": "no edge moved by more than 1e-5 A in reduced precision",
}
SCHEDULE = LinearSchedule(0.01, 4.0)
REDUCED = {"bf16": torch.bfloat16, "fp16": torch.float16}


def _nothing(*_: object, **__: object) -> None:
    """Nothing is logged outside a trainer."""


@dataclass
class Bench:
    """Where and how much is measured.

    Args:
        device: Where.
        tiny: Whether it is only to be seen that the script runs.
    """

    device: torch.device
    tiny: bool
    problem: StructureProblem = field(default_factory=lambda: platinum_heptamer(calculator=BatchedEMT))

    @property
    def network(self) -> NetworkSettings:
        """The shipped one."""
        return NetworkSettings(blocks=1, features=4, cutoff=4.0, gaussians=4) if self.tiny else NetworkSettings()

    def made(self, *, captured: bool = False) -> tuple[StructureDomain, ScoreMatching]:
        """A new domain and its module, whose training steps may be recorded in graphs."""
        domain = StructureDomain(self.problem.space, self.network, 0)
        module = ScoreMatching(domain.network, captured=captured).to(self.device)
        module.log = _nothing  # type: ignore[method-assign, assignment]
        return domain, module

    def wait(self) -> None:
        """Until the device has done all."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def seconds(self, function: Callable[[], Any], repeats: int = 5) -> float:
        """Median seconds of a call, after one that prepares."""
        function()
        found = []
        for _ in range(1 if self.tiny else repeats):
            self.wait()
            began = time.perf_counter()
            function()
            self.wait()
            found.append(time.perf_counter() - began)
        return float(np.median(found))

    def peak_gib(self) -> float | None:
        """Most memory held since the last call."""
        if self.device.type != "cuda":
            return None
        found = torch.cuda.max_memory_allocated() / 2**30
        torch.cuda.reset_peak_memory_stats()
        return float(found)


def machine(bench: Bench) -> dict[str, Any]:
    """Versions and the card."""
    card = torch.cuda.get_device_name() if bench.device.type == "cuda" else None
    return {"torch": torch.__version__, "cuda": torch.version.cuda, "card": card, "device": str(bench.device)}


def geometry(bench: Bench) -> dict[str, Any]:
    """Edges in reduced precision against those in float32."""
    domain, _ = bench.made()
    x = domain.manifold.sample_uniform(32, torch.Generator().manual_seed(0)).to(bench.device)
    around = surroundings(domain.system, 6.0, torch.float32, bench.device)
    exact, found = free_edges(around, x), {}
    for name, dtype in REDUCED.items():
        with torch.autocast(bench.device.type, dtype=dtype):
            rough = free_edges(around, x)
        same = len(rough[3]) == len(exact[3])
        moved = (rough[3] - exact[3]).norm(dim=-1) if same else torch.ones(1)
        found[name] = {"edges": len(exact[3]), "same": same, "most_moved_A": float(moved.max())}
    return found


def training(bench: Bench) -> dict[str, Any]:
    """Milliseconds of a step, by batch, precision and whether it is recorded in graphs, and its losses."""
    found: dict[str, Any] = {}
    plan: list[tuple[int, torch.dtype | None, bool]] = [(4, None, False)]
    if not bench.tiny:
        graphs = (False, True) if can_capture(bench.device) else (False,)
        plan = [(n, p, g) for n in (16, 512, 4096) for p in (None, torch.bfloat16) for g in graphs]
    for count, dtype, captured in plan:
        domain, module = bench.made(captured=captured)
        generator = torch.Generator().manual_seed(0)
        x = domain.manifold.sample_uniform(count, generator)
        noised = noise(domain.manifold, SCHEDULE, x, generator)
        forces = torch.randn(x.shape, generator=generator)
        rows = ReplayBatch(Noised(*(t.to(bench.device) for t in noised)), x.to(bench.device), forces.to(bench.device))
        optimizer, losses = module.configure_optimizers(), []

        def step(module=module, rows=rows, optimizer=optimizer, losses=losses, dtype=dtype) -> None:  # noqa: ANN001
            optimizer.zero_grad()
            with torch.autocast(bench.device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None):
                loss = module.training_step(rows)
            loss.backward()
            optimizer.step()
            module.average.update_parameters(module.network)
            losses.append(loss.detach())

        took = bench.seconds(step, 10)
        found[f"batch={count} {dtype or 'float32'}{' captured' if captured else ''}"] = {
            "ms": 1e3 * took,
            "finite": bool(torch.isfinite(torch.stack(losses)).all()),
            "peak_gib": bench.peak_gib(),
        }
    return found


def sampling(bench: Bench) -> dict[str, Any]:
    """Structures a second, by draw: eager, and recorded in a graph where there are graphs."""
    found: dict[str, Any] = {}
    steps = 2 if bench.tiny else 500
    domain, module = bench.made()
    sampler = EulerMaruyama(SCHEDULE, steps)
    for draw in (4,) if bench.tiny else (32, 256, 1024, 4096):
        with module.sampling() as network:

            def run(captured: bool, draw: int = draw, network: Any = network) -> Tensor:  # noqa: ANN401
                generator = torch.Generator().manual_seed(0)
                return sampler.sample(
                    network.score, domain.manifold, draw, generator, captured=captured, device=bench.device
                )

            eager = bench.seconds(lambda: run(False), 1)
            captured = bench.seconds(lambda: run(True), 1)
            apart = domain.manifold.displacement(run(True), run(False)).abs().max()
            found[f"draw={draw}"] = {
                "eager_structures_per_s": draw / eager,
                "captured_structures_per_s": draw / captured,
                "captured_is_faster_by": eager / captured,
                "largest_difference_A": float(apart),
                "peak_gib": bench.peak_gib(),
            }
    return found


def relaxation(bench: Bench) -> dict[str, Any]:
    """Guided samples, relaxed by the network's forces, against those of the CPU."""
    steps, points = 2 if bench.tiny else 50, []
    for device in {bench.device, torch.device("cpu")}:
        domain, module = Bench(device, bench.tiny, bench.problem).made()
        sampler = EulerMaruyama(SCHEDULE, steps)
        with module.sampling() as network:
            generator = torch.Generator().manual_seed(0)
            x = sampled(network, sampler, domain.manifold, 4, generator, guidance=Guidance(), device=device)
            x = SurrogateRelaxation(steps).relax(x, forces_of(network, sampler), domain.manifold)
        points.append(domain.points(x))
    return {"largest_difference_A": float(abs(points[0] - points[-1]).max())}


def processes(bench: Bench) -> dict[str, Any]:
    """Seconds in which a Gaussian process of n values learns its hyperparameters, here and on the CPU, by n."""
    found: dict[str, Any] = {}
    box = Box([Variable(name, 0.0, 1.0) for name in "abcd"])
    for count in (12,) if bench.tiny else (200, 500, 1500):
        points = box.sample_uniform(count, np.random.default_rng(0))
        values, unknown = np.sin(5 * points).sum(axis=1), np.full(count, np.nan)
        for name in ("cpu", *(["cuda"] if bench.device.type == "cuda" else [])):
            began = time.perf_counter()
            GaussianProcess.fit(box, points, values, unknown, device=name)  # type: ignore[arg-type]
            found[f"n={count} {name}"] = time.perf_counter() - began
    return found


def campaign(bench: Bench) -> dict[str, Any]:
    """A campaign on the heptamer as `godiff_ffg` has it."""
    accelerator = "gpu" if bench.device.type == "cuda" else "cpu"
    trainer = TrainerSettings(accelerator=accelerator)  # type: ignore[arg-type]
    schedule = GeometricSchedule(0.03, 4.0)
    searcher, budget = (
        (
            GODiffSearcher(
                samples=4,
                draw=4,
                steps=2,
                batch_size=4,
                sampler=EulerMaruyama(schedule, 2),
                network=bench.network,
                trainer=trainer,
            ),
            8,
        )
        if bench.tiny
        else (GODiffSearcher(guidance=Guidance(), relaxation=SurrogateRelaxation(), trainer=trainer), 2560)
    )
    began = time.perf_counter()
    found = Campaign(bench.problem, searcher, seed=0).run(budget)
    summary = found.summary()
    kept = ("evaluations", "best_value", "success", "evaluations_to_success")
    return {"seconds": time.perf_counter() - began, **{k: summary[k] for k in kept}}


SECTIONS: dict[str, tuple[float, Callable[[Bench], dict[str, Any]]]] = {
    "machine": (1, machine),
    "geometry": (5, geometry),
    "relaxation": (15, relaxation),
    "training": (60, training),
    "processes": (40, processes),
    "sampling": (120, sampling),
    "campaign": (180, campaign),
}
"""Seconds that must be left for a section, and the section."""


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--only", default="")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true")
    given = parser.parse_args(arguments)
    bench, began = Bench(torch.device(given.device), given.tiny), time.monotonic()
    name = "gpu_tiny" if given.tiny else "gpu"
    report: dict[str, Any] = {"command": ".venv/bin/python -W ignore -m benchmarks.gpu", "goals": GOALS, "sections": {}}
    for section, (needs, measure) in SECTIONS.items():
        if given.only and section not in given.only.split(","):
            continue
        left = 60 * given.minutes - (time.monotonic() - began)
        if left < needs:
            report["sections"][section] = {"skipped": f"{left:.0f} s left, {needs} wanted"}
            continue
        try:
            report["sections"][section] = measure(bench)
        except Exception as error:
            report["sections"][section] = {"error": repr(error), "traceback": traceback.format_exc().splitlines()[-12:]}
        print(section, report["sections"][section], flush=True)
        write(name, report)
    return report


if __name__ == "__main__":
    main()
