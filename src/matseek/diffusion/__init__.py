"""How samples are made: diffusion on manifolds. It knows tensors and no atoms."""

from matseek.diffusion.anchored import Anchored, Cloud, Joined
from matseek.diffusion.base import Manifold
from matseek.diffusion.boltzmann import (
    AdaptiveKT,
    ExponentialKT,
    KTSchedule,
    Selection,
    SpreadKT,
    boltzmann_log_weights,
    draw,
    effective_sample_size,
    gumbel_top_k,
)
from matseek.diffusion.guidance import Corrector, Guidance
from matseek.diffusion.lattice import Lattice
from matseek.diffusion.loss import Noised, noise, score_matching_loss
from matseek.diffusion.manifold import BoxManifold, PeriodicSlab, Walls
from matseek.diffusion.sampler import EulerMaruyama, Heun, PredictorCorrector, Sampler, Score
from matseek.diffusion.sde import GeometricSchedule, LinearSchedule, NoiseSchedule
from matseek.diffusion.transfer import ahead

__all__ = [
    "AdaptiveKT",
    "Anchored",
    "BoxManifold",
    "Cloud",
    "Corrector",
    "EulerMaruyama",
    "ExponentialKT",
    "GeometricSchedule",
    "Guidance",
    "Heun",
    "Joined",
    "KTSchedule",
    "Lattice",
    "LinearSchedule",
    "Manifold",
    "NoiseSchedule",
    "Noised",
    "PeriodicSlab",
    "PredictorCorrector",
    "Sampler",
    "Score",
    "Selection",
    "SpreadKT",
    "Walls",
    "ahead",
    "boltzmann_log_weights",
    "draw",
    "effective_sample_size",
    "gumbel_top_k",
    "noise",
    "score_matching_loss",
]
