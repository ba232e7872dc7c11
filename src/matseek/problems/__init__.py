"""What is minimised: a space, an oracle (the truth, expensive) and a scalar value."""

from matseek.problems.base import Measurement, Problem
from matseek.problems.recipe import RecipeProblem
from matseek.problems.spectra import SpectralMatch

__all__ = ["Measurement", "Problem", "RecipeProblem", "SpectralMatch"]
