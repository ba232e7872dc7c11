import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from matseek.diffusion import Anchored, BoxManifold, Cloud, Joined, Manifold, PeriodicSlab

SKEWED = ((2.8, 0.0), (1.3, 2.5))
MANIFOLDS = [
    PeriodicSlab(SKEWED, 1.0, 4.0, 2),
    PeriodicSlab(SKEWED, 1.0, 4.0, 2, "truncated"),
    PeriodicSlab(((1.0, 0.0), (0.2, 9.0)), -1.0, -0.5, 1),
    BoxManifold((0.0, -1.0, 5.0), (1.0, 1.0, 9.0)),
    BoxManifold((0.0, -1.0, 5.0), (1.0, 1.0, 9.0), (True, False, True)),
]

PLACES = ((0.2, 0.1, -1.0), (2.0, 0.3, -1.1))
UNCONFINED = [Anchored(PLACES, 0.2), Cloud(3, 1.5), Joined(Anchored(PLACES, 0.2), MANIFOLDS[0])]


def pairs(manifold, sigma, n=20, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    x0 = manifold.sample_uniform(n, generator, dtype=dtype)
    return x0, manifold.perturb(x0, sigma, generator)


@pytest.mark.parametrize("manifold", MANIFOLDS + UNCONFINED)
def test_a_manifold_keeps_its_word(manifold):
    assert isinstance(manifold, Manifold)
    sigma = torch.linspace(0.01, 3, 20, dtype=torch.float64)
    x0, x = pairs(manifold, sigma)
    assert x0.shape == x.shape == (20, *manifold.shape)
    assert manifold.featurize(x).shape == (20, manifold.features)
    assert manifold.log_density(x, x0, sigma).shape == (20,)
    assert manifold.score(x, x0, sigma).shape == x.shape
    torch.testing.assert_close(manifold.wrap(x), x)
    torch.testing.assert_close(manifold.perturb(x, 0.0, torch.Generator()), x)
    assert manifold.perturb(x.float(), 0.5, torch.Generator()).dtype == torch.float32
    same = manifold.sample_uniform(5, torch.Generator().manual_seed(3))
    assert torch.equal(same, manifold.sample_uniform(5, torch.Generator().manual_seed(3)))


@pytest.mark.parametrize("manifold", MANIFOLDS + UNCONFINED)
@pytest.mark.parametrize("sigma", [0.01, 0.1, 1.0, 4.0, 100.0])
def test_the_score_is_the_gradient_of_the_log_density(manifold, sigma):
    x0, x = pairs(manifold, sigma)
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(manifold.log_density(x, x0, sigma).sum(), x)
    torch.testing.assert_close(manifold.score(x, x0, sigma), gradient * sigma, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("manifold", MANIFOLDS + UNCONFINED)
def test_each_sample_has_its_own_sigma(manifold):
    sigma = torch.tensor([0.02, 0.4, 6.0], dtype=torch.float64)
    x0, x = pairs(manifold, sigma, n=3)
    for row, s in enumerate(sigma):
        alone = manifold.score(x[row : row + 1], x0[row : row + 1], float(s))
        torch.testing.assert_close(manifold.score(x, x0, sigma)[row : row + 1], alone)


@pytest.mark.parametrize("walls", ["reflected", "truncated"])
@pytest.mark.parametrize(("z0", "sigma"), [(1.0, 0.5), (1.2, 0.3), (3.99, 0.05), (2.0, 2.0), (3.9, 40.0)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_heights_are_drawn_from_the_density(walls, z0, sigma, dtype):
    slab = PeriodicSlab(SKEWED, 1.0, 4.0, 1, walls)
    x0 = torch.tensor([[[0.3, 0.2, z0]]], dtype=dtype).expand(6000, 1, 3)
    z = slab.perturb(x0, sigma, torch.Generator().manual_seed(5))[:, 0, 2].double()
    assert z.min() >= 1
    assert z.max() <= 4
    grid = torch.zeros(4001, 1, 3, dtype=torch.float64)
    grid[:, 0, 2] = torch.linspace(1, 4, 4001)
    start = torch.tensor([[[0.0, 0.0, z0]]], dtype=torch.float64).expand_as(grid)
    plane = slab.lattice.log_density(torch.zeros(1, 2, dtype=torch.float64), torch.tensor(sigma, dtype=torch.float64))
    density = (slab.log_density(grid, start, sigma) - plane).exp().numpy()
    cumulated = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2 * 3 / 4000)])
    assert cumulated[-1] == pytest.approx(1, abs=2e-3), "the density is normalised"
    knots = grid[:, 0, 2].numpy()
    assert stats.kstest(z.numpy(), lambda v: np.interp(v, knots, cumulated)).pvalue > 1e-3


@pytest.mark.parametrize("sigma", [0.2, 0.7, 2.0])
def test_places_in_plane_are_drawn_from_the_density(sigma):
    slab = PeriodicSlab(SKEWED, 1.0, 4.0, 1)
    start = torch.tensor([[[2.7, 0.1, 2.0]]], dtype=torch.float64)  # beside an edge of the cell
    x = slab.perturb(start.expand(8000, 1, 3), sigma, torch.Generator().manual_seed(1))
    inverse = np.linalg.inv(np.array(SKEWED))
    fractional = x[:, 0, :2].numpy() @ inverse
    assert fractional.min() >= -1e-12
    assert fractional.max() <= 1 + 1e-12
    counts = np.histogram2d(*fractional.T, bins=5, range=[(0, 1)] * 2)[0]
    fine = (torch.cartesian_prod(*[torch.arange(100, dtype=torch.float64)] * 2) + 0.5) / 100
    places = fine @ torch.tensor(SKEWED, dtype=torch.float64) - start[0, :, :2]
    density = slab.lattice.log_density(places, torch.tensor(sigma, dtype=torch.float64)).exp()
    expected = density.reshape(5, 20, 5, 20).sum(dim=(1, 3)).numpy()
    assert stats.chisquare(counts.ravel(), 8000 * (expected / expected.sum()).ravel()).pvalue > 1e-3


@pytest.mark.parametrize("manifold", [MANIFOLDS[0], *MANIFOLDS[3:], *UNCONFINED])
def test_widths_add_up_where_walls_reflect(manifold):
    x0 = manifold.sample_uniform(1, torch.Generator().manual_seed(2), dtype=torch.float64)
    x0 = x0.expand(5000, *manifold.shape)
    generator = torch.Generator().manual_seed(0)
    twice = manifold.perturb(manifold.perturb(x0, 0.6, generator), 0.8, generator)
    once = manifold.perturb(x0, 1.0, generator)
    for a, b in zip(twice.flatten(1).T, once.flatten(1).T, strict=True):
        assert stats.ks_2samp(a.numpy(), b.numpy()).pvalue > 1e-3


@pytest.mark.parametrize("manifold", MANIFOLDS)
def test_limits_of_sigma(manifold):
    x0, x = pairs(manifold, 1e-4)
    assert manifold.displacement(x, x0).abs().max() < 1e-3
    x0, x = pairs(manifold, 1e3, n=5000)
    uniform = manifold.sample_uniform(5000, torch.Generator().manual_seed(9), dtype=torch.float64)
    for a, b in zip(x.flatten(1).T, uniform.flatten(1).T, strict=True):
        assert stats.ks_2samp(a.numpy(), b.numpy()).pvalue > 1e-3
    sigma = manifold.mixing_sigma(0.01)
    if getattr(manifold, "walls", "reflected") == "reflected":
        density = manifold.log_density(x, x0, sigma)
        assert (density - density.mean()).abs().max() < 0.01 * math.prod(manifold.shape) * 2


@given(st.integers(0, 2**31), st.floats(0.1, 30))
def test_wrap_moves_to_images_and_mirrors(seed, reach):
    slab, box = MANIFOLDS[0], MANIFOLDS[3]
    x = reach * torch.randn(30, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    wrapped = slab.wrap(x)
    steps = (x - wrapped)[..., :2] @ torch.as_tensor(np.linalg.inv(np.array(SKEWED)))
    torch.testing.assert_close(steps, steps.round(), atol=1e-8, rtol=0)
    assert ((wrapped[..., 2] >= 1) & (wrapped[..., 2] <= 4)).all()
    # A mirrored height and its source differ, or sum, to a whole number of periods.
    z, source = wrapped[..., 2] - 1, x[..., 2] - 1
    turns = torch.stack([(z - source) / 6, (z + source) / 6])
    assert ((turns - turns.round()).abs().min(dim=0).values < 1e-9).all()
    torch.testing.assert_close(slab.featurize(slab.wrap(x))[..., 0], slab.featurize(x)[..., 0], atol=1e-8, rtol=0)
    inside = box.wrap(x.reshape(-1, 3))
    assert (inside >= torch.tensor(box.low)).all()
    assert (inside <= torch.tensor(box.high)).all()


@pytest.mark.parametrize("manifold", MANIFOLDS)
def test_geometry_keeps_its_digits_under_mixed_precision(manifold):
    x0, x = pairs(manifold, 0.5, dtype=torch.float32)
    outside = x0 + 20 * (x - x0)
    plain = manifold.wrap(outside), manifold.score(x, x0, 0.5), manifold.featurize(x), manifold.displacement(x, x0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = manifold.wrap(outside), manifold.score(x, x0, 0.5), manifold.featurize(x), manifold.displacement(x, x0)
    for one, other in zip(plain, mixed, strict=True):
        torch.testing.assert_close(other, one)


def test_displacements_are_minimum_images():
    slab = MANIFOLDS[0]
    a = torch.tensor([[[0.05, 0.05, 2.0], [0, 0, 1.0]]])
    b = torch.tensor([[[2.75, 0.05, 3.0], [1.3, 2.5, 1.0]]])
    expected = torch.tensor([[[0.1, 0, -1.0], [0, 0, 0]]])
    torch.testing.assert_close(slab.displacement(a, b), expected, atol=1e-5, rtol=0)


def test_a_box_may_go_round():
    box = MANIFOLDS[4]
    a = torch.tensor([[0.05, 0.9, 8.9]])
    b = torch.tensor([[0.95, -0.9, 5.1]])
    torch.testing.assert_close(box.displacement(a, b), torch.tensor([[0.1, 1.8, -0.2]]))
    turns = torch.tensor([[3.0, 0.0, -8.0]])
    torch.testing.assert_close(box.wrap(a + turns), a)
    torch.testing.assert_close(box.featurize(a + turns), box.featurize(a))
    # Beside its end, a coordinate that goes round is as likely on the other side of it.
    x = box.perturb(torch.tensor([[1.0, 0.0, 9.0]]).expand(4000, 3), 0.1, torch.Generator().manual_seed(0))
    assert 0.47 < (x[:, 0] < 0.5).float().mean() < 0.53
    assert 0.47 < (x[:, 2] < 7.0).float().mean() < 0.53


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: PeriodicSlab(((1, 0), (2, 0)), 0, 1, 1), "span"),
        (lambda: PeriodicSlab(((1, 0, 0), (0, 1, 0)), 0, 1, 1), "cell.*exactly 2"),
        (lambda: PeriodicSlab(SKEWED, 2, 1, 1), "z_low=2"),
        (lambda: PeriodicSlab(SKEWED, 0, math.inf, 1), "z_high=inf"),
        (lambda: PeriodicSlab(SKEWED, 0, 1, 0), "particles=0"),
        (lambda: PeriodicSlab(SKEWED, 0, 1, 1, "soft"), "walls='soft'"),
        (lambda: BoxManifold((0, 0), (1,)), "one number per coordinate"),
        (lambda: BoxManifold((0, 2), (1, 1)), "low="),
        (lambda: BoxManifold((0, 0), (1, 1), (True,)), "periodic="),
    ],
)
def test_what_is_no_manifold_is_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()
