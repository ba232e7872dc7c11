"""Ways to call the truth: one after the other, in threads, in processes, or on a Dask cluster.

An executor takes calls and yields their outcomes as they finish. An outcome is a measurement, or the exception that
came instead; a time-out is a ``TimeoutError``. No executor ever raises for a failing call.
"""

from __future__ import annotations

import math
import pickle
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from pebble import ProcessPool

from matseek.checks import check, optional, real, text, whole
from matseek.problems.base import Measurement, Problem

FloatArray = npt.NDArray[np.float64]
_SECONDS = optional(real(above=0, high=1e7, unit="seconds"))

Outcome = Measurement | BaseException


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


@runtime_checkable
class Executor(Protocol):
    """Runs calls and yields ``(index, outcome)`` in the order in which they finish."""

    def outcomes(self, calls: Sequence[Call], go_on: Callable[[], bool]) -> Iterator[tuple[int, Outcome]]:
        """Run calls; once ``go_on()`` is false none is begun, but those that have begun are waited for."""
        ...


def always() -> bool:
    """Go on whatever happens."""
    return True


@dataclass(frozen=True)
class SerialExecutor:
    """One call after the other, in this thread; with a time-out, each in a thread that is abandoned when it is late.

    Args:
        timeout_s: Seconds that one call may take; None for no limit.
    """

    timeout_s: float | None = None

    def __post_init__(self) -> None:
        check(self, timeout_s=_SECONDS)

    def outcomes(self, calls: Sequence[Call], go_on: Callable[[], bool] = always) -> Iterator[tuple[int, Outcome]]:
        """Run calls, in order."""
        if self.timeout_s is not None:
            yield from ThreadExecutor(workers=1, timeout_s=self.timeout_s).outcomes(calls, go_on)
            return
        for index, call in enumerate(calls):
            if not go_on():
                return
            yield index, _outcome(call)


@runtime_checkable
class _TakesMany(Protocol):
    """A problem that can be measured at many points in one call."""

    def measure_many(self, points: FloatArray) -> list[Measurement]: ...


@dataclass(frozen=True)
class BatchExecutor:
    """Many calls in one, for calculators that take many structures at once; the randomness of a call does not matter.

    Where such a call fails, its members are called one by one, so that each fails alone.

    Args:
        size: Calls in one, which are written down together.
    """

    size: int = 32

    def __post_init__(self) -> None:
        check(self, size=whole(1))

    def outcomes(self, calls: Sequence[Call], go_on: Callable[[], bool] = always) -> Iterator[tuple[int, Outcome]]:
        """Run calls, in order.

        Raises:
            ValueError: If the problem is measured one point at a time.
        """
        for start in range(0, len(calls), self.size):
            if not go_on():
                return
            part = calls[start : start + self.size]
            problem = part[0].problem
            if not isinstance(problem, _TakesMany):
                raise ValueError(
                    f"evaluator=batched needs structures, and problem {problem.name!r} is measured one point at a "
                    "time; take evaluator=serial, threads or processes"
                )
            yield from enumerate(self._measured(problem, part), start)

    def _measured(self, problem: _TakesMany, calls: Sequence[Call]) -> Iterator[Outcome]:
        try:
            yield from problem.measure_many(np.array([call.point for call in calls]))
        except Exception:
            yield from map(_outcome, calls)


@dataclass(frozen=True)
class _Pooled:
    """What executors with workers share.

    Args:
        workers: Calls at once.
        timeout_s: Seconds that one call may take; None for no limit.
    """

    workers: int = 2
    timeout_s: float | None = None

    def __post_init__(self) -> None:
        check(self, workers=whole(1, 10_000), timeout_s=_SECONDS)

    def _keep_busy(
        self, calls: Sequence[Call], go_on: Callable[[], bool], submit: Callable[[Call], Future[Measurement]]
    ) -> Iterator[tuple[int, Outcome]]:
        """Have as many calls under way as there are workers; give up each that is late."""
        waiting = deque(enumerate(calls))
        running: dict[Future[Measurement], tuple[int, float]] = {}
        while True:
            while waiting and len(running) < self.workers and go_on():
                index, call = waiting.popleft()
                running[submit(call)] = index, time.monotonic() + (self.timeout_s or math.inf)
            if not running:
                return
            patience = min(deadline for _, deadline in running.values()) - time.monotonic()
            wait(running, timeout=None if math.isinf(patience) else max(patience, 0.0), return_when=FIRST_COMPLETED)
            for future, (index, deadline) in list(running.items()):
                if future.done():
                    del running[future]
                    yield index, self._outcome_of(future)
                elif time.monotonic() >= deadline:
                    del running[future]
                    future.cancel()
                    yield index, self._late()

    def _outcome_of(self, future: Future[Measurement]) -> Outcome:
        error = future.exception()
        if error is None:
            return future.result()
        return self._late() if isinstance(error, TimeoutError) and not error.args else error

    def _late(self) -> TimeoutError:
        return TimeoutError(f"no answer within timeout_s={self.timeout_s:g} seconds")


