import numpy as np
import pytest
import torch
from scipy import stats

from matseek.diffusion import (
    BoxManifold,
    EulerMaruyama,
    GeometricSchedule,
    Guidance,
    Heun,
    LinearSchedule,
    PeriodicSlab,
    PredictorCorrector,
)
from tests.diffusion.mixture import KernelMixture

WIDE = GeometricSchedule(0.01, 40.0)
SKEWED = ((2.8, 0.0), (1.3, 2.5))
LINEAR = LinearSchedule(0.01, 4.5)
SAMPLERS = [
    EulerMaruyama(LINEAR, 120),
    EulerMaruyama(LINEAR, 120, noise_scale=0.5),
    EulerMaruyama(LINEAR, 120, noise_scale=0.0),
    Heun(LINEAR, 60),
    Heun(LINEAR, 80, churn=15),
    PredictorCorrector(LINEAR, 120),
]


@pytest.mark.parametrize(
    "sampler", [EulerMaruyama(WIDE, 250), PredictorCorrector(WIDE, 150), Heun(WIDE, 100, churn=100)], ids=str
)
def test_a_gaussian_comes_back_with_its_mean_and_covariance(sampler):
    mean = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)
    root = torch.tensor([[1.0, 0, 0], [0.6, 0.8, 0], [-0.3, 0.2, 0.5]], dtype=torch.float64)
    covariance = root @ root.T
    box = BoxManifold((-40.0,) * 3, (40.0,) * 3)

    def score(x, sigma):
        s = sigma[0]
        return -s * (x - mean) @ torch.linalg.inv(covariance + s**2 * torch.eye(3, dtype=x.dtype))

    n = 8000
    x = sampler.sample(score, box, n, torch.Generator().manual_seed(0), dtype=torch.float64)
    spread = covariance.diagonal().sqrt()
    assert ((x.mean(dim=0) - mean).abs() < 4 * spread / n**0.5 + 0.01).all()
    error = (torch.cov(x.T) - covariance).abs() / (spread[:, None] * spread)
    assert error.max() < 4 * (2 / n) ** 0.5 + 0.04, "sampling error and that of the steps"


@pytest.mark.parametrize("sampler", SAMPLERS, ids=str)
def test_cells_of_a_wrapped_mixture_are_occupied_as_they_should_be(sampler):
    slab = PeriodicSlab(SKEWED, 1.0, 4.0, 1)
    # Beside an edge of the cell, on its corner, beside either wall, and in the middle.
    centres = [[2.75, 0.1, 1.1], [0.0, 0.0, 2.5], [2.0, 1.2, 3.95], [1.9, 1.25, 2.0]]
    mixture = KernelMixture(slab, centres, 0.25, [0.2, 0.3, 0.1, 0.4])
    count = 1000
    drawn = mixture.draw(200_000, torch.Generator().manual_seed(1))
    sampled = sampler.sample(mixture, slab, count, torch.Generator().manual_seed(2))

    def occupations(x):
        unit = torch.cat([slab._fractional(x.double())[:, 0], slab._unit(x[:, 0, 2:].double())], dim=1)
        return np.histogramdd(unit.numpy(), bins=(3, 3, 3), range=[(-1e-6, 1 + 1e-6)] * 3)[0].ravel()

    expected = occupations(drawn) * count / 200_000
    common = expected >= 5
    observed = occupations(sampled)
    observed = np.append(observed[common], observed[~common].sum())
    expected = np.append(expected[common], expected[~common].sum())
    assert stats.chisquare(observed[expected > 0], expected[expected > 0]).pvalue > 1e-3


def test_heun_is_of_second_order_and_euler_of_first():
    box = BoxManifold((0.0,), (4.0,))
    mixture = KernelMixture(box, [[0.8], [2.9]], 0.4, [0.3, 0.7])
    schedule = LinearSchedule(0.1, 5.0)

    def end(sampler):
        return sampler.sample(mixture, box, 100, torch.Generator().manual_seed(0), dtype=torch.float64)

    exact = end(Heun(schedule, 500))
    error = {
        (kind, steps): (end(sampler) - exact).abs().mean().item()
        for steps in (40, 80)
        for kind, sampler in (
            ("heun", Heun(schedule, steps)),
            ("euler", EulerMaruyama(schedule, steps, noise_scale=0.0)),
        )
    }
    assert 1.6 < error["euler", 40] / error["euler", 80] < 2.6
    assert error["heun", 40] / error["heun", 80] > 3
    assert error["heun", 40] < error["euler", 80] / 3, "at equal evaluations"


