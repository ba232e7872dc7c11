"""Reverse diffusion: from a prior under noise to samples, along a score."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from matseek.checks import check, of, real, whole
from matseek.diffusion.base import Manifold
from matseek.diffusion.capture import Captured, can_capture
from matseek.diffusion.guidance import Corrector
from matseek.diffusion.sde import LinearSchedule, NoiseSchedule
from matseek.diffusion.transfer import ahead

Score = Callable[[Tensor, Tensor], Tensor]
"""From points ``(B, *shape)`` and sigmas ``(B,)`` to sigma times the score, of the points' shape."""

_AHEAD = 2**24
"""Random numbers that are drawn ahead of the steps that need them."""


@dataclass(frozen=True)
class Sampler(ABC):
    """Integrates the reverse-time equation from the prior under noise, mostly uniform, to sigma = 0.

    Steps follow the schedule down to its lowest sigma; a last evaluation of the score takes off the noise that is left
    by Tweedie's formula, ``x + sigma^2 score``.

    Args:
        schedule: How wide noise is at each time.
        steps: Steps between the schedule's ends.

    Raises:
        ValueError: If a setting is out of its range.
    """

    schedule: NoiseSchedule = field(default_factory=LinearSchedule)
    steps: int = 500

    def __post_init__(self) -> None:
        check(self, "sampler.", schedule=of(NoiseSchedule, "a noise schedule"), steps=whole(1, 1_000_000))

    @property
    @abstractmethod
    def evaluations(self) -> int:
        """Evaluations of the score that one sample takes."""

    @torch.no_grad()
    def sample(
        self,
        score: Score,
        manifold: Manifold,
        batch: int,
        generator: torch.Generator,
        *,
        origin: Tensor | None = None,
        begin: float = 1.0,
        rows: Tensor | None = None,
        corrector: Corrector | None = None,
        captured: bool = False,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> Tensor:
        """Draw samples.

        Args:
            score: Sigma times the score.
            manifold: Where samples live.
            batch: How many samples, B.
            generator: Source of all randomness; on the CPU, draws are the same for every device.
            origin: Points to put under noise and to sample anew from, shape ``(B, *shape)``; None begins uniformly.
            begin: Time to whose noise they are taken, above 0; the steps from 1 to there are left out.
            rows: Numbers of the samples that are computed here, shape ``(R,)``, where processes share a batch: they are
                what they are in the whole batch. None for all.
            corrector: Displaces the points after each step, such as ``Guidance``.
            captured: Whether score and corrector ask the host for nothing and have shapes that do not depend on the
                points, so that a step may be recorded on a GPU, see :mod:`matseek.diffusion.capture`.
            dtype: Precision of the points.
            device: Device of the points.

        Returns:
            Shape ``(B, *shape)``, or ``(R, *shape)``, on the manifold.

        Raises:
            FloatingPointError: If the score is not finite: the network has diverged.
        """
        if batch < 1:
            raise ValueError(f"batch={batch} must be at least 1")
        if not 0 < begin <= 1 or (origin is not None and len(origin) != batch):
            raise ValueError(f"begin={begin} must lie in (0, 1], and origin hold batch={batch} points")
        field = _Field(score, corrector)
        times = self.schedule.times(self.steps)
        if origin is not None:
            times = times[min(round((1 - begin) * self.steps), self.steps - 1) :]
        sigmas = self.schedule.sigma(times).tolist()
        own = torch.arange(batch) if rows is None else rows.cpu()
        if origin is None:
            x = manifold.sample_start(batch, generator, sigmas[0], dtype=dtype)[own].to(device)
        else:
            x = manifold.perturb(manifold.wrap(origin.cpu().to(dtype)), sigmas[0], generator)[own].to(device)

        def advance(x: Tensor, row: Tensor, noise: Tensor) -> Tensor:
            """A step at the coefficients of a row, the last of which is its time."""
            x = self._step(field, manifold, x, row, noise)
            return manifold.moved(x, field.correction(x, row[-1])) if corrector else x

        step = Captured(advance) if captured and can_capture(x.device) else advance
        plan = [
            (*self._coefficients(high, low), float(t))
            for high, low, t in zip(sigmas[:-1], sigmas[1:], times[1:], strict=True)
        ]
        # Numbers of many steps go to the device together; draws come from the generator in the order of the steps.
        numbers = batch * math.prod(manifold.shape) * max(self._draws, 1)
        together = max(_AHEAD // numbers, 1)
        for some in (plan[k : k + together] for k in range(0, len(plan), together)):
            table = ahead(torch.tensor(some, dtype=dtype), x.device)
            drawn = [manifold.noise(batch, generator, dtype) for _ in range(len(some) * self._draws)]
            noise = ahead(torch.stack(drawn)[:, own], x.device) if drawn else x.new_empty(0)
            for k in range(len(some)):
                x = step(x, table[k], noise[k * self._draws : (k + 1) * self._draws])
        x = manifold.wrap(x + sigmas[-1] * field(x, x.new_full((), sigmas[-1])))
        if not torch.isfinite(x).all():
            raise FloatingPointError("samples are not finite: the score has diverged; lower the learning rate")
        return x

    @property
    @abstractmethod
    def _draws(self) -> int:
        """Draws of noise that a step takes."""

    @abstractmethod
    def _coefficients(self, sigma: float, lower: float) -> tuple[float, ...]:
        """What a step from one sigma to a lower one reads."""

    @abstractmethod
    def _step(self, field: _Field, manifold: Manifold, x: Tensor, row: Tensor, noise: Tensor) -> Tensor:
        """Points after a step.

        Args:
            field: The score.
            manifold: Where points live.
            x: Points, shape ``(B, *shape)``.
            row: The step's coefficients, on the points' device.
            noise: Its draws, shape ``(draws, B, *shape)``.
        """


@dataclass(frozen=True)
class EulerMaruyama(Sampler):
    """First-order steps of ``dx = (1 + lambda^2) / 2 g^2 score dt + lambda g dW``, backwards.

    Every lambda has the same marginals: 0 is the probability-flow equation, 1 the reverse-time diffusion (Song et al.,
    ICLR 2021, eqs. 6 and 13; Zhang and Chen, ICLR 2023, for those between). Steps are taken in sigma^2, in which
    ``g^2 dt`` is exact.

    Args:
        schedule: How wide noise is at each time.
        steps: Steps between the schedule's ends.
        noise_scale: Lambda, from 0 to 1.
    """

    noise_scale: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, "sampler.", noise_scale=real(0, 1, unit="0 is the ODE and 1 the SDE"))

    @property
    def evaluations(self) -> int:
        """One per step, and the last."""
        return self.steps + 1

    @property
    def _draws(self) -> int:
        return int(self.noise_scale > 0)

    def _coefficients(self, sigma: float, lower: float) -> tuple[float, ...]:
        fall = sigma**2 - lower**2
        return sigma, (1 + self.noise_scale**2) / 2 * fall / sigma, self.noise_scale * math.sqrt(fall)

    def _step(self, field: _Field, manifold: Manifold, x: Tensor, row: Tensor, noise: Tensor) -> Tensor:
        sigma, drift, width, *_ = row.unbind()
        x = manifold.wrap(x + drift * field(x, sigma))
        return manifold.perturbed(x, width, noise[0]) if self.noise_scale else x


@dataclass(frozen=True)
class Heun(Sampler):
    """Second-order steps of ``dx = -(sigma score) d sigma``, with some noise put back before each if asked.

    Karras et al., NeurIPS 2022, algorithm 2.

    Args:
        schedule: How wide noise is at each time.
        steps: Steps between the schedule's ends.
        churn: Noise put back over the whole run: sigma rises by a factor ``1 + churn / steps`` (at most sqrt(2)) before
            each step but where it would exceed the schedule; 0 for the probability-flow equation.
    """

    steps: int = 100
    churn: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, "sampler.", churn=real(0, 1e6))

    @property
    def evaluations(self) -> int:
        """Two per step, and the last."""
        return 2 * self.steps + 1

    @property
    def _draws(self) -> int:
        return int(self.churn > 0)

    def _coefficients(self, sigma: float, lower: float) -> tuple[float, ...]:
        raised = min(sigma * (1 + min(self.churn / self.steps, math.sqrt(2) - 1)), self.schedule.high)
        raised = max(raised, sigma)
        return raised, lower, raised - lower, math.sqrt(raised**2 - sigma**2)

    def _step(self, field: _Field, manifold: Manifold, x: Tensor, row: Tensor, noise: Tensor) -> Tensor:
        sigma, lower, fall, width, *_ = row.unbind()
        x = manifold.perturbed(x, width, noise[0]) if self.churn else x
        slope = field(x, sigma)
        end = manifold.wrap(x + fall * slope)
        return manifold.wrap(x + fall * (slope + field(end, lower)) / 2)


