"""Who chooses: everything that decides which points are evaluated next."""

from matseek.candidates import OnStructures
from matseek.core.searcher import BatchSearcher, Searcher
from matseek.godiff import (
    ActiveChoice,
    GODiffSearcher,
    Guidance,
    NetworkSettings,
    Renoising,
    SurrogateRelaxation,
    learnt_score,
)
from matseek.searchers.basin_hopping import BasinHopping
from matseek.searchers.bayesian import BayesianSearcher
from matseek.searchers.genetic import GeneticSearch
from matseek.searchers.minima_hopping import MinimaHopping
from matseek.searchers.network import NetworkSearcher
from matseek.searchers.random import LatinHypercube, RandomSearcher
from matseek.searchers.relaxation import RandomStructureSearch
from matseek.searchers.tabu import TabuSearch
from matseek.searchers.two_step import Stage, TwoStepSearcher
from matseek.searchers.widening import Widening

__all__ = [
    "ActiveChoice",
    "BasinHopping",
    "BatchSearcher",
    "BayesianSearcher",
    "GODiffSearcher",
    "GeneticSearch",
    "Guidance",
    "LatinHypercube",
    "MinimaHopping",
    "NetworkSearcher",
    "NetworkSettings",
    "OnStructures",
    "RandomSearcher",
    "RandomStructureSearch",
    "Renoising",
    "Searcher",
    "Stage",
    "SurrogateRelaxation",
    "TabuSearch",
    "TwoStepSearcher",
    "Widening",
    "learnt_score",
]
