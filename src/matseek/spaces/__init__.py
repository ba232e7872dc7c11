"""What may be tried: the points that a campaign can choose from."""

from matseek.spaces.adlayer import Adlayer
from matseek.spaces.base import Space
from matseek.spaces.box import Box, LinearConstraint, Variable

__all__ = ["Adlayer", "Box", "LinearConstraint", "Space", "Variable"]
