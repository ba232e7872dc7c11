import math

import pytest
import torch

from matseek.diffusion import BoxManifold, EulerMaruyama, LinearSchedule, PeriodicSlab, score_matching_loss
from matseek.godiff.recipe_score import MLPScore
from matseek.godiff.replay import ReplayBuffer, ReplayDataModule

BOX = BoxManifold((-1.0, -1.0), (1.0, 1.0))
SCHEDULE = LinearSchedule(0.02, 2.0)


def two_basins(x):
    """Energies in eV: basins at x = -0.5 and 0.5, the right one 0.3 higher, a barrier of 1 between them."""
    return (x[:, 0] ** 2 / 0.25 - 1) ** 2 + 0.3 * x[:, 0] + 2 * x[:, 1] ** 2


def right_population(kt):
    x = torch.linspace(-1, 1, 2001, dtype=torch.float64)
    density = torch.exp(-two_basins(torch.stack([x, 0 * x], dim=1)) / kt)
    return float(density[x > 0].sum() / density.sum())


@pytest.mark.parametrize("kt", [1.0, 0.3, 0.15])
def test_a_trained_score_gives_the_populations_of_boltzmann(kt):
    x = BOX.sample_uniform(4000, torch.Generator().manual_seed(0), dtype=torch.float64)
    buffer = ReplayBuffer(1500, seed=1)
    buffer.add(x, two_basins(x) - 300, torch.arange(4000))
    buffer.refill(kt)
    net = MLPScore(BOX, (SCHEDULE.low, SCHEDULE.high), hidden=(64, 64, 64), seed=0)
    steps = 1200
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    data = ReplayDataModule(buffer, BOX, SCHEDULE, steps=steps, batch_size=256, seed=2)
    for batch in data.batches(0):
        optimizer.zero_grad()
        score_matching_loss(net(batch.noised.points, batch.noised.sigma), batch.noised.target).backward()
        optimizer.step()
        decay.step()
    count = 3000
    samples = EulerMaruyama(SCHEDULE, 300).sample(net, BOX, count, torch.Generator().manual_seed(3))
    right, expected = float((samples[:, 0] > 0).float().mean()), right_population(kt)
    # Sampling error of the rows that were learnt from, and of the samples.
    error = math.sqrt(expected * (1 - expected) * (1 / buffer.effective_sample_size + 1 / count))
    assert abs(right - expected) < 3 * error
    if kt < 1:
        assert right < (expected + 0.5) / 2, "nearer to Boltzmann's than to even populations"
    # The basins are filled to the right height, too.
    weights = torch.softmax(buffer.log_weights, 0)
    mean = float((weights * (buffer.buffer_energies + 300)).sum())
    assert abs(float(two_basins(samples).mean()) - mean) < 0.15 * kt + 0.03


def test_images_of_a_point_have_one_score():
    slab = PeriodicSlab(((2.8, 0.0), (1.3, 2.5)), 1.0, 4.0, 2)
    net = MLPScore(slab, (0.01, 2.0), hidden=(16, 16), seed=1)
    torch.nn.init.normal_(net.head.weight)
    x = slab.sample_uniform(6, torch.Generator().manual_seed(0))
    sigma = torch.linspace(0.01, 2.0, 6)
    moved = x + torch.tensor([2 * 2.8 - 1.3, -2.5, 0.0])
    score = net(x, sigma)
    assert score.shape == x.shape
    torch.testing.assert_close(net(moved, sigma), score, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(net(x, sigma + 0.5), score), "sigma matters"


def test_an_untrained_network_has_the_score_of_the_uniform_distribution():
    net = MLPScore(BOX, (0.01, 2.0), seed=0)
    assert not net(torch.rand(5, 2), torch.full((5,), 0.3)).any()
    again = MLPScore(BOX, (0.01, 2.0), seed=0)
    for name, weight in net.state_dict().items():
        assert torch.equal(again.state_dict()[name], weight)
    x, sigma = torch.rand(5, 2), torch.linspace(0.01, 2, 5)
    (net(x, sigma) - 1).square().sum().backward()
    torch.optim.SGD(net.parameters(), 0.1).step()
    (net(x, sigma) - 1).square().sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() and p.grad.any() for p in net.parameters())


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"sigma_range": (1.0, 0.5)}, "sigma_range"), ({"hidden": ()}, "hidden"), ({"hidden": (4, 0)}, "hidden")],
)
def test_what_is_no_network_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        MLPScore(BOX, **{"sigma_range": (0.01, 2.0), **settings})
