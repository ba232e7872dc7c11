"""The contract of a manifold: where samples live, and how noise spreads there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor


class Manifold(ABC):
    """Where samples live.

    Points are tensors of shape ``(B, *shape)``: B samples of ``(n, 3)`` for n particles, ``(d,)`` for d coordinates. A
    sigma is a number, or a tensor of shape ``(B,)`` with one for each sample. Everything is computed in the points'
    precision on the points' device; generators may live on the CPU whatever the device: draws then do not
    depend on it.
    """

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of one point."""

    @property
    @abstractmethod
    def features(self) -> int:
        """Numbers that ``featurize`` gives."""

    @abstractmethod
    def wrap(self, x: Tensor) -> Tensor:
        """The point of the manifold that a tensor stands for: periodic images moved home, walls respected."""

    @abstractmethod
    def displacement(self, x: Tensor, origin: Tensor) -> Tensor:
        """The shortest vectors from origin to x."""

    def positions(self, x: Tensor) -> Tensor:
        """Points in the unit that forces and displacements speak of, of the points' shape; by default as they are."""
        return x

    def coordinates(self, positions: Tensor) -> Tensor:
        """The tensors that have these :meth:`positions`; not wrapped."""
        return positions

    def moved(self, x: Tensor, by: Tensor) -> Tensor:
        """Points after a displacement of their positions, on the manifold."""
        return self.wrap(self.coordinates(self.positions(x) + by))

    @abstractmethod
    def spread(self, u: Tensor) -> Tensor:
        """Points of the prior from numbers that are uniform from 0 to 1, both of shape ``(B, *shape)``."""

    def sample_uniform(
        self,
        batch: int,
        generator: torch.Generator,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> Tensor:
        """Samples of the prior, which is what nothing learnt samples, shape ``(batch, *shape)``.

        It is uniform where walls and periods confine points: noise carries everything into it. Where nothing does it is
        normal, see :mod:`matseek.diffusion.anchored`.
        """
        shape = (batch, *self.shape)
        return self.spread(torch.rand(shape, generator=generator, dtype=dtype, device=generator.device).to(device))

    def sample_start(
        self, batch: int, generator: torch.Generator, sigma: float, *, dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """Samples of the prior under noise of width sigma, where a sampler begins: a uniform prior stays what it is."""
        del sigma
        return self.sample_uniform(batch, generator, dtype=dtype)

    def prior_score(self, x: Tensor, sigma: Tensor | float) -> Tensor:
        """Sigma times the score of the prior under noise, 0 of a uniform one; networks learn what is left."""
        del sigma
        return torch.zeros_like(x)

    def noise(self, batch: int, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> Tensor:
        """What :meth:`perturbed` turns into noise, drawn on the generator's device: shape ``(batch, *shape)``."""
        return torch.randn((batch, *self.shape), generator=generator, dtype=dtype, device=generator.device)

    @abstractmethod
    def perturbed(self, x: Tensor, sigma: Tensor | float, noise: Tensor) -> Tensor:
        """Points under noise of width sigma, from numbers of :meth:`noise`; x must lie on the manifold."""

    def perturb(self, x: Tensor, sigma: Tensor | float, generator: torch.Generator) -> Tensor:
        """Samples of the transition kernel ``p(x_t | x)`` of width sigma; x must lie on the manifold."""
        return self.perturbed(x, sigma, self.noise(len(x), generator, x.dtype).to(x.device))

    @abstractmethod
    def score(self, x: Tensor, x0: Tensor, sigma: Tensor | float) -> Tensor:
        """Sigma times the gradient of ``log p(x | x0)`` in x."""

    @abstractmethod
    def log_density(self, x: Tensor, x0: Tensor, sigma: Tensor | float) -> Tensor:
        """``log p(x | x0)`` of the transition kernel, shape ``(B,)``."""

    @abstractmethod
    def featurize(self, x: Tensor) -> Tensor:
        """Numbers of order one that agree where points agree, shape ``(B, features)``."""

    @abstractmethod
    def mixing_sigma(self, tolerance: float = 0.01) -> float:
        """Sigma at which the kernel has become uniform, to a relative tolerance of its density.

        A sampler starts from the uniform distribution, which is right where the schedule ends there; half of it does
        nearly as well. Below, basins are filled by their catchment: on a 6 x 6 cell of Pt(111), 1 A gave 0.52 of the
        samples to a basin that has 0.80 of the weight, 4 A gave 0.78, and the mixing sigma is 8 A.
        """


def widths(sigma: Tensor | float, x: Tensor) -> Tensor:
    """Sigma with one dimension for each of the points', the last of them 1."""
    sigma = torch.as_tensor(sigma, dtype=x.dtype, device=x.device)
    return sigma.reshape(-1, *[1] * (x.ndim - 1)) if sigma.ndim else sigma.reshape([1] * x.ndim)


@lru_cache(maxsize=64)
def constants(numbers: tuple[Any, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Numbers as a tensor, which goes to a device once: each copy would have the host wait for a GPU."""
    with torch.inference_mode(False):  # or else what is kept could not be differentiated through later
        return torch.tensor(numbers, dtype=dtype, device=device)
