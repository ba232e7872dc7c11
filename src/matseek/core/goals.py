"""What a campaign wants besides the least value: further objectives, and constraints on what comes out.

Outcomes are computed from what the ledger holds (point, response, replicates), so that nothing more is stored, and
goals may be changed in mid-campaign.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from matseek.checks import check, flag, of, optional, real
from matseek.core.objective import Objective
from matseek.core.records import Evaluation
from matseek.core.space import BoxSpace

FloatArray = npt.NDArray[np.float64]


class Outcome(ABC):
    """A number of an evaluation besides its value, such as the width of a peak."""

    name: str
    """Name in tables, one for each outcome of a problem."""

    unit: str
    """Unit; empty for a pure number."""

    @abstractmethod
    def reader(self, space: BoxSpace, objective: Objective | None) -> Callable[[Evaluation], float]:
        """What reads the number from an evaluation that gave a value; NaN where the evaluation has none.

        Args:
            space: The problem's space, whose variables the points have.
            objective: The problem's objective, which knows the wavelengths of its responses.

        Raises:
            ValueError: If the outcome has no meaning on such a problem.
        """

    def reach(self, space: BoxSpace, objective: Objective | None) -> tuple[float, float]:  # noqa: ARG002
        """Between which numbers it lies on a problem, as far as that is known before anything is measured."""
        return -np.inf, np.inf

    @property
    def label(self) -> str:
        """Name with unit."""
        return f"{self.name} ({self.unit})" if self.unit else self.name


@dataclass(frozen=True)
class FurtherObjective:
    """An outcome to be minimised, or maximised, together with the value.

    Args:
        outcome: The outcome.
        maximize: Whether more of it is better.
    """

    outcome: Outcome
    maximize: bool = False

    def __post_init__(self) -> None:
        check(self, outcome=of(Outcome, "an outcome, such as PeakWidth()"), maximize=flag)

    @property
    def sign(self) -> float:
        """Factor that makes of the outcome a number to minimise."""
        return -1.0 if self.maximize else 1.0

    def __str__(self) -> str:
        return f"{'most' if self.maximize else 'least'} {self.outcome.label}"


@dataclass(frozen=True)
class OutcomeConstraint:
    """Bounds of an outcome; what lies beyond them, or lacks the outcome, is the best only while nothing meets them.

    Args:
        outcome: The outcome.
        lower: Least number that will do; None for no such bound.
        upper: Largest number that will do; None for no such bound.
    """

    outcome: Outcome
    lower: float | None = None
    upper: float | None = None

    def __post_init__(self) -> None:
        check(
            self,
            outcome=of(Outcome, "an outcome, such as PeakWidth()"),
            lower=optional(real()),
            upper=optional(real()),
        )
        if self.lower is None and self.upper is None:
            raise ValueError(f"the constraint on {self.outcome.name} has no bound; give lower, upper or both")
        if self.lower is not None and self.upper is not None and self.lower > self.upper:
            raise ValueError(
                f"the constraint on {self.outcome.name} has lower={self.lower:g} above upper={self.upper:g}; swap them"
            )

    def met(self, numbers: FloatArray) -> npt.NDArray[np.bool_]:
        """Which numbers ``(n,)`` lie within the bounds, shape ``(n,)``; NaN does not."""
        low, high = self.ends
        return np.asarray((numbers >= low) & (numbers <= high))

    @property
    def ends(self) -> tuple[float, float]:
        """The bounds, infinite where there is none."""
        return -np.inf if self.lower is None else self.lower, np.inf if self.upper is None else self.upper

    def __str__(self) -> str:
        bounds = (("at least", self.lower), ("at most", self.upper))
        ends = [f"{words} {bound:g}" for words, bound in bounds if bound is not None]
        return f"{self.outcome.label} {' and '.join(ends)}"


@dataclass(frozen=True, eq=False)
class Goals:
    """What is wanted besides the least value; false where that is nothing.

    Args:
        objectives: Further objectives.
        constraints: Constraints on outcomes.
        readers: What reads each outcome from an evaluation, in the order of :attr:`outcomes`.
    """

    objectives: tuple[FurtherObjective, ...] = ()
    constraints: tuple[OutcomeConstraint, ...] = ()
    readers: tuple[Callable[[Evaluation], float], ...] = ()

    @classmethod
    def on(
        cls,
        space: BoxSpace,
        objective: Objective | None,
        objectives: tuple[FurtherObjective, ...],
        constraints: tuple[OutcomeConstraint, ...],
    ) -> Goals:
        """The goals of a problem.

        Args:
            space: The problem's space.
            objective: What the problem makes of a spectrum; None where its response is the value itself.
            objectives: Further objectives.
            constraints: Constraints on outcomes.

        Raises:
            ValueError: If an outcome has no meaning on such a problem, two different ones have the same name, or a
                constraint can be met nowhere.
        """
        bare = cls(objectives, constraints)
        names = [goal.outcome.name for goal in objectives]
        if len(set(names)) < len(names):
            raise ValueError(f"further objectives are of the outcomes {names}; give each outcome one objective")
        for outcome in bare.given:
            if bare.outcomes[bare.place(outcome)] != outcome:
                raise ValueError(f"two outcomes are called {outcome.name!r}; give each a name of its own")
        readers = tuple(outcome.reader(space, objective) for outcome in bare.outcomes)
        for outcome in bare.outcomes:
            rules = [rule for rule in constraints if rule.outcome == outcome]
            low, high = outcome.reach(space, objective)
            least, most = max((r.ends[0] for r in rules), default=low), min((r.ends[1] for r in rules), default=high)
            if high < least or low > most or least > most:
                raise ValueError(
                    f"no point can meet the constraint {' and '.join(map(str, rules))}: on this problem {outcome.name} "
                    f"lies between {low:g} and {high:g}; move the bound"
                )
        return cls(objectives, constraints, readers)

    def __bool__(self) -> bool:
        return bool(self.objectives or self.constraints)

    @cached_property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Every outcome once, those of the objectives first."""
        return tuple({outcome.name: outcome for outcome in self.given}.values())

    @property
    def given(self) -> list[Outcome]:
        """The outcome of each goal."""
        return [goal.outcome for goal in self.objectives] + [rule.outcome for rule in self.constraints]

    def place(self, outcome: Outcome) -> int:
        """The column of an outcome in :meth:`table`."""
        return [known.name for known in self.outcomes].index(outcome.name)

    def table(self, evaluations: Sequence[Evaluation]) -> FloatArray:
        """All outcomes of evaluations, shape ``(n, k)``; NaN where an evaluation has no value or no such outcome."""
        rows = [[read(e) if e.status == "done" else np.nan for read in self.readers] for e in evaluations]
        return np.array(rows, dtype=np.float64).reshape(len(evaluations), len(self.outcomes))

    def of(self, evaluation: Evaluation) -> dict[str, float]:
        """All outcomes of an evaluation by their labels."""
        numbers = self.table([evaluation])[0].tolist()
        return {outcome.label: number for outcome, number in zip(self.outcomes, numbers, strict=True)}

    def costs(self, evaluations: Sequence[Evaluation]) -> FloatArray:
        """The value and the further objectives, all to be minimised, shape ``(n, 1 + objectives)``."""
        table = self.table(evaluations)
        further = [goal.sign * table[:, self.place(goal.outcome)] for goal in self.objectives]
        return np.column_stack([np.array([e.value for e in evaluations], dtype=np.float64), *further])

    def feasible(self, evaluations: Sequence[Evaluation]) -> npt.NDArray[np.bool_]:
        """Which evaluations meet all constraints, shape ``(n,)``."""
        table = self.table(evaluations)
        met = [constraint.met(table[:, self.place(constraint.outcome)]) for constraint in self.constraints]
        done = np.array([e.status == "done" for e in evaluations], dtype=np.bool_)
        return np.asarray(np.array([done, *met]).all(axis=0), dtype=np.bool_)

    def front(self, evaluations: Sequence[Evaluation]) -> list[Evaluation]:
        """The Pareto front: evaluations that meet all constraints and that none of these betters, by value.

        One evaluation betters another where it is as good in every objective and better in one.
        """
        kept = [e for e, meets in zip(evaluations, self.feasible(evaluations), strict=True) if meets]
        costs = self.costs(kept)
        whole = np.flatnonzero(np.isfinite(costs).all(axis=1))
        known, costs = [kept[i] for i in whole], costs[whole]
        bettered = [bool(((costs <= row).all(axis=1) & (costs < row).any(axis=1)).any()) for row in costs]
        front = [e for e, worse in zip(known, bettered, strict=True) if not worse]
        return sorted(front, key=lambda e: (e.value, e.number))
