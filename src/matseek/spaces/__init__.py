"""What may be tried: the points that a campaign can choose from."""

from matseek.spaces.box import Box, LinearConstraint, Variable

__all__ = ["Box", "LinearConstraint", "Variable"]
