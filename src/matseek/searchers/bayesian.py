"""Batch Bayesian optimisation."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np

from matseek.acquisition import Acquisition, SearchState, acquisition_of
from matseek.candidates import OnStructures
from matseek.checks import check, flag, of, one_of, optional
from matseek.core.history import History
from matseek.core.problem import Problem
from matseek.core.records import Event, Proposal
from matseek.core.searcher import BatchSearcher, require_box
from matseek.core.space import Space
from matseek.core.surrogate import Look, Surrogate
from matseek.deprecation import renamed_settings
from matseek.searchers.widening import Widening
from matseek.surrogates.devices import DEVICES, Device, require_device
from matseek.surrogates.goals import modelled_goals
from matseek.surrogates.gp import KERNELS, MOST_OBSERVATIONS, KernelName, quiet_numerics
from matseek.surrogates.learning import ValueGP
from matseek.surrogates.search_state import search_state
from matseek.surrogates.spectral_gp import MOST_SPECTRA, SpectraGP
from matseek.surrogates.structure_gp import StructureGP

logger = logging.getLogger(__name__)

SUBSET = "subset"
"""Kind of the event that tells from when on the Gaussian process learns from a part of the observations."""


ModelName = Literal["spectra", "loss"]
MODELS: tuple[ModelName, ...] = ("spectra", "loss")


@renamed_settings(strategy="acquisition")
@dataclass(frozen=True)
class BayesianSearcher(BatchSearcher):
    """Gaussian processes with Matern-5/2 kernels, of whole spectra or of the value, and the batches of an acquisition.

    In a box of coordinates the first batch is a feasible Latin hypercube, and so is every batch for which there is
    nothing to learn from yet; spectra are learnt from also where all of them saturate. Structures are searched with a
    GP on a descriptor; with one structure in a batch that is the search of Bisbo and Hammer, Phys. Rev. Lett. 124,
    086102 (2020).

    Args:
        batch_size: Points in a batch; None for 15 in a box and 1 among structures.
        model: What is modelled: ``spectra`` (the components of whole spectra, from which the value is computed) or
            ``loss`` (the value alone); None for the spectra where the problem's responses are spectra.
        acquisition: How a batch is chosen from the model: an object of :mod:`matseek.acquisition`, or a name among the
            entry points ``matseek.acquisitions``, for example ``pathwise`` (greedy qEI on joint samples),
            ``local_penalization`` (of log expected improvement), ``local_penalization_ei``, ``local_penalization_ucb``,
            ``qei``, ``qlogei``, ``qlognei``, ``qucb`` (one point after the other) or ``qlogei_joint``. None for
            ``pathwise`` with spectra and ``local_penalization`` with the loss, or ``top_share`` (the probability of
            being among the best, and qEI) where all points that may be tried are listed, as those of a
            :class:`~matseek.spaces.Pool`.
        several: How a batch is chosen where the problem has further objectives or constraints on outcomes, from a
            Gaussian process for each: the usual ``qlognehvi``, or another acquisition that looks at ``state.goals``.
        kernel: Of the Gaussian process of the loss: ``ard`` or ``isotropic``, see
            :meth:`matseek.surrogates.gp.GaussianProcess.fit`.
        repeats: Whether a recipe may be proposed twice.
        widening: Rule by which windows widen toward the hardware limits; None leaves them as they are.
        structures: How structures are searched; acquisition, kernel, repeats, widening and device are those of boxes.
            None searches a single free atom as a box of its coordinates, and refuses several.
        device: Where hyperparameters are learnt: ``cpu``, ``cuda``, or ``auto`` for a GPU where there is one; what is
            proposed is looked for on the CPU.

    Example:
        >>> from matseek import Campaign
        >>> from matseek.library.platinum import platinum_adatom
        >>> from matseek.potentials import BatchedEMT
        >>> campaign = Campaign(platinum_adatom(BatchedEMT), BayesianSearcher(), seed=0).run(budget=8)
        >>> campaign.best.value < 8.0
        True
    """

    name: ClassVar[str] = "bayesian"
    label: ClassVar[str] = "Bayesian"
    look: ClassVar[Look | None] = ("#0072B2", "s")
    serves_molecules: ClassVar[bool] = True
    serves_goals: ClassVar[bool] = True
    model: ModelName | None = None
    acquisition: str | Acquisition | None = None
    several: str | Acquisition = "qlognehvi"
    kernel: KernelName = "ard"
    log: bool = True
    repeats: bool = False
    widening: Widening | None = field(default_factory=Widening)
    structures: OnStructures | None = field(default_factory=lambda: OnStructures(StructureGP()))
    device: Device = "cpu"

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, model=optional(one_of(MODELS)))
        optional(acquisition_of)("acquisition", self.acquisition)
        several = acquisition_of("several", self.several)
        if not several.serves_goals:
            raise ValueError(
                f"several={several.label} looks at one value, and would ignore further objectives and constraints on "
                "outcomes; take several=qlognehvi, or name it as acquisition"
            )
        check(self, kernel=one_of(KERNELS), log=flag, repeats=flag, widening=optional(of(Widening)))
        check(self, structures=optional(of(OnStructures)), device=one_of(DEVICES))
        if self.model == "spectra" and self.kernel != "ard":
            raise ValueError(
                f"kernel={self.kernel!r} is a setting of the loss; with model=spectra every component has kernel='ard'"
            )

    @property
    def needs_forces(self) -> bool:
        """Its Gaussian processes learn energies alone where there are no forces."""
        return False

    def check_space(self, space: Space) -> None:
        """Refuse what is neither structures nor has coordinates that the Gaussian process could learn on."""
        on, structures = self._on_structures(space), space.as_structures()
        if on is None or structures is None:
            require_box(self.name, space)
        else:
            on.check(structures)

    def check(self, budget: int) -> None:
        """Also refuse a GPU that is not there."""
        super().check(budget)
        require_device("searcher.device", self.device)
        if self.structures is not None:
            self.structures.check_machine()

    def _on_structures(self, space: Space) -> OnStructures | None:
        return None if space.as_structures() is None else self.structures

    def usual_batch(self, space: Space) -> int:
        """One structure, or the points of an experimental run."""
        return super().usual_batch(space) if self._on_structures(space) is None else 1

    def room(self, history: History) -> int | None:
        """Uncounted where a recipe may be proposed twice."""
        return None if self.repeats else super().room(history)

    def choose(self, n: int, history: History) -> Proposal:
        """Choose n structures, or n points of a box."""
        on = self._on_structures(history.space)
        return super().choose(n, history) if on is None else on.ask(n, history, self.name)

    def check_problem(self, problem: Problem) -> None:
        """Also refuse a model of spectra where the response is a single value."""
        super().check_problem(problem)
        in_box = self._on_structures(problem.space) is None
        if self.model == "spectra" and in_box and problem.objective is None:
            raise ValueError(
                f"searcher.model=spectra needs spectra, but problem {problem.name!r} answers with a single value; take "
                "searcher.model=loss, or leave it out"
            )
        if self.acquisition is not None and problem.goals and in_box:
            raise ValueError(
                f"searcher.acquisition={acquisition_of('acquisition', self.acquisition).label} looks at one value, but "
                f"problem {problem.name!r} has further objectives or constraints on outcomes; name an acquisition that "
                "looks at state.goals as searcher.several, or leave acquisition out"
            )
        if self.model == "spectra" and problem.goals:
            raise ValueError(
                f"searcher.model=spectra models one value, but problem {problem.name!r} has further objectives or "
                "constraints on outcomes; take searcher.model=loss, or leave it out"
            )

    @property
    def title(self) -> str:
        """``Bayesian``, and the model and the acquisition where they are named."""
        chosen = None if self.acquisition is None else acquisition_of("acquisition", self.acquisition).label
        return ", ".join([self.label, *filter(None, (self.model, chosen))])

    @property
    def gp(self) -> ValueGP:
        """The Gaussian process of the values."""
        return ValueGP(self.kernel, self.log, self.device)

    @property
    def _by_name(self) -> Mapping[ModelName, Surrogate]:
        return {"spectra": SpectraGP(self.device), "loss": self.gp}

    @property
    def surrogates(self) -> tuple[Surrogate, ...]:
        """Gaussian processes of spectra, of the value, or both where the problem decides."""
        return tuple(self._by_name[name] for name in MODELS if self.model in (name, None))

    def surrogates_on(self, problem: Problem) -> tuple[Surrogate, ...]:
        """The one that chooses batches on a problem."""
        return (self._by_name[self.modelled(problem)],)

    def modelled(self, problem: Problem | History) -> ModelName:
        """What is modelled of a problem, or of a history of it."""
        if self.model is not None:
            return self.model
        return "loss" if problem.goals or problem.objective is None else "spectra"

    def ask(self, n: int, history: History) -> Proposal:
        """Choose n points: a hypercube as long as nothing can be learnt, then the acquisition's batch."""
        model = self.modelled(history)
        if self._explores(history, model):
            points = history.hypercube(n)
            if not len(points):  # all have been tried, and may be tried again
                points = history.window.sample_latin_hypercube(n, history.rng())
            return Proposal(points, ("lhs",) * len(points))
        events = () if self.widening is None else self.widening.events(history, self.name)
        most = MOST_SPECTRA if model == "spectra" else MOST_OBSERVATIONS
        events += _subset_begins(history, most)
        widened = history.after(events)
        return Proposal(self._batch(n, widened, model), (self.name,) * n, events)

    def _explores(self, history: History, model: ModelName) -> bool:
        if len(history.tried) < self.batch_on(history.space) and history.left != 0:
            return True
        return self._by_name[model].reason_to_wait(history) is not None

    def _usual(self, history: History, model: ModelName) -> str:
        """The acquisition that is taken where none is named."""
        if history.window.choices is not None:
            return "top_share"
        return "pathwise" if model == "spectra" else "local_penalization"

    def _batch(self, n: int, history: History, model: ModelName) -> np.ndarray:
        usual = self.acquisition or self._usual(history, model)
        acquisition = acquisition_of("acquisition", self.several if history.goals else usual)
        state = self._state(history, model)
        with quiet_numerics():
            return history.window.unnormalize(acquisition.batch(state, n, history.rng()).numpy())

    def state(self, history: History) -> SearchState:
        """What an acquisition chooses from: the fitted model, the feasible set and the points, in unit coordinates.

        Args:
            history: Of at least two different values.
        """
        return self._state(history, self.modelled(history))

    def _state(self, history: History, model: ModelName) -> SearchState:
        if model == "spectra":
            return search_state(SpectraGP(self.device).fit(history), history, repeats=self.repeats)
        if history.goals:
            gp = self.gp.fit_values(history, history.values, history.variances)
            return search_state(gp, history, repeats=self.repeats, goals=modelled_goals(self.gp, gp, history))
        return search_state(self.gp.fit(history), history, repeats=self.repeats)


def _subset_begins(history: History, most: int) -> tuple[Event, ...]:
    """The event that the observations are more than the model takes, once in a campaign."""
    known = len(history.values)
    if known <= most or any(event.kind == SUBSET for event in history.events):
        return ()
    message = (
        f"from batch {history.iteration} on the Gaussian process learns from {most} observations of "
        f"{known}: half of them are the best ones, the others cover the space"
    )
    return (Event(SUBSET, message, {"observations": known, "kept": most}),)
