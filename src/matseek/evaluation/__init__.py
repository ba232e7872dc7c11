"""What it costs: the budget, the calls of the truth, and their durable record."""

from matseek.evaluation.evaluator import Evaluator
from matseek.evaluation.executors import BatchExecutor, DaskExecutor, ProcessExecutor, SerialExecutor, ThreadExecutor
from matseek.evaluation.history import Evaluation, Event, History, Proposal
from matseek.evaluation.ledger import Ledger

__all__ = [
    "BatchExecutor",
    "DaskExecutor",
    "Evaluation",
    "Evaluator",
    "Event",
    "History",
    "Ledger",
    "ProcessExecutor",
    "Proposal",
    "SerialExecutor",
    "ThreadExecutor",
]
