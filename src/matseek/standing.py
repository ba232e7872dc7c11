"""How a campaign stands, from its ledger alone: no problem is made, nothing is locked, and torch is not needed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matseek.core.records import CHANGES, Evaluation, Event, ranked
from matseek.evaluation import LedgerReader

STOPPED = "stopped"
DOUBTED = "doubted"
"""Events: what ended the campaign, and what speaks against the best structure."""

CALCULATOR = "calculator"
"""What a doubt is about where the calculator contradicts what was evaluated."""


def ended_by(events: Sequence[Event], evaluations: int) -> str | None:
    """What ended a campaign; None while it goes on: after more was asked, or results were changed.

    Args:
        events: All events, in order.
        evaluations: How many evaluations there are.
    """
    for event in reversed(events):
        if event.kind in CHANGES:
            return None
        if event.kind == STOPPED:
            return str(event.data["by"]) if event.data["evaluations"] == evaluations else None
    return None


@dataclass(frozen=True, eq=False)
class Standing:
    """How a campaign stands.

    Args:
        problem: The problem's name.
        searcher: The searcher's name.
        variables: Names of the variables of a recipe with their units; empty for structures.
        values: Names of the values of each variable that is a category, else nothing.
        energies: Whether values are energies of structures, in eV.
        maximized: Whether recorded values are the negatives of what was told.
        batches: Batches so far.
        complete: Batches all of whose evaluations have a result.
        settled: Evaluations with a result, failures among them.
        failed: Evaluations that failed.
        pending: Evaluations without a result.
        withdrawn: Evaluations that were withdrawn or skipped.
        changes: What was changed after it had been written down, in words.
        changed: How often evaluations were changed.
        best: The best evaluations, best first.
        warnings: What speaks against the best structure.
        stopped_by: What ended the campaign; None while it goes on.
    """

    problem: str
    searcher: str
    variables: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]
    energies: bool
    maximized: bool
    batches: int
    complete: int
    settled: int
    failed: int
    pending: int
    withdrawn: int
    changes: tuple[str, ...]
    changed: int
    best: tuple[Evaluation, ...]
    warnings: tuple[str, ...]
    stopped_by: str | None

    @classmethod
    def of(
        cls,
        ledger: LedgerReader,
        count: int = 5,
        ranking: Callable[[Iterable[Evaluation]], list[Evaluation]] = ranked,
    ) -> Standing | None:
        """The standing of a ledger's campaign; None as long as it holds none.

        Args:
            ledger: The ledger.
            count: Most evaluations in :attr:`best`.
            ranking: Sorts what has a value, the best first: the problem's where it has constraints on outcomes, which
                a ledger does not tell, see :meth:`matseek.core.problem.Problem.ranked`.
        """
        identity, evaluations, events = ledger.identity, ledger.evaluations(), ledger.events()
        if identity is None:
            return None
        # All from one look: the campaign may write at any moment.
        batches = {e.iteration for e in evaluations}
        done = ranking(evaluations)
        return cls(
            problem=str(identity.problem.get("name", "")),
            searcher=identity.searcher,
            variables=_labels(identity.problem),
            values=tuple(tuple(map(str, v.get("values", ()))) for v in _variables(identity.problem)),
            energies="calculator" in identity.problem,
            maximized=bool(identity.problem.get("maximize")),
            batches=len(batches),
            complete=len(batches - {e.iteration for e in evaluations if e.status == "pending"}),
            settled=sum(e.settled for e in evaluations),
            failed=sum(e.status == "failed" for e in evaluations),
            pending=sum(e.status == "pending" for e in evaluations),
            withdrawn=sum(e.status == "withdrawn" for e in evaluations),
            changes=tuple(e.message for e in events if e.kind in CHANGES),
            changed=sum(e.changes for e in evaluations),
            best=tuple(done[:count]),
            warnings=tuple({e.data["about"]: e.message for e in events if e.kind == DOUBTED}.values()),
            stopped_by=ended_by(events, len(evaluations)),
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """Heads of :meth:`rows`."""
        if self.energies:
            return ("evaluation", "energy (eV)", "above the best (meV)")
        return ("evaluation", *self.variables, "value", "spread", "lower bound" if self.maximized else "upper bound")

    def rows(self) -> Iterator[tuple[float | str, ...]]:
        """The best evaluations as a table, values as they are told."""
        for e in self.best:
            if self.energies:
                yield (e.number, f"{e.value:.4f}", f"{1e3 * (e.value - self.best[0].value):.1f}")
                continue
            point = zip(self.values, e.point.tolist() if self.variables else (), strict=False)
            cells = (names[round(x)] if names else x for names, x in point)
            sign = -1.0 if self.maximized else 1.0
            yield (e.number, *cells, sign * e.value, e.spread, sign * e.upper_bound())

    def outcome(self, summary: Path) -> tuple[str, ...]:
        """Whether the goal was reached, as a ``summary.json`` says that is about the same results; else nothing."""
        known = stored_summary(summary)
        told = (known.get("evaluations"), known.get("pending"), known.get("changes", 0))
        same = told == (self.settled, self.pending, self.changed)
        sentences = known.get("outcome")
        return tuple(map(str, sentences)) if same and isinstance(sentences, list) else ()


def stored_summary(path: Path) -> dict[str, Any]:
    """What a ``summary.json`` says; nothing where there is none, or it was damaged: it can be written anew."""
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return result if isinstance(result, dict) else {}


def _labels(problem: dict[str, Any]) -> tuple[str, ...]:
    """Variables with units, as :attr:`matseek.spaces.Variable.label` gives them."""
    return tuple(f"{v['name']} ({v['unit']})" if v.get("unit") else str(v["name"]) for v in _variables(problem))


def _variables(problem: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """Descriptions of the variables."""
    return tuple(problem.get("space", {}).get("variables", ()))