@dataclass(frozen=True)
class PredictorCorrector(EulerMaruyama):
    """Euler-Maruyama steps, each followed by Langevin steps at the new sigma (Song et al., ICLR 2021, algorithm 4).

    A Langevin step is ``x + eps score + sqrt(2 eps) z`` with ``eps = 2 (ratio sigma)^2``: Song's rule with the score's
    typical size, 1 / sigma, in the place of its norm over the batch, so that samples do not depend on each
    other.

    Args:
        schedule: How wide noise is at each time.
        steps: Steps between the schedule's ends.
        noise_scale: Lambda of the predictor, from 0 to 1.
        langevin_steps: Langevin steps after each.
        ratio: Signal-to-noise ratio of a Langevin step.
    """

    langevin_steps: int = 1
    ratio: float = 0.16

    def __post_init__(self) -> None:
        super().__post_init__()
        ratio = real(above=0, high=0.5, unit="longer steps overshoot")
        check(self, "sampler.", langevin_steps=whole(1, 10_000), ratio=ratio)

    @property
    def evaluations(self) -> int:
        """One per step and per Langevin step, and the last."""
        return self.steps * (1 + self.langevin_steps) + 1

    @property
    def _draws(self) -> int:
        return super()._draws + self.langevin_steps

    def _coefficients(self, sigma: float, lower: float) -> tuple[float, ...]:
        langevin = lower, 2 * self.ratio**2 * lower, 2 * self.ratio * lower
        return *super()._coefficients(sigma, lower), *langevin

    def _step(self, field: _Field, manifold: Manifold, x: Tensor, row: Tensor, noise: Tensor) -> Tensor:
        x = super()._step(field, manifold, x, row, noise)
        lower, drift, width = row.unbind()[3:6]
        for drawn in noise[super()._draws :]:
            x = manifold.wrap(x + drift * field(x, lower))
            x = manifold.perturbed(x, width, drawn)
        return x


@dataclass(frozen=True)
class _Field:
    """Score and corrector at one sigma or time for all points."""

    score: Score
    corrector: Corrector | None

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        return self.score(x, sigma.expand(len(x))).to(x.dtype)

    def correction(self, x: Tensor, t: Tensor) -> Tensor:
        assert self.corrector is not None
        return self.corrector(x, t.expand(len(x))).to(x.dtype)
