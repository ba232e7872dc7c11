"""What happens on a Dask worker (imports the extra ``dask``)."""

from __future__ import annotations

import pickle
import threading
from concurrent.futures import Future
from typing import Any, cast

from distributed import Event, Variable, WorkerPlugin, get_worker

from matseek.evaluation.executors.base import FloatArray, Outcome
from matseek.evaluation.executors.workers import ProblemPool

_REST = 1800.0
"""Seconds after the last call's beginning at which processes without a call end."""


class WorkerLostError(Exception):
    """A worker was lost after it had begun a call."""


class ProblemPlugin(WorkerPlugin):
    """The processes in which a worker makes its calls; they end when the plugin is taken away.

    Args:
        problem: The problem, pickled.
        workers: Calls at once in the whole cluster.
    """

    def __init__(self, problem: bytes, workers: int) -> None:
        self._problem, self._workers = problem, workers

    def setup(self, worker: Any) -> None:  # noqa: ANN401 -- Dask's
        """Dask calls this on every worker, also on those that come later."""
        self._pool = ProblemPool(self._problem, min(self._workers, worker.state.nthreads))
        self._rest: threading.Timer | None = None

    def teardown(self, worker: Any) -> None:  # noqa: ANN401, ARG002 -- Dask's
        """Dask calls this where the plugin or the worker goes."""
        if self._rest is not None:
            self._rest.cancel()
        self._pool.close()

    def begin(self, task: tuple[int, FloatArray, int], timeout_s: float | None) -> Future[Outcome]:
        """Begin a call: number, point and seed."""
        outcome = self._pool.begin(*task, timeout_s)
        # Nobody takes the plugin away where the campaign's own process was killed.
        if self._rest is not None:
            self._rest.cancel()
        self._rest = threading.Timer(_REST, self._pool.rest)
        self._rest.daemon = True
        self._rest.start()
        return outcome


def measured(name: str, token: str, task: tuple[int, FloatArray, int], timeout_s: float | None) -> bytes:
    """Make a call, at most once.

    Where a worker is lost, Dask runs its tasks again elsewhere: those that wait, those that have begun, and those that
    have finished and are not fetched yet. Only the first kind may be paid for, and the third is had from the scheduler.

    Args:
        name: Of the plugin.
        token: Of this attempt.
        task: Number of the evaluation, point and seed.
        timeout_s: Seconds that the call may take.

    Returns:
        The pickled answer.

    Raises:
        WorkerLostError: If a worker had begun it and was lost before it finished.
    """
    begun, answer = Event(f"{token}-begun"), Variable(f"{token}-answer")
    if begun.is_set():
        try:
            return cast("bytes", answer.get(timeout=1))
        except TimeoutError as error:
            raise WorkerLostError(token) from error
    begun.set()
    plugin = cast("ProblemPlugin", get_worker().plugins[name])
    packed = pickle.dumps(plugin.begin(task, timeout_s).result())
    answer.set(packed)
    return packed


def forget(token: str, client: Any) -> None:  # noqa: ANN401 -- Dask's
    """Have the scheduler forget an attempt that has come to an end."""
    Event(f"{token}-begun", client).clear()
    Variable(f"{token}-answer", client).delete()
