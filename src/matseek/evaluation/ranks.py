"""Which of the processes of a distributed run this is."""

from __future__ import annotations

import os

_RANKS = ("RANK", "SLURM_PROCID", "LOCAL_RANK")


def leads() -> bool:
    """Whether this process keeps the ledger and pays for evaluations: the one of rank 0, or the only one.

    torchrun sets RANK, Slurm SLURM_PROCID, and Lightning LOCAL_RANK in the processes that it starts itself.
    """
    return next((os.environ[name] for name in _RANKS if name in os.environ), "0") == "0"
