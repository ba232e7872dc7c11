"""Where energies and forces come from: ASE calculators that are made for many evaluations."""

from matseek.core.potential import BatchedCalculator
from matseek.potentials.emt import BatchedEMT

__all__ = ["BatchedCalculator", "BatchedEMT"]
