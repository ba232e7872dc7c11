"""What is minimised: a space, an oracle (the truth, expensive) and a scalar value."""

from matseek.problems.base import Measurement, Objective, Problem
from matseek.problems.colour import ColourMatch
from matseek.problems.recipe import RecipeProblem
from matseek.problems.spectra import SpectralMatch
from matseek.problems.structure import StructureProblem

__all__ = ["ColourMatch", "Measurement", "Objective", "Problem", "RecipeProblem", "SpectralMatch", "StructureProblem"]
