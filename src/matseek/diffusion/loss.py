"""Denoising score matching."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from matseek.diffusion.base import Manifold
from matseek.diffusion.sde import NoiseSchedule


class Noised(NamedTuple):
    """Points under noise, and what a network is to say about them.

    Attributes:
        points: Noised points, shape ``(B, *shape)``.
        sigma: Widths of their noise, shape ``(B,)``.
        target: Sigma times the score of the transition kernel, of the points' shape.
    """

    points: Tensor
    sigma: Tensor
    target: Tensor


def noise(
    manifold: Manifold, schedule: NoiseSchedule, x0: Tensor, generator: torch.Generator, batches: int = 1
) -> Noised:
    """Put points under noise of random width.

    Args:
        manifold: Where the points live.
        schedule: How wide noise is at each time.
        x0: Points, shape ``(B, *shape)``, drawn from the distribution that is to be learnt.
        generator: Source of times and noise.
        batches: How many batches the points are; times are spread evenly over each.

    Returns:
        The points under noise with the exact score of the kernel, times sigma, which is of order one at every sigma.
    """
    x0 = manifold.wrap(x0)
    spread = [schedule.sample_times(len(part), generator, dtype=x0.dtype) for part in x0.chunk(batches)]
    times = torch.cat(spread).to(x0.device)
    sigma = schedule.sigma(times)
    points = manifold.perturb(x0, sigma, generator)
    return Noised(points, sigma, manifold.score(points, x0, sigma))


def score_matching_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Denoising score matching, weighted by sigma^2 (Vincent, Neural Comput. 23, 1661 (2011); Song and Ermon 2019).

    The Boltzmann weights are not here: rows are drawn by them, so that each row counts alike.

    Args:
        predicted: Sigma times the score, as the network says.
        target: As ``noise`` says, of the same shape.

    Returns:
        Mean squared difference, in the target's precision, shape ``()``.
    """
    return (predicted.to(target.dtype) - target).square().mean()
