"""What was evaluated, kept to be trained on by Boltzmann weight."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor

from matseek import checks
from matseek.checks import of, whole
from matseek.diffusion import (
    Manifold,
    Noised,
    NoiseSchedule,
    ahead,
    boltzmann_log_weights,
    draw,
    effective_sample_size,
    gumbel_top_k,
    noise,
)

_AT_ONCE = 64
"""Batches of an epoch whose noise is drawn together."""


class ReplayBuffer:
    """Everything that was evaluated (the archive), and the rows of it that the score is learnt from (the buffer).

    The buffer is drawn anew from the whole archive at each kT, without replacement by Boltzmann weight: what is left
    out at one kT may come back at a lower one. Its rows carry the weight that the selection leaves to them, so that
    draws from it follow the Boltzmann weights of the archive, once.

    Tensors are float64 on the CPU. Everything that chance decides comes from one generator, whose state is part of
    ``state_dict``: processes that add the same evaluations hold the same buffer.

    Args:
        capacity: Rows that the score is learnt from.
        seed: Seed of the draws into the buffer.

    Raises:
        ValueError: If there is no room.
    """

    def __init__(self, capacity: int, *, seed: int = 0) -> None:
        self.capacity: int = whole(1)("capacity", capacity)
        self.kt = float("inf")
        self.refills = 0
        self.positions = torch.empty(0, dtype=torch.float64)
        self.energies = torch.empty(0, dtype=torch.float64)
        self.forces = torch.empty(0, dtype=torch.float64)
        self.evaluations = torch.empty(0, dtype=torch.int64)
        self.rows = torch.empty(0, dtype=torch.int64)
        self.log_weights = torch.empty(0, dtype=torch.float64)
        self._generator = torch.Generator().manual_seed(checks.seed("seed", seed))

    def __len__(self) -> int:
        """Evaluations in the archive."""
        return len(self.energies)

    def add(self, positions: Tensor, energies: Tensor, evaluations: Tensor, forces: Tensor | None = None) -> None:
        """Put evaluations into the archive; those whose number is there already are left out.

        Args:
            positions: Points as they were evaluated, shape ``(B, *shape)``.
            energies: In eV, shape ``(B,)``, finite: leave out what failed.
            evaluations: Numbers in the ledger, shape ``(B,)``.
            forces: In eV/A, of the positions' shape; rows that are not finite, or None, are not known.

        Raises:
            ValueError: If shapes disagree, or a position or an energy is not finite.
        """
        positions, energies = (_kept(tensor, torch.float64) for tensor in (positions, energies))
        evaluations = _kept(evaluations, torch.int64)
        forces = torch.full_like(positions, torch.nan) if forces is None else _kept(forces, torch.float64)
        count = len(positions)
        if energies.shape != (count,) or evaluations.shape != (count,) or forces.shape != positions.shape:
            raise ValueError(
                f"{count} positions of shape {tuple(positions.shape)} need one energy and one number each and forces "
                f"of their shape, got {tuple(energies.shape)}, {tuple(evaluations.shape)} and {tuple(forces.shape)}"
            )
        if len(self) and positions.shape[1:] != self.positions.shape[1:]:
            raise ValueError(
                f"positions of shape {tuple(positions.shape[1:])} do not go with the archive's "
                f"{tuple(self.positions.shape[1:])}; one buffer serves one space"
            )
        if not (torch.isfinite(energies).all() and torch.isfinite(positions).all()):
            raise ValueError("positions and energies must be finite; leave out the evaluations that failed")
        seen = set(self.evaluations.tolist())
        fresh = []
        for row, number in enumerate(evaluations.tolist()):
            if number not in seen:
                fresh.append(row)
                seen.add(number)
        for name, new in (
            ("positions", positions),
            ("energies", energies),
            ("forces", forces),
            ("evaluations", evaluations),
        ):
            setattr(self, name, torch.cat([getattr(self, name), new[fresh]]) if len(self) else new[fresh])

    def refill(self, kt: float, rows: int | None = None) -> None:
        """Draw the buffer from the archive at a kT in eV, by Gumbel top-k.

        Args:
            kt: In eV.
            rows: How many; None for the capacity.

        Raises:
            ValueError: If nothing was added yet, or kT is not positive.
        """
        if not len(self):
            raise ValueError("the archive is empty; add evaluations before a refill")
        selection = gumbel_top_k(boltzmann_log_weights(self.energies, kt), rows or self.capacity, self._generator)
        self.rows = selection.rows
        self.log_weights = torch.log_softmax(selection.log_weights, dim=0)
        self.kt = float(kt)
        self.refills += 1

    @property
    def buffer_energies(self) -> Tensor:
        """Energies of the buffer's rows in eV, shape ``(min(capacity, N),)``."""
        return self.energies[self.rows]

    @property
    def effective_sample_size(self) -> float:
        """Of the buffer at its kT, from 1 to the number of rows."""
        return effective_sample_size(self.log_weights)

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Row numbers in the archive, drawn from the buffer by weight with replacement, shape ``(count,)``.

        Raises:
            ValueError: If the buffer was never filled.
        """
        if not len(self.rows):
            raise ValueError("the buffer is empty; call refill(kt) after adding evaluations")
        return self.rows[draw(self.log_weights, count, generator)]

    def draw_labelled(self, count: int, generator: torch.Generator) -> Tensor:
        """Row numbers in the archive, uniform over those with known forces, shape ``(count,)``, or ``(0,)`` if none."""
        known = torch.isfinite(self.forces).flatten(1).all(dim=1).nonzero().squeeze(1) if len(self) else self.rows
        if not len(known):
            return known
        return known[torch.randint(len(known), (count,), generator=generator)]

    def state_dict(self) -> dict[str, Any]:
        """Plain tensors and numbers, which ``torch.load(weights_only=True)`` reads."""
        return {
            "capacity": self.capacity,
            "kt": self.kt,
            "refills": self.refills,
            "positions": self.positions,
            "energies": self.energies,
            "forces": self.forces,
            "evaluations": self.evaluations,
            "rows": self.rows,
            "log_weights": self.log_weights,
            "generator": self._generator.get_state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where ``state_dict`` was taken.

        Raises:
            ValueError: If the state is of a buffer of another capacity.
        """
        if state["capacity"] != self.capacity:
            raise ValueError(
                f"capacity={self.capacity} but the checkpoint's buffer holds {state['capacity']} rows; "
                "go on with the settings that it was started with"
            )
        self.kt, self.refills = float(state["kt"]), int(state["refills"])
        self.positions, self.energies, self.forces = state["positions"], state["energies"], state["forces"]
        self.evaluations, self.rows, self.log_weights = state["evaluations"], state["rows"], state["log_weights"]
        self._generator.set_state(state["generator"].cpu())


