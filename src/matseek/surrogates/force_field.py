"""An ensemble of networks of energies and forces, trained anew on everything that was evaluated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import lightning.pytorch as pl
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler, TensorDataset

from matseek.checks import check, of, real, whole
from matseek.core.history import History
from matseek.core.space import StructureSpace
from matseek.core.surface import EnergySurface, SurfacePrediction, SurfaceSurrogate
from matseek.core.surrogate import Look
from matseek.descriptors import Descriptor, Fingerprint, PreparedDescriptor, Repulsion
from matseek.descriptors.repulsion import PreparedRepulsion
from matseek.networks.energies import EnergyEnsemble, pull_back
from matseek.networks.graphs import AtomicSystem
from matseek.surrogates.structure_data import (
    known_forces,
    median_distance,
    reason_to_wait,
    require_structures,
    targets,
)
from matseek.training.trainer import TrainerSettings, quiet_lightning

FloatArray = npt.NDArray[np.float64]

_SCALES = 3.0
"""Length scale of the metric, in median distances of the descriptors."""

_AT_ONCE = 256
"""Structures that are predicted at once, which bounds the memory."""

_STEEPEST = 10.0
"""Norm at which the gradient of a training step is cut off, for each member on average."""


@dataclass(frozen=True)
class ForceField(SurfaceSurrogate):
    """An ensemble of PaiNN networks of the energy, whose forces are minus its gradient.

    Schuett, Unke and Gastegger, ICML 2021; on ensembles and their spread, Lakshminarayanan et al., NeurIPS 2017.
    The members differ by their initial parameters. They learn what is left of the energies, compressed far above the
    low ones, when the prior's repulsion is taken off.

    Args:
        members: Networks.
        features: Features of an atom.
        blocks: Message-passing blocks.
        cutoff: In angstrom.
        gaussians: Size of the radial basis.
        steps: Steps of a training.
        batch_size: Structures of a step.
        learning_rate: Adam's at the start; it falls to zero along half a cosine.
        force_weight: Weight of the squared error of forces, in square angstroms, beside that of energies.
        floor: Least standard deviation, in standard deviations of the energies.
        descriptor: What structures are told apart by.
        repulsion: The prior.
        trainer: Where it is trained, on a single device of these: the ensemble is too small to share.

    Raises:
        ValueError: If a setting is out of its range.
    """

    name: ClassVar[str] = "force_field"
    label: ClassVar[str] = "force field"
    look: ClassVar[Look | None] = ("#D55E00", "^")
    members: int = 4
    features: int = 32
    blocks: int = 2
    cutoff: float = 5.0
    gaussians: int = 16
    steps: int = 200
    batch_size: int = 16
    learning_rate: float = 5e-3
    force_weight: float = 0.3
    floor: float = 0.01
    descriptor: Descriptor = field(default_factory=Fingerprint)
    repulsion: Repulsion = field(default_factory=Repulsion)
    trainer: TrainerSettings = field(default_factory=TrainerSettings)

    def __post_init__(self) -> None:
        check(
            self,
            members=whole(2, 1000),
            features=whole(1, 4096),
            blocks=whole(1, 64),
            cutoff=real(0.5, 100, unit="angstrom"),
            gaussians=whole(2, 4096),
            steps=whole(1),
            batch_size=whole(1),
            learning_rate=real(above=0, high=1e3),
            force_weight=real(0, 1e6, unit="square angstroms"),
            floor=real(above=0, high=10, unit="standard deviations"),
            descriptor=of(Descriptor, "a descriptor, such as Fingerprint()"),
            repulsion=of(Repulsion),
            trainer=of(TrainerSettings),
        )

    def check_machine(self) -> None:
        """Refuse training that could not begin on this machine."""
        self.trainer.single.check()

    def reason_to_wait(self, history: History) -> str | None:
        """Points that are no structures, or fewer than two different energies."""
        return reason_to_wait(history)

    def fit(self, history: History) -> ForceFieldSurface:
        """Of every structure that has an energy.

        Raises:
            ValueError: If there are fewer than two different energies, or the points are no structures.
        """
        space = require_structures(self.label, history)
        seed = int(history.rng().integers(2**31))
        points, energies = history.points, history.values
        repulsion = self.repulsion.prepare(space)
        learnt = targets(points, energies, known_forces(history, space), repulsion)
        constant, scale = float(np.mean(learnt.energies)), learnt.scale
        ensemble = EnergyEnsemble(
            AtomicSystem.of(space), self.members, self.features, self.blocks, self.cutoff, self.gaussians, seed=seed
        )
        data = TensorDataset(
            torch.as_tensor(points.reshape(len(points), -1, 3)),
            torch.as_tensor((learnt.energies - constant) / scale, dtype=torch.float32),
            torch.as_tensor(learnt.gradients.reshape(len(points), -1, 3) / scale, dtype=torch.float32),
        )
        self._train(ensemble, data, seed)
        described = self.descriptor.prepare(space)
        length = _SCALES * median_distance(described.values(points))
        return ForceFieldSurface(
            space, ensemble, (constant, scale, self.floor * scale), repulsion, learnt.strength, described, length
        )

    def _train(self, ensemble: EnergyEnsemble, data: TensorDataset, seed: int) -> None:
        batches = _Batches(len(data), self.batch_size, self.steps, seed)
        lesson = _Lesson(ensemble, self.steps, self.learning_rate, self.force_weight)
        with quiet_lightning():
            trainer = self.trainer.single.trainer(
                max_epochs=1, limit_val_batches=0, gradient_clip_val=_STEEPEST * self.members**0.5
            )
            trainer.fit(lesson, DataLoader(data, batch_sampler=batches))
        ensemble.cpu().eval()


class _Batches(Sampler[list[int]]):
    """A number of batches of rows, each row about as often as any other."""

    def __init__(self, rows: int, size: int, batches: int, seed: int) -> None:
        self._rows, self._size, self._batches, self._seed = rows, min(size, rows), batches, seed

    def __len__(self) -> int:
        return self._batches

    def __iter__(self) -> Iterator[list[int]]:
        rng = np.random.default_rng(self._seed)
        order = np.zeros(0, dtype=np.int64)
        for _ in range(self._batches):
            if len(order) < self._size:
                order = np.concatenate([order, rng.permutation(self._rows)])
            yield order[: self._size].tolist()
            order = order[self._size :]


class _Lesson(pl.LightningModule):
    """Energies and gradients in standard deviations of the energies, and how an ensemble learns them."""

    def __init__(self, ensemble: EnergyEnsemble, steps: int, learning_rate: float, force_weight: float) -> None:
        super().__init__()
        self.ensemble, self._steps = ensemble, steps
        self._learning_rate, self._force_weight = learning_rate, force_weight

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """Sum over members: the gradient of each member's parameters is that of its own loss."""
        positions, energies, gradients = batch
        near = self.ensemble.neighbours(positions)
        predicted, by_seen = self.ensemble(near, differentiable=True)
        loss = (predicted - energies).square().mean(dim=1)
        if self._force_weight > 0:
            known = torch.isfinite(gradients)
            error = torch.where(known, pull_back(near, by_seen) - torch.nan_to_num(gradients), 0.0)
            loss = loss + self._force_weight * error.square().sum(dim=(1, 2, 3)) / known.sum().clamp_min(1)
        total: Tensor = loss.sum()
        return total

    def configure_optimizers(self) -> Any:  # noqa: ANN401 -- Lightning's own union of dictionaries
        """Adam, its rate falling to zero along half a cosine (Loshchilov and Hutter, ICLR 2017)."""
        # Lightning cuts off no gradients of the fused form in reduced precision.
        optimizer = torch.optim.Adam(self.parameters(), lr=self._learning_rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=self._steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class ForceFieldSurface(EnergySurface):
    """A trained ensemble.

    Args:
        space: Free atoms and template.
        ensemble: The networks.
        scales: In eV: what is added to their energies, what these are multiplied by, and the least deviation.
        repulsion: The prior's repulsion in this space.
        strength: Of the repulsion, in eV.
        described: The descriptor in this space.
        length: Of the metric, in distances of the descriptor.
    """

    def __init__(
        self,
        space: StructureSpace,
        ensemble: EnergyEnsemble,
        scales: tuple[float, float, float],
        repulsion: PreparedRepulsion,
        strength: float,
        described: PreparedDescriptor,
        length: float,
    ) -> None:
        self._space, self._ensemble = space, ensemble
        self._constant, self._scale, self._floor = scales
        self._repulsion, self._strength = repulsion, strength
        self._described, self._length = described, length
        self._template: tuple[Tensor, ...] | None = None

    def features(self, points: npt.ArrayLike) -> FloatArray:
        """Descriptors over the metric's length, shape ``(m, D)``."""
        return self._described.values(points) / self._length

    def members(self, points: npt.ArrayLike) -> FloatArray:
        """Energies of structures ``(m, 3n)`` by each member, in eV, shape ``(k, m)``."""
        x = self._space.as_points(points)
        parts = [self._energies(part)[0] for part in _split(x)]
        networks = np.concatenate(parts, axis=1) if parts else np.zeros((self._ensemble.members, 0))
        return np.asarray(self._constant + self._scale * networks + self._strength * self._repulsion.energies(x)[0])

    def predict(self, points: npt.ArrayLike) -> SurfacePrediction:
        """Mean and spread of the members, and the gradients of both."""
        x = self._space.as_points(points)
        if not len(x):
            return SurfacePrediction(np.zeros(0), np.zeros(0), np.zeros_like(x), np.zeros_like(x))
        parts = [self._predict(part) for part in _split(x)]
        mean, deviation, by_mean, by_deviation = (np.concatenate(part) for part in zip(*parts, strict=True))
        pushed, push = self._repulsion.energies(x)
        return SurfacePrediction(
            self._constant + self._scale * mean + self._strength * pushed,
            self._scale * deviation,
            self._scale * by_mean + self._strength * push,
            self._scale * by_deviation,
        )

    def draw(self, points: npt.ArrayLike, rng: np.random.Generator) -> FloatArray:
        """Energies of structures ``(m, 3n)`` by one of the members, in eV, shape ``(m,)``."""
        member = int(rng.integers(self._ensemble.members))
        return np.asarray(self.members(points)[member])

    def _energies(self, x: FloatArray) -> tuple[FloatArray, Any, Tensor]:
        near = self._ensemble.neighbours(torch.as_tensor(x.reshape(len(x), -1, 3)))
        if self._template is None:
            with torch.no_grad():
                self._template = self._ensemble.template(near.graph)
        energies, by_seen = self._ensemble(near, self._template)
        return energies.double().numpy(), near, by_seen

    def _predict(self, x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """In standard deviations of the energies."""
        energies, near, by_seen = self._energies(x)
        members, floor = len(energies), self._floor / self._scale
        mean = energies.mean(axis=0)
        away = energies - mean
        deviation = np.sqrt((away**2).sum(axis=0) / (members - 1) + floor**2)
        by_member = torch.as_tensor(away / ((members - 1) * deviation)).float()
        # A pair belongs to the structure of its receiver.
        structure = near.graph.edge_index[1] // near.shape[1]
        spread = (by_member[:, structure].unsqueeze(-1) * by_seen).sum(dim=0)
        both = pull_back(near, torch.stack([by_seen.mean(dim=0), spread])).double().numpy().reshape(2, len(x), -1)
        return mean, deviation, both[0], both[1]


def _split(x: FloatArray) -> list[FloatArray]:
    return [x[k : k + _AT_ONCE] for k in range(0, len(x), _AT_ONCE)]
