"""What models are trained on."""

from matseek.data.replay import ReplayBatch, ReplayBuffer, ReplayDataModule
from matseek.data.spectra import ROWS, EnsembleBatch, Rows, SpectraDataModule

__all__ = ["ROWS", "EnsembleBatch", "ReplayBatch", "ReplayBuffer", "ReplayDataModule", "Rows", "SpectraDataModule"]
