"""On a pretended GPU Gaussian processes learn what they learn on the CPU, and are back on the CPU afterwards."""

from dataclasses import replace

import numpy as np
import pytest

from matseek.candidates import OnStructures
from matseek.errors import ConfigurationError
from matseek.searchers import BayesianSearcher
from matseek.surrogates import StructureGP
from matseek.surrogates.devices import device_of
from matseek.surrogates.learning import ValueGP
from matseek.surrogates.spectral_gp import SpectraGP
from matseek.testing import measured
from tests.devices.pretend import pretend_cuda
from tests.islands import evaluated, island_problem


@pytest.mark.parametrize("surrogate", [ValueGP(), ValueGP("isotropic", log=False), SpectraGP()])
def test_of_recipes(spectral_problem, surrogate):
    history = measured(spectral_problem, 8)
    points = spectral_problem.space.sample_uniform(5, np.random.default_rng(0))
    expected = surrogate.fit(history)
    with pretend_cuda() as device:
        found = replace(surrogate, device="cuda").fit(history)
        learnt = device.launches
    assert learnt > 100
    np.testing.assert_allclose(found.mean(points), expected.mean(points), rtol=1e-6)
    np.testing.assert_allclose(found.deviation(points), expected.deviation(points), rtol=1e-6)


def test_of_structures():
    history, surrogate = evaluated(island_problem(), 8), StructureGP()
    expected = surrogate.fit(history).predict(history.points + 0.05)
    with pretend_cuda() as device:
        found = replace(surrogate, device="cuda").fit(history)
        assert device.launched["aten::cholesky_inverse"] == 1
    found = found.predict(history.points + 0.05)
    np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-6)
    np.testing.assert_allclose(found.deviation, expected.deviation, rtol=1e-4)
    np.testing.assert_allclose(found.mean_gradient, expected.mean_gradient, rtol=1e-4, atol=1e-6)


def test_a_gpu_that_is_not_there_is_refused_and_auto_does_without():
    on_structures = BayesianSearcher(structures=OnStructures(StructureGP(device="cuda")))
    for searcher, setting in (
        (BayesianSearcher(device="cuda"), "searcher.device"),
        (on_structures, "structures.surrogate.device"),
    ):
        with pytest.raises(ConfigurationError, match=f"{setting}=cuda needs an NVIDIA GPU.*take cpu or auto"):
            searcher.check(20)
    BayesianSearcher(device="auto").check(20)
    assert device_of("auto").type == "cpu"
    with pretend_cuda():
        BayesianSearcher(device="cuda").check(20)
        assert device_of("auto").type == "cuda"
    with pytest.raises(ValueError, match="device='tpu'"):
        BayesianSearcher(device="tpu")
