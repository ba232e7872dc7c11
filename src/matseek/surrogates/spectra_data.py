"""Measured conditions as training data of an ensemble: rows, held-out conditions, batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import lightning.pytorch as pl
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from matseek import checks
from matseek.checks import flag, numbers, one_of, real, several, whole
from matseek.errors import ResponseError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Rows = Literal["droplets", "means", "medians"]
ROWS: tuple[Rows, ...] = ("droplets", "means", "medians")


class EnsembleBatch(NamedTuple):
    """Rows for each member of an ensemble; every member has its own.

    Args:
        points: Shape ``(k, b, d)``, in the variables' units.
        targets: Shape ``(k, b, m)``, absorbances or values.
        directions: Shape ``(k, b, m)``, targets scaled to unit length (their mean over droplets in rows of means).
        weights: Shape ``(k, b)``, how much each row counts; 0 fills a batch up.
    """

    points: Tensor
    targets: Tensor
    directions: Tensor
    weights: Tensor


@dataclass(frozen=True, eq=False)
class _Batches:
    """An epoch, anew each time it is iterated. Whole tensors are indexed, which no DataLoader does as fast.

    Args:
        tensors: Points ``(n, d)``, targets ``(n, m)`` and directions ``(n, m)`` of all rows.
        weights: Shape ``(k, n)``; rows of weight 0 are left out.
        size: Rows of a batch, per member.
        generator: Source of the order; None keeps the rows in their order.
    """

    tensors: tuple[Tensor, Tensor, Tensor]
    weights: Tensor
    size: int
    generator: torch.Generator | None

    @cached_property
    def most(self) -> int:
        """Rows of the member that has the most."""
        return int((self.weights > 0).sum(dim=1).max())

    def __len__(self) -> int:
        return -(-self.most // self.size)

    def __iter__(self) -> Iterator[EnsembleBatch]:
        present = (self.weights > 0).to(torch.float32).cpu()
        # A random key per row, and the smallest keys of present rows first: each member's own order. Members with
        # fewer rows than others fill up with rows of weight 0.
        keys = torch.rand(present.shape, generator=self.generator) if self.generator else torch.zeros_like(present)
        order = (keys - present).argsort(dim=1, stable=True)[:, : self.most].to(self.weights.device)
        for start in range(0, self.most, self.size):
            rows = order[:, start : start + self.size]
            points, targets, directions = (tensor[rows] for tensor in self.tensors)
            yield EnsembleBatch(points, targets, directions, self.weights.gather(1, rows))


class SpectraDataModule(pl.LightningDataModule):
    """Conditions and their responses, held out condition by condition, batched for an ensemble.

    Every member holds out other conditions, in turn, so that each condition teaches most members and judges the
    others; all droplets of a condition, and all conditions of the same recipe, are on the same side. A droplet that
    is not finite is dropped, and so is a condition without droplets.

    Args:
        points: Conditions, shape ``(n, d)``, in the variables' units.
        responses: Response of each condition: ``(m,)`` or ``(r, m)`` absorbances with wavelengths; without, a value
            ``()`` or values ``(r,)``.
        wavelengths: Wavelengths in nm, shape ``(m,)``; None where the response is a value.
        members: Networks in the ensemble, k.
        rows: What a row is. ``droplets``: each droplet, as in Mekki-Berrada et al. 2021. ``means``: a condition's mean
            spectrum, weighted by its droplets: the gradient of a squared or of a cosine loss is that of the droplets
            taken together, since the droplets of a condition share their input, at a twentieth of the work.
            ``medians``: a condition's pointwise median, every condition weighted alike; a stray droplet counts little.
        batch_size: Rows of a batch, per member.
        holdout: Share of the recipes that each member is judged on; 0 for none.
        bootstrap: Whether each member is trained on a bootstrap sample of its conditions (drawn with replacement)
            rather than by all of them in an order of its own.
        seed: Seed of the split, the bootstrap and the order of the rows.

    Raises:
        ResponseError: If a response has another length than the wavelengths.
        ValueError: If nothing can be learnt: fewer than two recipes, or all conditions answer alike.
    """

    def __init__(
        self,
        points: npt.ArrayLike,
        responses: Sequence[npt.ArrayLike],
        wavelengths: npt.ArrayLike | None = None,
        *,
        members: int = 1,
        rows: Rows = "means",
        batch_size: int = 39,
        holdout: float = 0.15,
        bootstrap: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        rows = one_of(ROWS)("rows", rows)
        holdout = real(0, 0.5, unit="a share of the recipes")("holdout", holdout)
        bootstrap = flag("bootstrap", bootstrap)
        self.wavelengths = None if wavelengths is None else numbers("wavelengths", wavelengths).reshape(-1)
        if self.wavelengths is not None and not self.wavelengths.size:
            raise ValueError(
                "wavelengths=[] must be at least one number in nm; give None where the response is a value"
            )
        self.members: int = whole(1, 1000)("members", members)
        self.batch_size: int = whole(1)("batch_size", batch_size)
        self.seed: int = checks.seed("seed", seed)
        conditions = np.atleast_2d(numbers("points", points))
        several(lambda _, response: response)("responses", responses)
        if len(conditions) != len(responses):
            raise ValueError(f"{len(conditions)} points but {len(responses)} responses; give one response per point")
        droplets = [_droplets(i, response, self.wavelengths) for i, response in enumerate(responses)]
        kept = [i for i, d in enumerate(droplets) if len(d)]
        self._reduce(conditions[kept], [droplets[i] for i in kept], rows)
        self._split(conditions[kept], holdout, bootstrap)

    def _reduce(self, conditions: FloatArray, droplets: list[FloatArray], rows: Rows) -> None:
        """Rows, their weights, and the condition that each belongs to."""
        if len(np.unique(conditions, axis=0)) < 2 or not np.ptp([d.mean(axis=0) for d in droplets], axis=0).any():
            raise ValueError(
                f"{len(conditions)} conditions with a finite response teach a network nothing: it needs at least two "
                "recipes that answer differently; measure more conditions"
            )
        reduced = [_rows(d, rows) for d in droplets]
        targets = np.concatenate([target for target, _ in reduced])
        counts = [len(target) for target, _ in reduced]
        self.condition: IntArray = np.repeat(np.arange(len(conditions)), counts)
        self.points: FloatArray = conditions[self.condition]
        self.targets: FloatArray = targets
        self.directions: FloatArray = np.concatenate([direction for _, direction in reduced])
        weights = np.array([len(d) for d in droplets])[self.condition] if rows == "means" else np.ones(len(targets))
        self._row_weights: FloatArray = weights / weights.mean()

    def _split(self, conditions: FloatArray, holdout: float, bootstrap: bool) -> None:
        """Training and validation weights, shape ``(k, rows)``."""
        rng = np.random.default_rng([self.seed, 0])
        recipe = np.unique(conditions, axis=0, return_inverse=True)[1].reshape(-1)
        recipes = int(recipe.max()) + 1
        held = min(int(np.ceil(holdout * recipes)), recipes - 1)
        order = rng.permutation(recipes)
        validation = np.zeros((self.members, len(conditions)))
        training = np.zeros_like(validation)
        for member in range(self.members):
            out = np.isin(recipe, order[(member * held + np.arange(held)) % recipes])
            inside = np.flatnonzero(~out)
            draws = rng.choice(inside, len(inside)) if bootstrap else inside
            np.add.at(training[member], draws, 1.0)
            validation[member, out] = 1.0
        self.training_weights: FloatArray = training[:, self.condition] * self._row_weights
        self.validation_weights: FloatArray = validation[:, self.condition] * self._row_weights

    @property
    def outputs(self) -> int:
        """Numbers that a row holds, m."""
        return int(self.targets.shape[1])

    @property
    def offset(self) -> FloatArray:
        """Mean response of the conditions, shape ``(m,)``."""
        return np.asarray(np.average(self.targets, axis=0, weights=self._row_weights))

    @property
    def scale(self) -> float:
        """Root mean square distance of the rows from the mean response, over all outputs."""
        squares = np.square(self.targets - self.offset).mean(axis=1)
        return float(np.sqrt(np.average(squares, weights=self._row_weights)))

    @property
    def holds_out(self) -> bool:
        """Whether there are held-out conditions."""
        return bool(self.validation_weights.any())

    def train_dataloader(self) -> _Batches:
        """An epoch for every member, in an order of its own."""
        generator = torch.Generator().manual_seed(int(np.random.default_rng([self.seed, 1]).integers(2**31)))
        return self._batches(self.training_weights, self.batch_size, generator)

    def val_dataloader(self) -> _Batches | list[Any]:
        """The held-out rows of every member, in one batch; nothing without a holdout."""
        if not self.holds_out:
            return []
        return self._batches(self.validation_weights, len(self.targets), None)

    def _batches(self, weights: FloatArray, size: int, generator: torch.Generator | None) -> _Batches:
        # The whole data set goes to the device once; only indices travel after that.
        device = self.trainer.strategy.root_device if self.trainer is not None else torch.device("cpu")

        def tensor(array: FloatArray) -> Tensor:
            return torch.tensor(array, dtype=torch.float32, device=device)

        data = tensor(self.points), tensor(self.targets), tensor(self.directions)
        return _Batches(data, tensor(weights), size, generator)


def _droplets(condition: int, response: npt.ArrayLike, wavelengths: FloatArray | None) -> FloatArray:
    """Finite droplets of a condition, shape ``(r, m)``."""
    array = np.asarray(response, dtype=np.float64)
    if wavelengths is None:
        if array.ndim > 1:
            raise ResponseError(
                f"condition {condition} has values of shape {array.shape}; give one number or one per replicate, or "
                "the wavelengths if these are spectra"
            )
        array = np.atleast_1d(array)[:, None]
    else:
        array = np.atleast_2d(array)
        if array.ndim != 2 or array.shape[1] != len(wavelengths):
            raise ResponseError(
                f"condition {condition} has {array.shape[-1]} absorbances per spectrum, but there are "
                f"{len(wavelengths)} wavelengths ({wavelengths[0]:g}-{wavelengths[-1]:g} nm); measure or interpolate "
                "on these wavelengths"
            )
    return np.asarray(array[np.isfinite(array).all(axis=1)])


def _rows(droplets: FloatArray, rows: Rows) -> tuple[FloatArray, FloatArray]:
    """Targets and directions of a condition's rows."""
    if rows == "medians":
        droplets = np.median(droplets, axis=0, keepdims=True)
    directions = droplets / np.maximum(np.linalg.norm(droplets, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    if rows == "means":
        return droplets.mean(axis=0, keepdims=True), directions.mean(axis=0, keepdims=True)
    return droplets, directions
