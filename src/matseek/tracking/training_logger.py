"""A Lightning logger that hands the figures of a training on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from lightning.pytorch.loggers import Logger
from torch import nn

from matseek.tracking.settings import GRADIENTS, PARAMETERS

Take = Callable[[Mapping[str, float], int, Mapping[str, npt.NDArray[np.float32]]], None]
"""Takes the figures of a step, the step, and what is watched, by name."""


class TrainingLogger(Logger):
    """What a Lightning trainer is given: figures go to the tracker, everything else is the campaign's own business.

    Args:
        log: Takes what is logged.
        watched: What of the network goes with the figures, ``gradients`` or ``parameters``.
    """

    def __init__(self, log: Take, watched: Sequence[str] = ()) -> None:
        super().__init__()
        self._log, self._watched = log, tuple(watched)
        self._network: nn.Module | None = None

    @property
    def name(self) -> str | None:
        """None: it keeps no files of its own."""
        return None

    @property
    def version(self) -> str | None:
        """None: see :attr:`name`."""
        return None

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Log a step's figures."""
        if step is not None:
            self._log(metrics, step, self._distributions())

    def log_graph(self, model: nn.Module, input_array: Any = None) -> None:  # noqa: ANN401, ARG002
        """Remember the network, which a trainer shows before its first step."""
        self._network = model

    def _distributions(self) -> dict[str, npt.NDArray[np.float32]]:
        """Gradients of the step, and parameters after it, of every parameter in training."""
        if self._network is None or not self._watched:
            return {}
        found: dict[str, npt.NDArray[np.float32]] = {}
        scale = float(getattr(self._network, "gradient_scale", 1.0))
        for name, parameter in self._network.named_parameters():
            if not parameter.requires_grad:
                continue
            for kind, values, by in ((PARAMETERS, parameter, 1.0), (GRADIENTS, parameter.grad, scale)):
                if kind in self._watched and values is not None:
                    numbers = (values.detach().float() / by).cpu().numpy().reshape(-1)
                    found[f"{kind}/{name}"] = numbers
        return found

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Nothing: the campaign's config is logged."""
