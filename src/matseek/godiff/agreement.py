"""Training that ends where gradients of different batches no longer agree."""

from __future__ import annotations

from dataclasses import dataclass

import lightning.pytorch as pl
import torch
from torch import Tensor

from matseek.checks import check, real, whole


@dataclass(frozen=True)
class GradientAgreement:
    """Ends the training of an iteration before its last step, where gradients have become noise.

    With ``g_t`` the gradient of step t, agreement is ``sum w g_t . g_(t-1) / sum w (|g_t|^2 + |g_(t-1)|^2) / 2`` with
    exponential weights w. Batches are independent, so that the numerator estimates the squared norm of the true
    gradient, and the denominator that and the variance of a batch: it is the share of signal. Training ends where it
    is at most ``level``. At level 0 this is the diagnostic of Chee and Toulis, AISTATS 2018, after Pflug (1990), by
    which stochastic gradient descent moves about its goal; Mahsereci, Balles, Lassner and Hennig, arXiv 1703.09580
    (2017), stop by the same two quantities within a batch.

    Args:
        level: Share of signal at which training ends.
        least: Steps that are taken in any case.
        decay: Of the exponential weights, per step.

    Raises:
        ValueError: If a setting is out of its range.
    """

    level: float = 0.0
    least: int = 40
    decay: float = 0.95

    def __post_init__(self) -> None:
        check(self, "agreement.", level=real(-1, 1), least=whole(2), decay=real(0, below=1))


class AgreementWatch(pl.Callback):
    """Follows the gradients of an iteration, and says when training has been enough.

    Args:
        settings: When it is.
    """

    def __init__(self, settings: GradientAgreement) -> None:
        self.settings = settings
        self._begin()

    def _begin(self) -> None:
        self.steps, self._products, self._squares = 0, 0.0, 0.0
        self._last: Tensor | None = None

    @property
    def agreement(self) -> float:
        """The share of signal, from -1 to 1; 1 before two gradients were seen."""
        return self._products / self._squares if self._squares > 0 else 1.0

    def enough(self) -> bool:
        """Whether this iteration's training is to end."""
        return self.steps >= self.settings.least and self.agreement <= self.settings.level

    def see(self, gradient: Tensor) -> None:
        """The gradient of a step, as one vector."""
        self.steps += 1
        if self._last is not None:
            numbers = torch.stack([gradient @ self._last, gradient @ gradient, self._last @ self._last]).tolist()
            decay = self.settings.decay
            self._products = decay * self._products + numbers[0]
            self._squares = decay * self._squares + (numbers[1] + numbers[2]) / 2
        self._last = gradient

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Begin anew."""
        self._begin()

    def on_before_optimizer_step(
        self,
        trainer: pl.Trainer,  # noqa: ARG002
        pl_module: pl.LightningModule,  # noqa: ARG002
        optimizer: torch.optim.Optimizer,
    ) -> None:
        """See the step's gradient, which all processes have shared by now."""
        parameters = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        self.see(torch.cat([p.grad.detach().flatten().float() for p in parameters if p.grad is not None]))
