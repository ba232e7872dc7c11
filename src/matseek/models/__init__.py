"""What is learnt from evaluations."""

from matseek.models.gp import GaussianProcess
from matseek.models.score_net import MLPScore
from matseek.models.spectrum_net import SpectrumNet
from matseek.models.training import Training

__all__ = ["GaussianProcess", "MLPScore", "SpectrumNet", "Training"]
