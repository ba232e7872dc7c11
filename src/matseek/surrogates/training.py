"""Training an ensemble of networks on spectra."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import lightning.pytorch as pl
import numpy.typing as npt
import torch
from torch import Tensor

from matseek.checks import check, flag, of, one_of, optional, real, several, whole
from matseek.core.space import BoxSpace
from matseek.surrogates.spectra_data import ROWS, Rows, SpectraDataModule
from matseek.surrogates.spectrum_net import SpectrumNet
from matseek.training.trainer import TrainerSettings, quiet_lightning

_EPOCHS_BETWEEN_JUDGEMENTS = 5


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
        rows: ``droplets``, ``means`` or ``medians``, see :class:`matseek.surrogates.spectra_data.SpectraDataModule`.
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
        check(
            self,
            "training.",
            members=whole(1, 1000),
            hidden=optional(several(whole(1, 100_000), 1, 100)),
            epochs=whole(1),
            batch_size=whole(1),
            learning_rate=real(above=0, high=1e3),
            cosine_weight=real(0, 1),
            rows=one_of(ROWS),
            holdout=real(0, 0.5),
            patience=whole(),
            bootstrap=flag,
            trainer=of(TrainerSettings),
        )

    def data(
        self,
        points: npt.ArrayLike,
        responses: Sequence[npt.ArrayLike],
        wavelengths: npt.ArrayLike | None = None,
        seed: int = 0,
    ) -> SpectraDataModule:
        """Conditions as training data with these settings, see :class:`SpectraDataModule`."""
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

    def fit(self, space: BoxSpace, data: SpectraDataModule, seed: int = 0) -> SpectrumNet:
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
