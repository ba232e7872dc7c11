"""Ways to call the truth: one after the other, many in one, in threads, in processes, or on a Dask cluster.

An executor takes calls and yields their outcomes as they finish; docs/executors.md says what each promises.
"""

from matseek.evaluation.executors.base import Call, Caller, Executor, Outcome, always
from matseek.evaluation.executors.cluster import DaskExecutor
from matseek.evaluation.executors.pooled import ProcessExecutor, ThreadExecutor
from matseek.evaluation.executors.serial import BatchExecutor, SerialExecutor

__all__ = [
    "BatchExecutor",
    "Call",
    "Caller",
    "DaskExecutor",
    "Executor",
    "Outcome",
    "ProcessExecutor",
    "SerialExecutor",
    "ThreadExecutor",
    "always",
]
