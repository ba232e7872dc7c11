"""GO-Diff: a diffusion model that learns where energies are low from nothing but its own evaluations."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, cast

import lightning.pytorch as pl
import torch
from ase.symbols import Symbols
from lightning.pytorch.callbacks import ModelCheckpoint

from matseek import __version__
from matseek.checks import check, flag, of, optional, path, real, whole
from matseek.core.problem import Problem, potential_name
from matseek.core.records import OTHER_POTENTIAL, Event
from matseek.core.searcher import Evaluator, Searcher, require_box
from matseek.core.space import Space
from matseek.core.surrogate import Look, Surrogate
from matseek.diffusion import EulerMaruyama, ExponentialKT, GeometricSchedule, Guidance, KTSchedule, Sampler
from matseek.diffusion.capture import can_capture
from matseek.errors import BudgetError, ConfigurationError
from matseek.godiff.active import ActiveChoice
from matseek.godiff.agreement import AgreementWatch, GradientAgreement
from matseek.godiff.atomic_score import AtomicFields
from matseek.godiff.checkpoints import require_fitting
from matseek.godiff.domains import NetworkSettings, domain_of
from matseek.godiff.loop import Iterations
from matseek.godiff.replay import ReplayBuffer, ReplayDataModule
from matseek.godiff.score_matching import FieldNetwork, ScoreMatching
from matseek.godiff.sizes import EffectiveSizes
from matseek.godiff.steering import Renoising, SurrogateRelaxation
from matseek.godiff.zoo import find, read_card, save_model
from matseek.run_folder import MODEL_SUFFIX
from matseek.surrogates.learning import ValueGP
from matseek.training.trainer import TrainerSettings, quiet_lightning

logger = logging.getLogger(__name__)

_LOGGED = 10
"""Steps of an iteration whose losses are logged."""


@dataclass(frozen=True)
class GODiffSearcher(Searcher):
    """Samples by reverse diffusion, evaluates them, learns from them at a falling kT, and samples again.

    Rønne, Vegge and Bhowmik, "GO-Diff", arXiv 2510.13448 (2025). An iteration is an epoch of one ``Trainer.fit``:
    samples are drawn and evaluated, the replay buffer is drawn anew from all evaluations by their Boltzmann weights
    at this iteration's kT, and the network takes its steps. Samples of the first iteration are uniform: that is what a
    network that knows nothing samples. Evaluations of earlier campaigns (``history=``) are trained on from the first
    iteration on, as far as they might be sampled here. After each iteration a checkpoint is written beside the
    ledger; a run that was killed goes on from it, and without it learns again from what the ledger holds. At the
    end the network itself is written beside the ledger, as a model that other searches may start from
    (:mod:`matseek.godiff.zoo`).

    The defaults take fewer and larger steps than the paper's 2,000 at 1e-4 (``experiment=adatom_paper``), and noise
    that falls geometrically: without surrogate relaxation it is little noise that must be learnt well.

    Args:
        samples: Samples that are evaluated in an iteration.
        steps: Training steps of an iteration.
        batch_size: Rows of a step, over all processes.
        buffer: Rows of the replay buffer.
        draw: Samples drawn at once; processes share them out, and their number does not change any sample.
        attempts: How many samples may be drawn for each that is evaluated; the others overlap or leave the space.
        learning_rate: AdamW's.
        force_weight: How much the forces' loss counts against the score's; 0 trains the score alone. None: 1 where
            guidance or relaxation uses forces, else 0.
        decay: Of the EMA of the parameters that samples come from.
        guidance: Whether forces guide the sampler: true, or how.
        relaxation: How the network's forces relax samples before they are evaluated; None evaluates them as sampled.
        renoising: Which samples begin at the best structures under noise; None lets all begin uniformly.
        kt: How kT falls, in eV (in units of the value for recipes).
        sampler: How samples are drawn.
        network: The score network.
        start: Trained model to begin with, by name or path (:mod:`matseek.godiff.zoo`): first samples are the model's.
        trainer: Where and how precisely it is trained.
        active: Draws many samples for each that is evaluated, and has a Gaussian process choose among them; None
            evaluates samples as they come, as the paper does.
        sizes: How many samples and rows an iteration has by the effective sample size; None: always ``samples`` and
            ``buffer``. A schedule of kT counts iterations as if there were always ``samples``.
        agreement: When the training of an iteration ends before its last step; None: never.
        capture: Whether training steps are recorded in CUDA graphs, on one GPU; sampling is wherever there are graphs.

    Raises:
        ValueError: If a setting is out of its range.
    """

    name: ClassVar[str] = "godiff"
    label: ClassVar[str] = "GO-Diff"
    look: ClassVar[Look | None] = ("#aa3377", "D")
    samples: int = 32
    steps: int = 300
    batch_size: int = 16
    buffer: int = 64
    draw: int = 32
    attempts: int = 8
    learning_rate: float = 1e-3
    force_weight: float | None = None
    decay: float = 0.995
    guidance: bool | Guidance = False
    relaxation: SurrogateRelaxation | None = None
    renoising: Renoising | None = None
    kt: KTSchedule = field(default_factory=lambda: ExponentialKT(0.3, 0.05))
    sampler: Sampler = field(default_factory=lambda: EulerMaruyama(GeometricSchedule(0.03, 4.0), steps=150))
    network: NetworkSettings = field(default_factory=NetworkSettings)
    start: str | None = None
    trainer: TrainerSettings = field(default_factory=TrainerSettings)
    active: ActiveChoice | None = None
    sizes: EffectiveSizes | None = None
    agreement: GradientAgreement | None = None
    capture: bool = False

    def __post_init__(self) -> None:
        many = whole(1, 1_000_000)
        check(self, samples=many, steps=whole(1), batch_size=many, buffer=many, draw=many, attempts=many)
        check(self, learning_rate=real(above=0, high=1e3), decay=real(0, below=1), force_weight=optional(real(0, 1e6)))
        check(
            self,
            guidance=_guidance,
            relaxation=optional(of(SurrogateRelaxation)),
            renoising=optional(of(Renoising)),
            kt=of(KTSchedule, "a schedule of kT, such as ExponentialKT(5.0, 0.02)"),
            sampler=of(Sampler, "a sampler, such as EulerMaruyama()"),
            network=of(NetworkSettings),
            start=optional(_start),
            trainer=of(TrainerSettings),
            active=optional(of(ActiveChoice)),
            sizes=optional(of(EffectiveSizes)),
            agreement=optional(of(GradientAgreement)),
            capture=flag,
        )
        if (self.guidance or self.relaxation) and self.force_weight == 0:
            raise ValueError("guidance and relaxation need forces: set force_weight above 0, or leave both out")

    @property
    def title(self) -> str:
        """``GO-Diff``, and what helps it."""
        helps = ["transfer"] if self.start is not None else ["force guidance"] if self.guidance else []
        helps += ["active choice"] if self.active is not None else []
        return f"{self.label} with {' and '.join(helps)}" if helps else self.label

    @property
    def surrogates(self) -> tuple[Surrogate, ...]:
        """The Gaussian process of the values where it chooses."""
        return () if self.active is None else (ValueGP(self.active.kernel),)

    @property
    def _force_weight(self) -> float:
        if self.force_weight is not None:
            return self.force_weight
        return 1.0 if self.guidance or self.relaxation else 0.0

    @property
    def needs_forces(self) -> bool:
        """Where the network learns forces."""
        return self._force_weight > 0

    def check_space(self, space: Space) -> None:
        """Refuse what is neither a box nor structures, and recipes where atoms are needed."""
        structures = space.as_structures()
        if structures is not None:
            if self.active is not None:
                self.active.structures.check(structures)
            return
        box = require_box(self.name, space).box
        if box.choices is not None:
            raise ValueError(
                f"searcher={self.name} draws from a continuum, and this space has {len(box.choices)} points in all; "
                "take searcher=bayesian, which looks at each of them"
            )
        if self.guidance or self.relaxation or self.start is not None:
            raise ValueError(
                "guidance, relaxation and start need the forces or the models of atoms, and recipes have neither; "
                "leave them out (searcher=godiff)"
            )

    @property
    def processes(self) -> int:
        """One per device of the trainer."""
        return self.trainer.processes

    def check_problem(self, problem: Problem) -> None:
        """Also refuse a model to start from that is missing, or of another architecture, and graphs of any network."""
        super().check_problem(problem)
        network = cast("FieldNetwork", domain_of(problem, self.sampler.schedule, self.network, 0, self.start).network)
        if self.capture and not network.same_shapes(torch.device("cuda")):
            raise ConfigurationError(
                f"capture=true records steps whose shapes are always the same, and those of "
                f"network.representation={self.network.representation!r} are not; take capture=false, or template"
            )

    def check(self, budget: int) -> None:
        """Refuse a budget smaller than an iteration, and training that could not begin on this machine."""
        super().check(budget)
        if self.batch_size % self.processes:
            raise ConfigurationError(
                f"batch_size={self.batch_size} is the batch of all {self.processes} processes together; make it a "
                f"multiple of {self.processes}"
            )
        self.trainer.check()
        if self.active is not None:
            self.active.structures.check_machine()
        if self.capture and not (can_capture(self.trainer.device) and self.processes == 1):
            raise ConfigurationError(
                f"capture=true records steps in CUDA graphs, on one NVIDIA GPU, and trainer.accelerator="
                f"{self.trainer.accelerator} with trainer.devices={self.trainer.devices} is not one here; take "
                "capture=false, or trainer=gpu"
            )
        if self.samples > budget:
            raise BudgetError(
                f"samples={self.samples} of an iteration are more than budget={budget}; lower samples or "
                "raise the budget"
            )

    def search(self, evaluator: Evaluator) -> None:
        """Train until the budget is spent; every process of a group calls this."""
        self.check_space(evaluator.problem.space)
        evaluator.evaluate_pending()
        domain = domain_of(evaluator.problem, self.sampler.schedule, self.network, evaluator.seed, self.start)
        buffer = ReplayBuffer(self.buffer, seed=evaluator.seed)
        watch = None if self.agreement is None else AgreementWatch(self.agreement)
        data = ReplayDataModule(
            buffer,
            domain.manifold,
            self.sampler.schedule,
            steps=self.steps,
            batch_size=self.batch_size,
            seed=evaluator.seed,
            enough=None if watch is None else watch.enough,
        )
        module = ScoreMatching(
            domain.network,
            learning_rate=self.learning_rate,
            force_weight=self._force_weight,
            decay=self.decay,
            captured=self.capture,
        )
        # A campaign's opening is an iteration of its own.
        opening = evaluator.opening
        iterations = (opening > 0) + -(-(evaluator.budget - opening) // self.samples)
        loop = Iterations(self, evaluator, domain, buffer, iterations)
        callbacks: list[pl.Callback] = [loop] if watch is None else [loop, watch]
        checkpoint = evaluator.checkpoint
        if checkpoint is not None:
            callbacks.append(_keep_last(checkpoint))
        known = checkpoint if checkpoint is not None and checkpoint.is_file() else None
        if known is not None:
            require_fitting(known, module, buffer)
        with quiet_lightning(), self.trainer.fitting():
            trainer = self.trainer.trainer(
                max_epochs=-1,  # the fit ends where the budget does
                callbacks=callbacks,
                enable_checkpointing=checkpoint is not None,
                logger=evaluator.training or False,
                log_every_n_steps=max(self.steps // _LOGGED, 1),
            )
            if trainer.is_global_zero:
                self._tell_of_another_potential(evaluator)
            trainer.fit(module, datamodule=data, ckpt_path=known, weights_only=True)
        if checkpoint is not None and trainer.is_global_zero:
            self._keep_model(checkpoint.with_suffix(MODEL_SUFFIX), module, evaluator, trainer.global_step)

    def _tell_of_another_potential(self, evaluator: Evaluator) -> None:
        """Say in the log and the record if the model to start from learnt the energies of another potential.

        That is allowed: only its parameters are taken over, and energies of this search train them further.
        """
        structures = evaluator.problem.as_structures()
        if self.start is None or structures is None:
            return
        card, here = read_card(find(self.start)), potential_name(structures.calculator)
        if card.potential in (None, here):
            return
        message = (
            f"the model {card.name} to start from learnt the energies of {card.potential}, and this search evaluates "
            f"{here}: its first samples are low in energy there, which need not be low here"
        )
        logger.warning("%s", message)
        data = {"run": 1, "model": str(card.path), "learnt": card.potential, "evaluated": here}
        evaluator.note_once(Event(OTHER_POTENTIAL, message, data))

    def _keep_model(self, path: Path, module: ScoreMatching, evaluator: Evaluator, steps: int) -> None:
        """Write what samples come from, to start other searches; recipes' networks fit no other space."""
        network = module.average.module
        if not isinstance(network, AtomicFields):
            return
        described = evaluator.problem.describe()
        system = network.system
        energies = [e.value for e in evaluator.evaluations(status="done")]
        structures = evaluator.problem.as_structures()
        training = {
            "problem": described["name"],
            "calculator": described["calculator"],
            "potential": None if structures is None else potential_name(structures.calculator),
            "free_atoms": Symbols(system.free_numbers).get_chemical_formula(),
            "template": Symbols(system.numbers).get_chemical_formula(),
            "seed": evaluator.seed,
            "start": self.start,
            "evaluations": len(energies),
            "lowest_energy": min(energies, default=None),
            "steps": steps,
            "matseek": __version__,
        }
        save_model(path, network.model, training)


def _guidance(name: str, value: object) -> bool | Guidance:
    """Whether, or how."""
    if isinstance(value, Guidance):
        return value
    try:
        return flag(name, value)
    except ValueError as error:
        raise ValueError(f"{error}, or a Guidance") from error


def _start(name: str, value: object) -> str:
    """A model's name or path."""
    return str(path(name, value))


def _keep_last(path: Path) -> ModelCheckpoint:
    return ModelCheckpoint(
        dirpath=path.parent,
        filename=path.stem,
        save_top_k=1,
        every_n_epochs=1,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
