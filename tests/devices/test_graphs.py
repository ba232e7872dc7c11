"""Steps recorded in CUDA graphs give on a pretended GPU what they give launch by launch."""

import pytest
import torch

from matseek import Campaign
from matseek.diffusion import EulerMaruyama, Guidance
from matseek.errors import ConfigurationError
from matseek.godiff.atomic_score import AtomicFields
from matseek.godiff.sampling import sampled
from matseek.searchers import GODiffSearcher
from matseek.training.trainer import TrainerSettings
from tests.devices.pretend import pretend_cuda
from tests.devices.test_godiff import PROBLEM, SCHEDULE, forget_tensors_of_the_other_device, losses, made

A_TRAINING_STEP, A_SAMPLING_STEP = 40, 4
"""Launches of a recorded step at most."""


@pytest.fixture(autouse=True)
def _forget():
    yield
    forget_tensors_of_the_other_device()


@pytest.mark.parametrize(("representation", "dtype"), [("template", None), ("full", torch.float16)])
def test_recorded_training_gives_the_same_losses_in_a_few_launches(representation, dtype):
    with pretend_cuda(graphs=True) as device:
        expected = losses(representation, "cuda", dtype, steps=2)
        launches = [device.launches]
        for steps in (1, 2):
            found = losses(representation, "cuda", dtype, captured=True, steps=steps)
            launches.append(device.launches)
        assert device.launched["graph"] == 6
    assert found == pytest.approx(expected, rel=1e-6)
    # The first step records; a scaler of gradients adds its own.
    assert launches[2] - 2 * launches[1] + launches[0] <= A_TRAINING_STEP + 10 * (dtype == torch.float16)


def test_recorded_sampling_gives_the_same_samples_in_a_few_launches():
    def samples(steps):
        domain, module = made(blocks=1)
        module.to("cuda")
        with module.sampling() as network:
            generator, sampler = torch.Generator().manual_seed(0), EulerMaruyama(SCHEDULE, steps=steps)
            x = sampled(network, sampler, domain.manifold, 2, generator, guidance=Guidance(), device="cuda")
        return x.cpu()

    with pretend_cuda():
        expected = samples(3)
    forget_tensors_of_the_other_device()
    with pretend_cuda(graphs=True) as device:
        samples(1)
        launches = [device.launches]
        for steps in (1, 3):
            found = samples(steps)
            launches.append(device.launches)
        assert launches[2] - 2 * launches[1] + launches[0] <= 2 * A_SAMPLING_STEP
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_a_recording_refuses_what_the_host_would_wait_for():
    with pretend_cuda(graphs=True):
        x = torch.ones(3).to("cuda")
        with pytest.raises(RuntimeError, match="capturing"), torch.cuda.graph(torch.cuda.CUDAGraph()):
            x.sum().item()


@pytest.mark.parametrize("trainer", [TrainerSettings(), TrainerSettings(accelerator="gpu")])
def test_graphs_are_refused_where_there_are_none(trainer, tmp_path):
    searcher = GODiffSearcher(samples=4, capture=True, trainer=trainer)
    with pretend_cuda(), pytest.raises(ConfigurationError, match="capture=true .* take capture=false"):
        Campaign(PROBLEM, searcher, tmp_path / "ledger.db", seed=0).run(4)


def test_a_network_whose_shapes_change_is_not_recorded(monkeypatch):
    monkeypatch.setattr(AtomicFields, "same_shapes", lambda self, device: False)
    with pytest.raises(ConfigurationError, match="always the same"):
        GODiffSearcher(capture=True).check_problem(PROBLEM)
