"""What all executors share: calls, their outcomes, and how many are under way at once."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from matseek.checks import optional, real, whole
from matseek.core.problem import Answer, Measurement, Problem
from matseek.core.records import Event
from matseek.errors import ExecutorError

FloatArray = npt.NDArray[np.float64]

WORKERS = whole(1, 10_000)
SECONDS = optional(real(above=0, high=1e7, unit="seconds"))
"""The rules for the number of workers, and for a limit of time."""

Outcome = Answer | Event
"""What came of a call: a measurement, or the exception that came instead, a time-out being a ``TimeoutError``. Before
that there may be an event: the call is made again, and the record must tell why."""


@dataclass(frozen=True, eq=False)
class Call:
    """One call of the truth.

    Args:
        problem: What is measured.
        number: Number of the evaluation.
        point: Where, shape ``(d,)``.
        seed: Campaign's seed; with the number it fixes the call's randomness.
    """

    problem: Problem
    number: int
    point: FloatArray
    seed: int

    def __call__(self) -> Measurement:
        """Measure."""
        # The leading 1 keeps this stream apart from the searchers', which are seeded with (seed, iteration).
        return self.problem.measure(self.point, np.random.default_rng([1, self.seed, self.number]))


def always() -> bool:
    """Go on whatever happens."""
    return True


class Caller(Protocol):
    """Makes calls."""

    def outcomes(self, calls: Sequence[Call], go_on: Callable[[], bool]) -> Iterator[tuple[int, Outcome]]:
        """Make calls and yield ``(index, outcome)`` in the order in which they finish.

        A ``KeyboardInterrupt`` that arrives while they are waited for, or is thrown in, is raised once all that has
        finished is yielded.

        Args:
            calls: Of one problem.
            go_on: Once it is false none is begun, but those that have begun are waited for.

        Raises:
            ExecutorError: If no outcome can be had from here on, whatever the calls do; never for a call that fails.
        """
        ...


@runtime_checkable
class Executor(Caller, Protocol):
    """Settings of a way to make calls. Its own ``outcomes`` opens and closes for one batch."""

    def opened(self) -> AbstractContextManager[Caller]:
        """What makes the calls of a whole campaign; processes and connections are kept from batch to batch."""
        ...


class Stateless:
    """An executor with nothing to open."""

    def opened(self) -> AbstractContextManager[Caller]:
        """The executor itself."""
        return nullcontext(self)  # type: ignore[arg-type]


class Opening:
    """An executor whose batches share what is opened."""

    def opened(self) -> AbstractContextManager[Caller]:
        """What makes the calls of a whole campaign."""
        raise NotImplementedError

    def outcomes(
        self, calls: Sequence[Call], go_on: Callable[[], bool] = lambda: True
    ) -> Iterator[tuple[int, Outcome]]:
        """Make calls with something opened for them alone."""
        with self.opened() as caller:
            yield from caller.outcomes(calls, go_on)


def late(timeout_s: float | None) -> TimeoutError:
    """The outcome of a call that takes too long."""
    return TimeoutError(f"no answer within timeout_s={timeout_s or math.inf:g} seconds")


_SLOW = 30.0
"""Seconds without an outcome after which an executor looks whether all is well."""


def kept_busy(
    calls: Sequence[Call],
    go_on: Callable[[], bool],
    workers: int,
    submit: Callable[[Call], Future[Outcome]],
    timeout_s: float | None = None,
    look: Callable[[], None] = lambda: None,
) -> Iterator[tuple[int, Outcome]]:
    """Have as many calls under way as there are workers.

    Args:
        calls: All that are to be made.
        go_on: Once it is false none is begun.
        workers: Calls at once.
        submit: Begins a call; an exception of its future is raised.
        timeout_s: Seconds after which a call is given up; None for never, or where the worker looks after that.
        look: Called whenever nothing has finished for half a minute.
    """
    waiting = deque(enumerate(calls))
    running: dict[Future[Outcome], tuple[int, float]] = {}
    try:
        while True:
            while waiting and len(running) < workers and go_on():
                index, call = waiting.popleft()
                running[submit(call)] = index, time.monotonic() + (timeout_s or math.inf)
            if not running:
                return
            patience = min(deadline for _, deadline in running.values()) - time.monotonic()
            if not wait(running, min(max(patience, 0.0), _SLOW), FIRST_COMPLETED).done and patience > _SLOW:
                look()
            for future, (index, deadline) in list(running.items()):
                if future.done():
                    del running[future]
                    outcome = future.result()
                    if isinstance(outcome, Event):
                        waiting.appendleft((index, calls[index]))
                    yield index, outcome
                elif time.monotonic() >= deadline:
                    del running[future]
                    yield index, late(timeout_s)
    except (KeyboardInterrupt, ExecutorError):
        # Also where all is lost: an answer that is there is never thrown away.
        for future, (index, _) in running.items():
            if future.done() and future.exception() is None:
                yield index, future.result()
        raise
