"""What steers GO-Diff's samples besides the score: forces while and after they are drawn, and where they begin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from matseek.checks import check, real, whole
from matseek.diffusion import Manifold

_FIRST_STEP, _LONGEST_STEP = 0.1, 1.0
"""Of time in FIRE, in A / sqrt(eV) for unit masses."""

_MIXING, _PATIENCE = 0.1, 5
"""Of velocity and force in FIRE, and steps downhill after which steps grow; both as published."""


@dataclass(frozen=True)
class SurrogateRelaxation:
    """Relaxes samples by the network's own forces before they are evaluated; it costs no evaluation.

    FIRE (Bitzek et al., Phys. Rev. Lett. 97, 170201 (2006)) with unit masses, each sample on its own: on a heptamer's
    flat places 60 steps came as low as 300 of steepest descent.

    Args:
        steps: Steps, each one call of the network.
        longest: Longest step of a sample in angstrom, over all its atoms together.

    Raises:
        ValueError: If a setting is out of its range.
    """

    steps: int = 60
    longest: float = 0.2

    def __post_init__(self) -> None:
        check(self, "relaxation.", steps=whole(1, 1_000_000), longest=real(above=0, high=100, unit="angstrom"))

    def relax(self, x: Tensor, forces: Callable[[Tensor], Tensor], manifold: Manifold) -> Tensor:
        """Relaxed points, of the shape of ``x``, ``(B, n, 3)``.

        Args:
            x: Points.
            forces: Of points, in eV/A.
            manifold: Where they live.
        """
        velocity = torch.zeros_like(x)
        step = x.new_full((len(x), 1, 1), _FIRST_STEP)
        mixing = torch.full_like(step, _MIXING)
        downhill = torch.zeros_like(step)  # steps since a sample last moved uphill
        for _ in range(self.steps):
            force = forces(x)
            down = (force * velocity).sum(dim=(1, 2), keepdim=True) > 0
            downhill = torch.where(down, downhill + 1, 0.0)
            turned = (1 - mixing) * velocity + mixing * force * (_size(velocity) / _size(force).clamp_min(1e-12))
            velocity = torch.where(down, turned, 0.0)
            faster = downhill > _PATIENCE
            step = torch.where(faster, (1.1 * step).clamp_max(_LONGEST_STEP), torch.where(down, step, 0.5 * step))
            mixing = torch.where(faster, 0.99 * mixing, torch.where(down, mixing, _MIXING))
            velocity = velocity + step * force
            move = step * velocity
            x = manifold.moved(x, move * (self.longest / _size(move).clamp_min(self.longest)))
        return x


@dataclass(frozen=True)
class Renoising:
    """Samples that begin at the best structures under noise, beside those that begin anywhere.

    Structures are drawn from the replay buffer by their weight, taken to the noise of a time between 0 and 1, and
    sampled from there (as images are varied by Meng et al., SDEdit, ICLR 2022).

    Args:
        share: Part of the samples that begin so.
        time: To whose noise they are taken.

    Raises:
        ValueError: If a setting is out of its range.
    """

    share: float = 0.5
    time: float = 0.5

    def __post_init__(self) -> None:
        check(self, "renoising.", share=real(above=0, high=1), time=real(above=0, high=1))


def _size(x: Tensor) -> Tensor:
    """Norm of each sample over all its atoms, shape ``(B, 1, 1)``."""
    return x.square().sum(dim=(1, 2), keepdim=True).sqrt()
