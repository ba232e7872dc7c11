"""Acquisition functions of structures: how good it is to evaluate one, by a model's mean and standard deviation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import erfcx, log_ndtr

from matseek.checks import check, real
from matseek.core.surface import EnergySurface

FloatArray = npt.NDArray[np.float64]

_FAR = -5.0
"""Standard deviations below which expected improvement is taken by its asymptotic form."""


class Slopes(NamedTuple):
    """An acquisition function to be minimised, shape ``(m,)``, and its derivatives by mean and deviation."""

    value: FloatArray
    by_mean: FloatArray
    by_deviation: FloatArray


class SurfaceAcquisition(ABC):
    """What is minimised over structures; a new one gives ``label`` and :meth:`slopes`."""

    label: ClassVar[str]
    """How people read the name."""

    @abstractmethod
    def slopes(self, mean: FloatArray, deviation: FloatArray, best: float) -> Slopes:
        """The function, the smaller the better, in eV, and its derivatives.

        Args:
            mean: Of the model, in eV, shape ``(m,)``.
            deviation: Of the model, in eV, shape ``(m,)``.
            best: Least energy so far, in eV.
        """

    def choice(self, surface: EnergySurface, points: FloatArray, best: float, rng: np.random.Generator) -> FloatArray:  # noqa: ARG002 -- for those that draw
        """By what a batch is chosen from relaxed structures ``(m, 3n)``, the smaller the better, in eV, shape ``(m,)``.

        Args:
            surface: The model.
            points: Structures that were relaxed on :meth:`slopes`.
            best: Least energy so far, in eV.
            rng: Source of randomness.
        """
        prediction = surface.predict(points)
        return self.slopes(prediction.mean, prediction.deviation, best).value

    def merit(self, choice: FloatArray, deviation: FloatArray) -> FloatArray:
        """Logarithm of a positive number that is larger the better a structure is, shape ``(m,)``.

        Local penalization multiplies merits. Values that may be negative pass through a soft plus first, as Gonzalez
        et al. do; its unit is the mean standard deviation of the structures at hand.

        Args:
            choice: As :meth:`choice` gives it, shape ``(m,)``.
            deviation: Of the model, in eV, shape ``(m,)``.
        """
        finite = choice[np.isfinite(choice)]
        if not len(finite):
            return np.full_like(choice, -np.inf)
        scale = max(float(deviation.mean()), 1e-12)
        merit = -(choice - np.quantile(finite, 0.5)) / scale
        soft = np.log(np.log1p(np.exp(np.clip(merit, -30.0, 30.0))))
        return np.where(merit > 30.0, np.log(np.maximum(merit, 1.0)), np.where(merit < -30.0, merit, soft))


@dataclass(frozen=True)
class LowerBound(SurfaceAcquisition):
    """Lower confidence bound, ``mean - kappa * deviation`` (Cox and John, 1992).

    Args:
        kappa: Standard deviations below the mean.
    """

    label: ClassVar[str] = "lower confidence bound"
    kappa: float = 2.0

    def __post_init__(self) -> None:
        check(self, kappa=real(0, 1e6))

    def slopes(self, mean: FloatArray, deviation: FloatArray, best: float) -> Slopes:  # noqa: ARG002 -- needs none
        """The bound."""
        ones = np.ones_like(mean)
        return Slopes(mean - self.kappa * deviation, ones, -self.kappa * ones)


@dataclass(frozen=True)
class LogImprovement(SurfaceAcquisition):
    """Minus the logarithm of expected improvement (Ament et al., NeurIPS 2023).

    With ``u = (best - mean) / deviation``, expected improvement is ``deviation * (phi(u) + u Phi(u))``; its logarithm
    is a pure number.
    """

    label: ClassVar[str] = "log expected improvement"

    def merit(self, choice: FloatArray, deviation: FloatArray) -> FloatArray:  # noqa: ARG002 -- it is one already
        """The logarithm itself."""
        return -choice

    def slopes(self, mean: FloatArray, deviation: FloatArray, best: float) -> Slopes:
        """The logarithm; its derivatives are ``Phi(u) / EI`` and ``-phi(u) / EI``."""
        u = (best - mean) / deviation
        log_phi = -0.5 * u * u - 0.5 * np.log(2 * np.pi)
        # h(u) = phi(u) + u Phi(u) = phi(u) (1 + u Phi(u)/phi(u)); Phi/phi by erfcx, which does not underflow.
        mills = np.sqrt(np.pi / 2) * erfcx(-np.minimum(u, 20.0) / np.sqrt(2))
        far = u < _FAR
        inverse = 1 / np.where(far, u * u, 1.0)
        # 1 - |u| m(|u|) = 1/u^2 - 3/u^4 + 15/u^6 - ...
        tail = inverse * (1 - 3 * inverse + 15 * inverse**2)
        h = np.where(far, tail, 1 + u * mills)
        log_h = np.where(u > 20.0, np.log(np.maximum(u, 1.0)), log_phi + np.log(h))
        by_mean = np.exp(log_ndtr(u) - log_h) / deviation
        by_deviation = -np.exp(log_phi - log_h) / deviation
        return Slopes(-(np.log(deviation) + log_h), by_mean, by_deviation)


@dataclass(frozen=True)
class Thompson(SurfaceAcquisition):
    """Thompson sampling: structures are relaxed on the mean, and chosen by one draw of the joint posterior."""

    label: ClassVar[str] = "Thompson sampling"

    def slopes(self, mean: FloatArray, deviation: FloatArray, best: float) -> Slopes:  # noqa: ARG002 -- needs none
        """The mean."""
        return Slopes(mean, np.ones_like(mean), np.zeros_like(deviation))

    def choice(self, surface: EnergySurface, points: FloatArray, best: float, rng: np.random.Generator) -> FloatArray:  # noqa: ARG002 -- its face
        """A draw."""
        return surface.draw(points, rng)
