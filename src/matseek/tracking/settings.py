"""How a campaign is followed: the Hydra group ``logger/``."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import numpy.typing as npt

from matseek.checks import check, of, optional, path, text
from matseek.core.problem import Problem
from matseek.core.searcher import Searcher
from matseek.tracking.outcome import CampaignOutcome, IterationState

if TYPE_CHECKING:
    import pandas as pd

    # Lightning takes seconds to import, which a campaign that is not followed need not pay
    from lightning.pytorch.loggers import Logger, TensorBoardLogger

STEP = "trainer/global_step"
"""A training step, under the name that Lightning gives it in W&B."""

GRADIENTS, PARAMETERS = "gradients", "parameters"
"""What may be watched of a network in training."""


@dataclass(frozen=True)
class Label:
    """What a tracked run is called.

    Args:
        searcher: Who chooses.
        seed: The campaign's; None for what is not a campaign.
        id: The run's own, the same whenever the campaign goes on.
        config: Everything that was set, as plain data.
        folder: Where files go.
    """

    searcher: str
    seed: int | None
    id: str
    config: Mapping[str, Any]
    folder: Path

    @property
    def name(self) -> str:
        """For people."""
        return self.searcher if self.seed is None else f"{self.searcher}-{self.seed}"

    @classmethod
    def of(cls, tracking: Tracking, problem: Problem, searcher: Searcher, seed: int, ledger: Path | None) -> Label:
        """The label of a campaign, still without an id.

        Raises:
            ValueError: If neither the settings nor the ledger say where files may go.
        """
        folder = tracking.folder or (None if ledger is None else ledger.parent)
        if folder is None:
            raise ValueError("tracking.folder=None goes with a ledger in a file; name a folder for what is logged")
        config = tracking.config
        if config is None:
            settings: dict[str, Any] = asdict(searcher) if is_dataclass(searcher) else {}
            said = {"problem": problem.describe(), "searcher": {"name": searcher.name, **settings}, "seed": seed}
            config = json.loads(json.dumps(said, default=str))
        return cls(tracking.searcher or searcher.name, seed, "", config, Path(folder))


@dataclass(frozen=True)
class Tracking(ABC):
    """Where the progress of a campaign is shown.

    Args:
        folder: Where files go; None: beside the ledger.
        group: The comparison that the campaign belongs to; None for none.
        searcher: What the searcher is called; None for its own name.
        config: Everything that was set, as plain data; None: what problem and searcher say of themselves.
    """

    kind: ClassVar[str]
    folder: Path | str | None = None
    group: str | None = None
    searcher: str | None = None
    config: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        mapping = optional(of(Mapping, "settings by name"))
        check(self, "logger.", folder=optional(path), group=optional(text), searcher=optional(text), config=mapping)

    @property
    def watched(self) -> tuple[str, ...]:
        """What is logged of a network in training beside its figures: ``gradients``, ``parameters``, both, neither."""
        return ()

    @abstractmethod
    def open(self, label: Label) -> Logger:
        """A Lightning logger for a campaign, which goes on with what an earlier process has logged."""

    def log(
        self,
        logger: Logger,
        figures: Mapping[str, float],
        step: int,
        row: int,  # noqa: ARG002 -- for those that number rows
        distributions: Mapping[str, npt.NDArray[np.float32]] = MappingProxyType({}),  # noqa: ARG002
    ) -> None:
        """Log figures.

        Args:
            logger: What :meth:`open` gave.
            figures: By name; ``evaluation`` is among those of the campaign.
            step: Evaluations so far, or a trainer's step.
            row: 0 for the first that is logged; it goes up by one over all the processes of a campaign.
            distributions: Numbers of what is :attr:`watched`, by name, shape ``(n,)`` each.
        """
        logger.log_metrics(dict(figures), step)

    def iterated(self, logger: Logger, label: Label, state: IterationState) -> None:  # noqa: B027 -- files may do
        """Keep what a search for structures has after an iteration, as far as there is a place for it."""

    def show(self, logger: Logger, label: Label, outcome: CampaignOutcome, row: int) -> None:  # noqa: B027 -- files may do
        """Show what the campaign came to, as far as there is a place for it."""

    def compared(self, folder: Path, table: pd.DataFrame, pairs: pd.DataFrame, page: Path) -> None:  # noqa: B027
        """Show what a comparison came to, as far as there is a place for it.

        Args:
            folder: The comparison's.
            table: A row per searcher.
            pairs: A row per pair of searchers and measure.
            page: Its page.
        """

    def close(self, logger: Logger, *, failed: bool) -> None:
        """Write what is still to be written."""
        logger.finalize("failed" if failed else "success")


@dataclass(frozen=True)
class CSVTracking(Tracking):
    """Figures as rows of ``csv/version_N/metrics.csv``, the config beside it; N is 0, and one more for each resume."""

    kind: ClassVar[str] = "csv"

    def open(self, label: Label) -> Logger:
        """A logger that writes each row at once."""
        from lightning.pytorch.loggers import CSVLogger

        logger = CSVLogger(label.folder, name=self.kind, flush_logs_every_n_steps=1)
        logger.log_hyperparams(dict(label.config))
        return logger


@dataclass(frozen=True)
class TensorBoardTracking(Tracking):
    """Figures, pictures and the config in ``tensorboard/``: ``tensorboard --logdir RUN_DIR``."""

    kind: ClassVar[str] = "tensorboard"

    def open(self, label: Label) -> Logger:
        """A logger that adds to what is there."""
        from lightning.pytorch.loggers import TensorBoardLogger

        logger = TensorBoardLogger(label.folder, name=None, version=self.kind, default_hp_metric=False)
        logger.log_hyperparams(dict(label.config))
        return logger

    def show(self, logger: Logger, label: Label, outcome: CampaignOutcome, row: int) -> None:  # noqa: ARG002
        """The pictures."""
        from matplotlib.image import imread

        board = cast("TensorBoardLogger", logger).experiment
        for file in outcome.figures:
            picture = imread(file)[..., :3]
            board.add_image(f"figures/{file.stem}", picture, outcome.evaluations, dataformats="HWC")
