"""Variance-exploding diffusion: how noise grows with time."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from matseek.checks import check, real


@dataclass(frozen=True)
class NoiseSchedule(ABC):
    """The equation ``dx = g(t) dW`` with ``g^2 = d sigma^2 / dt`` for t in [0, 1] (Song et al., ICLR 2021, eq. 9).

    Args:
        low: Sigma at t = 0, in the coordinates' unit.
        high: Sigma at t = 1.

    Raises:
        ValueError: Unless 0 < low < high.
    """

    low: float = 0.01
    high: float = 1.0

    def __post_init__(self) -> None:
        check(self, "schedule.", low=real(1e-6, 1e6), high=real(1e-6, 1e6))
        if self.low >= self.high:
            raise ValueError(f"low={self.low} must be above 0 and below high={self.high}; they are widths of noise")

    @abstractmethod
    def sigma(self, t: Tensor) -> Tensor:
        """Width of the noise at times in [0, 1]."""

    @abstractmethod
    def sigma_rate(self, t: Tensor) -> Tensor:
        """``d sigma / dt``."""

    def times(self, steps: int) -> Tensor:
        """Times of a sampler from 1 to 0, shape ``(steps + 1,)``, float64."""
        return torch.linspace(1, 0, steps + 1, dtype=torch.float64)

    def sample_times(self, batch: int, generator: torch.Generator, *, dtype: torch.dtype = torch.float32) -> Tensor:
        """Times for training, uniform on [0, 1) each and spread evenly over a batch, in random order.

        One draw shifted around the circle: less variance than independent ones (Kingma et al., NeurIPS 2021, app. I.1).

        Returns:
            Shape ``(batch,)``, on the generator's device.
        """
        start = torch.rand((), generator=generator, dtype=torch.float64, device=generator.device)
        order = torch.randperm(batch, generator=generator, device=generator.device)
        return ((start + order / max(batch, 1)) % 1).to(dtype)


@dataclass(frozen=True)
class LinearSchedule(NoiseSchedule):
    """``sigma = low + (high - low) t``, from 0.01 to 1 A in Rønne, Vegge and Bhowmik 2025."""

    def sigma(self, t: Tensor) -> Tensor:
        """Width of the noise at times in [0, 1]."""
        return self.low + (self.high - self.low) * t

    def sigma_rate(self, t: Tensor) -> Tensor:
        """``d sigma / dt``."""
        return torch.full_like(t, self.high - self.low)


@dataclass(frozen=True)
class GeometricSchedule(NoiseSchedule):
    """``sigma = low (high / low)^t`` (Song et al., ICLR 2021, app. C)."""

    def sigma(self, t: Tensor) -> Tensor:
        """Width of the noise at times in [0, 1]."""
        return self.low * (self.high / self.low) ** t

    def sigma_rate(self, t: Tensor) -> Tensor:
        """``d sigma / dt``."""
        return self.sigma(t) * math.log(self.high / self.low)
