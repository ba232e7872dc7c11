from .colour import ColourMatch as ColourMatch
from .recipe import RecipeProblem as RecipeProblem
from .risk import CVaR as CVaR
from .risk import Quantile as Quantile
from .spectra import SpectralMatch as SpectralMatch
from .structure import StructureProblem as StructureProblem
