"""Calls shared out among the processes that train together: each makes its part, and the first writes all down.

The first process keeps the ledger. While it evaluates the others serve: they wait for points, call their own oracle
(a potential on a GPU of its own), and hand the answers back. Every answer is paid for once, whatever the number of
processes.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from matseek.core.problem import Answer, Problem
from matseek.errors import OracleError, error_text

FloatArray = npt.NDArray[np.float64]

_served: ContextVar[bool] = ContextVar("served", default=False)


@contextmanager
def served() -> Iterator[None]:
    """A block in the first process during which the others :func:`serve`; at its end they go on."""
    group = _group()
    token = _served.set(group is not None)
    try:
        yield
    finally:
        _served.reset(token)
        if group is not None:
            group.broadcast_object_list([None], src=0)


def serve(problem: Problem) -> None:
    """Answer for the first process until it needs no more; the work of the others.

    Args:
        problem: What is measured, as this process has made it.
    """
    group = _group()
    if group is None:
        return
    while True:
        asked: list[FloatArray | None] = [None]
        group.broadcast_object_list(asked, src=0)
        if asked[0] is None:
            return
        _gathered(group, problem, asked[0])


def helpers() -> int:
    """How many processes answer: this one alone, or all of its group within :func:`served`."""
    group = _group()
    return int(group.get_world_size()) if group is not None and _served.get() else 1


def shared_answers(problem: Problem, points: FloatArray) -> list[Answer]:
    """What came of the calls of many points at once, by all processes of the group; within :func:`served`.

    Args:
        problem: It must know ``answers``.
        points: Shape ``(m, d)``.
    """
    group = _group()
    assert group is not None
    group.broadcast_object_list([points], src=0)
    return _gathered(group, problem, points)


def _gathered(group: Any, problem: Problem, points: FloatArray) -> list[Answer]:  # noqa: ANN401 -- a module
    """Answers at all points, of which this process gives every so many."""
    rank, size = group.get_rank(), group.get_world_size()
    own = [_portable(answer) for together in _answers(problem, points[rank::size]) for answer in together]
    parts: list[list[Answer]] = [[] for _ in range(size)]
    group.all_gather_object(parts, own)
    return [parts[k % size][k // size] for k in range(len(points))]


def _answers(problem: Problem, points: FloatArray) -> Iterator[Sequence[Answer]]:
    return cast("Iterator[Sequence[Answer]]", problem.answers(points)) if len(points) else iter(())


def _portable(answer: Answer) -> Answer:
    """An answer that another process can read."""
    try:
        pickle.loads(pickle.dumps(answer))
    except Exception:
        return OracleError(error_text(cast("BaseException", answer)))
    return answer


def _group() -> Any:  # noqa: ANN401 -- torch's module
    """``torch.distributed`` where several processes train together; nobody has formed a group without importing it."""
    formed = getattr(sys.modules.get("torch"), "distributed", None)
    several = formed is not None and formed.is_available() and formed.is_initialized() and formed.get_world_size() > 1
    return formed if several else None
