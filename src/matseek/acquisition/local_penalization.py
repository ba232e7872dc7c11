"""Local penalization: a batch from one sequential acquisition, by excluding balls around the points chosen so far.

Gonzalez, Dai, Hennig, Lawrence, "Batch Bayesian Optimization via Local Penalization", AISTATS 2016, PMLR 51:648-657.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from botorch.acquisition import AcquisitionFunction
from botorch.acquisition.analytic import (
    AnalyticAcquisitionFunction,
    ExpectedImprovement,
    ProbabilityOfImprovement,
)
from botorch.models.model import Model
from botorch.utils.safe_math import log_softplus
from botorch.utils.transforms import t_batch_mode_transform
from torch import Tensor

from matseek.geometry.polytope import Polytope

# Below this fraction of the GP's own scale an estimated Lipschitz constant says "flat", and balls would swallow the
# whole space; a fresh GP sample has gradients of the order of its scale.
_LEAST_RELATIVE_LIPSCHITZ = 1e-2


class LocalPenalization(AcquisitionFunction):
    r"""A sequential acquisition, penalised around the points that the batch holds already; in log space.

    For a function :math:`f` to be minimised with Lipschitz constant :math:`L` and minimum :math:`M`, no minimiser
    lies in the ball around :math:`x_j` of radius :math:`(f(x_j) - M)/L`. With :math:`f(x_j) \sim N(\mu_j,
    \sigma_j^2)`, a point :math:`x` lies outside with probability

    .. math:: \varphi(x; x_j) = \Phi\left(\frac{L \lVert x - x_j\rVert - (\mu_j - M)}{\sigma_j}\right)

    (Gonzalez et al. 2016, eq. 9 and appendix, written for minimisation; :math:`\frac12\mathrm{erfc}(-z/\sqrt 2) =
    \Phi(z)`), and the value is :math:`\log g(\alpha(x)) + \sum_j \log\varphi(x; x_j)`. The transform :math:`g` is the
    identity for acquisitions that cannot be negative and softplus for others.

    Distances are taken in units of ``lengthscales``, in which a GP varies alike in every direction, so that a variable
    without influence does not keep points apart.

    Args:
        base: A BoTorch analytic acquisition over a single-output model; log acquisitions stay as they are.
        centers: Points chosen so far, shape ``(k, d)``; k may be 0.
        lipschitz: Lipschitz constant of the value per unit of scaled distance.
        minimum: The least value M.
        lengthscales: Unit of distance along each coordinate, shape ``(d,)``; ones if None.
        periodic: Which coordinates repeat with period 1, shape ``(d,)``, boolean; none if None.
    """

    chosen: Tensor
    centers: Tensor
    lipschitz: Tensor
    minimum: Tensor
    lengthscales: Tensor
    periodic: Tensor
    center_means: Tensor
    center_deviations: Tensor

    def __init__(
        self,
        base: AnalyticAcquisitionFunction,
        centers: Tensor,
        lipschitz: float | Tensor,
        minimum: float | Tensor,
        lengthscales: Tensor | None = None,
        periodic: Tensor | None = None,
    ) -> None:
        super().__init__(model=base.model)
        self.base = base
        d = centers.shape[-1]
        self.register_buffer("chosen", centers.detach().clone())
        self.register_buffer("lipschitz", torch.as_tensor(lipschitz, dtype=centers.dtype))
        self.register_buffer("minimum", torch.as_tensor(minimum, dtype=centers.dtype))
        scale = torch.ones(d, dtype=centers.dtype) if lengthscales is None else lengthscales.detach().to(centers)
        self.register_buffer("lengthscales", scale)
        self.register_buffer("periodic", torch.zeros(d, dtype=torch.bool) if periodic is None else periodic)
        if float(self.lipschitz) <= 0:
            raise ValueError(
                f"lipschitz={float(self.lipschitz):g} must be positive; estimate it, see lipschitz_constant"
            )
        self.set_X_pending()

    def set_X_pending(self, X_pending: Tensor | None = None) -> None:  # noqa: N802 -- BoTorch's name
        """Penalise around pending points too, as around the centers; BoTorch's optimisers call this.

        Args:
            X_pending: Points asked and not yet told, shape ``(p, d)``; they replace those set before. None for none.

        Raises:
            ValueError: If the shape is another one.
        """
        d = self.chosen.shape[-1]
        if X_pending is not None and (X_pending.ndim != 2 or X_pending.shape[-1] != d):
            raise ValueError(f"X_pending has shape {tuple(X_pending.shape)}; give one row of {d} coordinates per point")
        super().set_X_pending(X_pending)
        centers = self.chosen if self.X_pending is None else torch.cat([self.chosen, self.X_pending.to(self.chosen)])
        with torch.no_grad():
            mean, variance = moments(self.base.model, centers)
        self.register_buffer("centers", centers)
        self.register_buffer("center_means", mean)
        self.register_buffer("center_deviations", variance.clamp_min(1e-18).sqrt())

    @t_batch_mode_transform(expected_q=1)  # type: ignore[arg-type]
    def forward(self, X: Tensor) -> Tensor:
        """Log of the penalised acquisition.

        Args:
            X: Shape ``(b, 1, d)``.

        Returns:
            Shape ``(b,)``.
        """
        return log_acquisition(self.base, X) + self.log_penalty(X.squeeze(-2))

    def of_points(self, x: Tensor) -> Tensor:
        """The same for separate points: ``(b, d)`` to ``(b,)``, as an optimiser over points wants it."""
        value: Tensor = self(x.unsqueeze(-2))
        return value

    def log_penalty(self, x: Tensor) -> Tensor:
        """Sum of the log penalties.

        Args:
            x: Shape ``(..., d)``.

        Returns:
            Shape ``(...)``, at most 0.
        """
        offset = shortest_offset(x.unsqueeze(-2), self.centers, self.periodic) / self.lengthscales
        # The root's slope is infinite at a centre; a floor far below any spacing keeps the gradient finite there.
        distance = offset.square().sum(-1).clamp_min(1e-24).sqrt()
        z = (self.lipschitz * distance - (self.center_means - self.minimum)) / self.center_deviations
        penalties: Tensor = torch.special.log_ndtr(z)
        return penalties.sum(-1)


def shortest_offset(a: Tensor, b: Tensor, periodic: Tensor) -> Tensor:
    """From b to a in unit coordinates, the short way around along those with period 1.

    Args:
        a: Shape ``(..., d)``.
        b: Of a shape that broadcasts with it.
        periodic: Which coordinates are periodic, shape ``(d,)``, boolean.
    """
    offset = a - b
    return torch.where(periodic, offset - offset.round(), offset)


def log_acquisition(base: AnalyticAcquisitionFunction, X: Tensor) -> Tensor:
    """Log of a sequential acquisition, finite everywhere.

    Args:
        base: Any analytic acquisition.
        X: Shape ``(b, 1, d)``.

    Returns:
        Shape ``(b,)``.
    """
    value: Tensor = base(X)
    if base._log:
        return value
    if not isinstance(base, (ExpectedImprovement, ProbabilityOfImprovement)):
        return log_softplus(value)
    return value.clamp_min(torch.finfo(value.dtype).tiny).log()


def lipschitz_constant(
    model: Model, polytope: Polytope, samples: Tensor, lengthscales: Tensor, rng: np.random.Generator
) -> Tensor:
    """Largest gradient norm of the posterior mean over the feasible set, per unit of scaled distance.

    Gonzalez et al. 2016, section 3.3. The steepest of many feasible samples are refined by samples scattered around
    them ever more narrowly; a Matern kernel's second derivatives, which an ascent would need, are not at hand.

    Args:
        model: A single-output model on the polytope's coordinates.
        polytope: The feasible set.
        samples: Feasible points that cover the set, shape ``(n, d)``.
        lengthscales: Unit of distance along each coordinate, shape ``(d,)``.
        rng: Source of randomness.

    Returns:
        A positive number, shape ``()``.
    """

    def slope(x: Tensor) -> Tensor:
        x = x.detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(moments(model, x)[0].sum(), x)
        norms: Tensor = torch.linalg.vector_norm(gradient * lengthscales, dim=-1)
        return norms

    points, slopes = samples, slope(samples)
    for scatter in (0.1, 0.03, 0.01):
        steepest = points[slopes.topk(min(5, len(points))).indices]
        around = np.repeat(steepest.numpy(), 20, axis=0)
        new = torch.as_tensor(polytope.project(around + scatter * rng.standard_normal(around.shape)))
        points, slopes = (
            torch.cat([steepest, new]),
            torch.cat([slopes.topk(len(steepest)).values, slope(new)]),
        )
    with torch.no_grad():
        mean, variance = moments(model, samples)
        spread = mean.std() if len(mean) > 1 else mean.new_zeros(())
        scale = spread + variance.mean().sqrt()
    return torch.maximum(slopes.max(), _LEAST_RELATIVE_LIPSCHITZ * scale)


def moments(model: Model, x: Tensor) -> tuple[Tensor, Tensor]:
    """Posterior mean and variance of a single-outcome model at separate points.

    Args:
        model: The model.
        x: Shape ``(n, d)``; n may be 0.

    Returns:
        Mean and variance, shape ``(n,)`` each.
    """
    if not len(x):
        return x.sum(-1), x.sum(-1)
    posterior: Any = model.posterior(x.unsqueeze(-2))
    return posterior.mean.reshape(-1), posterior.variance.reshape(-1)
