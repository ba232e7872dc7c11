"""The two steps of the silver paper: Bayesian optimisation first, then a network beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import ClassVar, Literal

import numpy as np

from matseek.checks import check, of, one_of, several, whole
from matseek.core.history import History
from matseek.core.problem import Problem
from matseek.core.records import Event, Proposal
from matseek.core.searcher import BatchSearcher, require_box
from matseek.core.space import Space
from matseek.core.surrogate import Look, Surrogate
from matseek.deprecation import renamed_settings
from matseek.searchers.bayesian import BayesianSearcher
from matseek.searchers.network import NetworkSearcher, waiting
from matseek.searchers.random import LatinHypercube

PROPOSERS = ("lhs", "bayesian", "network")


@renamed_settings(first_run="first_batch")
@dataclass(frozen=True)
class Stage:
    """Who proposes from a batch on.

    Args:
        first_batch: The first batch of this stage; 1 is a campaign's first batch.
        proposers: One or more of ``lhs``, ``bayesian`` and ``network``; several propose side by side, in this order.
    """

    first_batch: int
    proposers: tuple[str, ...]

    def __post_init__(self) -> None:
        check(self, "stage.", first_batch=whole(1), proposers=several(one_of(PROPOSERS), 1))
        if len(set(self.proposers)) < len(self.proposers):
            raise ValueError(f"proposers={list(self.proposers)} must name one or more of {list(PROPOSERS)}, each once")


@dataclass(frozen=True)
class TwoStepSearcher(BatchSearcher):
    """A Latin hypercube, then Bayesian optimisation, then Bayesian optimisation and a network side by side.

    The default schedule is that of Mekki-Berrada et al. 2021: batch 1, batches 2-6, from batch 7 on. The ledger says
    who proposed what, and both learn from everything. While the network has too little to learn from, Bayesian
    optimisation takes its share.

    Args:
        batch_size: Points of a batch, or, with ``side_by_side="full"``, of each proposer in a batch.
        schedule: Stages, in the order of their first batches; the first begins with batch 1.
        side_by_side: ``split``: proposers share a batch's points (of 15, the first gets 8 and the second 7), so that
            nine batches of 15 cost 135; ``full``: each proposes a whole batch, as in the paper (nine batches cost 180).
        bayesian: How Bayesian optimisation proposes; its batch size and its own first hypercube are the schedule's.
        network: How the network proposes; its batch size is the schedule's.
    """

    name: ClassVar[str] = "two_step"
    label: ClassVar[str] = "two-step"
    look: ClassVar[Look | None] = ("#117733", "p")
    schedule: Sequence[Stage] = (Stage(1, ("lhs",)), Stage(2, ("bayesian",)), Stage(7, ("bayesian", "network")))
    side_by_side: Literal["split", "full"] = "split"
    bayesian: BayesianSearcher = field(default_factory=BayesianSearcher)
    network: NetworkSearcher = field(default_factory=NetworkSearcher)

    def __post_init__(self) -> None:
        super().__post_init__()
        check(
            self,
            schedule=several(of(Stage), 1),
            side_by_side=one_of(("split", "full")),
            bayesian=of(BayesianSearcher),
            network=of(NetworkSearcher),
        )
        batches = [stage.first_batch for stage in self.schedule]
        if batches[0] != 1 or any(later <= earlier for earlier, later in pairwise(batches)):
            raise ValueError(f"schedule begins its stages with batches {batches}; they must rise, the first is 1")

    def check_space(self, space: Space) -> None:
        """Refuse what has no coordinates that either step could learn on."""
        require_box(self.name, space)
        if any("network" in stage.proposers for stage in self.schedule):
            self._network.check_space(space)

    def check_problem(self, problem: Problem) -> None:
        """Also refuse what either step cannot learn from."""
        super().check_problem(problem)
        self._bayesian.check_problem(problem)
        if any("network" in stage.proposers for stage in self.schedule):
            self._network.check_problem(problem)

    def check(self, budget: int) -> None:
        """Refuse a budget smaller than a batch, and training that could not begin on this machine."""
        super().check(budget)
        self.network.training.trainer.single.check()

    @property
    def surrogates(self) -> tuple[Surrogate, ...]:
        """Those of Bayesian optimisation, and the network."""
        return (*self.bayesian.surrogates, *self.network.surrogates)

    def surrogates_on(self, problem: Problem) -> tuple[Surrogate, ...]:
        """The one with which Bayesian optimisation chooses on a problem, and the network."""
        return (*self.bayesian.surrogates_on(problem), *self.network.surrogates_on(problem))

    def size(self, history: History) -> int:
        """A batch, or one for each proposer."""
        return self.batch_on(history.space) * (len(self.stage(history).proposers) if self.side_by_side == "full" else 1)

    def stage(self, history: History) -> Stage:
        """The stage that the next batch belongs to; earlier evaluations count as so many batches of the usual size."""
        batch = history.iteration + len(history.earlier) // self.batch_on(history.space)
        return [stage for stage in self.schedule if stage.first_batch <= batch][-1]

    def room(self, history: History) -> int | None:
        """Uncounted where every proposer of the stage may propose a recipe twice."""
        rooms = [self._searcher(proposer).room(history) for proposer in self.stage(history).proposers]
        return min((room for room in rooms if room is not None), default=None)

    def ask(self, n: int, history: History) -> Proposal:
        """Choose n points, in equal shares of the stage's proposers; each sees the points of those before it."""
        proposers = list(self.stage(history).proposers)
        events: tuple[Event, ...] = ()
        if "network" in proposers and (reason := self.network.model.reason_to_wait(history)) is not None:
            events = waiting(reason, history)
            proposers = [p for p in proposers if p != "network"] or ["bayesian"]
        proposal = Proposal(np.zeros((0, history.space.dim)), (), events)
        for i, proposer in enumerate(proposers):
            share = n // len(proposers) + (i < n % len(proposers))
            if share:
                proposal = _join(proposal, self._searcher(proposer).ask(share, history.with_pending(proposal)))
        return proposal

    @property
    def _network(self) -> NetworkSearcher:
        """The network in boxes, which is all that is searched."""
        return replace(self.network, structures=None)

    @property
    def _bayesian(self) -> BayesianSearcher:
        """Bayesian optimisation in boxes, which learns from whatever is there: the schedule says when it begins."""
        return replace(self.bayesian, batch_size=1, structures=None)

    def _searcher(self, proposer: str) -> BatchSearcher:
        if proposer == "network":
            return self._network
        return self._bayesian if proposer == "bayesian" else LatinHypercube()


def _join(a: Proposal, b: Proposal) -> Proposal:
    return Proposal(np.vstack([a.points, b.points]), a.proposers + b.proposers, a.events + b.events)
