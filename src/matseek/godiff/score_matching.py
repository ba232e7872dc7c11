"""A score network in training, with a force head where there are forces.

Samples come from the exponential moving average (EMA) of its parameters.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol, cast

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from matseek.checks import of, real
from matseek.diffusion import score_matching_loss
from matseek.diffusion.capture import CapturedPasses
from matseek.godiff.replay import ReplayBatch


class Fields(NamedTuple):
    """What a network says of points.

    Attributes:
        score: Sigma times the score, of the points' shape.
        forces: Forces in eV/A, of the points' shape; None from a network without a force head.
    """

    score: Tensor
    forces: Tensor | None


class FieldNetwork(Protocol):
    """A module from points ``(B, *shape)`` and sigmas ``(B,)`` to fields."""

    def __call__(self, x: Tensor, sigma: Tensor) -> Fields:
        """The fields at points."""

    def score(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Sigma times the score alone."""

    def forces(self, x: Tensor, sigma: Tensor) -> Tensor | None:
        """The forces alone; None from a network without a force head."""

    def same_shapes(self, device: torch.device) -> bool:
        """Whether, on a device, shapes do not depend on the points and the host is asked for nothing."""

    def freeze_force_head(self) -> None:
        """Parameters that only forces depend on are trained no more."""

    def cached_template(self) -> Any:  # noqa: ANN401 -- any context manager
        """A context in which parameters do not change, so that what depends on them alone is computed once."""


class Average(AveragedModel):
    """An exponential moving average of parameters that does not ask a GPU at each step how many steps there were.

    Args:
        network: Whose parameters.
        decay: Per step.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__(network)
        self.decay = decay
        self._begun: bool | None = None
        self.register_load_state_dict_post_hook(_forget_the_beginning)  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """The parameters themselves at the first step, then ``decay`` of the average and the rest of them."""
        if self._begun is None:
            self._begun = bool(self.n_averaged > 0)
        own, theirs = ([p.detach() for p in module.parameters()] for module in (self.module, model))
        if self._begun:
            torch._foreach_lerp_(own, theirs, 1 - self.decay)
        else:
            torch._foreach_copy_(own, theirs)
        self._begun = True
        self.n_averaged += 1


def _forget_the_beginning(average: nn.Module, _: object) -> None:
    """What was read of a checkpoint may have begun or not."""
    average._begun = None  # type: ignore[assignment]


class ScoreMatching(pl.LightningModule):
    """Trains score and forces together; samples come from the EMA of the parameters.

    The loss is the score's (rows drawn by Boltzmann weight, so that nothing is weighted twice) and the forces' on
    uniform rows of everything evaluated. A force error counts linearly beyond a size, since atoms that nearly overlap
    have forces thousands of times larger than those that matter.

    Args:
        network: See :class:`FieldNetwork`.
        learning_rate: AdamW's.
        force_weight: How much the forces' loss counts; 0 trains the score alone.
        force_scale: Size in eV/A from which a force error counts linearly.
        decay: Of the EMA, per step (Polyak and Juditsky, SIAM J. Control Optim. 30, 838 (1992)).
        captured: Whether passes are recorded in CUDA graphs, see :mod:`matseek.diffusion.capture`.

    Attributes:
        gradient_scale: By how much gradients were too large at the last step that was logged (16-mixed).

    Raises:
        ValueError: If a setting is out of its range.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        learning_rate: float = 1e-4,
        force_weight: float = 1.0,
        force_scale: float = 1.0,
        decay: float = 0.995,
        captured: bool = False,
    ) -> None:
        super().__init__()
        of(nn.Module, "a network")("network", network)
        learning_rate, force_scale = (
            real(above=0)(name, value)
            for name, value in (("learning_rate", learning_rate), ("force_scale", force_scale))
        )
        force_weight, decay = real(0)("force_weight", force_weight), real(0, below=1)("decay", decay)
        self.network = network
        if not force_weight:
            # Distributed training insists that each parameter in training reaches the loss.
            cast("FieldNetwork", network).freeze_force_head()
        self.average = Average(network, decay)
        self.average.requires_grad_(False)
        self.learning_rate, self.force_weight, self.force_scale = learning_rate, force_weight, force_scale
        self._captured = CapturedPasses(network) if captured else None
        self.gradient_scale = 1.0

    def training_step(self, batch: ReplayBatch) -> Tensor:
        """Loss of a batch: one pass of the network over the rows of both heads."""
        noised, labelled = batch.noised, len(batch.positions) if self.force_weight else 0
        x, sigma = noised.points, noised.sigma
        if labelled:
            # What the forces are asked at is no sample under noise: it gets the least sigma of the batch.
            clean = sigma.min().expand(labelled)
            x, sigma = torch.cat([x, batch.positions]), torch.cat([sigma, clean])
        fields: Fields = (self._captured or self.network)(x, sigma)
        loss = score_matching_loss(fields.score[: len(noised.points)], noised.target)
        self.log("score_loss", loss, batch_size=len(noised.points))
        if labelled and fields.forces is not None:
            error = (fields.forces[-labelled:].to(loss.dtype) - batch.forces) / self.force_scale
            force_loss = nn.functional.smooth_l1_loss(error, torch.zeros_like(error))
            self.log("force_loss", force_loss, batch_size=labelled)
            loss = loss + self.force_weight * force_loss
        return loss

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 -- Lightning's own signature
        """A step of the optimiser, and of the EMA after it."""
        super().optimizer_step(*args, **kwargs)
        self.average.update_parameters(self.network)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Log the gradient's norm, the learning rate and steps per second at the steps whose losses are logged."""
        trainer = self.trainer
        if trainer.logger is None or (trainer.global_step + 1) % trainer.log_every_n_steps:  # type: ignore[attr-defined]
            return
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        scaler: Any = getattr(trainer.precision_plugin, "scaler", None)
        # Gradients of 16-mixed are scaled, and an optimiser of one kernel takes that back by itself.
        scaled = scaler is not None and getattr(optimizer, "_step_supports_amp_scaling", False)
        self.gradient_scale = float(scaler.get_scale()) if scaled else 1.0
        self.log("grad_norm", torch.nn.utils.get_total_norm(gradients) / self.gradient_scale)
        self.log("learning_rate", float(optimizer.param_groups[0]["lr"]))
        steps = trainer.global_step + 1 - self._first
        self.log("steps_per_second", steps / max(time.monotonic() - self._begun, 1e-9))

    def on_train_epoch_start(self) -> None:
        """Begin to time the steps."""
        self._begun, self._first = time.monotonic(), self.trainer.global_step

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW (Loshchilov and Hutter, ICLR 2019)."""
        parameters = [p for p in self.network.parameters() if p.requires_grad]
        return torch.optim.AdamW(parameters, lr=self.learning_rate, fused=True)

    @contextmanager
    def sampling(self) -> Iterator[FieldNetwork]:
        """The averaged network, without gradients, its parameters at rest."""
        network: Any = self.average.module
        training = network.training
        network.eval()
        try:
            with torch.no_grad(), network.cached_template():
                yield network
        finally:
            network.train(training)
