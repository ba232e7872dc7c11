"""Where and how precisely networks are trained, quietly: no progress bars, no files, no global state touched."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, get_args

import lightning.pytorch as pl
import torch
from lightning.fabric.plugins.io import TorchCheckpointIO
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.fabric.utilities.warnings import PossibleUserWarning
from lightning.pytorch.strategies import DDPStrategy

from matseek.checks import check, one_of, real, whole
from matseek.errors import ConfigurationError, TrainingError
from matseek.files import write_bytes
from matseek.training.environments import environment_of
from matseek.training.ranks import ALONE, Place, launching, place_of, require_script

Accelerator = Literal["cpu", "gpu", "cuda", "mps", "auto"]
Strategy = Literal["auto", "ddp"]
Precision = Literal["32-true", "16-mixed", "bf16-mixed"]


@dataclass(frozen=True)
class TrainerSettings:
    """Where and how precisely networks are trained; the Hydra group ``trainer/``.

    Args:
        accelerator: ``cpu``, ``gpu`` (``cuda`` or ``mps``), or ``auto``.
        devices: Devices per machine, or ``auto`` for all.
        nodes: Machines; the processes on several are started by srun or torchrun.
        strategy: ``auto``, or ``ddp``, which several devices have anyway.
        patience: Hours that a process waits for the others before it gives up: longer than the slowest batch of
            evaluations, which the first process makes while the others wait.
        precision: ``32-true``, ``16-mixed`` (GPUs only) or ``bf16-mixed``.

    Raises:
        ValueError: If a setting is out of its range. What this machine lacks is told by :meth:`check`.
    """

    accelerator: Accelerator = "cpu"
    devices: int | Literal["auto"] = 1
    nodes: int = 1
    strategy: Strategy = "auto"
    precision: Precision = "32-true"
    patience: float = 168.0

    def __post_init__(self) -> None:
        for name, known in (("accelerator", Accelerator), ("strategy", Strategy), ("precision", Precision)):
            check(self, "trainer.", **{name: one_of(get_args(known))})
        check(self, "trainer.", nodes=whole(1, 100_000), patience=real(above=0, high=10_000, unit="hours"))
        if not isinstance(self.devices, str) or self.devices != "auto":
            check(self, "trainer.", devices=whole(1, 100_000))
        if self.precision == "16-mixed" and self.accelerator == "cpu":
            raise ValueError("trainer.precision='16-mixed' needs a GPU; on a CPU take bf16-mixed or 32-true")

    @property
    def processes(self) -> int:
        """Processes that train together: one per device."""
        return self._devices * self.nodes

    @property
    def _devices(self) -> int:
        if isinstance(self.devices, int):
            return self.devices
        return max(torch.cuda.device_count(), 1) if self.accelerator in ("gpu", "cuda", "auto") else 1

    @property
    def device(self) -> torch.device:
        """Where a network of one process is; the CPU where ``auto`` finds no GPU."""
        mps = self.accelerator == "mps" or (self.accelerator == "gpu" and torch.backends.mps.is_available())
        if mps:
            return torch.device("mps")
        on_gpu = self.accelerator in ("gpu", "cuda") or (self.accelerator == "auto" and torch.cuda.is_available())
        return torch.device("cuda" if on_gpu else "cpu")

    @property
    def place(self) -> Place:
        """Which of these processes this one is."""
        return place_of(self.processes) if self.processes > 1 else ALONE

    def check(self) -> None:
        """Refuse what this machine, or the way in which this process was started, has no place for.

        Raises:
            ConfigurationError: If training could not begin.
        """
        place = self.place
        if self.processes > 1:
            if place.size > 1 and place.size != self.processes:
                raise ConfigurationError(
                    f"{place.launcher} has started {place.size} processes, and trainer.devices={self.devices} on "
                    f"trainer.nodes={self.nodes} are {self.processes}; make them the same"
                )
            if place.size == 1 and self.nodes > 1:
                raise ConfigurationError(
                    f"trainer.nodes={self.nodes} needs its processes started on each machine: run the command by srun "
                    f"with {self.processes} tasks, or by torchrun"
                )
            if place.size == 1:
                require_script()
        try:
            with quiet_lightning(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                made = self.trainer()
                # Reduced precision is refused here by devices that lack it.
                with made.precision_plugin.forward_context():
                    pass
            if made.precision != self.precision:
                raise MisconfigurationException(f"its device has no {self.precision}, but {made.precision}")
        except (MisconfigurationException, RuntimeError, ValueError, ImportError, AssertionError) as error:
            message = ", ".join(f"{k}={getattr(self, k)}" for k in ("accelerator", "devices", "strategy", "precision"))
            raise ConfigurationError(
                f"training cannot begin here with trainer settings {message}: {str(error).rstrip('.!')}; take "
                "trainer=cpu, or settings that this machine has"
            ) from error

    def trainer(self, **more: Any) -> pl.Trainer:  # noqa: ANN401 -- Lightning's own arguments
        """A quiet Lightning trainer with these settings.

        Args:
            more: Further arguments of ``lightning.pytorch.Trainer``.
        """
        quiet: dict[str, Any] = {
            "logger": False,
            "enable_checkpointing": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
        }
        return pl.Trainer(
            accelerator=self.accelerator,
            devices=self.devices,
            num_nodes=self.nodes,
            # By itself, Lightning would fork in a notebook.
            strategy=DDPStrategy(timeout=timedelta(hours=self.patience)) if self.processes > 1 else self.strategy,
            precision=self.precision,
            plugins=[environment_of(self.place, self._devices), _WholeCheckpoints()],
            **(quiet | more),
        )

    @contextmanager
    def fitting(self) -> Iterator[None]:
        """A block with a fit in it: it may start processes, and what a device says is told as that.

        Raises:
            TrainingError: If a device, or the link between the processes, fails.
        """
        try:
            with launching(several=self.processes > 1 and self.place.size == 1):
                yield
        except (torch.OutOfMemoryError, torch.AcceleratorError, torch.distributed.DistError) as error:
            raise TrainingError(
                f"training has failed on trainer.accelerator={self.accelerator}, trainer.devices={self.devices}: "
                f"{type(error).__name__}: {error}; what was evaluated is recorded, and the same command goes on from "
                "there, also with another trainer"
            ) from error

    @property
    def single(self) -> TrainerSettings:
        """The same on one device, for networks too small to share."""
        return replace(self, devices=1, nodes=1, strategy="auto")


class _WholeCheckpoints(TorchCheckpointIO):
    """Checkpoints that are there whole or as they were; Lightning's own go by way of another file system."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:  # noqa: ANN401, ARG002
        content = io.BytesIO()
        torch.save(checkpoint, content)
        write_bytes(path, content.getvalue())


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Leave out what Lightning tells about the machine, and its advice on data loaders and devices."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PossibleUserWarning)
            # Checkpoints lie beside the ledger, on purpose.
            warnings.filterwarnings("ignore", message="Checkpoint directory .* exists and is not empty")
            # Lightning gathers by an old name what processes tell one another.
            warnings.filterwarnings("ignore", message=r"torch\.distributed\.nn\.functional\.all_gather is deprecated")
            # Lightning asks torch an old question while it combines data loaders.
            warnings.filterwarnings("ignore", message=r"`isinstance\(treespec, LeafSpec\)` is deprecated")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
