"""Worker processes that end with the process that started them, together with everything that they started."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import current_process, parent_process
from multiprocessing.context import SpawnContext, SpawnProcess
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import psutil
from pebble import ProcessPool

EXITED = 256
"""Told of a worker that a task has ended with exit code 0, which pebble would take for no end at all."""

_scratch: str | None = None


def scratch_folder() -> str:
    """Folder for temporary files, removed when this process ends, or in a worker when its pool does."""
    global _scratch
    if _scratch is None:
        _scratch = mkdtemp(prefix="matseek-")
        atexit.register(shutil.rmtree, _scratch, ignore_errors=True)
    return _scratch


@contextmanager
def worker_pool(
    workers: int, *, max_tasks: int = 0, initializer: Callable[..., None] | None = None, initargs: tuple[Any, ...] = ()
) -> Iterator[ProcessPool]:
    """A pool of processes; they start with its first task, and are killed with everything they started at its end.

    They are spawned, not forked: forking a process that has used torch's threads can deadlock. If this process is
    killed, they end within a second. They are process groups of their own, which a Ctrl-C in the terminal does not
    reach: what it means is this process's affair.

    Args:
        workers: Processes at once.
        max_tasks: Tasks after which a process is replaced by a new one; 0 for never.
        initializer: Called in each process before its first task; what it raises ends the process.
        initargs: Its arguments, picklable.

    Yields:
        The pool. When the block ends, also by an exception, tasks that are not finished are given up.
    """
    with TemporaryDirectory(prefix="matseek-", ignore_cleanup_errors=True) as folder:
        # Without a limit of tasks no worker ever ends by itself.
        context = _Ending() if max_tasks else _Endless()
        pool = ProcessPool(workers, max_tasks, _begin, (folder, initializer, initargs), context)
        try:
            yield pool
        finally:
            pool.stop()  # type: ignore[no-untyped-call]
            pool.join()


def end_tree(pid: int) -> None:
    """Kill a process, all its descendants, and its process group if it leads one.

    Args:
        pid: Of a process that this one started.
    """
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        with suppress(psutil.AccessDenied):
            root.suspend()  # lest it start others meanwhile
        for process in [*root.children(recursive=True), root]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
    if hasattr(os, "killpg"):
        # Descendants whose own parent has ended are found by their group alone.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def _begin(folder: str, initializer: Callable[..., None] | None, initargs: tuple[Any, ...]) -> None:
    """What a worker does first."""
    global _scratch
    _scratch = folder
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)
    threading.Thread(target=_end_with_parent, args=(folder,), daemon=True).start()
    if initializer is not None:
        initializer(*initargs)


def _end_with_parent(folder: str) -> None:
    parent = parent_process()
    assert parent is not None
    # The parent's end closes a pipe; copies of it that forked processes hold are why its number is looked at as well.
    while parent.is_alive() and (os.name == "nt" or os.getppid() == parent.pid):
        parent.join(0.5)
    with suppress(psutil.Error):
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                process.kill()
    shutil.rmtree(folder, ignore_errors=True)
    if hasattr(os, "killpg"):
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


class _Worker(SpawnProcess):
    """A process that is killed with its descendants."""

    def start(self) -> None:
        """Start it, also from a daemon such as a Dask worker: the ban is there lest children outlive it."""
        config = current_process()._config  # type: ignore[attr-defined]
        daemon = config.pop("daemon", None)
        try:
            super().start()
        finally:
            if daemon is not None:
                config["daemon"] = daemon

    def terminate(self) -> None:
        """Kill it and its descendants; a signal that it could catch would reach it alone."""
        if self.pid is not None and self.is_alive():
            end_tree(self.pid)


class _EndlessWorker(_Worker):
    """A worker that never ends by itself."""

    @property
    def exitcode(self) -> int | None:
        """As the system tells it, but never 0."""
        return EXITED if super().exitcode == 0 else super().exitcode


class _Ending(SpawnContext):
    Process = _Worker


class _Endless(SpawnContext):
    Process = _EndlessWorker
