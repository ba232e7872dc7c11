"""What a searcher is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Protocol

from matseek.checks import check, optional, whole
from matseek.core.history import History
from matseek.core.problem import Problem, callable_name
from matseek.core.records import FEW_LEFT, OPENING, Evaluation, Event, Proposal, Status
from matseek.core.space import BoxView, Space
from matseek.core.surrogate import Look, Surrogate
from matseek.errors import BudgetError, NoPointsLeftError

if TYPE_CHECKING:
    from pathlib import Path

    from lightning.pytorch.loggers import Logger


USUAL_BATCH = 15
"""Points of a batch in a box where no batch size is given: what an experimental run has."""


class Evaluator(Protocol):
    """What a searcher is given: the only way to the truth, within a budget, everything written down."""

    @property
    def problem(self) -> Problem:
        """What is evaluated."""
        ...

    @property
    def budget(self) -> int:
        """Evaluations that the campaign may have in all."""
        ...

    @property
    def remaining(self) -> int:
        """Evaluations that may still be asked for."""
        ...

    @property
    def seed(self) -> int:
        """The campaign's seed."""
        ...

    @property
    def opening(self) -> int:
        """Evaluations of the campaign's first batch that no searcher chose."""
        ...

    @property
    def checkpoint(self) -> Path | None:
        """Where a searcher that trains keeps its state; None keeps it nowhere."""
        ...

    @property
    def training(self) -> Logger | None:
        """Logger of a searcher's Lightning trainer; None logs no training."""
        ...

    def history(self) -> History:
        """Everything so far."""
        ...

    def evaluations(self, *, status: Status | None = None, iteration: int | None = None) -> Sequence[Evaluation]:
        """Evaluations so far, of a status or a batch."""
        ...

    def ask(self, choose: Callable[[History], Proposal]) -> list[Evaluation]:
        """Have a batch chosen, check it, and write it down; nothing is evaluated yet."""
        ...

    def evaluate(self, proposal: Proposal) -> list[Evaluation]:
        """Write a batch down that was chosen without looking at the history, and evaluate it."""
        ...

    def evaluate_pending(self) -> list[Evaluation]:
        """Evaluate what is written down without a result."""
        ...

    def stops(self) -> bool:
        """Whether the campaign has reached what it was after; to be asked between batches."""
        ...

    def note_once(self, event: Event) -> None:
        """Write down an event about a batch, unless one of its kind is there."""
        ...


class Searcher(ABC):
    """Spends an evaluator's budget. A searcher holds settings only; what happened is in the history."""

    name: ClassVar[str]
    """Name in records."""

    label: ClassVar[str]
    """How people read the name."""

    look: ClassVar[Look | None] = None
    """Colour and marker in figures; None for the next free ones."""

    serves_goals: ClassVar[bool] = False
    """Whether further objectives and constraints on outcomes do not mislead it: it models them, or no values at all."""

    reads_earlier: ClassVar[bool] = True
    """Whether evaluations of earlier campaigns change what it proposes; a campaign that has some refuses it if not."""

    serves_molecules: ClassVar[bool] = False
    """Whether it keeps molecules of structures whole: it moves :attr:`matseek.core.space.StructureSpace.bodies`."""

    @property
    def title(self) -> str:
        """The label, and what tells these settings from the usual ones."""
        return self.label

    @property
    def surrogates(self) -> tuple[Surrogate, ...]:
        """The models that it learns from what is measured; by default there are none."""
        return ()

    def surrogates_on(self, problem: Problem) -> tuple[Surrogate, ...]:
        """Those of its models that it chooses with on a problem; by default all that can learn from it."""
        return tuple(s for s in self.surrogates if problem.objective is not None or not s.needs_spectra)

    def as_batch_searcher(self) -> BatchSearcher | None:
        """The searcher as one that can be asked for a batch; None where it can only search by itself."""
        return None

    @property
    def processes(self) -> int:
        """Processes that search together; the first of them evaluates. By default one does everything."""
        return 1

    @abstractmethod
    def search(self, evaluator: Evaluator) -> None:
        """Evaluate until the budget is spent or the evaluator says stop; goes on from whatever the ledger holds."""

    @property
    def needs_forces(self) -> bool:
        """Whether it cannot search structures whose calculator gives energies alone."""
        return True

    def check_space(self, space: Space) -> None:  # noqa: B027 -- most spaces suit most searchers
        """Refuse a space that this searcher cannot search, before anything is paid.

        Raises:
            ValueError: If it cannot.
        """

    def check_problem(self, problem: Problem) -> None:
        """Refuse a problem that this searcher cannot search, before anything is paid.

        Raises:
            ValueError: If it cannot.
        """
        self.check_space(problem.space)
        structures = problem.space.as_structures()
        if structures is not None and structures.bodies.molecules and not self.serves_molecules:
            raise ValueError(
                f"searcher={self.name} moves atoms one by one, and problem {problem.name!r} has rigid molecules, which "
                "it would break; take searcher=rss, basin_hopping, genetic or bayesian, or give the atoms of the "
                "molecules as free ones"
            )
        oracle = problem.as_structures()
        if oracle is not None and self.needs_forces and not oracle.gives_forces:
            raise ValueError(
                f"searcher={self.name} needs forces, and calculator={callable_name(oracle.calculator)} gives none; "
                "take a calculator that gives energies and forces, or a searcher that goes on without: random, "
                "bayesian, or godiff without guidance, relaxation and force_weight"
            )
        if problem.goals and not self.serves_goals:
            wanted = ", ".join(map(str, (*problem.goals.objectives, *problem.goals.constraints)))
            raise ValueError(
                f"searcher={self.name} looks for the least {problem.value_name} alone, and problem {problem.name!r} "
                f"also wants {wanted}; take searcher=bayesian, lhs or random, or leave these goals out"
            )
        learnt = [s.name for s in self.surrogates_on(problem) if not s.follows_risk]
        if problem.risk is not None and learnt:
            raise ValueError(
                f"searcher={self.name} learns typical responses ({', '.join(learnt)}), which do not tell the value's "
                f"{problem.risk.label}; take searcher=bayesian, or risk=None"
            )

    def check(self, budget: int) -> None:
        """Refuse a budget that this searcher cannot work with, before anything is paid.

        Raises:
            BudgetError: If the budget is too small.
        """
        try:
            whole(1)("budget", budget)
        except ValueError as error:
            raise BudgetError(f"{error}: evaluations in all") from error