def test_reflected_walls_give_the_heights_back_and_truncated_ones_do_not():
    n = 41
    z = torch.linspace(0, 4, n)
    data = torch.exp(-(z**2) / (2 * 0.3**2))
    data[0] /= 2  # the trapezoidal rule

    def points(heights):
        return torch.stack([torch.zeros_like(heights), torch.zeros_like(heights), heights], dim=-1).unsqueeze(1)

    at, of = points(z.repeat_interleave(n)), points(z.repeat(n))

    def mean_height(walls):
        slab = PeriodicSlab(((3.0, 0.0), (0.0, 3.0)), 0.0, 4.0, 1, walls)

        def score(x, sigma):
            # The exact score of the data under this kernel, on a grid.
            share = torch.softmax(slab.log_density(at, of, sigma[0]).reshape(n, n) + data.log(), dim=1)
            means = (share * slab.score(at, of, sigma[0])[:, 0, 2].reshape(n, n)).sum(dim=1)
            return points(torch.as_tensor(np.interp(x[:, 0, 2].numpy(), z.numpy(), means.numpy())).float())

        sampler = EulerMaruyama(GeometricSchedule(0.03, 4.0), 80)
        return sampler.sample(score, slab, 6000, torch.Generator().manual_seed(0))[:, 0, 2].mean().item()

    expected = (data * z).sum().item() / data.sum().item()
    reflected, truncated = (abs(mean_height(walls) - expected) for walls in ("reflected", "truncated"))
    assert reflected < 0.015
    assert truncated > 0.03


@pytest.mark.parametrize("sampler", [EulerMaruyama(LINEAR, 7), Heun(LINEAR, 7, churn=3), PredictorCorrector(LINEAR, 7)])
def test_what_a_run_reports_and_what_it_asks(sampler):
    slab = PeriodicSlab(SKEWED, 1.0, 4.0, 3)
    calls = []

    def score(x, sigma):
        assert x.dtype == torch.float32
        assert sigma.shape == (len(x),)
        calls.append(len(x))
        return -x / 10

    x = sampler.sample(score, slab, 10, torch.Generator().manual_seed(4))
    assert calls == [10] * sampler.evaluations
    assert torch.equal(slab.wrap(x), x)
    assert torch.equal(sampler.sample(score, slab, 10, torch.Generator().manual_seed(4)), x)


def test_forces_guide_more_strongly_towards_the_end():
    box = BoxManifold((-5.0, -5.0), (5.0, 5.0))
    guidance = Guidance(alpha=0.5, zeta=2.0).by(lambda x: -x)
    x = torch.ones(3, 2)
    torch.testing.assert_close(guidance(x, torch.tensor([1.0, 0.5, 0.0])), -x * torch.tensor([[0.0], [0.125], [0.5]]))
    sampler = EulerMaruyama(LinearSchedule(), 50)

    def spread(corrector):
        generator = torch.Generator().manual_seed(0)
        return sampler.sample(lambda x, _: 0 * x, box, 200, generator, corrector=corrector).std().item()

    assert spread(guidance) < 0.1 * spread(None)


def test_what_cannot_be_sampled_is_refused():
    box = BoxManifold((0.0,), (1.0,))
    with pytest.raises(FloatingPointError, match="diverged"):
        EulerMaruyama(steps=3).sample(lambda x, _: x * torch.nan, box, 2, torch.Generator())
    with pytest.raises(ValueError, match="batch=0"):
        EulerMaruyama(steps=3).sample(lambda x, _: x, box, 0, torch.Generator())
    for build, message in [
        (lambda: EulerMaruyama(steps=0), "steps=0"),
        (lambda: EulerMaruyama(noise_scale=1.5), "noise_scale=1.5"),
        (lambda: Heun(churn=-1), "churn=-1"),
        (lambda: PredictorCorrector(langevin_steps=0), "langevin_steps=0"),
        (lambda: PredictorCorrector(ratio=0.9), "ratio=0.9"),
        (lambda: Guidance(alpha=-1), "alpha=-1"),
    ]:
        with pytest.raises(ValueError, match=message):
            build()


@pytest.mark.parametrize("sampler", [EulerMaruyama(LINEAR, 120), Heun(LINEAR, 60)], ids=str)
@pytest.mark.parametrize("begin", [0.05, 0.4])
def test_samples_under_noise_come_back_to_the_distribution_they_were_of(sampler, begin):
    slab = PeriodicSlab(SKEWED, 1.0, 4.0, 1)
    mixture = KernelMixture(slab, [[2.75, 0.1, 1.1], [1.4, 1.25, 3.5]], 0.25, [0.3, 0.7])
    origin = mixture.draw(1000, torch.Generator().manual_seed(1))
    calls = []
    x = sampler.sample(
        lambda points, sigma: calls.append(sigma) or mixture(points, sigma),
        slab,
        1000,
        torch.Generator().manual_seed(2),
        origin=origin,
        begin=begin,
        dtype=torch.float64,
    )
    assert len(calls) <= begin * sampler.evaluations + 2, "the steps before it are left out"
    drawn = mixture.draw(20_000, torch.Generator().manual_seed(3))
    for axis in range(3):
        assert stats.ks_2samp(x[:, 0, axis], drawn[:, 0, axis]).pvalue > 1e-3
    moved = slab.displacement(x, origin).norm(dim=-1).median()
    assert (moved < 0.7) == (begin < 0.1), "little noise keeps a sample's neighbourhood"


@pytest.mark.parametrize(("begin", "rows"), [(0.0, 4), (1.1, 4), (0.5, 3)])
def test_an_origin_of_the_wrong_size_or_time_is_refused(begin, rows):
    slab = PeriodicSlab(SKEWED, 1.0, 4.0, 1)
    with pytest.raises(ValueError, match=r"begin=.* must lie in \(0, 1\], and origin hold batch=4"):
        EulerMaruyama(LINEAR, 4).sample(None, slab, 4, torch.Generator(), origin=torch.ones(rows, 1, 3), begin=begin)
