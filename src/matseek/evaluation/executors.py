"""Ways to call the truth: one after the other, in threads, in processes, or on a Dask cluster.

An executor takes calls and yields their outcomes as they finish. An outcome is a measurement, or the exception that
came instead; a time-out is a ``TimeoutError``. No executor ever raises for a failing call.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, as_completed
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from matseek.problems.base import Measurement, Problem

FloatArray = npt.NDArray[np.float64]
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


class Executor(Protocol):
    """Runs calls and yields ``(index, outcome)`` in the order in which they finish."""

    def outcomes(self, calls: Sequence[Call]) -> Iterator[tuple[int, Outcome]]:
        """Run all calls."""
        ...


def _require_positive(name: str, value: float | None) -> None:
    if value is not None and value <= 0:
        raise ValueError(f"{name}={value} must be positive; raise it or leave it out")


@dataclass(frozen=True)
class SerialExecutor:
    """One call after the other, in this thread; with a time-out, each in a thread that is abandoned when it is late.

    Args:
        timeout_s: Seconds that one call may take; None for no limit.
    """

    timeout_s: float | None = None

    def __post_init__(self) -> None:
        _require_positive("timeout_s", self.timeout_s)

    def outcomes(self, calls: Sequence[Call]) -> Iterator[tuple[int, Outcome]]:
        """Run all calls, in order."""
        if self.timeout_s is not None:
            yield from ThreadExecutor(workers=1, timeout_s=self.timeout_s).outcomes(calls)
            return
        for index, call in enumerate(calls):
            yield index, _outcome(call)


@dataclass(frozen=True)
class ThreadExecutor:
    """Several calls at once in threads, for oracles that wait for an instrument or a server.

    Args:
        workers: Calls at once.
        timeout_s: Seconds that one call may take; a thread cannot be killed, so a late one is abandoned.
    """

    workers: int = 2
    timeout_s: float | None = None

    def __post_init__(self) -> None:
        _require_positive("workers", self.workers)
        _require_positive("timeout_s", self.timeout_s)

    def outcomes(self, calls: Sequence[Call]) -> Iterator[tuple[int, Outcome]]:
        """Run all calls."""
        results: queue.Queue[tuple[int, Outcome]] = queue.Queue()
        waiting = list(enumerate(calls))[::-1]
        deadlines: dict[int, float] = {}
        while waiting or deadlines:
            while waiting and len(deadlines) < self.workers:
                index, call = waiting.pop()
                deadlines[index] = time.monotonic() + (np.inf if self.timeout_s is None else self.timeout_s)
                # A daemon, so that an abandoned call cannot keep the interpreter from ending.
                threading.Thread(target=lambda i=index, c=call: results.put((i, _outcome(c))), daemon=True).start()
            patience = min(deadlines.values()) - time.monotonic()
            try:
                index, outcome = results.get(timeout=None if np.isinf(patience) else max(patience, 0.0))
            except queue.Empty:
                index = min(deadlines, key=lambda i: deadlines[i])
                outcome = _late(self.timeout_s)
            if deadlines.pop(index, None) is not None:  # else it is the late answer of an abandoned call
                yield index, outcome


@dataclass(frozen=True)
class ProcessExecutor:
    """Several calls at once in processes of their own; a late one is killed, a crashed one fails alone.

    Args:
        workers: Processes; the problem must be picklable.
        timeout_s: Seconds that one call may take; None for no limit.
    """

    workers: int = 2
    timeout_s: float | None = None

    def __post_init__(self) -> None:
        _require_positive("workers", self.workers)
        _require_positive("timeout_s", self.timeout_s)

    def outcomes(self, calls: Sequence[Call]) -> Iterator[tuple[int, Outcome]]:
        """Run all calls."""
        from multiprocessing import get_context

        from pebble import ProcessPool

        # spawn, not fork: forking a process that has used torch's threads can deadlock.
        with ProcessPool(max_workers=self.workers, context=get_context("spawn")) as pool:
            futures: dict[Future[Measurement], int] = {
                pool.schedule(call, timeout=self.timeout_s): i for i, call in enumerate(calls)
            }
            yield from _as_they_finish(futures, self.timeout_s)


@dataclass(frozen=True)
class DaskExecutor:
    """Calls on a Dask cluster (extra ``dask``).

    Args:
        address: Address of a scheduler; None starts a local cluster.
        workers: Worker processes of the local cluster.
        timeout_s: Seconds that all calls of a batch may take together; None for no limit.
    """

    address: str | None = None
    workers: int = 2
    timeout_s: float | None = None

    def __post_init__(self) -> None:
        _require_positive("workers", self.workers)
        _require_positive("timeout_s", self.timeout_s)

    def outcomes(self, calls: Sequence[Call]) -> Iterator[tuple[int, Outcome]]:
        """Run all calls."""
        try:
            from distributed import Client
        except ImportError as error:
            raise ImportError("the Dask executor needs the extra: pip install 'matseek[dask]'") from error
        where = {"address": self.address} if self.address else {"n_workers": self.workers, "threads_per_worker": 1}
        with (
            Client(**where, dashboard_address=None, set_as_default=False) as client,  # type: ignore[no-untyped-call]
            client.get_executor() as pool,
        ):
            futures = {pool.submit(call): i for i, call in enumerate(calls)}
            yield from _as_they_finish(futures, self.timeout_s)


def _as_they_finish(futures: dict[Future[Measurement], int], timeout_s: float | None) -> Iterator[tuple[int, Outcome]]:
    for future in as_completed(futures):
        error = future.exception()
        if isinstance(error, TimeoutError):
            error = _late(timeout_s)
        yield futures[future], future.result() if error is None else error


def _outcome(call: Call) -> Outcome:
    try:
        return call()
    except Exception as error:
        return error


def _late(timeout_s: float | None) -> TimeoutError:
    return TimeoutError(f"no answer within timeout_s={timeout_s:g} seconds")