@dataclass(frozen=True)
class BatchSearcher(Searcher):
    """A searcher that can wait for a laboratory: it chooses a batch from the history and nothing else.

    Args:
        batch_size: Points in a batch; the last batch of a campaign may be smaller. None for what suits the space, see
            :meth:`usual_batch`.
    """

    batch_size: int | None = None

    def __post_init__(self) -> None:
        check(self, batch_size=optional(whole(1)))

    def usual_batch(self, space: Space) -> int:  # noqa: ARG002 -- for those that search several kinds
        """Points of a batch where no batch size is given."""
        return USUAL_BATCH

    def batch_on(self, space: Space) -> int:
        """Points of a batch on a space."""
        return self.usual_batch(space) if self.batch_size is None else self.batch_size

    def as_batch_searcher(self) -> BatchSearcher:
        """Itself."""
        return self

    def check(self, budget: int) -> None:
        """Refuse a budget smaller than a batch."""
        super().check(budget)
        if self.batch_size is not None and self.batch_size > budget:
            raise BudgetError(
                f"batch_size={self.batch_size} is larger than budget={budget}; lower the batch size or raise the budget"
            )

    @abstractmethod
    def ask(self, n: int, history: History) -> Proposal:
        """Choose n points; the same history gives the same points.

        Args:
            n: Number of points.
            history: Everything so far; points must lie in ``history.window``.
        """

    def choose(self, n: int, history: History) -> Proposal:
        """Choose n points of any space that can be seen as a box."""
        return ask_in_box(partial(self.ask, n), history)

    def size(self, history: History) -> int:
        """Points of the next batch, as far as the budget allows."""
        return self.batch_on(history.space)

    def room(self, history: History) -> int | None:
        """How many points may still be proposed; None where they are uncounted. By default no point is tried twice."""
        return history.left

    def next_batch(self, n: int, history: History) -> Proposal:
        """Choose n points, or as many as there are left, and say so.

        Args:
            n: Number of points.
            history: Everything so far.

        Raises:
            NoPointsLeftError: If every point that may be tried has been tried.
        """
        room = self.room(history)
        if room == 0:
            raise NoPointsLeftError(
                f"every point that may be tried has been tried{_held(history)}: {len(history.tried)} evaluations; give "
                "the space more points, hold other values, or take the best"
            )
        if room is None or room >= n:
            return self.choose(n, history)
        message = (
            f"batch {history.iteration} has {room} of {n} points: no more are left that may be tried{_held(history)}"
        )
        few = Event(FEW_LEFT, message, {"iteration": history.iteration, "asked": n, "left": room})
        proposal = self.choose(room, history)
        return replace(proposal, events=(*proposal.events, few))

    def search(self, evaluator: Evaluator) -> None:
        """Ask and evaluate, batch after batch, as long as there is something left to try."""
        evaluator.evaluate_pending()
        while (remaining := evaluator.remaining) > 0 and not evaluator.stops():
            history = evaluator.history()
            if self.room(history) == 0:
                break
            evaluator.ask(partial(self.next_batch, min(self.size(history), remaining)))
            evaluator.evaluate_pending()


def _held(history: History) -> str:
    """What is held, in words that follow a sentence."""
    return f" with {dict(history.held)} held" if history.held else ""


def require_box(searcher: str, space: Space) -> BoxView:
    """The space seen as a box.

    Raises:
        ValueError: If it cannot be.
    """
    view = space.as_box()
    if view is None:
        structures = space.as_structures()
        if space.has_variants:
            raise ValueError(
                f"searcher={searcher} searches coordinates or free atoms, and a {type(space).__name__} has neither; "
                "take searcher=tabu or random"
            )
        has = "this space has no such coordinates" if structures is None else f"this space has {structures.size}"
        raise ValueError(
            f"searcher={searcher} searches a box of coordinates; of structures it knows those with one free atom, and "
            f"room for it above every atom of the template; {has}: take searcher=rss, "
            "searcher=godiff, or searcher=bayesian with its usual setting of structures"
        )
    return view


def ask_in_box(ask: Callable[[History], Proposal], history: History) -> Proposal:
    """Have points chosen in a box's coordinates where the space can be seen as one, and in its own where it cannot."""
    view = history.space.as_box()
    if view is None or view.box is history.space:
        return ask(history)
    proposal = ask(history.seen_through(view))
    return replace(proposal, points=history.after(proposal.events).placed(proposal.points))


def open_with(n: int, history: History) -> Proposal:
    """First points that no searcher chooses, by seed and nothing else, so that compared campaigns begin alike.

    Args:
        n: Number of points.
        history: Of a campaign that has not begun.
    """

    def first(history: History) -> Proposal:
        points = history.opening(n)
        return Proposal(points, (OPENING,) * len(points))

    return ask_in_box(first, history)
