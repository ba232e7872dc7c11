"""Whether a search can go on from a checkpoint."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from matseek.errors import CheckpointError
from matseek.godiff.replay import ReplayBuffer, ReplayDataModule


def require_fitting(path: Path, module: nn.Module, buffer: ReplayBuffer) -> None:
    """Refuse a checkpoint that is damaged, or of another network, buffer or kind of training.

    Args:
        path: The checkpoint.
        module: What is to be trained on.
        buffer: What it is trained from.

    Raises:
        CheckpointError: If it does not go with them.
        OSError: If the file cannot be opened.
    """
    remedy = "restore the settings, or remove it to learn again from the ledger"
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        differ = list(_differences(state, module, buffer))
    except (RuntimeError, EOFError, pickle.UnpicklingError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise CheckpointError(
            f"{path} cannot be read as a checkpoint of this search ({type(error).__name__}: {error}); remove it to "
            "learn again from the ledger"
        ) from error
    if differ:
        raise CheckpointError(f"the checkpoint {path} does not go with this search: {'; '.join(differ)}; {remedy}")


def _differences(state: Mapping[str, Any], module: nn.Module, buffer: ReplayBuffer) -> Iterable[str]:
    there = {key: tuple(tensor.shape) for key, tensor in state["state_dict"].items()}
    here = {key: tuple(tensor.shape) for key, tensor in module.state_dict().items()}
    if differ := sorted(key for key in {*there, *here} if there.get(key) != here.get(key)):
        key = differ[0]
        yield (
            f"its network is another ({len(differ)} parameters differ, {key} has the shape {there.get(key)} there and "
            f"{here.get(key)} here)"
        )
    groups = (group for optimizer in state["optimizer_states"] for group in optimizer["param_groups"])
    trained = sum(len(group["params"]) for group in groups)
    asked = sum(parameter.requires_grad for parameter in module.parameters())
    if not differ and trained != asked:
        yield f"it has trained {trained} parameters where {asked} are asked (force_weight)"
    held = state[ReplayDataModule.__name__]["buffer"]
    if held["capacity"] != buffer.capacity:
        yield f"its buffer={held['capacity']} where buffer={buffer.capacity} is asked"