@dataclass(frozen=True)
class ThreadExecutor(_Pooled):
    """Several calls at once in threads, for oracles that wait for an instrument or a server.

    A thread cannot be killed, so a late call is abandoned and its answer ignored.

    Args:
        workers: Calls at once.
        timeout_s: Seconds that one call may take; None for no limit.
    """

    def outcomes(self, calls: Sequence[Call], go_on: Callable[[], bool] = always) -> Iterator[tuple[int, Outcome]]:
        """Run calls."""
        return self._keep_busy(calls, go_on, _in_a_thread)


@dataclass(frozen=True)
class ProcessExecutor(_Pooled):
    """Several calls at once in processes of their own; a late one is killed, a crashed one fails alone.

    Args:
        workers: Processes; the problem must be picklable.
        timeout_s: Seconds that one call may take; None for no limit.
    """

    def outcomes(self, calls: Sequence[Call], go_on: Callable[[], bool] = always) -> Iterator[tuple[int, Outcome]]:
        """Run calls.

        Raises:
            ValueError: If the problem cannot be sent to another process.
        """
        _require_picklable(calls)
        # spawn, not fork: forking a process that has used torch's threads can deadlock.
        with ProcessPool(max_workers=self.workers, context=get_context("spawn")) as pool:
            # The pool's own time-out kills the process; it starts with the call, ours would start with the interpreter.
            timeless = replace(self, timeout_s=None)
            for index, outcome in timeless._keep_busy(calls, go_on, lambda c: pool.schedule(c, timeout=self.timeout_s)):
                late = isinstance(outcome, TimeoutError) and self.timeout_s is not None
                yield index, self._late() if late else outcome


@dataclass(frozen=True)
class DaskExecutor(_Pooled):
    """Calls on a Dask cluster (extra ``dask``).

    Args:
        workers: Calls at once; worker processes of the cluster that is started here.
        timeout_s: Seconds that one call may take; None for no limit.
        address: Address of a scheduler; None starts a local cluster.
    """

    address: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, address=optional(text))

    def outcomes(self, calls: Sequence[Call], go_on: Callable[[], bool] = always) -> Iterator[tuple[int, Outcome]]:
        """Run calls.

        Raises:
            ImportError: If the extra is not installed.
            ValueError: If the problem cannot be sent to another process.
        """
        try:
            from distributed import Client
        except ImportError as error:
            raise ImportError("evaluator=dask needs the extra: pip install 'matseek[dask]'") from error
        where = {"address": self.address} if self.address else {"n_workers": self.workers, "threads_per_worker": 1}
        with (
            Client(**where, dashboard_address=None, set_as_default=False) as client,  # type: ignore[no-untyped-call]
            client.get_executor(pure=False) as pool,
        ):
            yield from self._keep_busy(calls, go_on, pool.submit)


def _require_picklable(calls: Sequence[Call]) -> None:
    try:
        pickle.dumps(calls[:1])
    except Exception as error:
        raise ValueError(
            f"the problem cannot be sent to another process ({error}); define its oracle at the top of a module, "
            "or use evaluator=threads"
        ) from error


def _in_a_thread(call: Call) -> Future[Measurement]:
    future: Future[Measurement] = Future()
    future.set_running_or_notify_cancel()  # from here on a late call cannot be cancelled, only ignored

    def work() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # also SystemExit: an oracle that gives up has failed
            future.set_exception(error)

    # A daemon, so that an abandoned call cannot keep the interpreter from ending.
    threading.Thread(target=work, daemon=True).start()
    return future


def _outcome(call: Call) -> Outcome:
    try:
        return call()
    except (Exception, SystemExit) as error:
        return error
