"""Periodic coordinates as points of a circle, and a Matern kernel on them."""

from __future__ import annotations

import math
from typing import Any

import torch
from gpytorch.kernels import MaternKernel
from torch import Tensor


def embed(x: Tensor, periodic: Tensor) -> Tensor:
    """Unit coordinates with the periodic ones on circles of diameter 1, so that both ends are one place.

    Args:
        x: Shape ``(..., d)``; the period is 1.
        periodic: Which coordinates are periodic, shape ``(d,)``, boolean.

    Returns:
        The others, then half the cosine and half the sine of each periodic one, shape ``(..., d + p)``.
    """
    angles = 2 * math.pi * x[..., periodic]
    return torch.cat([x[..., ~periodic], angles.cos() / 2, angles.sin() / 2], dim=-1)


class PeriodicMatern(MaternKernel):  # type: ignore[misc]
    """Matern-5/2 of distances along straight coordinates and across circles: a kernel on a cylinder or torus.

    A stationary kernel of the warped inputs is one of the inputs; MacKay, Introduction to Gaussian Processes (1998),
    section 5.2. Each circle has one length scale.

    Args:
        periodic: Which coordinates are periodic, shape ``(d,)``, boolean.
        more: Further arguments of :class:`gpytorch.kernels.MaternKernel`.
    """

    periodic: Tensor

    def __init__(self, periodic: Tensor, **more: Any) -> None:  # noqa: ANN401 -- GPyTorch's own arguments
        super().__init__(nu=2.5, **more)
        self.register_buffer("periodic", periodic)

    def forward(self, x1: Tensor, x2: Tensor, diag: bool = False, **params: Any) -> Any:  # noqa: ANN401
        """Covariance of unit coordinates ``(..., n, d)`` and ``(..., m, d)``, shape ``(..., n, m)``."""
        a, b = straightened(self, x1), straightened(self, x2)
        distance = math.sqrt(5) * self.covar_dist(a, b, diag=diag, **params)
        return (1 + distance + distance**2 / 3) * torch.exp(-distance)


def straightened(kernel: MaternKernel, x: Tensor) -> Tensor:
    """Inputs in which a kernel is the Matern kernel of unit length scale.

    Args:
        kernel: A Matern kernel, with periodic coordinates or without.
        x: Unit coordinates, shape ``(..., n, d)``.

    Returns:
        Shape ``(..., n, d')``, with the kernel's batch dimensions in front.
    """
    scale: Tensor = kernel.lengthscale
    periodic = getattr(kernel, "periodic", None)
    if periodic is None:
        return x / scale
    scale = scale.expand(*scale.shape[:-1], len(periodic))
    circles = scale[..., periodic]
    return embed(x, periodic) / torch.cat([scale[..., ~periodic], circles, circles], dim=-1)
