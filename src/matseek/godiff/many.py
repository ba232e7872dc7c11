"""One score network of many systems: trained on what other searches have found, to serve searches to come.

A network's parameters do not depend on the system, so that batches of one system after another train them all. Within
a system structures count by their Boltzmann weight; systems count alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import lightning.pytorch as pl
import numpy as np
import numpy.typing as npt
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from matseek import checks
from matseek.checks import check, numbers, of, optional, path, real, several, whole
from matseek.core.space import StructureSpace
from matseek.diffusion import GeometricSchedule, NoiseSchedule
from matseek.godiff.atomic_score import AtomicFields, Place
from matseek.godiff.domains import NetworkSettings, StructureDomain
from matseek.godiff.replay import ReplayBatch, ReplayBuffer, ReplayDataModule
from matseek.godiff.score_matching import ScoreMatching
from matseek.godiff.score_model import AtomicScoreModel
from matseek.training.trainer import TrainerSettings, quiet_lightning

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Examples:
    """What is known of one system.

    Args:
        space: Template, free atoms and confinement.
        points: Structures, shape ``(m, 3n)``, in angstrom.
        energies: In eV, shape ``(m,)``.
        forces: In eV/A, shape ``(m, 3n)``, NaN where unknown; None if none are known.

    Raises:
        ValueError: If there is no structure, shapes disagree, or a point or an energy is not finite.
    """

    space: StructureSpace
    points: FloatArray
    energies: FloatArray
    forces: FloatArray | None = None

    def __post_init__(self) -> None:
        check(self, space=of(StructureSpace), points=numbers, energies=numbers, forces=optional(numbers))
        m, shape = len(self.points), self.points.shape
        if not m or shape != (m, self.space.dim) or self.energies.shape != (m,):
            raise ValueError(
                f"points and energies have shapes {shape} and {self.energies.shape}; give (m, {self.space.dim}) and "
                "(m,) with at least one structure"
            )
        if self.forces is not None and self.forces.shape != shape:
            raise ValueError(f"forces has shape {self.forces.shape} where points has {shape}; give one for each number")
        if not (np.isfinite(self.points).all() and np.isfinite(self.energies).all()):
            raise ValueError("points and energies must be finite; leave out the evaluations that failed")


class SystemBatch(NamedTuple):
    """Rows of one system.

    Attributes:
        system: Its place among the examples.
        rows: See :class:`matseek.godiff.replay.ReplayBatch`.
    """

    system: int
    rows: ReplayBatch


@dataclass(frozen=True)
class ManySystems:
    """Trains a score network on examples of many systems.

    Args:
        network: The network; a search that is to start from the model has the same settings.
        schedule: How wide noise is, as the sampler will have it.
        kt: In eV: by how much less a structure counts that lies above its system's lowest.
        batch_size: Rows of a step, all of one system.
        steps: Steps on each system in a round of all of them.
        rounds: Rounds; the order of the systems is drawn anew for each step.
        learning_rate: AdamW's.
        force_weight: How much the forces' loss counts; 0 trains the score alone.
        decay: Of the EMA of the parameters, per step; the model is that average.
        seed: Of the initial parameters and of all draws.
        trainer: Where and how precisely it is trained, in one process.

    Raises:
        ValueError: If a setting is out of its range.
    """

    network: NetworkSettings = field(default_factory=NetworkSettings)
    schedule: NoiseSchedule = field(default_factory=lambda: GeometricSchedule(0.03, 4.0))
    kt: float = 0.1
    batch_size: int = 16
    steps: int = 8
    rounds: int = 20
    learning_rate: float = 1e-3
    force_weight: float = 1.0
    decay: float = 0.999
    seed: int = 0
    trainer: TrainerSettings = field(default_factory=TrainerSettings)

    def __post_init__(self) -> None:
        many = whole(1, 1_000_000)
        check(self, network=of(NetworkSettings), schedule=of(NoiseSchedule), kt=real(above=0, unit="eV"))
        check(self, batch_size=many, steps=many, rounds=many, seed=checks.seed, trainer=of(TrainerSettings))
        check(self, learning_rate=real(above=0, high=1e3), force_weight=real(0, 1e6), decay=real(0, below=1))
        if self.trainer.processes > 1:
            raise ValueError(
                f"trainer has {self.trainer.processes} processes; systems are trained on in one: set devices=1"
            )

    def train(self, examples: Sequence[Examples], checkpoint: str | Path | None = None) -> AtomicScoreModel:
        """The trained network; :func:`matseek.godiff.zoo.save_model` makes a model of it.

        Args:
            examples: Of each system.
            checkpoint: File that each round ends with, and that training goes on from where it is there; None for none.

        Raises:
            ValueError: If there are no examples.
        """
        given = several(of(Examples), 1)("examples", examples)
        domains = [StructureDomain(e.space, self.network, self.seed) for e in given]
        fields = domains[0].network
        assert isinstance(fields, AtomicFields)
        places = [Place(d.system, d.manifold) for d in domains]
        data = _Rounds([self._data(e, d, k) for k, (e, d) in enumerate(zip(given, domains, strict=True))], self.seed)
        module = _ManyScoreMatching(
            fields,
            places,
            learning_rate=self.learning_rate,
            force_weight=self.force_weight,
            decay=self.decay,
        )
        callbacks: list[pl.Callback] = []
        begin = None
        if checkpoint is not None:
            file = path("checkpoint", checkpoint)
            begin = file if file.is_file() else None
            callbacks.append(
                ModelCheckpoint(dirpath=file.parent, filename=file.stem, enable_version_counter=False, every_n_epochs=1)
            )
        with quiet_lightning(), self.trainer.fitting():
            trainer = self.trainer.trainer(
                max_epochs=self.rounds, callbacks=callbacks, enable_checkpointing=checkpoint is not None
            )
            trainer.fit(module, datamodule=data, ckpt_path=begin, weights_only=True)
        average = module.average.module
        assert isinstance(average, AtomicFields)
        return average.model

    def _data(self, examples: Examples, domain: StructureDomain, place: int) -> ReplayDataModule:
        buffer = ReplayBuffer(len(examples.points), seed=self.seed)
        buffer.add(
            domain.tensor(examples.points),
            torch.as_tensor(examples.energies),
            torch.arange(len(examples.points)),
            None if examples.forces is None else torch.as_tensor(examples.forces).reshape(-1, *domain.manifold.shape),
        )
        buffer.refill(self.kt)
        seed = int(np.random.SeedSequence([self.seed, place]).generate_state(1)[0])
        return ReplayDataModule(
            buffer, domain.manifold, self.schedule, steps=self.steps, batch_size=self.batch_size, seed=seed
        )


class _Rounds(pl.LightningDataModule):
    """An epoch is so many steps on each system; at each step their order is drawn."""

    def __init__(self, parts: Sequence[ReplayDataModule], seed: int) -> None:
        super().__init__()
        self.parts, self.seed = tuple(parts), seed

    def train_dataloader(self) -> _Round:
        return _Round(self)


@dataclass(frozen=True)
class _Round:
    data: _Rounds

    def __len__(self) -> int:
        return sum(part.steps for part in self.data.parts)

    def __iter__(self) -> Iterator[SystemBatch]:
        trainer = self.data.trainer
        epoch = 0 if trainer is None else trainer.current_epoch
        rng = np.random.default_rng([self.data.seed, epoch])
        batches = [part.batches(epoch) for part in self.data.parts]
        for _ in range(self.data.parts[0].steps):
            for k in rng.permutation(len(batches)).tolist():
                yield SystemBatch(k, next(batches[k]))


class _ManyScoreMatching(ScoreMatching):
    """Takes the network to the system of each batch."""

    def __init__(self, network: AtomicFields, places: Sequence[Place], **settings: Any) -> None:  # noqa: ANN401
        super().__init__(network, **settings)
        self.places = tuple(places)

    def training_step(self, batch: SystemBatch) -> Tensor:  # type: ignore[override]
        network = self.network
        assert isinstance(network, AtomicFields)
        network.place = self.places[batch.system]
        return super().training_step(batch.rows)
