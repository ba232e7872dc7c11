from .colour import ColourMatch as ColourMatch
from .recipe import RecipeProblem as RecipeProblem
from .spectra import SpectralMatch as SpectralMatch
from .structure import StructureProblem as StructureProblem
