"""Particles that no wall confines: normal noise about places of their own, or about their common centre."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from matseek.checks import check, real, several, whole
from matseek.diffusion.base import Manifold, constants, widths


class _Normal(Manifold):
    """Normal noise without walls, and a normal prior of standard deviation ``prior`` in each coordinate.

    The kernel is ``N(x0, sigma^2)``, so that sigma times its score is ``-(x - x0) / sigma``. The prior under noise is
    ``N(0, prior^2 + sigma^2)``; a sampler that begins there and follows its score ends in the prior.
    """

    prior: float

    @property
    @abstractmethod
    def freedom(self) -> int:
        """Coordinates that noise moves."""

    @property
    def features(self) -> int:
        """One number per coordinate."""
        return math.prod(self.shape)

    def wrap(self, x: Tensor) -> Tensor:
        """As they are."""
        return x

    def displacement(self, x: Tensor, origin: Tensor) -> Tensor:
        """The difference."""
        return x - origin

    def spread(self, u: Tensor) -> Tensor:
        """Normal coordinates of standard deviation ``prior``."""
        least = torch.finfo(u.dtype).eps
        return self.wrap(self.prior * torch.special.ndtri(u.clamp(least, 1 - least)))

    def sample_start(
        self, batch: int, generator: torch.Generator, sigma: float, *, dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """Normal coordinates of variance ``prior^2 + sigma^2``."""
        return self.sample_uniform(batch, generator, dtype=dtype) * math.hypot(1.0, sigma / self.prior)

    def prior_score(self, x: Tensor, sigma: Tensor | float) -> Tensor:
        """``-sigma x / (prior^2 + sigma^2)``."""
        sigma = widths(sigma, x)
        return -sigma / (self.prior**2 + sigma.square()) * x

    def perturbed(self, x: Tensor, sigma: Tensor | float, noise: Tensor) -> Tensor:
        """Normal noise."""
        return self.wrap(x + widths(sigma, x) * noise)

    def score(self, x: Tensor, x0: Tensor, sigma: Tensor | float) -> Tensor:
        """``-(x - x0) / sigma``."""
        return (x0 - x) / widths(sigma, x)

    def log_density(self, x: Tensor, x0: Tensor, sigma: Tensor | float) -> Tensor:
        """Log of the kernel, shape ``(B,)``, over the coordinates that noise moves."""
        sigma = widths(sigma, x).reshape(-1)
        squares = (x - x0).flatten(1).square().sum(dim=1)
        return -squares / (2 * sigma.square()) - self.freedom * torch.log(sigma * math.sqrt(2 * math.pi))

    def featurize(self, x: Tensor) -> Tensor:
        """Coordinates in standard deviations of the prior."""
        return (x / self.prior).flatten(1)

    def mixing_sigma(self, tolerance: float = 0.01) -> float:
        """Sigma at which the density hardly tells any more what of the prior's width was put under noise.

        Nothing becomes uniform without walls: this is where ``(prior / sigma)^2 / 2`` is the tolerance.
        """
        return self.prior / math.sqrt(2 * tolerance)


@dataclass(frozen=True)
class Anchored(_Normal):
    """Particles each near a place of its own, such as atoms of a crystal near their lattice sites.

    A point holds displacements from these places, in units of ``scale``, so that noise of one width serves them and
    particles that go anywhere.

    Args:
        homes: Places of the particles, shape ``(n, 3)``, in angstrom.
        scale: Unit of displacements, and standard deviation of the prior, in angstrom.

    Raises:
        ValueError: If there is no particle, or the scale is not positive.
    """

    homes: tuple[tuple[float, float, float], ...]
    scale: float = 0.1

    prior = 1.0

    def __post_init__(self) -> None:
        place = several(real(-1e6, 1e6, unit="angstrom"), 3, 3)
        check(self, homes=several(place, 1), scale=real(above=0, high=100, unit="angstrom"))

    @property
    def shape(self) -> tuple[int, ...]:
        """Particles and three coordinates."""
        return (len(self.homes), 3)

    @property
    def freedom(self) -> int:
        """All."""
        return 3 * len(self.homes)

    def positions(self, x: Tensor) -> Tensor:
        """Cartesian positions in angstrom."""
        return self._places(x) + self.scale * x

    def coordinates(self, positions: Tensor) -> Tensor:
        """Displacements in units of the scale."""
        return (positions - self._places(positions)) / self.scale

    def moved(self, x: Tensor, by: Tensor) -> Tensor:
        """Points displaced by so many angstrom."""
        return x + by / self.scale

    def _places(self, x: Tensor) -> Tensor:
        return constants(self.homes, x.dtype, x.device)


@dataclass(frozen=True)
class Cloud(_Normal):
    """Particles about their common centre, such as a cluster in the gas phase; the centre stays at the origin.

    Noise and score live in the ``3 (n - 1)`` directions that leave the centre where it is (as in Hoogeboom et al., ICML
    2022): a cluster elsewhere is the same one.

    Args:
        particles: n, at least 2.
        prior: Standard deviation of the prior in each coordinate, in angstrom, before the centre is taken off.

    Raises:
        ValueError: If there are fewer than two particles, or the prior is not positive.
    """

    particles: int
    prior: float = 2.0

    def __post_init__(self) -> None:
        check(self, particles=whole(2, 100_000), prior=real(above=0, high=1e6, unit="angstrom"))

    @property
    def shape(self) -> tuple[int, ...]:
        """Particles and three coordinates."""
        return (self.particles, 3)

    @property
    def freedom(self) -> int:
        """Three per particle but one."""
        return 3 * (self.particles - 1)

    def wrap(self, x: Tensor) -> Tensor:
        """Centred."""
        return x - x.mean(dim=-2, keepdim=True)

    def displacement(self, x: Tensor, origin: Tensor) -> Tensor:
        """The difference of the centred particles."""
        return self.wrap(x - origin)


@dataclass(frozen=True)
class Joined(Manifold):
    """Particles of one manifold, then those of another, under noise of one width.

    Args:
        first: Of points ``(n, 3)``.
        second: Of points ``(m, 3)``.
    """

    first: Manifold
    second: Manifold

    @property
    def shape(self) -> tuple[int, ...]:
        """All particles, and three coordinates."""
        return (self.first.shape[0] + self.second.shape[0], 3)

    @property
    def features(self) -> int:
        """Those of both."""
        return self.first.features + self.second.features

    def wrap(self, x: Tensor) -> Tensor:
        """Each as its manifold does."""
        return self._each("wrap", x)

    def displacement(self, x: Tensor, origin: Tensor) -> Tensor:
        """Each as its manifold does."""
        return self._each("displacement", x, origin)

    def positions(self, x: Tensor) -> Tensor:
        """Each as its manifold does."""
        return self._each("positions", x)

    def coordinates(self, positions: Tensor) -> Tensor:
        """Each as its manifold does."""
        return self._each("coordinates", positions)

    def moved(self, x: Tensor, by: Tensor) -> Tensor:
        """Each as its manifold does."""
        return self._each("moved", x, by)

    def spread(self, u: Tensor) -> Tensor:
        """Each as its manifold does."""
        return self._each("spread", u)

    def sample_start(
        self, batch: int, generator: torch.Generator, sigma: float, *, dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """Each as its manifold does."""
        parts = [part.sample_start(batch, generator, sigma, dtype=dtype) for part in (self.first, self.second)]
        return torch.cat(parts, dim=1)

    def prior_score(self, x: Tensor, sigma: Tensor | float) -> Tensor:
        """Each as its manifold does."""
        a, b = self._split(x)
        return torch.cat([self.first.prior_score(a, sigma), self.second.prior_score(b, sigma)], dim=-2)

    def noise(self, batch: int, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> Tensor:
        """Each as its manifold does."""
        return torch.cat([part.noise(batch, generator, dtype) for part in (self.first, self.second)], dim=-2)

    def perturbed(self, x: Tensor, sigma: Tensor | float, noise: Tensor) -> Tensor:
        """Each as its manifold does."""
        (a, b), (na, nb) = self._split(x), self._split(noise)
        return torch.cat([self.first.perturbed(a, sigma, na), self.second.perturbed(b, sigma, nb)], dim=-2)

    def score(self, x: Tensor, x0: Tensor, sigma: Tensor | float) -> Tensor:
        """Each as its manifold does."""
        (a, b), (a0, b0) = self._split(x), self._split(x0)
        return torch.cat([self.first.score(a, a0, sigma), self.second.score(b, b0, sigma)], dim=-2)

    def log_density(self, x: Tensor, x0: Tensor, sigma: Tensor | float) -> Tensor:
        """Sum of both."""
        (a, b), (a0, b0) = self._split(x), self._split(x0)
        return self.first.log_density(a, a0, sigma) + self.second.log_density(b, b0, sigma)

    def featurize(self, x: Tensor) -> Tensor:
        """Those of both."""
        a, b = self._split(x)
        return torch.cat([self.first.featurize(a), self.second.featurize(b)], dim=-1)

    def mixing_sigma(self, tolerance: float = 0.01) -> float:
        """The larger one."""
        return max(part.mixing_sigma(tolerance) for part in (self.first, self.second))

    def _split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        count = self.first.shape[0]
        return x[..., :count, :], x[..., count:, :]

    def _each(self, name: str, *tensors: Tensor) -> Tensor:
        pairs = [self._split(x) for x in tensors]
        parts: list[Any] = [
            getattr(part, name)(*(pair[k] for pair in pairs)) for k, part in enumerate((self.first, self.second))
        ]
        return torch.cat(parts, dim=-2)
