"""Processes that know a problem: what a call does there, and how its answer comes back whatever it is."""

from __future__ import annotations

import pickle
import signal
import threading
from concurrent.futures import Future, InvalidStateError
from contextlib import ExitStack, suppress

from pebble import ProcessExpired, ProcessPool

from matseek.core.problem import Answer, Measurement, Problem, answer_of
from matseek.errors import ExecutorError, error_text
from matseek.evaluation.executors.base import Call, FloatArray, Outcome, late
from matseek.processes import EXITED, worker_pool


class ProblemPool:
    """Processes that make calls of one problem. They start with the first call, and are replaced where they end.

    Args:
        problem: The problem, pickled.
        workers: Processes.
    """

    def __init__(self, problem: bytes, workers: int) -> None:
        self._problem, self._workers = problem, workers
        self._lock = threading.Lock()
        self._under_way: set[Future[Outcome]] = set()
        self._stack = ExitStack()
        self._pool = self._new()

    def _new(self) -> ProcessPool:
        return self._stack.enter_context(worker_pool(self._workers, initializer=_prepare, initargs=(self._problem,)))

    def begin(self, number: int, point: FloatArray, seed: int, timeout_s: float | None) -> Future[Outcome]:
        """Begin a call as soon as a process is free.

        Args:
            number: Of the evaluation.
            point: Where, shape ``(d,)``.
            seed: The campaign's.
            timeout_s: Seconds that it may take from its start; then its process is killed, with all that it started.

        Returns:
            The outcome to come; it raises ExecutorError where the processes end before they begin.
        """
        args = (number, point, seed)
        with self._lock:
            try:
                answer = self._pool.schedule(_measured, args=args, timeout=timeout_s)
            except RuntimeError:  # it rests, or a process was killed from outside while none had a call
                self._stack.close()
                self._pool = self._new()
                answer = self._pool.schedule(_measured, args=args, timeout=timeout_s)
            outcome: Future[Outcome] = Future()
            self._under_way.add(outcome)
        outcome.add_done_callback(self._under_way.discard)
        answer.add_done_callback(lambda done: _pass_on(done, outcome, timeout_s))
        return outcome

    def rest(self) -> None:
        """End the processes if none has a call; the next call starts others."""
        with self._lock:
            if not self._under_way:
                self._stack.close()

    def close(self) -> None:
        """Kill the processes; calls that are under way end with an ExecutorError."""
        with self._lock:
            self._stack.close()
        for outcome in list(self._under_way):
            with suppress(InvalidStateError):
                outcome.set_exception(ExecutorError("the worker processes were closed while a call was under way"))


def unpickled(answer: bytes) -> Answer:
    """An answer that came from another process.

    Raises:
        ExecutorError: If it says that the process cannot make the problem.
    """
    result = answer_of(lambda: pickle.loads(answer))
    if isinstance(result, ExecutorError):
        raise result
    return result


def _pass_on(done: Future[bytes], outcome: Future[Outcome], timeout_s: float | None) -> None:
    try:
        outcome.set_result(unpickled(done.result()))
    except ProcessExpired as expired:
        outcome.set_result(ChildProcessError(f"the call ended its process {_how(expired.exitcode)}"))
    except TimeoutError:
        outcome.set_result(late(timeout_s))
    except ExecutorError as error:
        outcome.set_exception(error)
    except Exception as error:
        outcome.set_exception(
            ExecutorError(
                f"the worker processes ended before they could begin a call ({error_text(error)}): the problem may "
                "need more memory than there is, or its calculator end the process that makes it; the same command "
                "goes on"
            )
        )


def _how(exitcode: int) -> str:
    if exitcode < 0:
        with suppress(ValueError):
            return f"by {signal.Signals(-exitcode).name}"
    return f"with exit code {0 if exitcode == EXITED else exitcode}"


_problem: Problem | ExecutorError = ExecutorError("no problem has been sent to this process")


def _prepare(problem: bytes) -> None:
    """What a process does before its first call: make the problem, and a calculator where it needs one."""
    global _problem
    try:
        made: Problem = pickle.loads(problem)
    except BaseException as error:
        _problem = ExecutorError(
            f"the problem cannot be made in another process ({error_text(error)}); define its oracle at the top of a "
            "module that can be imported there, or use evaluator=threads"
        )
        return
    _problem = made
    with suppress(BaseException):  # what it raises a call raises again
        made.prepare()


def _measured(number: int, point: FloatArray, seed: int) -> bytes:
    """Make a call here; what it gives or raises, pickled in a form that surely can be read again."""
    problem = _problem
    if isinstance(problem, ExecutorError):
        return pickle.dumps(problem)
    answer = answer_of(Call(problem, number, point, seed))
    try:
        packed = pickle.dumps(answer)
        pickle.loads(packed)  # exceptions with arguments of their own often cannot be made anew
    except BaseException as error:
        unsent = answer if isinstance(answer, BaseException) else error
        return pickle.dumps(Measurement.failed(error_text(unsent)))
    return packed
