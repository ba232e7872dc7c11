import numpy as np
import pytest
import torch

from matseek.spaces import Box, Variable
from matseek.surrogates.gp import GaussianProcess

BOX = Box([Variable("x", 0, 10), Variable("angle", 0, 360, periodic=True)])


@pytest.fixture(scope="module", params=["ard", "isotropic"])
def gp(request):
    points = BOX.sample_latin_hypercube(14, np.random.default_rng(0))
    values = 40 + 5 * np.sin(points[:, 0] / 2) + 3 * np.cos(np.radians(points[:, 1]))
    return GaussianProcess.fit(BOX, points, values, np.full(14, 0.01), kernel=request.param)


def test_samples_have_the_moments_of_the_posterior(gp):
    points = BOX.sample_uniform(40, np.random.default_rng(1))
    mean, deviation = gp.predict(points)
    paths = gp.paths(4000, np.random.default_rng(2))
    with torch.no_grad():
        samples = paths(torch.as_tensor(BOX.normalize(points))).numpy() * gp.scale
    np.testing.assert_allclose(samples.mean(axis=0), mean, atol=0.1 * deviation.max())
    np.testing.assert_allclose(samples.std(axis=0), deviation, rtol=0.15, atol=0.02 * deviation.max())


def test_each_is_a_sample_at_its_own_point_with_its_gradient(gp):
    paths = gp.paths(6, np.random.default_rng(3))
    x = torch.as_tensor(np.random.default_rng(4).random((6, 2))).requires_grad_(True)
    own = paths.each(x)
    torch.testing.assert_close(own, paths(x).diagonal())
    assert torch.autograd.gradcheck(paths.each, (x,))


def test_the_same_generator_gives_the_same_samples_and_both_ends_of_a_period_are_one(gp):
    x = torch.tensor([[0.3, 0.0], [0.3, 1.0]], dtype=torch.float64)
    a, b = (gp.paths(5, np.random.default_rng(7))(x) for _ in range(2))
    torch.testing.assert_close(a, b)
    torch.testing.assert_close(a[:, 0], a[:, 1])
