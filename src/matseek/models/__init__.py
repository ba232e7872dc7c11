"""What is learnt from evaluations."""

from matseek.models.gp import GaussianProcess

__all__ = ["GaussianProcess"]
