"""Leave-one-out predictions of Gaussian processes, without fitting them anew."""

from __future__ import annotations

import numpy as np
import torch
from botorch.models import SingleTaskGP
from torch import Tensor

from matseek.surrogates.pathwise import known


def left_out_errors(model: SingleTaskGP) -> tuple[Tensor, Tensor]:
    """Standardised errors of each measured outcome as predicted without it, and the deviations of these predictions.

    Of a model of k outcomes with its hyperparameters as they are, noise included, shape ``(k, n)`` each; Rasmussen and
    Williams (2006), equation 5.12.

    Args:
        model: A fitted model in evaluation mode.
    """
    X, targets, noise = known(model)
    covariance = model.covar_module(X).to_dense()
    inverse = torch.linalg.inv(covariance + torch.diag_embed(noise))
    away = targets - model.mean_module.constant.reshape(-1, 1)
    precision = inverse.diagonal(dim1=-2, dim2=-1)
    return (inverse @ away.unsqueeze(-1)).squeeze(-1) / precision.sqrt(), precision.rsqrt()


def left_out_samples(model: SingleTaskGP, count: int, rng: np.random.Generator) -> Tensor:
    """Samples of each measured outcome as predicted without it, shape ``(count, n, k)``, on the targets' own scale.

    Args:
        model: A fitted model in evaluation mode.
        count: Number of samples.
        rng: Source of all randomness.
    """
    with torch.no_grad():
        _, targets, _ = known(model)
        errors, deviation = left_out_errors(model)
        away = torch.as_tensor(rng.standard_normal((count, *targets.shape)))
        return (targets - errors * deviation + deviation * away).transpose(-1, -2)
