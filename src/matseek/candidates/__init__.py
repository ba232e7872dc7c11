"""Which structures may be tried next: generators, relaxation on an acquisition function, and the choice of a batch."""

from matseek.candidates.base import Generator, generator_of
from matseek.candidates.crossover import Crossover
from matseek.candidates.moves import CentreMove, Hop, Permutation, Rattle, SymmetryMove
from matseek.candidates.penalization import StructurePenalty
from matseek.candidates.placements import Contiguous, Uniform
from matseek.candidates.relaxation import AcquisitionRelaxation
from matseek.candidates.search import StructureSearch
from matseek.candidates.structures import OnStructures

__all__ = [
    "AcquisitionRelaxation",
    "CentreMove",
    "Contiguous",
    "Crossover",
    "Generator",
    "Hop",
    "OnStructures",
    "Permutation",
    "Rattle",
    "StructurePenalty",
    "StructureSearch",
    "SymmetryMove",
    "Uniform",
    "generator_of",
]
