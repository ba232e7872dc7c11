"""Where the hyperparameters of Gaussian processes are learnt."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, get_args

import torch
from torch import nn

from matseek.errors import ConfigurationError

Device = Literal["cpu", "cuda", "auto"]
DEVICES: tuple[Device, ...] = get_args(Device)


def device_of(name: Device) -> torch.device:
    """The device of a name; ``auto`` is an NVIDIA GPU where there is one, else the CPU."""
    on_gpu = name == "cuda" or (name == "auto" and torch.cuda.is_available())
    return torch.device("cuda" if on_gpu else "cpu")


def require_device(setting: str, name: Device) -> None:
    """Refuse a GPU that is not there.

    Args:
        setting: The setting's name, for the message.
        name: Its value.

    Raises:
        ConfigurationError: If this machine has no NVIDIA GPU.
    """
    if device_of(name).type == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError(f"{setting}={name} needs an NVIDIA GPU, and there is none here; take cpu or auto")


@contextmanager
def learning_on(model: nn.Module, device: torch.device) -> Iterator[None]:
    """A block in which a model and its data are on a device; afterwards both are on the CPU."""
    model.to(device)
    try:
        yield
    finally:
        model.to("cpu")
