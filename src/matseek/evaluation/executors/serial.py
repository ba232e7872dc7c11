"""One call after the other, or many in one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from matseek.checks import check, whole
from matseek.core.problem import Answer, Problem, answer_of
from matseek.evaluation.executors.base import (
    SECONDS,
    Call,
    Outcome,
    Stateless,
    always,
)
from matseek.evaluation.executors.pooled import ThreadExecutor
from matseek.evaluation.executors.shared import helpers, shared_answers

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SerialExecutor(Stateless):
    """One call after the other, in this thread; with a time-out, each in a thread that is abandoned when it is late.

    A KeyboardInterrupt ends the run, also one that the oracle raises itself.

    Args:
        timeout_s: Seconds that one call may take; None for no limit.
    """

    timeout_s: float | None = None

    def __post_init__(self) -> None:
        check(self, timeout_s=SECONDS)

    def outcomes(self, calls: Sequence[Call], go_on: Callable[[], bool] = always) -> Iterator[tuple[int, Outcome]]:
        """Run calls, in order."""
        if self.timeout_s is not None:
            yield from ThreadExecutor(workers=1, timeout_s=self.timeout_s).outcomes(calls, go_on)
            return
        for index, call in enumerate(calls):
            if not go_on():
                return
            yield index, _no_interrupt(answer_of(call))


@dataclass(frozen=True)
class BatchExecutor(Stateless):
    """Many calls in one, for calculators that take many structures at once; the randomness of a call does not matter.

    Where such a call fails as a whole, its members are called one by one, so that each fails alone. A calculator that
    takes one structure at a time is called so, and each result is written down as it comes. Where several processes
    train together each makes its part of the calls, see :mod:`matseek.evaluation.executors.shared`.

    Args:
        size: Calls in one, of each process, which are written down together.
    """

    size: int = 32

    def __post_init__(self) -> None:
        check(self, size=whole(1))

    def outcomes(self, calls: Sequence[Call], go_on: Callable[[], bool] = always) -> Iterator[tuple[int, Outcome]]:
        """Run calls, in order.

        Raises:
            ValueError: If the problem is measured one point at a time.
        """
        size = self.size * helpers()
        for start in range(0, len(calls), size):
            part = calls[start : start + size]
            problem = part[0].problem
            answers = _answers(problem, np.array([call.point for call in part]))
            if answers is None:
                raise ValueError(
                    f"evaluator=batched needs structures, and problem {problem.name!r} is measured one point at a "
                    "time; take evaluator=serial, threads or processes"
                )
            index = start
            for together in answers:
                yield from _all(enumerate(map(_no_interrupt, together), index))
                index += len(together)
                if not go_on():
                    return


def _answers(problem: Problem, points: FloatArray) -> Iterable[Sequence[Answer]] | None:
    """What came of many calls, part by part as they are to be written down; None where there is no such call."""
    if helpers() == 1 or problem.answers(points[:0]) is None:
        return problem.answers(points)
    return [shared_answers(problem, points)]


def _no_interrupt(answer: Answer) -> Answer:
    """Raise what ends the program; in this thread that is no failure of the call, whoever raised it."""
    if isinstance(answer, KeyboardInterrupt):
        raise answer
    return answer


def _all(outcomes: Iterable[tuple[int, Outcome]]) -> Iterator[tuple[int, Outcome]]:
    """All of them, also where an interrupt is thrown in."""
    interrupted = False
    for outcome in outcomes:
        try:
            yield outcome
        except KeyboardInterrupt:
            interrupted = True
    if interrupted:
        raise KeyboardInterrupt
