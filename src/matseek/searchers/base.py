"""What a searcher is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

from matseek.checks import check, whole
from matseek.errors import BudgetError
from matseek.evaluation import Evaluator, History, Proposal
from matseek.insight.learning import Learners
from matseek.problems import Problem
from matseek.spaces import Box, Space, chart_of


class Searcher(ABC):
    """Spends an evaluator's budget. A searcher holds settings only; what happened is in the history."""

    name: ClassVar[str]

    @property
    def learners(self) -> Learners:
        """The models that it learns from what is measured; by default there are none."""
        return Learners()

    @property
    def processes(self) -> int:
        """Processes that search together; the first of them evaluates. By default one does everything."""
        return 1

    @abstractmethod
    def search(self, evaluator: Evaluator) -> None:
        """Evaluate until the budget is spent or the evaluator says stop; goes on from whatever the ledger holds."""

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
        batch_size: Points in a batch; the last batch of a campaign may be smaller.
    """

    batch_size: int = 15

    def __post_init__(self) -> None:
        check(self, batch_size=whole(1))

    def check(self, budget: int) -> None:
        """Refuse a budget smaller than a batch."""
        super().check(budget)
        if self.batch_size > budget:
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
        return ask_through_chart(partial(self.ask, n), history)

    def size(self, history: History) -> int:  # noqa: ARG002 -- for those whose batches differ
        """Points of the next batch, as far as the budget allows."""
        return self.batch_size

    def search(self, evaluator: Evaluator) -> None:
        """Ask and evaluate, batch after batch."""
        evaluator.evaluate_pending()
        while (remaining := evaluator.remaining) > 0 and not evaluator.stops():
            size = self.size(evaluator.history())
            evaluator.ask(partial(self.choose, min(size, remaining)))
            evaluator.evaluate_pending()


def require_box(searcher: str, space: Space) -> None:
    """Refuse a space that neither is a box nor can be seen as one.

    Raises:
        ValueError: If it is not.
    """
    if not isinstance(space, Box) and chart_of(space) is None:
        raise ValueError(
            f"searcher={searcher} searches a box of coordinates; of structures it knows those with one free atom, and "
            f"room for it above every atom of the template; this space has {space.dim // 3}: take searcher=rss, "
            "searcher=random or searcher=godiff"
        )


def ask_through_chart(ask: Callable[[History], Proposal], history: History) -> Proposal:
    """Have points chosen in a chart's coordinates where the space has a chart, and in its own where it has none."""
    chart = chart_of(history.space)
    if chart is None:
        return ask(history)
    proposal = ask(history.seen_through(chart))
    return replace(proposal, points=chart.points(proposal.points))
