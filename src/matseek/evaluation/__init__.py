"""What it costs: the budget, the calls of the truth, and their durable record."""

from matseek.evaluation.evaluator import Evaluator
from matseek.evaluation.history import Event, Evaluation, History, Proposal
from matseek.evaluation.ledger import Ledger

__all__ = ["Evaluation", "Evaluator", "Event", "History", "Ledger", "Proposal"]
