"""The cluster environments of Lightning that processes which train together are given."""

from __future__ import annotations

import os

from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment, find_free_network_port
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment

from matseek.training.ranks import Place


def environment_of(place: Place, devices: int) -> ClusterEnvironment:
    """The group as Lightning sees it.

    Args:
        place: Of this process.
        devices: Processes on each machine.
    """
    if place.launcher == "torchrun":
        return TorchElasticEnvironment()
    if place.launcher == "srun":
        # A job that is requeued starts with the same command, which goes on from the ledger and the checkpoint.
        return SLURMEnvironment(auto_requeue=False)
    return _Group(place, devices)


class _Group(LightningEnvironment):
    """Processes of one machine, or of a group that exists already; reads no rank from the environment."""

    def __init__(self, place: Place, devices: int) -> None:
        super().__init__()
        self._place, self._devices = place, devices
        self.set_global_rank(place.rank)

    @property
    def creates_processes_externally(self) -> bool:
        return self._place.size > 1

    @property
    def main_address(self) -> str:
        return os.environ["MASTER_ADDR"] if self._place.launcher == "matseek" else "127.0.0.1"

    @property
    def main_port(self) -> int:
        if self._main_port == -1:
            started = self._place.launcher == "matseek"
            self._main_port = int(os.environ["MASTER_PORT"]) if started else find_free_network_port()
        return self._main_port

    def local_rank(self) -> int:
        return self._place.rank % self._devices

    def node_rank(self) -> int:
        return self._place.rank // self._devices

    def teardown(self) -> None:
        """Nothing: the environment is put back by :func:`launching`."""
