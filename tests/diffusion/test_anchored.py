import math

import pytest
import torch
from scipy import stats

from matseek.diffusion import Anchored, Cloud, EulerMaruyama, GeometricSchedule, Heun, Joined, PeriodicSlab
from matseek.diffusion import Manifold as AnyManifold

PLACES = ((0.2, 0.1, -1.0), (2.0, 0.3, -1.1))
SLAB = PeriodicSlab(((2.8, 0.0), (1.3, 2.5)), 1.0, 4.0, 2)
ANCHORED, CLOUD = Anchored(PLACES, 0.2), Cloud(3, 1.5)
JOINED = Joined(ANCHORED, SLAB)


def drawn(manifold: AnyManifold, count: int, seed: int = 0) -> torch.Tensor:
    return manifold.sample_uniform(count, torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("manifold", [ANCHORED, CLOUD])
@pytest.mark.parametrize("sigma", [0.02, 1.0, 5.0])
def test_the_score_of_the_prior_is_the_gradient_of_a_wider_normal_density(manifold, sigma):
    x = manifold.perturb(drawn(manifold, 10), sigma, torch.Generator().manual_seed(1)).requires_grad_()
    width = math.hypot(manifold.prior, sigma)
    (gradient,) = torch.autograd.grad(torch.distributions.Normal(0.0, width).log_prob(x).sum(), x)
    torch.testing.assert_close(manifold.prior_score(x, sigma), sigma * gradient)


@pytest.mark.parametrize("manifold", [ANCHORED, CLOUD, JOINED])
@pytest.mark.parametrize("sampler", [EulerMaruyama, Heun])
def test_what_has_learnt_nothing_samples_the_prior(manifold, sampler):
    schedule = GeometricSchedule(0.03, 4.0)
    x = sampler(schedule, steps=100).sample(
        manifold.prior_score, manifold, 1500, torch.Generator().manual_seed(0), dtype=torch.float64
    )
    for a, b in zip(x.flatten(1).T, drawn(manifold, 1500, seed=7).flatten(1).T, strict=True):
        assert stats.ks_2samp(a.numpy(), b.numpy()).pvalue > 1e-3


@pytest.mark.parametrize("manifold", [ANCHORED, CLOUD])
def test_a_normal_distribution_narrower_than_the_prior_is_sampled_by_its_score(manifold):
    """The start is the prior's, not that of the data: noise has made the difference small."""
    narrow = 0.3

    def score(x, sigma):
        sigma = sigma.reshape(-1, 1, 1)
        return -sigma * x / (narrow**2 + sigma**2)

    sampler = EulerMaruyama(GeometricSchedule(0.03, 8.0), steps=150)
    x = sampler.sample(score, manifold, 4000, torch.Generator().manual_seed(0), dtype=torch.float64)
    wanted = narrow * math.sqrt(manifold.freedom / manifold.features)  # the centre stays where it is
    assert float(x.std()) == pytest.approx(wanted, rel=0.03)


def test_displacements_are_in_units_of_the_scale_and_free_particles_in_angstrom():
    x = drawn(JOINED, 500)
    places = JOINED.positions(x)
    offsets = places[:, :2] - torch.tensor(PLACES, dtype=torch.float64)
    assert float(offsets.std()) == pytest.approx(0.2, rel=0.05)
    assert torch.equal(places[:, 2:], x[:, 2:])
    torch.testing.assert_close(JOINED.coordinates(places), x)
    by = torch.full_like(x, 0.01)
    torch.testing.assert_close(JOINED.positions(JOINED.moved(x, by))[:, :2], places[:, :2] + 0.01)
    torch.testing.assert_close(JOINED.moved(x, by)[:, 2:], SLAB.moved(x[:, 2:], by[:, 2:]))


def test_a_cloud_stays_where_it_is():
    x = drawn(CLOUD, 50)
    torch.testing.assert_close(x.mean(dim=1), torch.zeros(50, 3, dtype=torch.float64))
    torch.testing.assert_close(CLOUD.perturb(x, 2.0, torch.Generator()).mean(dim=1), torch.zeros(50, 3).double())
    torch.testing.assert_close(CLOUD.score(x + 5.0 - 5.0, x, 0.3).sum(), torch.zeros(()).double())
    torch.testing.assert_close(CLOUD.displacement(x + 3.0, x), torch.zeros_like(x))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Anchored((), 0.1), "homes"),
        (lambda: Anchored(PLACES, 0.0), "scale"),
        (lambda: Cloud(1), "particles"),
        (lambda: Cloud(3, -1.0), "prior"),
    ],
)
def test_settings_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
