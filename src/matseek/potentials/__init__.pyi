from .emt import BatchedEMT as BatchedEMT
from .emt_torch import TorchEMT as TorchEMT
from .lennard_jones import ClusterLennardJones as ClusterLennardJones
