"""An iteration of GO-Diff: sampling, evaluation and a new buffer before the steps of an epoch."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar, Protocol

import lightning.pytorch as pl
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from matseek.core.history import History
from matseek.core.records import ITERATED, REFUSED, Evaluation, Event, Proposal
from matseek.core.searcher import Evaluator
from matseek.diffusion import Guidance, KTSchedule, Sampler, boltzmann_log_weights, effective_sample_size
from matseek.errors import CheckpointError
from matseek.evaluation.executors.shared import serve, served
from matseek.godiff.active import ActiveChoice
from matseek.godiff.domains import Domain
from matseek.godiff.replay import ReplayBuffer
from matseek.godiff.sampling import forces_of, sampled
from matseek.godiff.score_matching import ScoreMatching
from matseek.godiff.sharing import Share
from matseek.godiff.sizes import EffectiveSizes
from matseek.godiff.steering import Renoising, SurrogateRelaxation

logger = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float64]

_MOST_REFUSED = 0.75
"""Part of a draw above which drawing again is given up for repair: among 36 atoms some pair nearly always overlaps."""

_Found = tuple[FloatArray, FloatArray, npt.NDArray[np.int64], FloatArray | None]
"""Points, values, evaluation numbers and forces."""


class LoopSettings(Protocol):
    """What the loop reads of a searcher's settings, see :class:`matseek.godiff.searcher.GODiffSearcher`."""

    name: ClassVar[str]

    @property
    def samples(self) -> int: ...  # noqa: D102 -- the searcher's arguments say what they are
    @property
    def draw(self) -> int: ...  # noqa: D102
    @property
    def attempts(self) -> int: ...  # noqa: D102
    @property
    def guidance(self) -> bool | Guidance: ...  # noqa: D102
    @property
    def relaxation(self) -> SurrogateRelaxation | None: ...  # noqa: D102
    @property
    def renoising(self) -> Renoising | None: ...  # noqa: D102
    @property
    def kt(self) -> KTSchedule: ...  # noqa: D102
    @property
    def sampler(self) -> Sampler: ...  # noqa: D102
    @property
    def start(self) -> str | None: ...  # noqa: D102
    @property
    def active(self) -> ActiveChoice | None: ...  # noqa: D102
    @property
    def sizes(self) -> EffectiveSizes | None: ...  # noqa: D102


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
        self, settings: LoopSettings, evaluator: Evaluator, domain: Domain, buffer: ReplayBuffer, iterations: int
    ) -> None:
        self.settings, self.evaluator, self.domain = settings, evaluator, domain
        self.buffer, self.iterations = buffer, iterations

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Refuse a checkpoint of other evaluations than the ledger's; train no more where everything is trained."""
        if len(self.buffer):
            self._require_same(trainer)
        over = trainer.is_global_zero and self._trained_all(trainer.current_epoch)
        trainer.should_stop = bool(trainer.strategy.broadcast(over, src=0))

    def _trained_all(self, trained: int) -> bool:
        """Whether as many iterations as were trained are all that there will be."""
        last = max((e.iteration for e in self.evaluator.evaluations()), default=0)
        if not trained or last > trained:
            return False
        return self.evaluator.remaining <= 0 or self.evaluator.stops()

    def _require_same(self, trainer: pl.Trainer) -> None:
        buffer = self.buffer
        fits = buffer.positions.shape[1:] == self.domain.manifold.shape
        if fits and trainer.is_global_zero:
            known = {e.number: e.value for e in self.evaluator.history().done}
            pairs = zip(buffer.evaluations.tolist(), buffer.energies.tolist(), strict=True)
            fits = all(known.get(number) == energy for number, energy in pairs)
        if not fits:
            raise CheckpointError(
                f"the checkpoint {self.evaluator.checkpoint} does not go with the ledger: it was made of other atoms "
                "or evaluations; restore the right one, or remove it to learn again from the ledger"
            )

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """An iteration up to its training steps; there are none as long as every evaluation has failed."""
        assert isinstance(pl_module, ScoreMatching)
        iteration = trainer.current_epoch
        result = self._recorded(trainer, iteration)
        if result is None:
            result = self._chosen(trainer, pl_module, iteration)
        if not iteration:
            self._keep(self._earlier(trainer))
        self._keep(result)
        if not len(self.buffer):
            logger.warning("iteration %d: nothing to learn from, every evaluation has failed", iteration + 1)
            return
        previous = self.buffer.kt if self.buffer.refills else None
        # An adaptive schedule looks at what is trained on, not at all that was ever seen.
        trained_on = self.buffer.buffer_energies if self.buffer.refills else self.buffer.energies
        kt = self.settings.kt.kt(min(iteration, self.iterations - 1), self.iterations, trained_on, previous)
        self.buffer.refill(kt, self._rows(kt))
        self._log(trainer, pl_module, iteration, result[1])

    def _keep(self, found: _Found) -> None:
        """Put results into the buffer's archive."""
        points, values, numbers, forces = found
        if len(values):
            self.buffer.add(
                self.domain.tensor(points),
                torch.as_tensor(values),
                torch.as_tensor(numbers),
                None if forces is None else torch.as_tensor(forces),
            )

    def _earlier(self, trainer: pl.Trainer) -> _Found:
        """Results of earlier campaigns at points that might be sampled here, in every process."""
        result: _Found | None = None
        if trainer.is_global_zero:
            earlier = self.evaluator.history().earlier
            refused = self.domain.refusals(np.array([e.point for e in earlier])) if earlier else []
            result = self._results([e for e, reason in zip(earlier, refused, strict=True) if not reason])
        return self._shared(trainer, result)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """End the fit where the budget is spent, or the campaign has what it was after."""
        over = trainer.is_global_zero and (self.evaluator.remaining <= 0 or self.evaluator.stops())
        trainer.should_stop = bool(trainer.strategy.broadcast(over, src=0))

    def _recorded(self, trainer: pl.Trainer, iteration: int) -> _Found | None:
        """Results of an iteration that the ledger holds already, in every process; None where it holds none."""
        result: _Found | None = None
        if trainer.is_global_zero:
            own = list(self.evaluator.evaluations(iteration=iteration + 1))
            result = self._results(own) if own else None
        return trainer.strategy.broadcast(result, src=0)

    def _chosen(self, trainer: pl.Trainer, module: ScoreMatching, iteration: int) -> _Found:
        """Results of what is evaluated: samples, or what the active choice makes of many."""
        active = self.settings.active
        # Of a model to start from, the first samples say more than the opening of a choice that knows nothing.
        if active is None or (self.settings.start is not None and not len(self.buffer)):
            return self._evaluate(trainer, *self._draw(trainer, module, iteration))
        wanted = self._wanted(trainer)
        samples = self._pool(trainer, module, iteration, active.pool * wanted) if len(self.buffer) else self._none()
        if trainer.is_global_zero:
            drawn, accepted = len(samples), sum(not reason for reason in self.domain.refusals(samples))
            message = f"iteration {iteration + 1}: {wanted} points are chosen from {drawn} samples"
            event = Event(REFUSED, message, {"drawn": drawn, "accepted": accepted, "reasons": {}})

            def choose(history: History) -> Proposal:
                proposal = active.ask(wanted, history, self.settings.name, samples)
                return replace(proposal, events=(*proposal.events, event))

            self.evaluator.ask(choose)
        return self._paid(trainer, self.evaluator.evaluate_pending)

    def _pool(self, trainer: pl.Trainer, module: ScoreMatching, iteration: int, wanted: int) -> FloatArray:
        """Samples, the same in every process; some may not be evaluated as they are."""
        draws = -(-wanted // self.settings.draw)
        return np.concatenate([self._drawn(trainer, module, iteration, k) for k in range(draws)])[:wanted]

    def _none(self) -> FloatArray:
        return np.zeros((0, self.domain.dim))

    def _draw(self, trainer: pl.Trainer, module: ScoreMatching, iteration: int) -> tuple[FloatArray, Event]:
        """Samples that may be evaluated, the same in every process, and what the record tells of the others."""
        settings, wanted = self.settings, self._wanted(trainer)
        accepted: list[FloatArray] = []
        refused: Counter[str] = Counter()
        most = -(-settings.attempts * wanted // settings.draw)
        done = 0
        while len(accepted) < wanted and done < most:
            drawn = self._drawn(trainer, module, iteration, done)
            reasons = self.domain.refusals(drawn)
            # "overlap of free atom 1 with ..." counts as an overlap.
            refused.update(reason.split(" of ")[0] for reason in reasons if reason)
            accepted.extend(point for point, reason in zip(drawn, reasons, strict=True) if not reason)
            done += 1
        instead = self._uniform(iteration, wanted) if wanted and not accepted else []
        kept = [*accepted[:wanted], *instead]
        why = ", ".join(f"{count} {reason}" for reason, count in sorted(refused.items())) or "none"
        drawn_in_all = done * settings.draw
        accepted_of_all = len(kept) - len(instead)
        message = f"{accepted_of_all} of {drawn_in_all} samples are evaluated"
        if instead:
            message += f", {len(instead)} uniform ones instead"
        event = Event(
            REFUSED,
            f"iteration {iteration + 1}: {message}; refused: {why}",
            {"drawn": drawn_in_all, "accepted": accepted_of_all, "reasons": dict(refused)},
        )
        return np.array(kept).reshape(len(kept), self.domain.dim), event

    def _uniform(self, iteration: int, count: int) -> list[FloatArray]:
        """What is evaluated where nothing that was sampled may be: the same in every process."""
        rng = np.random.default_rng([self.evaluator.seed, iteration])
        return list(self.evaluator.problem.space.sample_uniform(count, rng))

    def _repaired(self, points: FloatArray) -> FloatArray:
        """A draw as it is where enough of it may be evaluated; else with overlapping atoms moved apart."""
        refused = np.array([bool(reason) for reason in self.domain.refusals(points)], dtype=bool)
        if refused.mean() <= _MOST_REFUSED:
            return points
        repaired = points.copy()
        repaired[refused] = self.domain.repaired(points[refused])
        return repaired

    def _drawn(self, trainer: pl.Trainer, module: ScoreMatching, iteration: int, draw: int) -> FloatArray:
        """One draw as points of the space."""
        return self._repaired(self.domain.points(self._sample(trainer, module, iteration, draw)))

    def _sample(self, trainer: pl.Trainer, module: ScoreMatching, iteration: int, draw: int) -> Tensor:
        """One draw of samples, the same in every process, of which each makes its share.

        It depends on the seed, the iteration and its own number alone, not on how many processes there are.
        """
        entropy = np.random.SeedSequence([self.evaluator.seed, iteration, draw])
        generator = torch.Generator().manual_seed(int(entropy.generate_state(1, np.uint64)[0] >> 1))
        settings, manifold = self.settings, self.domain.manifold
        if not len(self.buffer) and settings.start is None:
            return manifold.sample_uniform(settings.draw, generator)
        with module.sampling() as network:
            how = Guidance() if settings.guidance is True else settings.guidance or None

            def drawn(count: int, origin: Tensor | None = None, begin: float = 1.0) -> Tensor:
                share = Share(count, trainer.global_rank, trainer.world_size)
                x = sampled(
                    network,
                    settings.sampler,
                    manifold,
                    count,
                    generator,
                    guidance=how,
                    origin=origin,
                    begin=begin,
                    rows=share.rows,
                    device=module.device,
                )
                if settings.relaxation is not None:
                    x = settings.relaxation.relax(x, forces_of(network, settings.sampler), manifold)
                return share.whole(x).cpu()

            again = settings.renoising
            count = round(again.share * settings.draw) if again is not None and len(self.buffer) else 0
            parts = [drawn(settings.draw - count)] if count < settings.draw else []
            if count and again is not None:
                origin = self.buffer.positions[self.buffer.draw(count, generator)]
                parts.append(drawn(count, origin, again.time))
            order = torch.randperm(settings.draw, generator=generator) if count else torch.arange(settings.draw)
        return torch.cat(parts)[order]

    def _wanted(self, trainer: pl.Trainer) -> int:
        wanted = min(self._samples, self.evaluator.remaining) if trainer.is_global_zero else 0
        return int(trainer.strategy.broadcast(wanted, src=0))

    @property
    def _samples(self) -> int:
        """Samples of an iteration, as far as the budget reaches."""
        sizes, usual = self.settings.sizes, self.settings.samples
        if sizes is None or not self.buffer.refills:
            return usual
        return sizes.samples(usual, self.buffer.effective_sample_size)

    def _rows(self, kt: float) -> int | None:
        """Rows of the buffer at a kT; None for those that were set."""
        if self.settings.sizes is None:
            return None
        return self.settings.sizes.rows(effective_sample_size(boltzmann_log_weights(self.buffer.energies, kt)))

    def _evaluate(self, trainer: pl.Trainer, points: FloatArray, event: Event) -> _Found:
        """Pay for the points once, whatever the number of processes."""
        proposal = Proposal(points, (self.settings.name,) * len(points), (event,))
        return self._paid(trainer, lambda: self.evaluator.evaluate(proposal))

    def _paid(self, trainer: pl.Trainer, evaluate: Callable[[], list[Evaluation]]) -> _Found:
        """Results of what the first process evaluates, in every process; the others may make a part of the calls."""
        result: _Found | None = None
        if trainer.is_global_zero:
            with served():
                result = self._results(evaluate())
        else:
            serve(self.evaluator.problem)
        return self._shared(trainer, result)

    def _shared(self, trainer: pl.Trainer, result: _Found | None) -> _Found:
        """Results of the process that evaluates, in every process."""
        shared: _Found | None = trainer.strategy.broadcast(result, src=0)
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
            # Loggers get it from the ledger's event, once also where an iteration is made again.
            module.log(key, value, rank_zero_only=True, logger=False)
        message = ", ".join(f"{key.replace('_', ' ')} {value:.4g}" for key, value in figures.items())
        if trainer.is_global_zero:
            event = Event(ITERATED, f"iteration {iteration + 1}: {message}", {"run": iteration + 1, "figures": figures})
            self.evaluator.note_once(event)
        logger.info("iteration %d: %s", iteration + 1, message)
