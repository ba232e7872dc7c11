"""Which of the processes that train together this one is; the first of them pays for evaluations and writes.

Only a group that exists makes a process a follower: one that ``torch.distributed`` has formed, that torchrun or srun
has started for this training, or that this program's first process has started itself. A variable alone (``RANK``,
``LOCAL_RANK``, ``NODE_RANK``, ``SLURM_PROCID``) decides nothing: batch systems and agents set them for other reasons.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from matseek.errors import ConfigurationError

LAUNCHED_BY = "MATSEEK_LAUNCHED_BY"
"""Set for the processes that the first one starts: its process number."""

_LAUNCH = (LAUNCHED_BY, "MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE")
"""What Lightning and this module set while they start processes."""

_TORCHRUN = ("TORCHELASTIC_RUN_ID", "MASTER_ADDR", "MASTER_PORT")

Launcher = Literal["nobody", "torch.distributed", "torchrun", "srun", "matseek"]


@dataclass(frozen=True)
class Place:
    """The place of a process in its group.

    Args:
        rank: From 0; the process of rank 0 leads.
        size: Processes of the group; 1 for a process that works alone, or has not started others yet.
        launcher: Who has started the processes.
    """

    rank: int = 0
    size: int = 1
    launcher: Launcher = "nobody"

    @property
    def leads(self) -> bool:
        """Whether this process keeps the ledger and pays for evaluations."""
        return self.rank == 0

    @property
    def has_followers(self) -> bool:
        """Whether other processes wait for this one."""
        return self.leads and self.size > 1


ALONE = Place()


def place_of(processes: int) -> Place:
    """Which process of its group this one is.

    Args:
        processes: How many are to train together, from the trainer's settings.

    Raises:
        ConfigurationError: If this process was started by a first one that has ended since.
    """
    formed = getattr(sys.modules.get("torch"), "distributed", None)  # nobody has formed a group without importing it
    if formed is not None and formed.is_available() and formed.is_initialized():
        return Place(formed.get_rank(), formed.get_world_size(), "torch.distributed")
    return _launched() or _torchrun() or _srun(processes) or ALONE


def _launched() -> Place | None:
    """Started by the first process of its group, which is this one's parent."""
    first, numbers = _number(LAUNCHED_BY), _numbers("LOCAL_RANK", "WORLD_SIZE")
    if first is None or numbers is None or not 0 < numbers[0] < numbers[1]:
        return None
    if first == os.getppid():
        return Place(numbers[0], numbers[1], "matseek")
    if not _exists(first):
        raise ConfigurationError(
            f"{LAUNCHED_BY}={first} names a process that has ended, so this one of its group ends too; unset the "
            "variable if it was left over"
        )
    return None  # a program that a process of the group has started


def _torchrun() -> Place | None:
    numbers = _numbers("RANK", "WORLD_SIZE", "LOCAL_RANK")
    if numbers is None or not all(os.environ.get(name) for name in _TORCHRUN):
        return None
    rank, size, _ = numbers
    return Place(rank, size, "torchrun") if rank < size and size > 1 else None


def _srun(processes: int) -> Place | None:
    """Started by srun, one task per process; a job's script and an interactive shell are no steps of several tasks.

    Tasks that each train on one device (agents, job arrays) are no group.
    """
    numbers = _numbers("SLURM_PROCID", "SLURM_NTASKS", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "SLURM_NODEID")
    if numbers is None:
        return None
    rank, tasks, step, *_ = numbers
    return Place(rank, step, "srun") if 1 < processes == step == tasks and rank < step else None


@contextmanager
def launching(*, several: bool) -> Iterator[None]:
    """A block in which processes may be started that follow this one; afterwards the environment is as it was.

    Args:
        several: Whether any are to be started.
    """
    before = {name: os.environ.get(name) for name in _LAUNCH}
    if several:
        os.environ[LAUNCHED_BY] = str(os.getpid())
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def end_with_parent(place: Place) -> None:
    """End this process within a second of the one that has started it, where that keeps the group together."""
    if place.launcher not in ("matseek", "torchrun"):
        return
    parent = _number(LAUNCHED_BY) if place.launcher == "matseek" else os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="end-with-parent").start()


def require_script() -> None:
    """Refuse to start this program several times where there is no file to be started again.

    Raises:
        ConfigurationError: In ``python -c`` and from standard input.
    """
    main = sys.modules["__main__"]
    if getattr(main, "__spec__", None) is None and not Path(sys.argv[0]).is_file():
        raise ConfigurationError(
            "training on several devices starts this program once for each, and there is no script to start: put it "
            "into a file, run it by torchrun, or train on one device"
        )


def _numbers(*names: str) -> list[int] | None:
    """Whole numbers of environment variables; None if one is missing or none."""
    result = [_number(name) for name in names]
    return None if None in result else cast("list[int]", result)


def _number(name: str) -> int | None:
    text = os.environ.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else None


def _exists(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
