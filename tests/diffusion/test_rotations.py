"""The heat kernel on SO(3): both series agree, it is normalised, its score is its slope, and samples follow it."""

import math

import pytest
import torch
from scipy.spatial.transform import Rotation

from matseek.diffusion import rotations

ANGLES = torch.linspace(0.001, math.pi - 0.001, 101, dtype=torch.float64)
SIGMAS = [0.01, 0.1, 0.5, 0.99, 1.01, 3.0]


@pytest.mark.parametrize("sigma", [0.9, 1.0, 1.1])
def test_both_series_are_the_same_where_one_takes_over_from_the_other(sigma):
    sigma = torch.tensor(sigma, dtype=torch.float64)
    value, slope = rotations._characters(ANGLES, sigma)
    log_sum, score = rotations._windings(ANGLES, sigma)
    torch.testing.assert_close(value.log(), log_sum, rtol=0, atol=1e-12)
    torch.testing.assert_close(slope / value, score, rtol=0, atol=1e-10)


@pytest.mark.parametrize("sigma", SIGMAS)
def test_the_score_is_the_slope_of_the_log_density(sigma):
    sigma, h = torch.tensor(sigma, dtype=torch.float64), 1e-6
    upper, lower = (rotations.log_density(ANGLES + step, sigma) for step in (h, -h))
    torch.testing.assert_close(rotations.score(ANGLES, sigma), (upper - lower) / (2 * h), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("sigma", SIGMAS)
def test_the_kernel_is_normalised_over_rotations(sigma):
    grid = torch.linspace(0, math.pi, 20001, dtype=torch.float64)
    density = rotations.log_density(grid, torch.tensor(sigma)).exp() * (1 - grid.cos()) / math.pi
    assert float(torch.trapezoid(density, grid)) == pytest.approx(1, abs=1e-6)


def test_wide_kernels_are_uniform_and_narrow_ones_normal():
    wide = torch.tensor(6.0)
    assert float(rotations.log_density(ANGLES, wide).abs().max()) < 1e-12
    assert float(rotations.score(ANGLES, wide).abs().max()) < 1e-12
    narrow, angles = torch.tensor(0.01, dtype=torch.float64), ANGLES[ANGLES < 0.1]
    # A normal in the three components of the rotation vector.
    torch.testing.assert_close(rotations.score(angles, narrow), -angles / narrow**2, rtol=1e-3, atol=1.0)


def test_samples_are_those_of_many_small_rotations():
    """Widths add up: 64 rotations by 0.1 rad in each component are the kernel of 0.8 rad."""
    steps, count = 64, 2000
    walk = Rotation.identity(count)
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps):
        small = 0.1 * torch.randn(count, 3, generator=generator, dtype=torch.float64)
        walk = Rotation.from_rotvec(small.numpy()) * walk
    walked = torch.as_tensor(walk.magnitude())
    drawn = rotations.sample_angles(torch.full((count,), 0.8), torch.rand(count, generator=generator))
    quantiles = torch.linspace(0.1, 0.9, 9, dtype=torch.float64)
    torch.testing.assert_close(drawn.quantile(quantiles), walked.quantile(quantiles), rtol=0, atol=0.07)
