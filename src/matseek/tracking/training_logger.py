"""A Lightning logger that hands the figures of a training on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lightning.pytorch.loggers import Logger


class TrainingLogger(Logger):
    """What a Lightning trainer is given: figures go to the tracker, everything else is the campaign's own business.

    Args:
        log: Takes the figures of a step, and the step.
    """

    def __init__(self, log: Callable[[dict[str, float], int], None]) -> None:
        super().__init__()
        self._log = log

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
            self._log(metrics, step)

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Nothing: the campaign's config is logged."""
