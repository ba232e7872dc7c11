"""Names of searchers whose code is in rooms below."""

from matseek.candidates import OnStructures
from matseek.core.searcher import BatchSearcher, Searcher
from matseek.godiff import (
    ActiveChoice,
    EffectiveSizes,
    GODiffSearcher,
    GradientAgreement,
    Guidance,
    NetworkSettings,
    Renoising,
    SurrogateRelaxation,
    learnt_score,
)

__all__ = [
    "ActiveChoice",
    "BatchSearcher",
    "EffectiveSizes",
    "GODiffSearcher",
    "GradientAgreement",
    "Guidance",
    "NetworkSettings",
    "OnStructures",
    "Renoising",
    "Searcher",
    "SurrogateRelaxation",
    "learnt_score",
]
