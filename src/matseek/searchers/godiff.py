"""GO-Diff: a diffusion model that learns where energies are low from nothing but its own evaluations."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import lightning.pytorch as pl
import numpy as np
import numpy.typing as npt
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from matseek.data.replay import ReplayBuffer, ReplayDataModule
from matseek.diffusion import (
    EulerMaruyama,
    ExponentialKT,
    ForceGuidance,
    KTSchedule,
    LinearSchedule,
    Manifold,
    Sampler,
)
from matseek.errors import BudgetError, CheckpointError
from matseek.evaluation import Evaluation, Evaluator, Event, Proposal
from matseek.evaluation.history import REFUSED
from matseek.models.score_matching import FieldNetwork, ScoreMatching
from matseek.models.training import TrainerSettings, quiet_lightning
from matseek.searchers.base import Searcher
from matseek.searchers.domains import Domain, NetworkSettings, domain_of

logger = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float64]
ITERATED = "iterated"

_Found = tuple[FloatArray, FloatArray, npt.NDArray[np.int64], FloatArray | None]
"""Points, values, evaluation numbers and forces."""


@dataclass(frozen=True)
class Guidance:
    """Force guidance in the sampler, see :class:`matseek.diffusion.ForceGuidance`.

    Args:
        alpha: Displacement per force at t = 0, in A^2/eV.
        zeta: How late it sets in.
    """

    alpha: float = 0.01
    zeta: float = 2.0


@dataclass(frozen=True)
class SurrogateRelaxation:
    """Moves samples along the network's own forces before they are evaluated; it costs no evaluation.

    Args:
        steps: Steps of steepest descent.
        step: Displacement per force, in A^2/eV.
        longest: Longest step of an atom in angstrom.

    Raises:
        ValueError: If a setting is out of its range.
    """

    steps: int = 30
    step: float = 0.02
    longest: float = 0.1

    def __post_init__(self) -> None:
        if isinstance(self.steps, bool) or not isinstance(self.steps, int) or self.steps < 1:
            raise ValueError(f"relaxation.steps={self.steps!r} must be a whole number of at least 1")
        if not (self.step > 0 and self.longest > 0):
            raise ValueError(f"relaxation.step={self.step} and longest={self.longest} must be positive")

    def relax(self, x: Tensor, forces: Callable[[Tensor], Tensor], manifold: Manifold) -> Tensor:
        """Relaxed points, of the shape of ``x``, ``(B, n, 3)``.

        Args:
            x: Points.
            forces: Of points, in eV/A.
            manifold: Where they live.
        """
        for _ in range(self.steps):
            move = self.step * forces(x)
            length = move.norm(dim=-1, keepdim=True)
            x = manifold.wrap(x + move * (self.longest / length.clamp_min(self.longest)))
        return x


@dataclass(frozen=True)
class GODiffSearcher(Searcher):
    """Samples by reverse diffusion, evaluates them, learns from them at a falling kT, and samples again.

    Rønne, Vegge and Bhowmik, "GO-Diff", arXiv 2510.13448 (2025). An iteration is an epoch of one ``Trainer.fit``:
    samples are drawn and evaluated, the replay buffer is drawn anew from all evaluations by their Boltzmann weights
    at this iteration's kT, and the network takes its steps. Samples of the first iteration are uniform: that is what a
    network that knows nothing samples. After each iteration a checkpoint is written beside the ledger; a run that was
    killed goes on from it, and without it learns again from what the ledger holds.

    The defaults take fewer and larger steps than the paper's 2,000 at 1e-4 (``experiment=adatom_paper``).

    Args:
        samples: Samples that are evaluated in an iteration.
        steps: Training steps of an iteration.
        batch_size: Rows of a step, over all processes.
        buffer: Rows of the replay buffer.
        draw: Samples drawn at once; processes share these draws, so that their number does not change any sample.
        attempts: How many samples may be drawn for each that is evaluated; the others overlap or leave the space.
        learning_rate: AdamW's.
        force_weight: How much the forces' loss counts against the score's; 0 trains the score alone.
        decay: Of the running average of the parameters that samples come from.
        guidance: Whether forces guide the sampler: true, or how.
        relaxation: How the network's forces relax samples before they are evaluated; None evaluates them as sampled.
        kt: How kT falls, in eV (in units of the value for recipes).
        sampler: How samples are drawn.
        network: The score network.
        trainer: Where and how precisely it is trained.

    Raises:
        ValueError: If a setting is out of its range.
    """

    name: ClassVar[str] = "godiff"
    samples: int = 32
    steps: int = 300
    batch_size: int = 8
    buffer: int = 16
    draw: int = 16
    attempts: int = 8
    learning_rate: float = 1e-3
    force_weight: float = 1.0
    decay: float = 0.995
    guidance: bool | Guidance = False
    relaxation: SurrogateRelaxation | None = None
    kt: KTSchedule = field(default_factory=ExponentialKT)
    sampler: Sampler = field(default_factory=lambda: EulerMaruyama(LinearSchedule(0.01, 2.0), steps=200))
    network: NetworkSettings = field(default_factory=NetworkSettings)
    trainer: TrainerSettings = field(default_factory=TrainerSettings)

    def __post_init__(self) -> None:
        for name in ("samples", "steps", "batch_size", "buffer", "draw", "attempts"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name}={value!r} must be a whole number of at least 1")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate={self.learning_rate} must be positive")
        if (self.guidance or self.relaxation) and not self.force_weight:
            raise ValueError("guidance and relaxation need forces: set force_weight above 0, or leave both out")

    def check(self, budget: int) -> None:
        """Refuse a budget smaller than an iteration."""
        super().check(budget)
        if self.samples > budget:
            raise BudgetError(
                f"samples={self.samples} of an iteration are more than budget={budget}; lower samples or "
                "raise the budget"
            )

    def search(self, evaluator: Evaluator) -> None:
        """Train until the budget is spent; every process of a distributed run calls this."""
        evaluator.evaluate_pending()
        if evaluator.remaining <= 0 and self.trainer == self.trainer.single:
            return  # with several processes, all of them meet in the fit
        domain = domain_of(evaluator.problem, self.sampler.schedule, self.network, evaluator.seed)
        buffer = ReplayBuffer(self.buffer, seed=evaluator.seed)
        data = ReplayDataModule(
            buffer,
            domain.manifold,
            self.sampler.schedule,
            steps=self.steps,
            batch_size=self.batch_size,
            seed=evaluator.seed,
        )
        module = ScoreMatching(
            domain.network, learning_rate=self.learning_rate, force_weight=self.force_weight, decay=self.decay
        )
        iterations = -(-evaluator.budget // self.samples)
        loop = Iterations(self, evaluator, domain, buffer, iterations)
        callbacks: list[pl.Callback] = [loop]
        checkpoint = evaluator.checkpoint
        if checkpoint is not None:
            callbacks.append(_keep_last(checkpoint))
        with quiet_lightning():
            trainer = self.trainer.trainer(
                max_epochs=iterations, callbacks=callbacks, enable_checkpointing=checkpoint is not None
            )
            known = checkpoint if checkpoint is not None and checkpoint.is_file() else None
            try:
                trainer.fit(module, datamodule=data, ckpt_path=known, weights_only=True)
            except (RuntimeError, KeyError) as error:
                if known is None or loop.begun:
                    raise
                raise CheckpointError(
                    f"the checkpoint {known} does not go with this search ({error}); it is of another composition, "
                    "network or buffer: restore the settings, or remove it to learn again from the ledger"
                ) from error


class Iterations(pl.Callback):
    """Before each epoch's steps: samples, evaluations, a kT, and a new buffer.

    Args:
        settings: The searcher.
        evaluator: Pays for the evaluations, in the process of rank 0.
        domain: The problem as tensors.
        buffer: The replay buffer, the same in every process.
        iterations: How many there will be.
    """

    def __init__(
        self, settings: GODiffSearcher, evaluator: Evaluator, domain: Domain, buffer: ReplayBuffer, iterations: int
    ) -> None:
        self.settings, self.evaluator, self.domain = settings, evaluator, domain
        self.buffer, self.iterations = buffer, iterations
        self.begun = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Refuse a checkpoint that was made of other evaluations than the ledger's."""
        buffer = self.buffer
        if not len(buffer):
            return
        fits = buffer.positions.shape[1:] == self.domain.manifold.shape
        if fits and trainer.is_global_zero:
            known = {e.number: e.value for e in self.evaluator.ledger.evaluations(status="done")}
            pairs = zip(buffer.evaluations.tolist(), buffer.energies.tolist(), strict=True)
            fits = all(known.get(number) == energy for number, energy in pairs)
        if not fits:
            raise CheckpointError(
                f"the checkpoint {self.evaluator.checkpoint} does not go with the ledger: it was made of other atoms "
                "or evaluations; restore the right one, or remove it to learn again from the ledger"
            )

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """An iteration up to its training steps."""
        assert isinstance(pl_module, ScoreMatching)
        self.begun = True
        iteration = trainer.current_epoch
        found = self._recorded(trainer, iteration)
        if found is None:
            found = self._evaluate(trainer, *self._draw(trainer, pl_module, iteration))
        points, values, numbers, forces = found
        if len(values):
            self.buffer.add(
                self.domain.tensor(points),
                torch.as_tensor(values),
                torch.as_tensor(numbers),
                None if forces is None else torch.as_tensor(forces),
            )
        if not len(self.buffer):
            raise BudgetError("no sample of the first iteration gave an energy; check the calculator on one by hand")
        previous = self.buffer.kt if self.buffer.refills else None
        # An adaptive schedule looks at what is trained on, not at all that was ever seen.
        trained_on = self.buffer.buffer_energies if self.buffer.refills else self.buffer.energies
        self.buffer.refill(self.settings.kt.kt(iteration, self.iterations, trained_on, previous))
        self._log(trainer, pl_module, iteration, values)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """End the fit where the budget is spent, or the campaign has what it was after."""
        over = trainer.is_global_zero and (self.evaluator.remaining <= 0 or self.evaluator.stops())
        trainer.should_stop = bool(trainer.strategy.broadcast(over, src=0))

    def _recorded(self, trainer: pl.Trainer, iteration: int) -> _Found | None:
        """Results of an iteration that the ledger holds already, in every process; None where it holds none."""
        found: _Found | None = None
        if trainer.is_global_zero:
            mine = list(self.evaluator.ledger.evaluations(iteration=iteration + 1))
            found = self._results(mine) if mine else None
        return trainer.strategy.broadcast(found, src=0)

    def _draw(self, trainer: pl.Trainer, module: ScoreMatching, iteration: int) -> tuple[FloatArray, Event]:
        """Samples that may be evaluated, the same in every process, and what the record tells of the others."""
        settings, wanted = self.settings, self._wanted(trainer)
        accepted: list[FloatArray] = []
        refused: Counter[str] = Counter()
        most = -(-settings.attempts * wanted // settings.draw)
        done = 0
        while len(accepted) < wanted and done < most:
            # As many draws as are still missing, rounded up so that no process is left without one.
            missing = -(-(wanted - len(accepted)) // settings.draw)
            count = min(-(-missing // trainer.world_size) * trainer.world_size, max(most - done, trainer.world_size))
            for drawn in self._share(trainer, module, iteration, range(done, done + count)):
                reasons = self.domain.refusals(drawn)
                # "overlap of free atom 1 with ..." counts as an overlap.
                refused.update(reason.split(" of ")[0] for reason in reasons if reason)
                accepted.extend(point for point, reason in zip(drawn, reasons, strict=True) if not reason)
            done += count
        kept = accepted[:wanted]
        why = ", ".join(f"{count} {reason}" for reason, count in sorted(refused.items())) or "none"
        drawn_in_all = done * settings.draw
        event = Event(
            REFUSED,
            f"iteration {iteration + 1}: {len(kept)} of {drawn_in_all} samples are evaluated; refused: {why}",
            {"drawn": drawn_in_all, "accepted": len(kept), "reasons": dict(refused)},
        )
        return np.array(kept).reshape(len(kept), self.domain.dim), event

    def _share(self, trainer: pl.Trainer, module: ScoreMatching, iteration: int, draws: range) -> list[FloatArray]:
        """Some draws, each by one process, gathered in their order."""
        mine = [self._sample(module, iteration, k) for k in draws if k % trainer.world_size == trainer.global_rank]
        if trainer.world_size == 1:
            return [self.domain.points(x) for x in mine]
        gathered = module.all_gather(torch.stack(mine))  # (processes, draws each, samples, *shape)
        assert isinstance(gathered, Tensor)
        order = [(k % trainer.world_size, i // trainer.world_size) for i, k in enumerate(draws)]
        return [self.domain.points(gathered[process, place].cpu()) for process, place in order]

    def _sample(self, module: ScoreMatching, iteration: int, draw: int) -> Tensor:
        """One draw of samples; it depends on the seed, the iteration and its own number alone."""
        entropy = np.random.SeedSequence([self.evaluator.seed, iteration, draw])
        generator = torch.Generator().manual_seed(int(entropy.generate_state(1, np.uint64)[0] >> 1))
        settings, manifold = self.settings, self.domain.manifold
        if not len(self.buffer):
            return manifold.sample_uniform(settings.draw, generator, device=module.device)
        with module.sampling() as network:
            forces = self._forces(network)
            how = Guidance() if settings.guidance is True else settings.guidance
            x = settings.sampler.sample(
                lambda x, sigma: network(x, sigma).score,
                manifold,
                settings.draw,
                generator,
                corrector=ForceGuidance(forces, how.alpha, how.zeta) if how else None,
                device=module.device,
            )
            return x if settings.relaxation is None else settings.relaxation.relax(x, forces, manifold)

    def _forces(self, network: FieldNetwork) -> Callable[[Tensor], Tensor]:
        least = self.settings.sampler.schedule.low

        def forces(x: Tensor) -> Tensor:
            found = network(x, x.new_full((len(x),), least)).forces
            if found is None:
                raise ValueError("guidance and relaxation need a network with a force head; recipes have no forces")
            return found

        return forces

    def _wanted(self, trainer: pl.Trainer) -> int:
        wanted = min(self.settings.samples, self.evaluator.remaining) if trainer.is_global_zero else 0
        return int(trainer.strategy.broadcast(wanted, src=0))

    def _evaluate(self, trainer: pl.Trainer, points: FloatArray, event: Event) -> _Found:
        """Pay for the points once, whatever the number of processes."""
        found: _Found | None = None
        if trainer.is_global_zero:
            proposal = Proposal(points, (self.settings.name,) * len(points), (event,))
            found = self._results(self.evaluator.evaluate(proposal))
        shared = trainer.strategy.broadcast(found, src=0)
        assert shared is not None
        return shared

    def _results(self, evaluations: list[Evaluation]) -> _Found:
        """Points, values, numbers and forces of what succeeded; NaN where no force is known."""
        done = [e for e in evaluations if e.status == "done"]
        points = np.array([e.point for e in done]).reshape(len(done), self.domain.dim)
        values = np.array([e.value for e in done], dtype=np.float64)
        numbers = np.array([e.number for e in done], dtype=np.int64)
        return points, values, numbers, self.domain.forces(done)

    def _log(self, trainer: pl.Trainer, module: ScoreMatching, iteration: int, values: FloatArray) -> None:
        energies = self.buffer.energies
        figures = {
            "kt": self.buffer.kt,
            "effective_sample_size": self.buffer.effective_sample_size,
            "lowest": float(energies.min()),
            "lowest_of_iteration": float(values.min()) if len(values) else float("nan"),
            "median_of_iteration": float(np.median(values)) if len(values) else float("nan"),
        }
        for key, value in figures.items():
            module.log(key, value, rank_zero_only=True)
        told = ", ".join(f"{key.replace('_', ' ')} {value:.4g}" for key, value in figures.items())
        if trainer.is_global_zero:
            event = Event(ITERATED, f"iteration {iteration + 1}: {told}", {"run": iteration + 1, "figures": figures})
            self.evaluator.note_once(event)
        logger.info("iteration %d: %s", iteration + 1, told)


def _keep_last(path: Path) -> ModelCheckpoint:
    return ModelCheckpoint(
        dirpath=path.parent,
        filename=path.stem,
        save_top_k=1,
        every_n_epochs=1,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
