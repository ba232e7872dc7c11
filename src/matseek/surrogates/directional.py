"""A GPyTorch kernel over values of a function and its derivatives along given directions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from gpytorch.constraints import Interval
from gpytorch.kernels import Kernel
from gpytorch.priors import LogNormalPrior
from torch import Tensor

Smoothness = Literal["matern", "rbf"]
SMOOTHNESS: tuple[Smoothness, ...] = ("matern", "rbf")

_ROOT = math.sqrt(5.0)

_WIDEST = 30.0
"""How far length scales may lie from the typical ones, as a factor: derivatives have variances that grow without bound
as length scales fall, and covariances become singular as they rise.
"""


def radial(smoothness: Smoothness, half_square: Any) -> tuple[Any, Any, Any]:  # noqa: ANN401 -- arrays or tensors
    """A radial kernel as a function h of half the squared distance, with its first two derivatives.

    Matern-5/2 and squared exponential, Rasmussen and Williams (2006), equations 4.17 and 4.9, in units of the length
    scale. Written over half the squared distance, no derivative is singular where two points are the same.

    Args:
        smoothness: ``matern`` or ``rbf``.
        half_square: Half the squared distances, a NumPy array or a tensor.
    """
    exp, sqrt = (torch.exp, torch.sqrt) if isinstance(half_square, Tensor) else (np.exp, np.sqrt)
    if smoothness == "rbf":
        value = exp(-half_square)
        return value, -value, value
    r = sqrt(2.0 * half_square + 1e-20)
    decay = exp(-_ROOT * r)
    return (1 + _ROOT * r + 5 / 3 * r * r) * decay, -5 / 3 * (1 + _ROOT * r) * decay, 25 / 3 * decay


class DirectionalKernel(Kernel):  # type: ignore[misc]
    """Covariances of values and of derivatives, each observation one row of the inputs.

    A row is ``(x, v, d)``: a point x of D components; a direction v of D components; and d, 0 for the value at x and 1
    for the derivative at x along v. Derivatives of a Gaussian process are one with it: Solak et al., NeurIPS 2002;
    for forces, Koistinen et al., J. Chem. Phys. 147, 152720 (2017).

    Args:
        groups: Which components share a length scale, numbered from 0, shape ``(D,)``.
        smoothness: ``matern`` or ``rbf``.
        typical: What the length scales are expected to be about, shape ``(groups,)``; the prior's medians and the
            initial values.
        spread: Standard deviation of their logarithms in the prior.
    """

    has_lengthscale = False
    groups: Tensor

    def __init__(self, groups: Tensor, smoothness: Smoothness, typical: Tensor, spread: float = 1.5) -> None:
        super().__init__()
        self.smoothness = smoothness
        self.register_buffer("groups", groups)
        self.register_parameter("raw_scales", torch.nn.Parameter(torch.zeros_like(typical)))
        self.register_constraint("raw_scales", Interval(typical / _WIDEST, typical * _WIDEST))
        self.register_prior(
            "scales_prior", LogNormalPrior(typical.log(), torch.full_like(typical, spread)), lambda m: m.scales
        )
        self.initialize(raw_scales=self.raw_scales_constraint.inverse_transform(typical))

    def _apply(self, fn: Callable[[Tensor], Tensor], *args: Any) -> DirectionalKernel:  # noqa: ANN401 -- torch's own
        """To another device or precision; GPyTorch leaves the numbers of a log-normal prior where they are."""
        super()._apply(fn, *args)
        normal = self.scales_prior.base_dist
        normal.loc, normal.scale = fn(normal.loc), fn(normal.scale)
        return self

    @property
    def scales(self) -> Tensor:
        """Length scale of each group, shape ``(groups,)``."""
        result: Tensor = self.raw_scales_constraint.transform(self.raw_scales)
        return result

    def weights(self) -> Tensor:
        """What each component is multiplied by, shape ``(D,)``: the inverse of its length scale."""
        return 1.0 / self.scales[self.groups]

    def forward(self, x1: Tensor, x2: Tensor, diag: bool = False, **_: Any) -> Tensor:  # noqa: ANN401 -- GPyTorch's face
        """Covariances ``(n1, n2)`` of rows ``(n1, 2D + 1)`` and ``(n2, 2D + 1)``, or their diagonal ``(n,)``."""
        if diag:
            return torch.stack([self._covariance(a[None], b[None])[0, 0] for a, b in zip(x1, x2, strict=True)])
        return self._covariance(x1, x2)

    def _covariance(self, x1: Tensor, x2: Tensor) -> Tensor:
        size, w = len(self.groups), self.weights()
        a, v, da = x1[:, :size] * w, x1[:, size:-1] * w, x1[:, -1:]
        b, u, db = x2[:, :size] * w, x2[:, size:-1] * w, x2[:, -1:]
        squares = (a * a).sum(-1)[:, None] + (b * b).sum(-1)[None] - 2 * a @ b.T
        h, h1, h2 = radial(self.smoothness, 0.5 * squares.clamp_min(0.0))
        along_b = a @ u.T - (b * u).sum(-1)[None]  # (a - b) . u
        along_a = (a * v).sum(-1)[:, None] - v @ b.T  # (a - b) . v
        da, db = da > 0.5, db.T > 0.5
        of_values = torch.where(db, -h1 * along_b, h)
        of_derivatives = torch.where(db, -h1 * (v @ u.T) - h2 * along_a * along_b, h1 * along_a)
        return torch.where(da, of_derivatives, of_values)
