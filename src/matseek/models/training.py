"""Training an ensemble, quietly: no progress bars, no files, no global state touched."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import lightning.pytorch as pl
import numpy.typing as npt
import torch
from lightning.fabric.utilities.warnings import PossibleUserWarning
from torch import Tensor

from matseek.data import ROWS, Rows, SpectraDataModule
from matseek.models.spectrum_net import SpectrumNet
from matseek.spaces import Box

Precision = Literal["32-true", "16-mixed", "bf16-mixed"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

_EPOCHS_BETWEEN_JUDGEMENTS = 5


@dataclass(frozen=True)
class TrainerSettings:
    """Where and how precisely networks are trained; the Hydra group ``trainer/``.

    Args:
        accelerator: ``cpu``, ``gpu`` or ``auto``.
        devices: Devices per machine, or ``auto`` for all.
        nodes: Machines.
        strategy: ``auto``, or ``ddp`` for several devices.
        precision: ``32-true``, ``16-mixed`` (GPUs only) or ``bf16-mixed``.

    Raises:
        ValueError: If a setting is out of its range.
    """

    accelerator: str = "cpu"
    devices: int | str = 1
    nodes: int = 1
    strategy: str = "auto"
    precision: Precision = "32-true"

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ValueError(f"trainer.precision={self.precision!r} is unknown; choose one of {list(PRECISIONS)}")
        if self.devices != "auto" and (not isinstance(self.devices, int) or self.devices < 1):
            raise ValueError(f"trainer.devices={self.devices!r} must be a whole number of at least 1, or auto")
        if not isinstance(self.nodes, int) or self.nodes < 1:
            raise ValueError(f"trainer.nodes={self.nodes!r} must be a whole number of at least 1")
        if self.precision == "16-mixed" and self.accelerator == "cpu":
            raise ValueError("trainer.precision='16-mixed' needs a GPU; on a CPU take bf16-mixed or 32-true")

    def trainer(self, **more: Any) -> pl.Trainer:  # noqa: ANN401 -- Lightning's own arguments
        """A quiet Lightning trainer with these settings.

        Args:
            more: Further arguments of ``lightning.pytorch.Trainer``.
        """
        quiet: dict[str, Any] = {
            "logger": False,
            "enable_checkpointing": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
        }
        return pl.Trainer(
            accelerator=self.accelerator,
            devices=self.devices,
            num_nodes=self.nodes,
            strategy=self.strategy,
            precision=self.precision,
            **(quiet | more),
        )

    @property
    def single(self) -> TrainerSettings:
        """The same on one device, for networks too small to share."""
        return replace(self, devices=1, nodes=1, strategy="auto")


@dataclass(frozen=True)
class Training:
    """How a :class:`SpectrumNet` is made and trained.

    The paper's own is ``Training(members=1, epochs=1000, learning_rate=1e-3, rows="droplets", holdout=0, patience=0)``.

    Args:
        members: Networks in the ensemble.
        hidden: Sizes of the hidden layers; None for the paper's 50-100-200-500 with spectra and 64-64 with values.
        epochs: Most passes over the data.
        batch_size: Rows of a batch.
        learning_rate: Adam's at the start; it falls to zero along half a cosine.
        cosine_weight: Share of the spectral cosine in the training loss.
        rows: ``droplets``, ``means`` or ``medians``, see :class:`matseek.data.SpectraDataModule`.
        holdout: Share of the recipes that each member is judged on, other ones for every member; 0 for none.
        patience: Epochs without a better validation loss of any member after which training ends; 0 for never. With
            held-out recipes, each member keeps the parameters of its best epoch.
        bootstrap: Whether each member learns from a bootstrap sample of its conditions.
        trainer: Where it is trained, on a single device of these: an ensemble is too small to share.
    """

    members: int = 5
    hidden: tuple[int, ...] | None = None
    epochs: int = 600
    batch_size: int = 39
    learning_rate: float = 3e-3
    cosine_weight: float = 0.0
    rows: Rows = "means"
    holdout: float = 0.15
    patience: int = 100
    bootstrap: bool = False
    trainer: TrainerSettings = field(default_factory=TrainerSettings)

    def __post_init__(self) -> None:
        if self.hidden is not None:
            object.__setattr__(self, "hidden", tuple(self.hidden))
        for name in ("members", "epochs", "batch_size"):
            if int(getattr(self, name)) != getattr(self, name) or getattr(self, name) < 1:
                raise ValueError(f"training.{name}={getattr(self, name)} must be a whole number of at least 1")
        if self.hidden is not None and any(size < 1 for size in self.hidden):
            raise ValueError(f"training.hidden={list(self.hidden)} must be whole numbers of at least 1")
        if self.learning_rate <= 0:
            raise ValueError(f"training.learning_rate={self.learning_rate} must be positive")
        if self.patience < 0:
            raise ValueError(f"training.patience={self.patience} must be at least 0; 0 never stops early")
        if self.rows not in ROWS:
            raise ValueError(f"training.rows={self.rows!r} is unknown; choose one of {list(ROWS)}")
        for name, most in (("cosine_weight", 1.0), ("holdout", 0.5)):
            if not 0 <= getattr(self, name) <= most:
                raise ValueError(f"training.{name}={getattr(self, name)} must lie in [0, {most:g}]")

    def data(
        self,
        points: npt.ArrayLike,
        responses: Sequence[npt.ArrayLike],
        wavelengths: npt.ArrayLike | None = None,
        seed: int = 0,
    ) -> SpectraDataModule:
        """Conditions as training data with these settings, see :class:`matseek.data.SpectraDataModule`."""
        return SpectraDataModule(
            points,
            responses,
            wavelengths,
            members=self.members,
            rows=self.rows,
            batch_size=self.batch_size,
            holdout=self.holdout,
            bootstrap=self.bootstrap,
            seed=seed,
        )

    def fit(self, space: Box, data: SpectraDataModule, seed: int = 0) -> SpectrumNet:
        """Train a new ensemble.

        Args:
            space: The box of the recipes.
            data: Training data, see :meth:`data`.
            seed: Seed of the initial parameters; the data has its own for everything else.

        Returns:
            The network, in evaluation mode, on the CPU.
        """
        net = SpectrumNet(
            space,
            data.wavelengths,
            members=self.members,
            hidden=self.hidden,
            cosine_weight=self.cosine_weight,
            learning_rate=self.learning_rate,
            seed=seed,
        )
        net.standardize(data.offset, data.scale)
        keep = KeepBest(self.patience)
        with quiet_lightning():
            trainer = self.trainer.single.trainer(
                max_epochs=self.epochs,
                callbacks=[keep] if data.holds_out else [],
                limit_val_batches=None if data.holds_out else 0,
                check_val_every_n_epoch=min(_EPOCHS_BETWEEN_JUDGEMENTS, self.epochs),
                num_sanity_val_steps=0,
            )
            trainer.fit(net, datamodule=data)
        if keep.least is not None:
            net.held_out_loss = float(keep.least.mean())
        return net.cpu().eval()


class KeepBest(pl.Callback):
    """Early stopping, member by member: each ends with the parameters of its own best epoch.

    Args:
        patience: Epochs without an improvement of any member after which training ends; 0 for never.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.least: Tensor | None = None
        self.epoch: Tensor | None = None
        self._best: list[Tensor] = []

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,  # noqa: ANN401 -- Lightning's own union
        *args: Any,  # noqa: ANN401, ARG002
    ) -> None:
        """Compare each member with its best; the whole validation set is one batch."""
        losses = outputs.detach()
        now = trainer.current_epoch
        if self.least is None or self.epoch is None:
            self.least, self.epoch = losses.clone(), torch.full(losses.shape, now)
            self._best = [p.detach().clone() for p in pl_module.parameters()]
            return
        better = losses < self.least
        self.least = torch.where(better, losses, self.least)
        self.epoch[better.cpu()] = now
        members = better.nonzero().squeeze(-1)
        for best, parameter in zip(self._best, pl_module.parameters(), strict=True):
            best[members] = parameter.detach()[members]
        if self.patience and now - int(self.epoch.max()) >= self.patience:
            trainer.should_stop = True

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Put the best parameters back."""
        with torch.no_grad():
            for best, parameter in zip(self._best, pl_module.parameters(), strict=True):
                parameter.copy_(best)


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Leave out what Lightning tells about the machine, and its advice on data loaders and devices."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PossibleUserWarning)
            # Checkpoints lie beside the ledger, on purpose.
            warnings.filterwarnings("ignore", message="Checkpoint directory .* exists and is not empty")
            # Lightning asks torch an old question while it combines data loaders.
            warnings.filterwarnings("ignore", message=r"`isinstance\(treespec, LeafSpec\)` is deprecated")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
