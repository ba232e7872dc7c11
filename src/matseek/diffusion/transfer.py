"""What goes to a device ahead of the steps that need it, so that no step waits for the host."""

from __future__ import annotations

import torch
from torch import Tensor


def ahead(x: Tensor, device: torch.device | str) -> Tensor:
    """A tensor of the CPU on a device: to a GPU from pinned memory, which the host need not wait for."""
    if torch.device(device).type != "cuda":
        return x.to(device)
    return x.pin_memory().to(device, non_blocking=True)
