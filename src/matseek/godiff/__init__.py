"""GO-Diff: the searcher that learns a diffusion model of structures, and everything it is made of."""

from matseek.diffusion import Guidance
from matseek.godiff.active import ActiveChoice
from matseek.godiff.agreement import GradientAgreement
from matseek.godiff.domains import NetworkSettings
from matseek.godiff.fields import learnt_score
from matseek.godiff.many import Examples, ManySystems
from matseek.godiff.model import DiffusionModel
from matseek.godiff.proposals import Diffusion
from matseek.godiff.searcher import GODiffSearcher
from matseek.godiff.sizes import EffectiveSizes
from matseek.godiff.steering import Renoising, SurrogateRelaxation

__all__ = [
    "ActiveChoice",
    "Diffusion",
    "DiffusionModel",
    "EffectiveSizes",
    "Examples",
    "GODiffSearcher",
    "GradientAgreement",
    "Guidance",
    "ManySystems",
    "NetworkSettings",
    "Renoising",
    "SurrogateRelaxation",
    "learnt_score",
]
