"""Products of coordinates with small matrices, in the precision of the coordinates wherever they are taken."""

from __future__ import annotations

from torch import Tensor


def combine(x: Tensor, rows: Tensor) -> Tensor:
    """``x @ rows`` without a matrix product, which autocast and TF32 would take in ten bits or fewer.

    Args:
        x: Shape ``(..., k)``.
        rows: Shape ``(k, m)``.

    Returns:
        Shape ``(..., m)``.
    """
    return (x.unsqueeze(-1) * rows).sum(dim=-2)
