"""The noise of a measurement where none was made, from the noise of the conditions that were measured."""

from __future__ import annotations

import torch
from torch import Tensor

_UNSURE = 0.25
"""Variance of the logarithm of a noise that replicates tell: a standard deviation is known to a quarter."""

_LEAST = 0.05
"""Least variance of the logarithms between conditions."""


def noise_elsewhere(within: Tensor, between: Tensor, noise: Tensor) -> Tensor:
    """Variances at other points: a Gaussian process of their logarithms.

    Goldberg, Williams, Bishop, NIPS 1997; Kersting et al., "Most likely heteroscedastic Gaussian process regression",
    ICML 2007. The logarithms vary over the distances over which the outcome does. A mean over the conditions nearby
    would forget how quiet the best of them are.

    Args:
        within: Correlations of the outcome between the measured conditions, shape ``(k, n, n)``.
        between: Those of other points with the conditions, shape ``(k, m, n)``.
        noise: Variances at the conditions, shape ``(k, n)``, positive.

    Returns:
        Shape ``(k, m)``.
    """
    logs = noise.log()
    mean = logs.mean(dim=-1, keepdim=True)
    spread = (logs.square().mean(dim=-1) - mean.squeeze(-1).square() - _UNSURE).clamp_min(_LEAST).reshape(-1, 1, 1)
    errors = _UNSURE * torch.eye(noise.shape[-1], dtype=noise.dtype)
    weights = torch.linalg.solve(spread * within + errors, (logs - mean).unsqueeze(-1))
    estimate: Tensor = (mean + (spread * between @ weights).squeeze(-1)).exp()
    return estimate
