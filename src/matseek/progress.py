"""How far a long command is: a bar on a terminal, a line now and then in a file."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from matseek.terminal import out

if TYPE_CHECKING:
    from matseek.campaign import Campaign
    from matseek.core.problem import Problem
    from matseek.core.records import Evaluation

_LINES, _SOONEST_S, _LATEST_S = 20, 1.0, 60.0
"""Lines in a file: about so many in all, none sooner than so many seconds after another, and none much later."""


class Counted(Protocol):
    """Told how much is done, and what else is known."""

    def __call__(self, done: int, words: str = "") -> None:
        """Show it."""


@contextmanager
def counting(title: str, things: str, total: int, done: int = 0) -> Iterator[Counted]:
    """Show how much is done of a whole: a bar of one line below its title, or lines where nobody watches.

    Args:
        title: What is going on.
        things: What is counted.
        total: How many there are to be.
        done: How many there are already.
    """
    if out.is_terminal:
        out.print(title, highlight=False, markup=False)
        text = TextColumn(f"{{task.completed:.0f}}/{{task.total:.0f}} {things}{{task.fields[words]}}", markup=False)
        bar = Progress(SpinnerColumn(), BarColumn(None), text, TimeElapsedColumn(), console=out, expand=True)
        with bar:
            task = bar.add_task("", total=total, completed=done, words="")
            yield lambda done, words="": bar.update(task, completed=done, words=_after(words))
        return
    lines = _Lines(title, things, total, done)
    try:
        yield lines
    finally:
        lines.end()


@contextmanager
def evaluating(campaign: Campaign, budget: int) -> Iterator[_Evaluated]:
    """Show how far a campaign is; what this gives is to be called with each evaluation."""
    settled = [e for e in campaign.ledger.evaluations() if e.status != "pending"]
    best = min((e.value for e in settled if e.status == "done"), default=float("nan"))
    title = f"{campaign.problem.name}, {campaign.searcher.name}"
    with counting(title, "evaluations", budget, len(settled)) as counted:
        yield _Evaluated(counted, len(settled), best, campaign.problem)


class _Evaluated:
    """Counts evaluations, and remembers the least value."""

    def __init__(self, counted: Counted, done: int, best: float, problem: Problem) -> None:
        self._counted = counted
        self._done = done
        self._best = best
        self._sign = problem.sign
        self._unit = f" {problem.value_unit}" if problem.value_unit else ""

    def __call__(self, evaluation: Evaluation) -> None:
        if not evaluation.value >= self._best:  # also true while the best is NaN
            self._best = evaluation.value
        self._done += 1
        best = "no value yet" if math.isnan(self._best) else f"best {self._sign * self._best:.4f}{self._unit}"
        self._counted(self._done, f"batch {evaluation.iteration}, {best}")


class _Lines:
    """Lines for a file: a twentieth of the whole each, more of them where it is slow, and the last state."""

    def __init__(self, title: str, things: str, total: int, done: int) -> None:
        self._title, self._things, self._total = title, things, total
        self._shown = self._done = done
        self._words = ""
        self._begun = self._spoke = time.monotonic()

    def __call__(self, done: int, words: str = "") -> None:
        self._done, self._words = done, words
        silent, further = (
            time.monotonic() - self._spoke,
            done * _LINES // self._total > self._shown * _LINES // self._total,
        )
        if done > self._shown and silent >= (_SOONEST_S if further else _LATEST_S):
            self._print()

    def end(self) -> None:
        """Show the last state, if it was not."""
        if self._done > self._shown:
            self._print()

    def _print(self) -> None:
        self._shown, self._spoke = self._done, time.monotonic()
        elapsed = timedelta(seconds=round(self._spoke - self._begun))
        counts = f"{self._done}/{self._total} {self._things}{_after(self._words)}"
        out.print(f"{self._title}: {counts}, {elapsed}", highlight=False, markup=False, soft_wrap=True)


def _after(words: str) -> str:
    return f", {words}" if words else ""
