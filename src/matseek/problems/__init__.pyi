from .base import Measurement as Measurement
from .base import Objective as Objective
from .base import Problem as Problem
from .colour import ColourMatch as ColourMatch
from .recipe import RecipeProblem as RecipeProblem
from .spectra import SpectralMatch as SpectralMatch
from .structure import StructureProblem as StructureProblem
