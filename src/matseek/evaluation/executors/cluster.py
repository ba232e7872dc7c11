"""Calls on a Dask cluster."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from matseek.checks import check, optional, text
from matseek.core.problem import Problem
from matseek.core.records import Event
from matseek.errors import ExecutorError, error_text
from matseek.evaluation.executors.base import (
    SECONDS,
    WORKERS,
    Call,
    Caller,
    Opening,
    Outcome,
    always,
    kept_busy,
)
from matseek.evaluation.executors.workers import unpickled
from matseek.secrets import masked

logger = logging.getLogger(__name__)

ASKED_AGAIN = "asked_again"
"""Event: a Dask worker was lost with a call under way, which is made once more."""

_PATIENCE = 10
"""Seconds for a scheduler to answer when it is connected to or left."""


@dataclass(frozen=True)
class DaskExecutor(Opening):
    """Calls on a Dask cluster (extra ``dask``); matseek must be installed where its workers run.

    Every worker makes its calls in processes of its own, so that a call that hangs, exits or crashes costs no worker.
    A worker that is lost itself has its calls made once more elsewhere, and the record says so.

    Args:
        workers: Calls at once.
        timeout_s: Seconds that one call may take from its start on a worker; None for no limit.
        address: Address of a scheduler, such as ``tcp://host:8786``; None starts a cluster on this machine.
    """

    workers: int = 2
    timeout_s: float | None = None
    address: str | None = None

    def __post_init__(self) -> None:
        check(self, workers=WORKERS, timeout_s=SECONDS, address=optional(text))

    def opened(self) -> AbstractContextManager[Caller]:
        """A connection that is made with the first call."""
        return closing(_Connection(self))


class _Connection:
    """A client of a scheduler whose workers know a problem."""

    def __init__(self, settings: DaskExecutor) -> None:
        self._settings = settings
        self._name = f"matseek-{uuid4().hex}"
        self._client: Any = None
        self._problem: Problem | None = None
        self._asked_again: set[int] = set()

    def outcomes(self, calls: Sequence[Call], go_on: Callable[[], bool] = always) -> Iterator[tuple[int, Outcome]]:
        """Run calls.

        Raises:
            ImportError: If the extra is not installed.
            ExecutorError: If the scheduler cannot be reached, or is lost.
        """
        if not calls:
            return
        self._connect(calls[0].problem)
        yield from kept_busy(calls, go_on, self._settings.workers, self._begin, look=self._look)

    def _connect(self, problem: Problem) -> None:
        if self._client is not None and self._problem is problem:
            return
        try:
            import cloudpickle
            from distributed import Client

            from matseek.evaluation.executors.dask_worker import ProblemPlugin
        except ImportError as error:
            raise ImportError("evaluator=dask needs the extra: pip install 'matseek[dask]'") from error
        settings = self._settings
        here = {"n_workers": 1, "threads_per_worker": settings.workers, "processes": False, "dashboard_address": None}
        where = {"address": settings.address, "timeout": _PATIENCE} if settings.address else here
        try:
            if self._client is None:
                # It tells of every call, and of a lost connection by a traceback; that is told here.
                logging.getLogger("distributed").setLevel(logging.WARNING)
                logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
                self._client = Client(**where, set_as_default=False)
            plugin = ProblemPlugin(cloudpickle.dumps(problem), settings.workers)
            self._client.register_plugin(plugin, name=self._name)
        except (OSError, ValueError) as error:
            raise ExecutorError(
                masked(f"the Dask scheduler at address={settings.address} cannot be used ({error_text(error)})")
                + "; check that it runs and that its version is the one here"
            ) from error
        self._problem = problem

    def _begin(self, call: Call) -> Future[Outcome]:
        from matseek.evaluation.executors.dask_worker import measured

        outcome: Future[Outcome] = Future()
        token = f"{self._name}-{call.number}-{uuid4().hex}"
        args = (self._name, token, (call.number, call.point, call.seed), self._settings.timeout_s)
        try:
            future = self._client.submit(measured, *args, key=token, pure=False, retries=0)
            future.add_done_callback(lambda done: self._pass_on(done, token, call, outcome))
        except Exception as error:
            outcome.set_exception(self._lost(error))
        return outcome

    def _pass_on(self, done: Any, token: str, call: Call, outcome: Future[Outcome]) -> None:  # noqa: ANN401 -- Dask's
        from distributed import KilledWorker

        from matseek.evaluation.executors.dask_worker import WorkerLostError, forget

        try:
            outcome.set_result(unpickled(done.result()))
        except (WorkerLostError, KilledWorker):
            outcome.set_result(self._again(call))
        except ExecutorError as error:
            outcome.set_exception(error)
        except BaseException as error:  # also CancelledError
            outcome.set_exception(self._lost(error))
            return
        with suppress(Exception):
            forget(token, self._client)

    def _again(self, call: Call) -> Outcome:
        """What a call comes to whose worker was lost: once an event, then a failure."""
        if call.number in self._asked_again:
            return ChildProcessError(f"two Dask workers were lost with evaluation {call.number} under way")
        self._asked_again.add(call.number)
        message = f"a Dask worker was lost with evaluation {call.number} under way; it is asked once more"
        logger.warning(message)
        return Event(ASKED_AGAIN, message, {"evaluation": call.number})

    def _look(self) -> None:
        if not self._client.scheduler_info().get("workers"):
            logger.warning("the Dask scheduler has no workers; the calls wait until there are some")

    def _lost(self, error: BaseException) -> ExecutorError:
        return ExecutorError(
            f"the connection to the Dask scheduler at {masked(self._settings.address or 'this machine')} is lost "
            f"({type(error).__name__}); all that had finished is written down, and the same command goes on from there"
        )

    def close(self) -> None:
        """End what runs on the workers, and leave."""
        if self._client is None:
            return
        if self._client.status == "running":
            with suppress(Exception):
                self._client.unregister_worker_plugin(self._name)
        with suppress(Exception):
            self._client.close(timeout=_PATIENCE)
