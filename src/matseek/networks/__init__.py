"""Neural networks of atoms: who sees whom, and PaiNN."""

from matseek.networks.graphs import AtomicSystem
from matseek.networks.painn import PaiNN

__all__ = ["AtomicSystem", "PaiNN"]
