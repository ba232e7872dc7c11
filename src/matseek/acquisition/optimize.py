"""Maximisation over a polytope: of separate points from many starts at once, and of whole batches by BoTorch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from botorch.acquisition import AcquisitionFunction
from botorch.optim import optimize_acqf
from botorch.utils.sampling import manual_seed
from torch import Tensor

from matseek.geometry.polytope import Polytope

_FIRST_STEP = 0.05
"""First step, as a fraction of the polytope's coordinates (unit boxes)."""

_EXCHANGES = 3
"""Passes over a batch at most."""

_CHUNK = 512
"""Batches that a Monte-Carlo function sees at once, which bounds the memory."""


def maximize(
    function: Callable[[Tensor], Tensor],
    polytope: Polytope,
    starts: Tensor,
    steps: int = 25,
    along: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Projected gradient ascent with Barzilai-Borwein steps; every start has its own step and only ever improves.

    Birgin, Martinez, Raydan, SIAM J. Optim. 10, 1196 (2000), without the non-monotone search: a step that does not
    improve is taken back and shortened, so that one batched call of the function serves all starts.

    Args:
        function: ``(b, d)`` points to ``(b,)`` values, differentiable; each value depends on its own point alone.
        polytope: The feasible set.
        starts: Feasible points, shape ``(b, d)``.
        steps: Calls of the function.
        along: Which coordinates the ascent moves, shape ``(d,)``, boolean; None for all of them.

    Returns:
        Feasible points, shape ``(b, d)``, and their values, shape ``(b,)``.
    """
    x = starts.detach()
    mask = torch.ones(x.shape[-1], dtype=x.dtype) if along is None else along.to(x.dtype)
    value, gradient = _value_and_gradient(function, x, mask)
    step = _FIRST_STEP / gradient.norm(dim=-1).clamp_min(1e-12)
    for _ in range(steps):
        candidate = _project(polytope, x + step.unsqueeze(-1) * gradient)
        if (candidate - x).abs().max() < 1e-9:
            break
        new_value, new_gradient = _value_and_gradient(function, candidate, mask)
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


def _value_and_gradient(function: Callable[[Tensor], Tensor], x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    x = x.detach().requires_grad_(True)
    value = function(x)
    (gradient,) = torch.autograd.grad(value.sum(), x)
    return value.detach(), torch.nan_to_num(gradient) * mask


def _project(polytope: Polytope, x: Tensor) -> Tensor:
    return torch.as_tensor(polytope.project(x.numpy()), dtype=x.dtype)


def maximize_batch(function: AcquisitionFunction, polytope: Polytope, q: int, rng: np.random.Generator) -> Tensor:
    """Maximise BoTorch's function over q points at once.

    Args:
        function: Of ``(b, q, d)``.
        polytope: The feasible set, within the unit box; its first 2 d inequalities are the box.
        q: Number of points.
        rng: Source of randomness.

    Returns:
        Feasible points, shape ``(q, d)``.
    """
    d = polytope.A.shape[1]
    rows = range(2 * d, len(polytope.A))
    # BoTorch draws its start points from the global generator where there are constraints.
    with manual_seed(int(rng.integers(2**31))):
        points, _ = optimize_acqf(
            function,
            bounds=torch.stack([torch.zeros(d), torch.ones(d)]).double(),
            q=q,
            num_restarts=10,
            raw_samples=256,
            inequality_constraints=[_sparse(-polytope.A[i], -polytope.b[i]) for i in rows] or None,
            equality_constraints=[_sparse(a, e) for a, e in zip(polytope.C, polytope.e, strict=True)] or None,
        )
    return torch.as_tensor(polytope.project(points.detach().numpy()))


def best_first(function: AcquisitionFunction, points: Tensor) -> Tensor:
    """Points sorted by BoTorch's function of each, the best first.

    Args:
        function: Of ``(b, 1, d)``.
        points: Shape ``(m, d)``.
    """
    return points[_values(function, points.unsqueeze(-2)).argsort(descending=True, stable=True)]


def exchanged(function: AcquisitionFunction, batch: Tensor, points: Tensor) -> Tensor:
    """A batch of listed points, improved by exchanging one of its points for another as long as that raises the value.

    Fedorov, Theory of Optimal Experiments (1972), for a function of the whole batch.

    Args:
        function: Of ``(b, q, d)``.
        batch: Where to begin, shape ``(q, d)``.
        points: What may be taken instead, shape ``(m, d)``.

    Returns:
        Shape ``(q, d)``.
    """
    batch = batch.clone()
    for _ in range(_EXCHANGES):
        before = batch.clone()
        for i in range(len(batch)):
            others = torch.cat([batch[:i], batch[i + 1 :]])
            apart = ~(points[:, None] == others).all(dim=-1).any(dim=-1)
            offers = torch.cat([batch[i : i + 1], points[apart]])
            tried = batch.repeat(len(offers), 1, 1)
            tried[:, i] = offers
            batch[i] = offers[int(_values(function, tried).argmax())]
        if torch.equal(before, batch):
            break
    return batch


def _values(function: AcquisitionFunction, batches: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.cat([function(part) for part in torch.split(batches, _CHUNK)])


def _sparse(row: npt.NDArray[np.float64], bound: float) -> tuple[Tensor, Tensor, float]:
    indices = np.flatnonzero(row)
    return torch.as_tensor(indices), torch.as_tensor(row[indices]), float(bound)
