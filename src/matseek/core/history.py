"""What has been tried so far, as searchers see it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property

import numpy as np
import numpy.typing as npt

from matseek.core.goals import Goals
from matseek.core.objective import Objective
from matseek.core.records import WINDOW_WIDENED, Evaluation, Event, Proposal
from matseek.core.risk import Risk
from matseek.core.space import BoxSpace, BoxView, Space

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class History:
    """Everything that a searcher may know when it is asked.

    Args:
        space: The problem's space.
        seed: The campaign's seed.
        iteration: Number of the batch that is asked for, 1 for the first.
        evaluations: All of the campaign's own evaluations so far, by number, pending ones among them.
        events: All events so far, in order.
        objective: What the problem makes of a spectrum; None where its response is the value itself.
        risk: By which statistic replicates become the value; None for their median.
        earlier: Evaluations of earlier campaigns that this one has begun with, by this campaign's objective. Points,
            values and whatever else models learn from are of these and of its own.
        goals: What is wanted besides the least value.
        recorded: The evaluations in the problem's own coordinates; None where these are the same.
    """

    space: Space
    seed: int
    iteration: int
    evaluations: tuple[Evaluation, ...]
    events: tuple[Event, ...]
    objective: Objective | None = None
    risk: Risk | None = None
    earlier: tuple[Evaluation, ...] = ()
    goals: Goals = field(default_factory=Goals)
    recorded: tuple[Evaluation, ...] | None = None

    @cached_property
    def window(self) -> BoxSpace:
        """The box with the windows as widened so far.

        Raises:
            ValueError: If the space is no box; see :meth:`in_box`.
        """
        view = self.space.as_box()
        if view is None or view.box is not self.space:
            raise ValueError(
                "this searcher chooses from a box of coordinates, and the problem's space is none; "
                "take searcher=rss, searcher=random or searcher=godiff"
            )
        box = view.box
        for event in self.events:
            if event.kind == WINDOW_WIDENED:
                box = box.widen(event.data["variable"], **{event.data["side"]: event.data["to"]})
        return box

    @property
    def domain(self) -> Space:
        """Where points may lie now: the widened box, or the space itself where it is none."""
        view = self.space.as_box()
        return self.window if view is not None and view.box is self.space else self.space

    def in_box(self) -> History:
        """The same history in coordinates of a box; itself where the space is a box, or cannot be seen as one."""
        view = self.space.as_box()
        return self if view is None or view.box is self.space else self.seen_through(view)

    @cached_property
    def done(self) -> tuple[Evaluation, ...]:
        """Evaluations that gave a value, those of earlier campaigns first."""
        return tuple(e for e in self._known if e.status == "done")

    @property
    def _known(self) -> tuple[Evaluation, ...]:
        return self.earlier + self.evaluations

    @cached_property
    def pending(self) -> FloatArray:
        """Points asked and not yet told, shape ``(p, d)``."""
        return self._points(tuple(e for e in self.evaluations if e.status == "pending"))

    @cached_property
    def failed(self) -> FloatArray:
        """Points whose evaluation failed, shape ``(f, d)``."""
        return self._points(tuple(e for e in self._known if e.status == "failed"))

    @cached_property
    def points(self) -> FloatArray:
        """Points with a value, shape ``(n, d)``."""
        return self._points(self.done)

    @cached_property
    def tried(self) -> FloatArray:
        """All points ever asked, whatever came of them, shape ``(n, d)``."""
        return self._points(self._known)

    @cached_property
    def values(self) -> FloatArray:
        """Values, shape ``(n,)``."""
        return np.array([e.value for e in self.done])

    @cached_property
    def variances(self) -> FloatArray:
        """Variances of the values, shape ``(n,)``; NaN without replicates."""
        risk = self.risk
        return np.array([e.variance if risk is None else risk.variance(e.finite_replicates) for e in self.done])

    @cached_property
    def recorded_done(self) -> tuple[Evaluation, ...]:
        """Evaluations that gave a value, with points in the problem's own coordinates, which outcomes are read from."""
        known = {e.number: e for e in self.recorded or self._known}
        return tuple(known[e.number] for e in self.done)

    @cached_property
    def feasible(self) -> tuple[Evaluation, ...]:
        """The campaign's own evaluations that gave a value and meet the constraints on outcomes."""
        own = {e.number for e in self.evaluations}
        met = self.goals.feasible(self.recorded_done)
        return tuple(e for e, meets in zip(self.done, met, strict=True) if meets and e.number in own)

    def until(self, run: int) -> History:
        """The history as it was when a run's last result had come in."""
        return replace(
            self,
            iteration=run + 1,
            evaluations=tuple(e for e in self.evaluations if e.iteration <= run),
            events=tuple(e for e in self.events if e.data.get("iteration", 0) <= run),
        )

    def seen_through(self, view: BoxView) -> History:
        """The same history in the coordinates of a box."""
        seen = view.coordinates(self.tried) if self._known else np.zeros((0, view.box.dim))
        known = tuple(replace(e, point=point) for e, point in zip(self._known, seen, strict=True))
        first = len(self.earlier)
        own, recorded = known[first:], self.recorded or self._known
        return replace(self, space=view.box, earlier=known[:first], evaluations=own, recorded=recorded)

    def after(self, events: tuple[Event, ...]) -> History:
        """The history with some events added."""
        return replace(self, events=self.events + events)

    def with_pending(self, proposal: Proposal) -> History:
        """The history as if a proposal had been asked for already: its events happened, its points are pending."""
        asked = tuple(
            Evaluation(
                number=len(self.evaluations) + i,
                iteration=self.iteration,
                proposer=proposer,
                point=point,
                status="pending",
                value=float("nan"),
                replicates=np.empty(0),
                error=None,
                asked_at=datetime.now(UTC),
                finished_at=None,
                load_response=lambda: None,
            )
            for i, (point, proposer) in enumerate(zip(proposal.points, proposal.proposers, strict=True), start=1)
        )
        return replace(self, evaluations=self.evaluations + asked, events=self.events + proposal.events)

    def rng(self) -> np.random.Generator:
        """Source of randomness of this iteration: a campaign that goes on after a crash draws the same numbers.

        One that has begun with earlier evaluations draws others than the campaign of its seed that has made them.
        """
        known = [len(self.earlier)] if self.earlier else []
        return np.random.default_rng([self.seed, self.iteration, *known])

    def _points(self, evaluations: tuple[Evaluation, ...]) -> FloatArray:
        return np.array([e.point for e in evaluations]).reshape(-1, self.space.dim)
