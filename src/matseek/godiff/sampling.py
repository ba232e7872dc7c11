"""Samples of a score network: by its score, steered and relaxed by its own forces."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from matseek.diffusion import Guidance, Manifold, Sampler
from matseek.godiff.score_matching import FieldNetwork


def forces_of(network: FieldNetwork, sampler: Sampler) -> Callable[[Tensor], Tensor]:
    """The network's forces at points ``(B, *shape)``, in eV/A, asked at the sampler's least noise.

    Args:
        network: The network; what it is asked for raises a ValueError where it has no force head.
        sampler: Whose schedule says how little noise there is at the end.
    """
    least = sampler.schedule.low

    def forces(x: Tensor) -> Tensor:
        result = network.forces(x, x.new_full((len(x),), least))
        if result is None:
            raise ValueError("guidance and relaxation need a network with a force head; recipes have no forces")
        return result

    return forces


def sampled(
    network: FieldNetwork,
    sampler: Sampler,
    manifold: Manifold,
    count: int,
    generator: torch.Generator,
    *,
    guidance: Guidance | None = None,
    origin: Tensor | None = None,
    begin: float = 1.0,
    rows: Tensor | None = None,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Samples by reverse diffusion, not relaxed, shape ``(count, *shape)``.

    Args:
        network: Gives the score, and the forces where there is guidance.
        sampler: How samples are drawn.
        manifold: Where they live.
        count: How many.
        generator: Source of all randomness.
        guidance: Force guidance; None for the score alone.
        origin: Points to put under noise and to sample anew from; None begins uniformly.
        begin: Time to whose noise they are taken.
        rows: Numbers of the samples that are computed here; None for all.
        device: Device of the points.
    """
    return sampler.sample(
        network.score,
        manifold,
        count,
        generator,
        origin=origin,
        begin=begin,
        rows=rows,
        corrector=None if guidance is None else guidance.by(forces_of(network, sampler)),
        captured=network.same_shapes(torch.device(device)),
        device=device,
    )
