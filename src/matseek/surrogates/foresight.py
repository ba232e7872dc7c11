"""How far Gaussian processes err on what is measured after them, in their own units.

Dawid, "The prequential approach", J. R. Stat. Soc. A 147, 278 (1984): a model is judged by predictions of what comes
next, made before it was seen. Leave-one-out cannot tell where a searcher measures in batches: the others of the batch,
which lie nearby, are then known. Nor can hyperparameters that were learnt with the batch.
"""

from __future__ import annotations

import torch
from botorch.models import SingleTaskGP
from torch import Tensor

_ONE_DEVIATION = 0.6827
"""Share of normal errors below their standard deviation."""

_LEAST = 1e-12
"""Least variance of a prediction, which rounding may make zero."""


def surprise(earlier: SingleTaskGP, x: Tensor, targets: Tensor, noise: Tensor | None, outcomes: int) -> float:
    """By which factor a model's variances should be multiplied for its predictions to hold.

    That c for which ``error^2 <= c variance + noise`` for 68 % of the errors: a quantile, since of spectra a few err
    by hundreds of deviations, where something new grows.

    Args:
        earlier: A model fitted on what was known before, in evaluation mode.
        x: Conditions measured later, in unit coordinates, shape ``(m, d)``.
        targets: What was measured there, shape ``(m, k)``.
        noise: Its variance, shape ``(m, k)``; None for the one that the model has learnt.
        outcomes: How many of the k outcomes are judged, the first ones, together.
    """
    with torch.no_grad():
        posterior = earlier.posterior(x)
        own = earlier.likelihood.noise.reshape(1, -1) if noise is None else noise
        excess = (targets - posterior.mean).square() - own
        factors = (excess / posterior.variance.clamp_min(_LEAST))[:, :outcomes]
    return float(torch.quantile(factors, _ONE_DEVIATION))
