"""Which points next: acquisition functions and the strategies that make a batch of them."""

from matseek.acquisition.local_penalization import LocalPenalization, lipschitz_constant
from matseek.acquisition.strategies import STRATEGIES, BatchStrategy, Surrogate

__all__ = ["STRATEGIES", "BatchStrategy", "LocalPenalization", "Surrogate", "lipschitz_constant"]
