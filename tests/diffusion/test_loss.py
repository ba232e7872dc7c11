import pytest
import torch

from matseek.diffusion import BoxManifold, LinearSchedule, PeriodicSlab, noise, score_matching_loss
from tests.diffusion.mixture import KernelMixture

SLAB = PeriodicSlab(((2.8, 0.0), (1.3, 2.5)), 1.0, 4.0, 2)


def test_targets_are_of_order_one_and_exact():
    schedule = LinearSchedule(0.01, 3.0)
    x0 = SLAB.sample_uniform(400, torch.Generator().manual_seed(0))
    noised = noise(SLAB, schedule, x0, torch.Generator().manual_seed(1))
    assert noised.sigma.shape == (400,)
    assert ((noised.sigma >= 0.01) & (noised.sigma < 3)).all()
    assert torch.equal(SLAB.wrap(noised.points), noised.points)
    torch.testing.assert_close(noised.target, SLAB.score(noised.points, x0, noised.sigma))
    assert noised.target.abs().max() < 6
    again = noise(SLAB, schedule, x0, torch.Generator().manual_seed(1))
    assert all(torch.equal(a, b) for a, b in zip(noised, again, strict=True))


def test_images_of_a_point_are_the_same_data():
    x0 = SLAB.sample_uniform(8, torch.Generator().manual_seed(0), dtype=torch.float64)
    moved = x0 + torch.tensor([2.8 + 1.3, 2.5, 0.0], dtype=torch.float64)
    one, other = (noise(SLAB, LinearSchedule(), x, torch.Generator().manual_seed(1)) for x in (x0, moved))
    torch.testing.assert_close(one.points, other.points)
    torch.testing.assert_close(one.target, other.target)


def test_the_mean_target_is_the_score_of_the_noised_data():
    """Vincent's theorem: no function of the noised point is nearer to the targets than the score."""
    box = BoxManifold((0.0,), (2.0,))
    mixture = KernelMixture(box, [[0.2], [1.4]], 0.15, [0.3, 0.7])
    generator = torch.Generator().manual_seed(0)
    x0 = mixture.draw(60_000, generator)
    sigma = torch.full((len(x0),), 0.3, dtype=torch.float64)
    x = box.perturb(x0, sigma, generator)
    target, score = box.score(x, x0, sigma), mixture(x, sigma)
    best = score_matching_loss(score, target)
    for other in (0.97 * score, score + 0.05, score + 0.05 * x.cos()):
        assert score_matching_loss(other, target) > best
    for bin_ in range(10):
        inside = (x / 0.2).floor() == bin_
        error = target[inside].std() / inside.sum() ** 0.5
        assert (target[inside].mean() - score[inside].mean()).abs() < 4 * error


def test_the_loss_is_taken_in_the_precision_of_the_target():
    target = torch.randn(4, 2, 3, generator=torch.Generator().manual_seed(0))
    loss = score_matching_loss(target.bfloat16(), target)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(0, abs=1e-4)
