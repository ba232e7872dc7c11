"""A problem whose oracle is watched, fails now and then, or is cut off: what campaigns of the kit are run on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matseek.campaign import Campaign
from matseek.core.goals import Goals
from matseek.core.history import History
from matseek.core.objective import Objective
from matseek.core.problem import Answer, Laboratory, Measurement, Problem, Structures
from matseek.core.risk import Risk
from matseek.searchers.random import RandomSearcher

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from matseek.core.records import Evaluation

FloatArray = npt.NDArray[np.float64]


class CutOff(BaseException):
    """Ends a campaign as a killed process would: no searcher may catch it."""


class Watched(Problem):
    """Another problem, measured one point at a time.

    Args:
        inner: The problem.
        fails_every: Every so many calls fail, the first among them; 0 for none.
        ends_at: The call, 1 for the first, that never comes back; 0 for none.
    """

    def __init__(self, inner: Problem, fails_every: int = 0, ends_at: int = 0) -> None:
        self.inner, self.fails_every, self.ends_at = inner, fails_every, ends_at
        self.name, self.space = inner.name, inner.space
        self.points: list[FloatArray] = []
        """Points of the calls that came back."""

    def measure(self, point: FloatArray, rng: np.random.Generator) -> Measurement:
        """As the problem does, unless this call fails or is cut off."""
        call = len(self.points) + 1
        if call == self.ends_at:
            raise CutOff(f"call {call} was cut off")
        self.points.append(np.array(point))
        if self.fails_every and call % self.fails_every == 1:
            raise RuntimeError(f"call {call} was made to fail")
        return self.inner.measure(point, rng)

    def answers(self, points: FloatArray) -> Iterator[Sequence[Answer]] | None:  # noqa: ARG002
        """None: one by one, so that every call is seen."""
        return None

    def describe(self) -> dict[str, Any]:
        """As the problem does: ledgers take both for the same."""
        return self.inner.describe()

    @property
    def objective(self) -> Objective | None:
        """The problem's."""
        return self.inner.objective

    @property
    def risk(self) -> Risk | None:
        """The problem's."""
        return self.inner.risk

    @property
    def goals(self) -> Goals:
        """The problem's."""
        return self.inner.goals

    def ranked(self, evaluations: Iterable[Evaluation]) -> list[Evaluation]:
        """As the problem does."""
        return self.inner.ranked(evaluations)

    @property
    def value_name(self) -> str:
        """The problem's."""
        return self.inner.value_name

    @property
    def value_label(self) -> str:
        """The problem's."""
        return self.inner.value_label

    @property
    def value_unit(self) -> str:
        """The problem's."""
        return self.inner.value_unit

    @property
    def known_minimum(self) -> float | None:
        """The problem's."""
        return self.inner.known_minimum

    @property
    def sign(self) -> float:
        """The problem's."""
        return self.inner.sign

    @property
    def told_name(self) -> str:
        """The problem's."""
        return self.inner.told_name

    @property
    def told_label(self) -> str:
        """The problem's."""
        return self.inner.told_label

    @property
    def point_name(self) -> str:
        """The problem's."""
        return self.inner.point_name

    @property
    def axes(self) -> tuple[str, str] | None:
        """The problem's."""
        return self.inner.axes

    def require_oracle(self) -> None:
        """As the problem does."""
        self.inner.require_oracle()

    def prepare(self) -> None:
        """As the problem does."""
        self.inner.prepare()

    def as_laboratory(self) -> Laboratory | None:
        """The problem's."""
        return self.inner.as_laboratory()

    def as_structures(self) -> Structures | None:
        """The problem's."""
        return self.inner.as_structures()

    def figures(self, evaluations: Sequence[Evaluation]) -> Mapping[str, Figure]:
        """The problem's."""
        return self.inner.figures(evaluations)


def measured(problem: Problem, n: int = 20, seed: int = 0) -> History:
    """A history of a problem to fit surrogates to: n uniform samples, measured, in coordinates of a box.

    Args:
        problem: The problem; its oracle is called n times.
        n: Samples.
        seed: Of the samples and of the oracle's noise.
    """
    return Campaign(problem, RandomSearcher(batch_size=n), seed=seed).run(n).history().in_box()
