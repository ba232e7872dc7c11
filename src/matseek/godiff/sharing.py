"""Samples of a draw, shared out among the processes that train together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import lightning.pytorch as pl
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

    def whole(self, own: Tensor, module: pl.LightningModule) -> Tensor:
        """All samples, in their order, in every process.

        Args:
            own: This process's, in the order of :attr:`rows`.
            module: Gathers them.
        """
        if self.size == 1:
            return own
        gathered = cast("Tensor", module.all_gather(own))  # (processes, rows each, *shape)
        return gathered.transpose(0, 1).flatten(0, 1)[: self.count]
