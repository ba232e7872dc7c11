"""On a pretended GPU everything of GO-Diff runs, gives what the CPU gives, and keeps its budget of launches."""

import numpy as np
import pytest
import torch
from ase.build import fcc111
from ase.calculators.emt import EMT

from matseek import Campaign
from matseek.diffusion import (
    EulerMaruyama,
    GeometricSchedule,
    Guidance,
    Heun,
    LinearSchedule,
    Noised,
    PredictorCorrector,
    base,
    lattice,
    noise,
)
from matseek.godiff.domains import NetworkSettings, StructureDomain
from matseek.godiff.replay import ReplayBatch
from matseek.godiff.sampling import forces_of, sampled
from matseek.godiff.score_matching import ScoreMatching
from matseek.godiff.searcher import GODiffSearcher
from matseek.godiff.steering import SurrogateRelaxation
from matseek.networks import full_rows, graphs, rows
from matseek.problems import StructureProblem
from matseek.spaces import Adlayer
from matseek.training.trainer import TrainerSettings
from tests.devices.pretend import OnCuda, pretend_cuda

SCHEDULE = LinearSchedule(0.01, 4.0)
SMALL = {"blocks": 2, "features": 8, "cutoff": 4.0, "gaussians": 8}
PROBLEM = StructureProblem(Adlayer(fcc111("Pt", (2, 2, 2), vacuum=6), "Pt2", z=(1.0, 5.0)), EMT)
HEPTAMER = StructureProblem(Adlayer(fcc111("Pt", (6, 6, 2), vacuum=8), "Pt7", z=(1.0, 6.0)), EMT)


@pytest.fixture(autouse=True)
def _forget():
    yield
    forget_tensors_of_the_other_device()


def forget_tensors_of_the_other_device():
    for kept in (graphs.surroundings, rows.row_plan, full_rows.full_plan, lattice._terms, base.constants):
        kept.cache_clear()


def made(representation="template", problem=PROBLEM, *, captured=False, **settings):
    network = NetworkSettings(representation=representation, **(SMALL | settings))
    domain = StructureDomain(problem.space, network, 0)
    module = ScoreMatching(domain.network, learning_rate=1e-3, captured=captured)
    module.log = lambda *args, **kwargs: None
    return domain, module


def batch(domain, device, count=4):
    generator = torch.Generator().manual_seed(0)
    x = domain.manifold.sample_uniform(count, generator)
    noised = noise(domain.manifold, SCHEDULE, x, generator)
    forces = torch.randn(x.shape, generator=generator)
    return ReplayBatch(Noised(*(t.to(device) for t in noised)), x.to(device), forces.to(device))


def losses(representation, device, dtype=None, *, captured=False, steps=3):
    domain, module = made(representation, captured=captured)
    module.to(device)
    given, optimizer, found = batch(domain, device), module.configure_optimizers(), []
    scaler = torch.amp.GradScaler("cuda", enabled=dtype == torch.float16)
    for _ in range(steps):
        optimizer.zero_grad()
        with torch.autocast("cuda", dtype=dtype or torch.bfloat16, enabled=dtype is not None):
            loss = module.training_step(given)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        module.average.update_parameters(module.network)
        found.append(float(loss.detach()))
    return found


@pytest.mark.parametrize("representation", ["template", "full"])
def test_training_gives_the_same_losses_as_on_the_cpu(representation):
    expected = losses(representation, "cpu")
    with pretend_cuda():
        assert losses(representation, "cuda") == pytest.approx(expected, rel=1e-5)
        for dtype in (torch.bfloat16, torch.float16):
            assert losses(representation, "cuda", dtype) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("kind", [EulerMaruyama, Heun, PredictorCorrector])
def test_samplers_run_where_the_network_is_and_give_what_the_cpu_gives(kind):
    def samples(device):
        domain, module = made()
        module.to(device)
        sampler = kind(SCHEDULE, steps=3)
        with module.sampling() as network:
            generator = torch.Generator().manual_seed(0)
            x = sampled(network, sampler, domain.manifold, 4, generator, guidance=Guidance(), device=device)
            relaxed = SurrogateRelaxation(steps=3).relax(x, forces_of(network, sampler), domain.manifold)
        return relaxed, domain.points(relaxed)

    _, expected = samples("cpu")
    with pretend_cuda():
        x, found = samples("cuda")
        assert isinstance(x, OnCuda)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def campaign(folder, precision, accelerator, budget, *, capture=False):
    searcher = GODiffSearcher(
        samples=4,
        steps=2,
        batch_size=4,
        buffer=8,
        draw=4,
        guidance=Guidance(),
        relaxation=SurrogateRelaxation(steps=1),
        sampler=EulerMaruyama(GeometricSchedule(0.03, 4.0), steps=1),
        network=NetworkSettings(**(SMALL | {"blocks": 1})),
        trainer=TrainerSettings(accelerator=accelerator, precision=precision),
        capture=capture,
    )
    return Campaign(PROBLEM, searcher, folder / "ledger.db", seed=0).run(budget)


def test_a_campaign_goes_on_from_one_precision_and_device_to_another_with_graphs_and_without(tmp_path):
    with pretend_cuda(graphs=True):
        for budget, precision in ((4, "16-mixed"), (8, "bf16-mixed"), (12, "32-true")):
            campaign(tmp_path, precision, "gpu", budget, capture=precision != "32-true")
    forget_tensors_of_the_other_device()
    assert campaign(tmp_path, "32-true", "cpu", 16).summary()["evaluations"] == 16


BUDGETS = {"template": (600, 240, 450), "full": (610, 270, 510)}
"""Launches at most of a step of the heptamer's network: of training, of sampling, of sampling with guidance."""


@pytest.mark.parametrize("representation", BUDGETS)
def test_no_step_waits_for_the_host_and_launches_stay_within_their_budget(representation):
    full = {"blocks": 4, "features": 64, "cutoff": 6.0, "gaussians": 30}
    domain, module = made(representation, HEPTAMER, **full)
    a_training_step, a_sampling_step, a_guided_step = BUDGETS[representation]

    def counted(step):
        """Launches and waits of a second call: the first prepares what is kept."""
        step()
        launches, waits = device.launches, device.waits.copy()
        step()
        return device.launches - launches, device.waits - waits

    with pretend_cuda() as device:
        module.to("cuda")
        given, optimizer = batch(domain, "cuda", 1), module.configure_optimizers()

        def train():
            optimizer.zero_grad()
            module.training_step(given).backward()
            optimizer.step()
            module.average.update_parameters(module.network)

        launches, waits = counted(train)
        assert waits == {}
        assert launches <= a_training_step
        for guidance, most in ((None, a_sampling_step), (Guidance(), a_guided_step)):
            found = []
            for steps in (1, 3):

                def sample(steps=steps, guidance=guidance):
                    generator = torch.Generator().manual_seed(0)
                    sampler = EulerMaruyama(SCHEDULE, steps=steps)
                    with module.sampling() as network:
                        sampled(network, sampler, domain.manifold, 1, generator, guidance=guidance, device="cuda")

                found.append(counted(sample))
            (short, few), (long, many) = found
            assert few == many
            assert (long - short) / 2 <= most
