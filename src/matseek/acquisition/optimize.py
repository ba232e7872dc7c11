"""Maximisation over a polytope, from many starts at once."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from matseek.geometry.polytope import Polytope

_FIRST_STEP = 0.05
"""First step, as a fraction of the polytope's coordinates (unit boxes)."""


def maximize(
    function: Callable[[Tensor], Tensor], polytope: Polytope, starts: Tensor, steps: int = 25
) -> tuple[Tensor, Tensor]:
    """Projected gradient ascent with Barzilai-Borwein steps; every start has its own step and only ever improves.

    Birgin, Martinez, Raydan, SIAM J. Optim. 10, 1196 (2000), without the non-monotone search: a step that does not
    improve is taken back and shortened, so that one batched call of the function serves all starts.

    Args:
        function: ``(b, d)`` points to ``(b,)`` values, differentiable; each value depends on its own point alone.
        polytope: The feasible set.
        starts: Feasible points, shape ``(b, d)``.
        steps: Calls of the function.

    Returns:
        Feasible points, shape ``(b, d)``, and their values, shape ``(b,)``.
    """
    x = starts.detach()
    value, gradient = _value_and_gradient(function, x)
    step = _FIRST_STEP / gradient.norm(dim=-1).clamp_min(1e-12)
    for _ in range(steps):
        candidate = _project(polytope, x + step.unsqueeze(-1) * gradient)
        if (candidate - x).abs().max() < 1e-9:
            break
        new_value, new_gradient = _value_and_gradient(function, candidate)
        better = new_value > value
        moved, turned = candidate - x, gradient - new_gradient
        curvature = (moved * turned).sum(-1)
        longest = 0.5 / new_gradient.norm(dim=-1).clamp_min(1e-12)
        secant = torch.where(curvature > 0, moved.square().sum(-1) / curvature.clamp_min(1e-300), 3 * step)
        step = torch.where(better, torch.minimum(secant, longest), step / 4)
        x = torch.where(better.unsqueeze(-1), candidate, x)
        gradient = torch.where(better.unsqueeze(-1), new_gradient, gradient)
        value = torch.where(better, new_value, value)
    return x, value


def _value_and_gradient(function: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    x = x.detach().requires_grad_(True)
    value = function(x)
    (gradient,) = torch.autograd.grad(value.sum(), x)
    return value.detach(), torch.nan_to_num(gradient)


def _project(polytope: Polytope, x: Tensor) -> Tensor:
    return torch.as_tensor(polytope.project(x.numpy()), dtype=x.dtype)
