"""Who chooses: everything that decides which points are evaluated next."""

from matseek.searchers.base import BatchSearcher, Searcher
from matseek.searchers.bayesian import BayesianSearcher
from matseek.searchers.random import LatinHypercube, RandomSearcher
from matseek.searchers.widening import Widening

__all__ = ["BatchSearcher", "BayesianSearcher", "LatinHypercube", "RandomSearcher", "Searcher", "Widening"]
