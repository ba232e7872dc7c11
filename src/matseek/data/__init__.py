"""What models are trained on."""

from matseek.data.spectra import ROWS, EnsembleBatch, Rows, SpectraDataModule

__all__ = ["ROWS", "EnsembleBatch", "Rows", "SpectraDataModule"]
