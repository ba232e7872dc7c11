"""Structures as vectors: what does not change under permutations, lattice vectors and symmetries of the template."""

from matseek.descriptors.base import Descriptor, PreparedDescriptor
from matseek.descriptors.fingerprint import Fingerprint
from matseek.descriptors.repulsion import Repulsion
from matseek.descriptors.soap import Soap

__all__ = ["Descriptor", "Fingerprint", "PreparedDescriptor", "Repulsion", "Soap"]
