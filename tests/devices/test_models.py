"""On a pretended GPU the models of recipes and structures give what they give on the CPU."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from matseek.networks import graphs
from matseek.problems import RecipeProblem
from matseek.searchers import NetworkSearcher
from matseek.surrogates.spectrum_net import SpectrumNet
from matseek.surrogates.training import Training
from matseek.testing import measured
from matseek.training.trainer import TrainerSettings
from tests.devices.pretend import OnCuda, pretend_cuda
from tests.surrogates.test_force_field import QUICK, structures

GPU = TrainerSettings(accelerator="gpu")
SMALL = Training(members=2, hidden=(8,), epochs=6, learning_rate=1e-2, trainer=GPU)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
def test_a_network_of_spectra_is_trained(box, precision):
    trainer = TrainerSettings(accelerator="gpu", precision=precision)
    points = box.sample_uniform(12, np.random.default_rng(0))
    values = [np.array([p[0]]) for p in points]

    def fitted(training):
        return training.fit(box, training.data(points, values), seed=0)

    expected = fitted(Training(members=2, hidden=(8,), epochs=6))
    with pretend_cuda():
        net = fitted(Training(members=2, hidden=(8,), epochs=6, trainer=trainer))
        assert net.device.type == "cpu"
        found = net.predict(points)
    np.testing.assert_allclose(found, expected.predict(points), atol=0.3)


@pytest.mark.parametrize("search_by", ["gradient", "grid"])
def test_a_network_on_the_gpu_proposes_what_it_proposes_on_the_cpu(spectral_problem, search_by):
    history = measured(spectral_problem, 6)
    searcher = NetworkSearcher(training=SMALL, starts=4, levels=4, search_by=search_by)

    def net():
        return SpectrumNet(spectral_problem.space, spectral_problem.objective.wavelengths, members=2, hidden=(8,))

    expected = searcher.propose(net(), 3, history)
    with pretend_cuda():
        found = searcher.propose(net().to("cuda"), 3, history)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_an_oracle_may_answer_with_tensors_of_the_gpu(box):
    def oracle(points):
        return torch.tensor(points, device="cuda").sum(dim=1).bfloat16()

    with pretend_cuda():
        point = box.sample_uniform(1, np.random.default_rng(0))[0]
        assert isinstance(oracle(point[None]), OnCuda)
        for answer in (oracle, lambda points: [oracle(points)[0]]):
            found = RecipeProblem(box, answer).measure(point, np.random.default_rng(0))
            assert found.value == pytest.approx(point.sum(), rel=0.01)


def test_a_force_field_is_trained():
    history = measured(structures(), 12)
    settings = replace(QUICK, steps=1)
    expected = settings.fit(history).mean(history.points)
    with pretend_cuda():
        found = replace(settings, trainer=GPU).fit(history)
    graphs.surroundings.cache_clear()
    found = found.mean(history.points)
    np.testing.assert_allclose(found, expected, atol=1e-3)
