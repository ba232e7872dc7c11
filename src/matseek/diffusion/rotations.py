"""Noise on rotations: the heat kernel on SO(3), its score and its samples.

The kernel is that of Brownian motion, the isotropic Gaussian of Nikolayev and Savyolova, Textures Microstruct. 29, 201
(1997), as in Leach et al., ICLR workshop GTRL (2022), and Yim et al., ICML (2023). Its width sigma is that of each
component of the rotation vector where it is small; Leach et al. call ``sigma^2 / 2`` the square of their width.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_SWITCH = 1.0
"""Sigma from which on characters are summed; below, windings around the group. Both are exact."""

_CHARACTERS = 12
"""Terms of the series: the next is below ``exp(-12 * 13 / 2)`` of the first."""

_WINDINGS = 2
"""Turns either way that are summed; the next is below ``exp(-(5 pi)^2 / 2)``."""

_SMALLEST = 1e-6
"""Angles below, in rad, are taken as this one: quotients of what vanishes lose their digits."""

_GRID = 512
"""Angles at which the distribution function is tabulated."""


def log_density(angle: Tensor, sigma: Tensor) -> Tensor:
    """Log of the kernel's density with respect to the uniform distribution over rotations.

    ``f = sum_l (2 l + 1) exp(-l (l + 1) sigma^2 / 2) sin((l + 1/2) w) / sin(w / 2)`` for an angle w between two;
    for a small sigma its Poisson sum ``sqrt(2 pi) exp(sigma^2 / 8) / sigma^3 / sin(w / 2) *
    sum_k (-1)^k (w - 2 pi k) exp(-(w - 2 pi k)^2 / (2 sigma^2))``.

    Args:
        angle: In rad, from 0 to pi, any shape.
        sigma: Width in rad, broadcast against the angles.

    Returns:
        Float64, of the broadcast shape; 0 where the kernel has become uniform.

    Example:
        >>> round(float(log_density(torch.tensor(1.0), torch.tensor(10.0))), 6)
        0.0
    """
    angle, sigma = _prepared(angle, sigma)
    narrow = sigma < _SWITCH
    wide = sigma.clamp_min(_SWITCH)
    result = _characters(angle, wide)[0].log()
    if narrow.any():
        log_sum, _ = _windings(angle, sigma.clamp_max(_SWITCH))
        return torch.where(narrow, log_sum, result)
    return result


def score(angle: Tensor, sigma: Tensor) -> Tensor:
    """Derivative of :func:`log_density` in the angle, per rad; arguments are those there."""
    angle, sigma = _prepared(angle, sigma)
    narrow = sigma < _SWITCH
    value, slope = _characters(angle, sigma.clamp_min(_SWITCH))
    if narrow.any():
        return torch.where(narrow, _windings(angle, sigma.clamp_max(_SWITCH))[1], slope / value)
    return slope / value


def sample_angles(sigma: Tensor, u: Tensor) -> Tensor:
    """Angles of the kernel, whose density in the angle is ``f(w) (1 - cos w) / pi``.

    Args:
        sigma: Widths in rad, shape ``(m,)``.
        u: Uniform numbers from 0 to 1, shape ``(m,)``.

    Returns:
        In rad, float64, shape ``(m,)``, by linear interpolation of the distribution function.
    """
    sigma = sigma.double()
    # Twelve widths hold everything; the grid is as fine as the kernel is narrow.
    top = (12 * sigma).clamp_max(math.pi)
    grid = top[:, None] * torch.linspace(0, 1, _GRID, dtype=torch.float64, device=sigma.device)
    density = log_density(grid, sigma[:, None]).exp() * (1 - grid.cos())
    mass = torch.cumulative_trapezoid(density, grid, dim=1)
    mass = torch.cat([torch.zeros_like(mass[:, :1]), mass], dim=1)
    wanted = u.double()[:, None] * mass[:, -1:]
    right = torch.searchsorted(mass, wanted).clamp(1, _GRID - 1)
    below, above = mass.gather(1, right - 1), mass.gather(1, right)
    share = ((wanted - below) / (above - below).clamp_min(1e-300)).clamp(0, 1)
    return torch.lerp(grid.gather(1, right - 1), grid.gather(1, right), share)[:, 0]


def _prepared(angle: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    angle, sigma = angle.double(), sigma.double()
    shape = (angle + sigma).shape
    return angle.clamp_min(_SMALLEST).expand(shape), sigma.expand(shape)


def _characters(angle: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """The sum over characters, and its derivative in the angle; a character is ``1 + 2 sum_j cos(j w)``."""
    value, slope = torch.ones_like(angle), torch.zeros_like(angle)
    character, change = torch.ones_like(angle), torch.zeros_like(angle)
    for order in range(1, _CHARACTERS + 1):
        character = character + 2 * torch.cos(order * angle)
        change = change - 2 * order * torch.sin(order * angle)
        weight = (2 * order + 1) * torch.exp(-order * (order + 1) * sigma**2 / 2)
        value, slope = value + weight * character, slope + weight * change
    return value, slope


def _windings(angle: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """The log of the sum over windings, and its derivative in the angle, relative to the nearest winding."""
    total, change = torch.zeros_like(angle), torch.zeros_like(angle)
    for turn in range(-_WINDINGS, _WINDINGS + 1):
        away = angle - 2 * math.pi * turn
        weight = (-1) ** turn * torch.exp((angle**2 - away**2) / (2 * sigma**2))
        total = total + weight * away
        change = change + weight * (1 - (away / sigma) ** 2)
    log_sum = total.log() - (angle / sigma) ** 2 / 2 - torch.sin(angle / 2).log()
    constant = math.log(2 * math.pi) / 2 + sigma**2 / 8 - 3 * sigma.log()
    return log_sum + constant, change / total - 1 / (2 * torch.tan(angle / 2))
