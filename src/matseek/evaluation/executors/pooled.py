"""Several calls at once on this machine: in threads, or in processes."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass

from matseek.checks import check
from matseek.core.problem import Problem, answer_of
from matseek.evaluation.executors.base import (
    SECONDS,
    WORKERS,
    Call,
    Caller,
    Opening,
    Outcome,
    Stateless,
    always,
    kept_busy,
)
from matseek.evaluation.executors.workers import ProblemPool


@dataclass(frozen=True)
class ThreadExecutor(Stateless):
    """Several calls at once in threads, for oracles that wait for an instrument or a server.

    A thread cannot be killed, so a late call is abandoned and its answer ignored.

    Args:
        workers: Calls at once.
        timeout_s: Seconds that one call may take; None for no limit.
    """

    workers: int = 2
    timeout_s: float | None = None

    def __post_init__(self) -> None:
        check(self, workers=WORKERS, timeout_s=SECONDS)

    def outcomes(self, calls: Sequence[Call], go_on: Callable[[], bool] = always) -> Iterator[tuple[int, Outcome]]:
        """Run calls."""
        return kept_busy(calls, go_on, self.workers, _in_a_thread, self.timeout_s)


@dataclass(frozen=True)
class ProcessExecutor(Opening):
    """Several calls at once in processes of their own; a late one is killed, a crashed one fails alone.

    The processes are kept for a campaign, and have made their calculators before a call's time begins.

    Args:
        workers: Processes; the problem must be picklable.
        timeout_s: Seconds that one call may take; None for no limit.
    """

    workers: int = 2
    timeout_s: float | None = None

    def __post_init__(self) -> None:
        check(self, workers=WORKERS, timeout_s=SECONDS)

    def opened(self) -> AbstractContextManager[Caller]:
        """Processes that start with the first call and end, whatever they are at, with the block."""
        return closing(_Processes(self))


class _Processes:
    """The open pool of a problem."""

    def __init__(self, settings: ProcessExecutor) -> None:
        self._settings = settings
        self._pool: ProblemPool | None = None
        self._problem: Problem | None = None

    def outcomes(self, calls: Sequence[Call], go_on: Callable[[], bool] = always) -> Iterator[tuple[int, Outcome]]:
        """Run calls.

        Raises:
            ValueError: If the problem cannot be sent to another process.
            ExecutorError: If the processes end before they begin a call.
        """
        if not calls:
            return
        pool, timeout_s = self._pool_for(calls[0].problem), self._settings.timeout_s
        yield from kept_busy(
            calls, go_on, self._settings.workers, lambda c: pool.begin(c.number, c.point, c.seed, timeout_s)
        )

    def _pool_for(self, problem: Problem) -> ProblemPool:
        if self._pool is None or self._problem is not problem:
            self.close()
            self._pool, self._problem = ProblemPool(_pickled(problem), self._settings.workers), problem
        return self._pool

    def close(self) -> None:
        """End the processes."""
        if self._pool is not None:
            self._pool.close()


def _pickled(problem: Problem) -> bytes:
    try:
        return pickle.dumps(problem)
    except Exception as error:
        raise ValueError(
            f"the problem cannot be sent to another process ({error}); define its oracle at the top of a module, "
            "or use evaluator=threads"
        ) from error


def _in_a_thread(call: Call) -> Future[Outcome]:
    future: Future[Outcome] = Future()
    # A daemon, so that an abandoned call cannot keep the interpreter from ending.
    threading.Thread(target=lambda: future.set_result(answer_of(call)), daemon=True).start()
    return future
