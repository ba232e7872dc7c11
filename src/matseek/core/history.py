"""What has been tried so far, as searchers see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property

import numpy as np
import numpy.typing as npt

from matseek.core.goals import Goals
from matseek.core.objective import Objective
from matseek.core.records import AMENDED, WINDOW_WIDENED, Evaluation, Event, Proposal
from matseek.core.risk import Risk
from matseek.core.space import BoxSpace, BoxView, Space

FloatArray = npt.NDArray[np.float64]

_SAME = 1e-9
"""Points nearer than this in every unit coordinate are the same."""

_DRAWS = 100
"""Times at most that points are drawn in place of repeated ones."""

_OTHERS = 1
"""Distinguishes the numbers drawn for these."""


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
        held: Variables that the batch holds at values, by name, as numbers of points of the problem's space.
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
    held: Mapping[str, float] = field(default_factory=dict)

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
        return self._now(view.box)

    def _now(self, box: BoxSpace) -> BoxSpace:
        """A box as it is for this batch: windows widened, and some variables held."""
        for event in _in_force(self.events):
            box = box.widen(event.data["variable"], **{event.data["side"]: event.data["to"]})
        return box.hold(self.held) if self.held else box

    @property
    def domain(self) -> Space:
        """Where points may lie now: the space with its windows widened and some variables held."""
        view = self.space.as_box()
        if view is None:
            return self.space
        box = self._now(view.box)
        if view.box is self.space:
            return box
        return self.space if box is view.box else box.origin

    def placed(self, coordinates: FloatArray) -> FloatArray:
        """Points of the space ``(m, d)`` for coordinates ``(m, b)`` of its box as it is now.

        Raises:
            ValueError: If the space cannot be seen as a box.
        """
        view = self.space.as_box()
        if view is None:
            raise ValueError("the space has no box of coordinates; see Space.as_box")
        box = self._now(view.box)
        return view.points(coordinates) if box is view.box else box.points(coordinates)

    @cached_property
    def untried(self) -> FloatArray | None:
        """Points of the window that may be tried and have not been, in unit coordinates; None where they are too many.

        Raises:
            ValueError: If the space is no box.
        """
        window = self.window
        choices = window.choices
        if choices is None or not len(self.tried):
            return choices
        gaps = (np.abs(window.unit_offset(choices, point)).max(axis=1) for point in window.normalize(self.tried))
        return np.asarray(choices[np.minimum.reduce(list(gaps)) > _SAME])

    @property
    def left(self) -> int | None:
        """How many points may be tried that have not been; None where they are uncounted."""
        if self.space.as_box() is None:
            return None
        untried = self.in_box().untried
        return None if untried is None else len(untried)

    def uniform(self, n: int) -> FloatArray:
        """Uniform points that may be tried and have not been, shape ``(m, d)``; m is less than n if fewer are left."""
        domain = self.domain
        return self._new(domain.sample_uniform(n, self.rng()), n)

    def hypercube(self, n: int) -> FloatArray:
        """A Latin hypercube of points that may be tried and have not been, shape ``(m, d)``, as :meth:`uniform`.

        Raises:
            ValueError: If the space is no box.
        """
        return self._new(self.window.sample_latin_hypercube(n, self.rng()), n)

    def opening(self, n: int) -> FloatArray:
        """First points of a campaign that no searcher chooses, shape ``(m, d)``, as :meth:`uniform`."""
        return self._new(self.space.sample_opening(n, self.rng()), n)

    def _new(self, points: FloatArray, n: int) -> FloatArray:
        """Points, with others in place of those that repeat; in a continuum none do."""
        view = self.space.as_box()
        if view is None or view.box is not self.space:
            return points
        window, rng = self.window, np.random.default_rng([self.seed, self.iteration, _OTHERS])
        unit, tried = window.normalize(points), window.normalize(self.tried)
        kept = np.zeros((0, window.dim))
        for _ in range(_DRAWS):
            kept = np.vstack([kept, unit[_first(window, unit, np.vstack([tried, kept]))]])[:n]
            if len(kept) == n:
                break
            rest = self.untried
            unit = window.normalize(window.sample_uniform(n, rng)) if rest is None else rng.permutation(rest)
        same = len(kept) == len(points) and np.array_equal(kept, window.normalize(points))
        return points if same else window.unnormalize(window.allowed(kept))

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
        """All points ever asked, whatever came of them, shape ``(n, d)``; those that were withdrawn left out."""
        return self._points(tuple(e for e in self._known if e.status != "withdrawn"))

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
        seen = view.coordinates(self._points(self._known)) if self._known else np.zeros((0, view.box.dim))
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

    def holding(self, held: Mapping[str, object]) -> History:
        """The history for a batch that holds variables at values.

        Args:
            held: Values by name, as people give them; a category's by name.

        Raises:
            ValueError: If a variable is unknown, or a value cannot be set.
            InfeasibleSpaceError: If the values leave no point.
        """
        view = self.space.as_box()
        if view is None:
            raise ValueError(f"{dict(held)} cannot be held: the space has no variables; leave it out")
        changed = replace(self, held=self._now(view.box).numbers_of(held))
        _ = changed.domain  # refuses what leaves no point
        return changed

    def _points(self, evaluations: tuple[Evaluation, ...]) -> FloatArray:
        return np.array([e.point for e in evaluations]).reshape(-1, self.space.dim)


def _in_force(events: tuple[Event, ...]) -> list[Event]:
    """The widenings of windows, in order; those of a variable before its window was amended count no more."""
    widened: list[Event] = []
    for event in events:
        if event.kind == WINDOW_WIDENED:
            widened.append(event)
        elif event.kind == AMENDED:
            widened = [e for e in widened if e.data["variable"] not in event.data["variables"]]
    return widened


def _first(window: BoxSpace, unit: FloatArray, taken: FloatArray) -> npt.NDArray[np.intp]:
    """Which of some points differ from all that are taken and from those before them, shape ``(k,)``."""
    kept: list[int] = []
    known = list(taken)
    for i, point in enumerate(unit):
        if not known or np.abs(window.unit_offset(np.array(known), point)).max(axis=1).min() > _SAME:
            kept.append(i)
            known.append(point)
    return np.array(kept, dtype=np.intp)
