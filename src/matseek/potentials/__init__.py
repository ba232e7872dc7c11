"""Where energies and forces come from: ASE calculators that are made for many evaluations."""

from matseek.core.potential import BatchedCalculator
from matseek.potentials.emt import BatchedEMT
from matseek.potentials.lennard_jones import ClusterLennardJones

__all__ = ["BatchedCalculator", "BatchedEMT", "ClusterLennardJones"]
