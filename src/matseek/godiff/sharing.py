"""Samples of a draw, shared out among the processes that train together."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Share:
    """A process's samples of some that all processes make together: every so many of them.

    Every process has as many rows, which gathering needs, and at least one: some are made twice where the processes do
    not divide the samples.

    Args:
        count: Samples in all.
        rank: The process.
        size: Processes.
    """

    count: int
    rank: int
    size: int

    @property
    def rows(self) -> Tensor | None:
        """Numbers of this process's samples; None for all of them."""
        if self.size == 1:
            return None
        each = -(-self.count // self.size)
        return (self.rank + self.size * torch.arange(each)) % self.count

    def whole(self, own: Tensor) -> Tensor:
        """All samples, in their order, in every process.

        Args:
            own: This process's, in the order of :attr:`rows`.
        """
        if self.size == 1:
            return own
        parts = [torch.empty_like(own) for _ in range(self.size)]
        torch.distributed.all_gather(parts, own.contiguous())
        return torch.stack(parts, dim=1).flatten(0, 1)[: self.count]
