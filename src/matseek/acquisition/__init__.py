"""Which points next: acquisitions, objects that choose a batch from what a campaign knows.

Each is a small frozen dataclass, known by name through the entry points ``matseek.acquisitions``. A new one derives
from :class:`MonteCarlo`, from :class:`LocallyPenalized`, or from :class:`Acquisition` itself.
"""

from matseek.acquisition.base import Acquisition, acquisition_of
from matseek.acquisition.local_penalization import LocalPenalization, lipschitz_constant
from matseek.acquisition.locally_penalized import EI, UCB, LocallyPenalized, LogEI
from matseek.acquisition.monte_carlo import (
    QEI,
    QUCB,
    Joint,
    JointQLogEI,
    MonteCarlo,
    QLogEI,
    QLogNEHVI,
    QLogNEI,
    Sampling,
)
from matseek.acquisition.pathwise import Pathwise
from matseek.acquisition.state import ModelledGoals, SearchState
from matseek.acquisition.surface import LogImprovement, LowerBound, SurfaceAcquisition, Thompson
from matseek.acquisition.top_share import TopShare

__all__ = [
    "EI",
    "QEI",
    "QUCB",
    "UCB",
    "Acquisition",
    "Joint",
    "JointQLogEI",
    "LocalPenalization",
    "LocallyPenalized",
    "LogEI",
    "LogImprovement",
    "LowerBound",
    "ModelledGoals",
    "MonteCarlo",
    "Pathwise",
    "QLogEI",
    "QLogNEHVI",
    "QLogNEI",
    "Sampling",
    "SearchState",
    "SurfaceAcquisition",
    "Thompson",
    "TopShare",
    "acquisition_of",
    "lipschitz_constant",
]