class ReplayBatch(NamedTuple):
    """What a training step gets.

    Attributes:
        noised: Rows of the buffer drawn by Boltzmann weight, under noise, for the score.
        positions: Rows of the archive drawn uniformly, for the force head, shape ``(B, *shape)``; none if no forces
            are known.
        forces: Their forces in eV/A, of the positions' shape.
    """

    noised: Noised
    positions: Tensor
    forces: Tensor


class ReplayDataModule(pl.LightningDataModule):
    """An epoch is so many steps on the buffer as it is when the epoch begins.

    Rows, times and noise are drawn for the batch of all processes together, the same in each, and every process takes
    its share: n processes see together what one alone would. Draws depend on the seed, the epoch and the number of
    refills alone, so that a run that was killed goes on with the batches it would have seen. Noise is drawn on the CPU.

    Args:
        buffer: The replay buffer; its state travels in Lightning's checkpoints.
        manifold: Where points live.
        schedule: How wide noise is.
        steps: Steps of an epoch.
        batch_size: Rows of a step, over all processes; of the buffer and of the archive each.
        seed: Seed of the draws.
        enough: Whether the epoch is to end before its last step, asked after each; None: it never is.

    Raises:
        ValueError: If steps or batch_size is below 1.
    """

    def __init__(
        self,
        buffer: ReplayBuffer,
        manifold: Manifold,
        schedule: NoiseSchedule,
        *,
        steps: int = 2000,
        batch_size: int = 8,
        seed: int = 0,
        enough: Callable[[], bool] | None = None,
    ) -> None:
        super().__init__()
        self.enough = enough
        self.buffer: ReplayBuffer = of(ReplayBuffer)("buffer", buffer)
        self.manifold: Manifold = of(Manifold)("manifold", manifold)
        self.schedule: NoiseSchedule = of(NoiseSchedule)("schedule", schedule)
        self.steps: int = whole(1)("steps", steps)
        self.batch_size: int = whole(1)("batch_size", batch_size)
        self.seed: int = checks.seed("seed", seed)

    def train_dataloader(self) -> _Epoch:
        """The steps of an epoch, in this process.

        Raises:
            ValueError: If the processes cannot share a batch evenly.
        """
        processes = self.trainer.world_size if self.trainer is not None else 1
        if self.batch_size % processes:
            raise ValueError(
                f"batch_size={self.batch_size} is the batch of all {processes} processes together; "
                f"make it a multiple of {processes}"
            )
        return _Epoch(self)

    def batches(
        self, epoch: int, *, process: int = 0, processes: int = 1, device: torch.device | str = "cpu"
    ) -> Iterator[ReplayBatch]:
        """The batches of an epoch, float32, one process's share of each; none before the buffer is filled.

        They go to the device many at a time, so that training steps do not wait for them.
        """
        if not len(self.buffer.rows):
            return
        entropy = np.random.SeedSequence([self.seed, epoch, self.buffer.refills])
        generator = torch.Generator().manual_seed(int(entropy.generate_state(1, np.uint64)[0] >> 1))
        # Many batches are put under noise at once, which takes hardly longer than one.
        for start in range(0, self.steps, _AT_ONCE):
            count = min(_AT_ONCE, self.steps - start)
            size = count * self.batch_size
            scored = self.buffer.positions[self.buffer.draw(size, generator)].float()
            noised = noise(self.manifold, self.schedule, scored, generator, batches=count)
            rows = self.buffer.draw_labelled(size, generator)
            known = (self.buffer.positions[rows].float(), self.buffer.forces[rows].float())
            # A process's share of each batch is every so many rows of it, hence of all of them.
            parts = [ahead(part[process::processes], device) for part in (*noised, *known)]
            share = self.batch_size // processes
            for k in range(count):
                points, sigma, target, positions, forces = (part[k * share : (k + 1) * share] for part in parts)
                yield ReplayBatch(Noised(points, sigma, target), positions, forces)

    def state_dict(self) -> dict[str, Any]:
        """The buffer's state."""
        return {"buffer": self.buffer.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the buffer of a checkpoint."""
        self.buffer.load_state_dict(state_dict["buffer"])


@dataclass(frozen=True)
class _Epoch:
    """An epoch's batches; each pass reads the buffer anew."""

    data: ReplayDataModule

    def __len__(self) -> int:
        return self.data.steps

    def __iter__(self) -> Iterator[ReplayBatch]:
        # A generator: the epoch is read when its first batch is, since Lightning makes the iterator of a resumed run
        # before it restores the epoch.
        data, trainer = self.data, self.data.trainer
        if trainer is None:
            yield from data.batches(0)
            return
        for batch in data.batches(
            trainer.current_epoch,
            process=trainer.global_rank,
            processes=trainer.world_size,
            device=trainer.strategy.root_device,
        ):
            yield batch
            if data.enough is not None and data.enough():
                return


def _kept(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.as_tensor(tensor).detach().to("cpu", dtype, copy=True)
