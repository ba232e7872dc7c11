"""The contract of a surrogate: what is learnt from a history, and what it then predicts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from pathlib import Path

    from matseek.core.history import History

FloatArray = npt.NDArray[np.float64]
Look = tuple[str, str]
"""Colour and marker, as matplotlib names them."""


@dataclass(frozen=True, eq=False)
class Draws:
    """Samples of what a model holds possible at some points.

    Args:
        values: Shape ``(s, n)``.
        responses: Spectra, shape ``(r, n, m)``; None where the model predicts none.
        wavelengths: Of these spectra, in nm, shape ``(m,)``; None where there are none.
    """

    values: FloatArray
    responses: FloatArray | None = None
    wavelengths: FloatArray | None = None


Sampler = Callable[[npt.ArrayLike], Draws]
"""Samples that have been drawn as functions: of points ``(n, d)``, and the same ones at every call."""


@dataclass(frozen=True, eq=False)
class LeftOut:
    """What a model predicts of each condition that it was fitted on, as if it had not been.

    Args:
        points: The conditions, shape ``(n, d)``.
        values: Their values, shape ``(n,)``.
        draws: Samples of what a measurement gives there, its noise among them.
    """

    points: FloatArray
    values: FloatArray
    draws: Draws


class FittedSurrogate(ABC):
    """A model that has learnt from a history; points are in the units of the history's box, shape ``(n, d)``."""

    @abstractmethod
    def mean(self, points: npt.ArrayLike) -> FloatArray:
        """Expected values, shape ``(n,)``."""

    def deviation(self, points: npt.ArrayLike) -> FloatArray | None:  # noqa: ARG002 -- for those that know it
        """Standard deviations of the values, shape ``(n,)``; None for a model that has none."""
        return None

    @property
    def predicts_responses(self) -> bool:
        """Whether :meth:`responses` predicts what is measured, and not the value alone."""
        return False

    @property
    def wavelengths(self) -> FloatArray | None:
        """Wavelengths of the spectra that it predicts, in nm, shape ``(m,)``; None where it predicts none."""
        return None

    def responses(self, points: npt.ArrayLike) -> FloatArray:  # noqa: ARG002 -- for those that predict them
        """Responses as each member of an ensemble predicts them, shape ``(members, n, m)``.

        Raises:
            ValueError: If the model predicts values alone.
        """
        raise ValueError("this model predicts values and no responses; ask predicts_responses first")

    def response_deviation(self, points: npt.ArrayLike) -> FloatArray:
        """Standard deviations of newly measured responses, shape ``(n, m)``: by default, those over the members.

        Raises:
            ValueError: If the model predicts values alone.
        """
        return np.asarray(self.responses(points).std(axis=0))

    def sampler(self, count: int, rng: np.random.Generator) -> Sampler:
        """Samples of the noiseless value and, where they are predicted, of spectra, drawn once.

        By default normal values that lie equally many deviations from the mean everywhere, and the responses of the
        members; a Gaussian process has joint samples.

        Args:
            count: Number of samples of the value.
            rng: Source of all randomness.
        """
        away = rng.standard_normal((count, 1))

        def draw(points: npt.ArrayLike) -> Draws:
            mean, deviation = self.mean(points), self.deviation(points)
            values = mean + away * (np.zeros_like(mean) if deviation is None else deviation)
            if self.wavelengths is None:
                return Draws(values)
            return Draws(values, self.responses(points), self.wavelengths)

        return draw

    def left_out(self, count: int, rng: np.random.Generator) -> LeftOut | None:  # noqa: ARG002 -- for those that can
        """Leave-one-out predictions of its training conditions; None for a model that would have to be fitted anew.

        Args:
            count: Number of samples of each prediction.
            rng: Source of all randomness.
        """
        return None

    def save(self, path: Path) -> None:  # noqa: ARG002 -- for those that can be written
        """Write the model to a file.

        Raises:
            ValueError: If the model has no file of its own.
        """
        raise ValueError("this model is fitted anew from the ledger and has no file of its own")

    @property
    def suffix(self) -> str | None:
        """Ending of the file that :meth:`save` writes; None for a model without one."""
        return None


class Surrogate(ABC):
    """Settings of a model that learns from a history; the same history gives the same model.

    A new surrogate gives ``name``, ``label`` and :meth:`fit`. ``matseek.testing.check_surrogate`` certifies it.
    """

    name: ClassVar[str]
    """Name in records and settings."""

    label: ClassVar[str]
    """How people read the name."""

    look: ClassVar[Look | None] = None
    """Colour and marker in figures; None for the next free ones."""

    @abstractmethod
    def fit(self, history: History) -> FittedSurrogate:
        """Learn from everything that has a value, over the history's window.

        Raises:
            ValueError: If there is too little to learn from, see :meth:`reason_to_wait`.
        """

    @property
    def predicts_responses(self) -> bool:
        """Whether the fitted model predicts what is measured, and not the value alone."""
        return False

    @property
    def follows_risk(self) -> bool:
        """Whether the values that it expects are those of the problem's risk measure, which replicates tell.

        By default they are; a model of typical responses alone cannot know.
        """
        return True

    @property
    def needs_spectra(self) -> bool:
        """Whether it can learn only where responses are spectra with an objective on them."""
        return False

    def reason_to_wait(self, history: History) -> str | None:
        """Why nothing can be learnt from a history yet; None if it can.

        Raises:
            ResponseError: If a response does not fit the objective; no further measurement would mend that.
        """
        return None if len(history.done) else "there is no value to learn from"
