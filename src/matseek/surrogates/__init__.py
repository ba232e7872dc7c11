"""What is learnt from evaluations, and how."""

from matseek.surrogates.force_field import ForceField, ForceFieldSurface
from matseek.surrogates.gp import GaussianProcess
from matseek.surrogates.learning import FittedNetwork, Network, ValueGP
from matseek.surrogates.spectra_data import SpectraDataModule
from matseek.surrogates.spectral_gp import SpectraGP, SpectralGP
from matseek.surrogates.spectrum_net import SpectrumNet
from matseek.surrogates.structure_gp import StructureGP, StructureSurface
from matseek.surrogates.training import Training

__all__ = [
    "FittedNetwork",
    "ForceField",
    "ForceFieldSurface",
    "GaussianProcess",
    "Network",
    "SpectraDataModule",
    "SpectraGP",
    "SpectralGP",
    "SpectrumNet",
    "StructureGP",
    "StructureSurface",
    "Training",
    "ValueGP",
]
