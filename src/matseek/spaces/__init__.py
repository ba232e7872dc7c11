"""What may be tried: the points that a campaign can choose from."""

from matseek.core.space import Space
from matseek.spaces.adlayer import Adlayer
from matseek.spaces.box import Box, LinearConstraint, Variable
from matseek.spaces.chart import AtomChart

__all__ = ["Adlayer", "AtomChart", "Box", "LinearConstraint", "Space", "Variable"]
