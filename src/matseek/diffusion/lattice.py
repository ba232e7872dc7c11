"""The normal distribution wrapped onto a line or plane that repeats: its density and score, at any width."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from matseek.checks import numbers
from matseek.geometry.cells import shortest_basis
from matseek.geometry.products import combine

FloatArray = npt.NDArray[np.float64]

_SWITCH = 0.7
"""Width, in covering radii, from which the sum over waves replaces the sum over images.

There the density is within a factor 1.5 of uniform: nothing cancels in float32, and either sum has few terms.
"""

_ELEMENTS = 2**23
"""Points times images that are held at once."""


@dataclass(frozen=True)
class Lattice:
    """A lattice in one or two dimensions and the wrapped normal ``sum_L N(x - L; 0, sigma^2)`` on its cell.

    The sum runs over images L while the normal is narrow, and over waves G (Poisson summation,
    ``1/V sum_G exp(-|G|^2 sigma^2 / 2) cos(G x)``) where it is wide. Both have a fixed number of terms, set by the
    lattice and the precision and not by sigma, and each is exact to rounding where it is used; Mardia and Jupp,
    Directional Statistics (2000), section 3.5.7, for one dimension.

    Args:
        vectors: Lattice vectors as rows, shape ``(1, 1)`` or ``(2, 2)``; any skew, any handedness.

    Raises:
        ValueError: If the vectors are not finite or span nothing.
    """

    vectors: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        rows = numbers("vectors", self.vectors)
        if rows.shape not in ((1, 1), (2, 2)):
            raise ValueError(f"vectors of shape {rows.shape} must be one number or two vectors in the plane")
        lengths = np.linalg.norm(rows, axis=1)
        if not np.isfinite(rows).all() or abs(np.linalg.det(rows)) <= 1e-9 * np.prod(lengths):
            raise ValueError(
                f"vectors {rows.tolist()} must be finite and span the space; two of them are parallel or zero"
            )
        object.__setattr__(self, "vectors", tuple(tuple(float(v) for v in row) for row in rows))

    @property
    def dim(self) -> int:
        """Dimensions, D."""
        return len(self.vectors)

    @cached_property
    def volume(self) -> float:
        """Length or area of a cell."""
        return float(abs(np.linalg.det(self.reduced)))

    @cached_property
    def reduced(self) -> FloatArray:
        """The shortest basis, shape ``(D, D)``; two vectors make an angle of 60 to 90 degrees."""
        return shortest_basis(self.vectors)

    @cached_property
    def reciprocal(self) -> FloatArray:
        """Wave vectors of the reduced basis, 2 pi included, as rows."""
        return np.asarray(2 * math.pi * np.linalg.inv(self.reduced).T)

    @cached_property
    def covering_radius(self) -> float:
        """How far a point can be from the nearest lattice point: the circumradius of the reduced triangle."""
        a = self.reduced[0]
        if self.dim == 1:
            return float(a[0]) / 2
        b = self.reduced[1]
        return float(np.linalg.norm(a) * np.linalg.norm(b) * np.linalg.norm(a - b) / (2 * self.volume))

    @cached_property
    def switch(self) -> float:
        """Sigma from which the sum runs over waves."""
        return _SWITCH * self.covering_radius

    def mixing_sigma(self, tolerance: float) -> float:
        """Sigma at which the density is uniform to a relative tolerance, by its longest wave."""
        longest = float(np.linalg.norm(self.reciprocal, axis=1).min())
        pairs = 1 if self.dim == 1 else 3  # of equally long waves, at most
        return math.sqrt(2 * math.log(2 * pairs / tolerance)) / longest

    def shortest(self, x: Tensor) -> Tensor:
        """The image of each vector that is nearest to the origin, shape ``(..., D)`` as given."""
        basis = torch.as_tensor(self.reduced, dtype=x.dtype, device=x.device)
        inverse = torch.as_tensor(np.linalg.inv(self.reduced), dtype=x.dtype, device=x.device)
        x = x - combine(combine(x, inverse).round(), basis)
        if self.dim == 1:
            return x
        # In a reduced basis the nearest image is a neighbour of the rounded one.
        steps = torch.cartesian_prod(*[torch.arange(-1, 2, dtype=x.dtype, device=x.device)] * 2)
        candidates = x.unsqueeze(-2) - combine(steps, basis)
        nearest = candidates.square().sum(dim=-1).argmin(dim=-1, keepdim=True)
        return candidates.gather(-2, nearest.unsqueeze(-1).expand(*nearest.shape, 2)).squeeze(-2)

    def log_density(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Log of the wrapped normal's density.

        Args:
            x: Displacements from its centre, shape ``(..., D)``; any image.
            sigma: Widths, of a shape that broadcasts with ``(...)``.

        Returns:
            Shape ``(...)``, per unit of length or area.
        """
        return self._in_chunks(x, sigma, self._log_density)

    def score(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Gradient of the log density times sigma, shape ``(..., D)``; arguments as for ``log_density``."""
        return self._in_chunks(x, sigma, self._score)

    def _in_chunks(self, x: Tensor, sigma: Tensor, function: Callable[..., Tensor]) -> Tensor:
        sigma = torch.as_tensor(sigma, dtype=x.dtype, device=x.device).expand(x.shape[:-1])
        images, waves = _terms(self, x.dtype, x.device)
        rows = max(1, _ELEMENTS // (len(images) + len(waves)))
        flat, widths = self.shortest(x).reshape(-1, self.dim), sigma.reshape(-1)
        chunks = zip(torch.split(flat, rows), torch.split(widths, rows), strict=True)
        result = torch.cat([function(part, width, images, waves) for part, width in chunks])
        return result.reshape(x.shape[:-1] + result.shape[1:])

    def _log_density(self, x: Tensor, sigma: Tensor, images: Tensor, waves: Tensor) -> Tensor:
        # Each sum is evaluated at a width where it holds, and chosen afterwards: no branch, no synchronisation.
        narrow, wide = sigma.clamp(max=self.switch), sigma.clamp(min=self.switch)
        over_images = torch.logsumexp(_exponents(x, narrow, images), dim=-1) - self.dim * torch.log(
            narrow * math.sqrt(2 * math.pi)
        )
        amplitudes, phases = _sinusoidal_embedding(x, wide, waves)
        over_waves = torch.log1p(2 * (amplitudes * phases.cos()).sum(dim=-1)) - math.log(self.volume)
        return torch.where(sigma < self.switch, over_images, over_waves)

    def _score(self, x: Tensor, sigma: Tensor, images: Tensor, waves: Tensor) -> Tensor:
        narrow, wide = sigma.clamp(max=self.switch), sigma.clamp(min=self.switch)
        centre = combine(torch.softmax(_exponents(x, narrow, images), dim=-1), images)
        over_images = (centre - x) / narrow.unsqueeze(-1)
        amplitudes, phases = _sinusoidal_embedding(x, wide, waves)
        density = 1 + 2 * (amplitudes * phases.cos()).sum(dim=-1, keepdim=True)
        over_waves = -2 * wide.unsqueeze(-1) * combine(amplitudes * phases.sin(), waves) / density
        return torch.where((sigma < self.switch).unsqueeze(-1), over_images, over_waves)


def _exponents(x: Tensor, sigma: Tensor, images: Tensor) -> Tensor:
    """``-|x - L|^2 / 2 sigma^2``, shape ``(n, images)``."""
    return -(x.unsqueeze(-2) - images).square().sum(dim=-1) / (2 * sigma.square().unsqueeze(-1))


def _sinusoidal_embedding(x: Tensor, sigma: Tensor, waves: Tensor) -> tuple[Tensor, Tensor]:
    """``exp(-|G|^2 sigma^2 / 2)`` and ``G x``, shape ``(n, waves)`` each."""
    amplitudes = torch.exp(-waves.square().sum(dim=-1) * sigma.square().unsqueeze(-1) / 2)
    return amplitudes, combine(x, waves.T)


def _within(basis: FloatArray, radius: float) -> npt.NDArray[np.int64]:
    """Integer coordinates of the lattice points within a radius of the origin, in lexicographic order."""
    reach = np.floor(radius * np.linalg.norm(np.linalg.inv(basis), axis=0)).astype(np.int64)
    grid = np.stack(np.meshgrid(*[np.arange(-n, n + 1) for n in reach], indexing="ij"), axis=-1).reshape(-1, len(basis))
    return np.asarray(grid[np.linalg.norm(grid @ basis, axis=1) <= radius * (1 + 1e-9)])


@lru_cache(maxsize=64)
def _terms(lattice: Lattice, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Images and waves (one of each pair G, -G) that a precision needs, shapes ``(i, D)`` and ``(w, D)``.

    Images whose weight beside the nearest one's is below rounding are left out: ``|x - L|^2 - |x|^2 >= |L|^2 - 2 rho
    |L|`` for x within the covering radius rho.
    """
    exponent = 4 - math.log(torch.finfo(dtype).eps)
    rho, sigma = lattice.covering_radius, lattice.switch
    images = _within(lattice.reduced, rho + math.sqrt(rho**2 + 2 * sigma**2 * exponent)) @ lattice.reduced
    waves = _within(lattice.reciprocal, math.sqrt(2 * exponent) / sigma)
    half = waves[len(waves) // 2 + 1 :] @ lattice.reciprocal  # after the origin, which is in the middle
    with torch.inference_mode(False):  # or else what is kept could not be differentiated through later
        return (
            torch.as_tensor(images, dtype=dtype, device=device),
            torch.as_tensor(half, dtype=dtype, device=device),
        )
