"""What may be tried: the points that a campaign can choose from."""

from matseek.spaces.adlayer import Adlayer
from matseek.spaces.base import Space
from matseek.spaces.box import Box, LinearConstraint, Variable
from matseek.spaces.chart import AtomChart, chart_of

__all__ = ["Adlayer", "AtomChart", "Box", "LinearConstraint", "Space", "Variable", "chart_of"]
