"""How a campaign stands, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import spearmanr

from matseek.core.records import Evaluation
from matseek.core.surrogate import LeftOut
from matseek.report.digits import value_texts
from matseek.standing import Standing
from matseek.workbench.understanding import SHARE, Interval, Understanding, ends


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun: ``1 recipe``, ``3 recipes``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def state(now: Standing | None) -> str:
    """What a campaign waits for, in a sentence."""
    if now is None or not now.batches:
        return "Nothing has been asked yet."
    if now.pending:
        verb = "waits" if now.pending == 1 else "wait"
        return f"{counted(now.pending, 'recipe')} {verb} for a result."
    if now.stopped_by is not None:
        return f"Ended by {now.stopped_by.replace('_', ' ')}."
    return "Everything asked is measured; the next batch can be asked."


def progress(now: Standing | None) -> str:
    """What has been done, in a sentence."""
    if now is None or not now.batches:
        return ""
    failed = f", {now.failed} of them failed" if now.failed else ""
    return f"{counted(now.settled, 'recipe')} measured{failed} in {counted(now.batches, 'batch', 'batches')}."


def interval(found: Interval) -> tuple[str, str, str]:
    """Expected, low and high with as many decimals as tell them apart."""
    expected, low, high = value_texts([found.expected, found.low, found.high])
    return expected, low, high


def percent(share: float) -> str:
    """A share in words that claim no more than samples can tell."""
    if math.isnan(share):
        return "unknown"
    return "under 2 %" if share < 0.02 else "over 98 %" if share > 0.98 else f"{100 * share:.0f} %"


def stalled(evaluations: Sequence[Evaluation]) -> int:
    """Batches since the last one that had a new best value."""
    best, last, newest = math.inf, 0, 0
    for e in sorted((e for e in evaluations if e.status == "done"), key=lambda e: (e.iteration, e.number)):
        newest = max(newest, e.iteration)
        if e.value < best:
            best, last = e.value, e.iteration
    return newest - last


def when_to_stop(known: Understanding, waiting: Sequence[Evaluation]) -> list[str]:
    """Whether going on is worth it, in sentences."""
    now, sentences = known.now, []
    if now.best is None:
        return ["Nothing is measured yet: go on."]
    idle = stalled(now.evaluations)
    told = value_texts([known.sign * known.best])[0]
    if idle:
        sentences.append(f"The best, {told}, has not been bettered for {counted(idle, 'batch', 'batches')}.")
    else:
        sentences.append(f"The last batch has bettered the best: it is {told} now.")
    expected, low, high = interval(known.within_reach)
    sentences.append(
        f"By the model, the best that recipes within the limits may reach is about {expected} ({100 * SHARE:.0f} % "
        f"interval {low} to {high})."
    )
    if waiting:
        chance = known.chance_of_any(waiting)
        sentences.append(f"The chance that one of the waiting recipes betters the best is {percent(chance)}.")
        if chance < 0.1 and idle:
            sentences.append("After this batch it is reasonable to stop, or to widen the limits.")
        elif chance > 0.5:
            sentences.append("It is worth measuring them.")
    return sentences


def trust(found: LeftOut) -> list[str]:
    """How well a model predicts what it was not shown, in sentences."""
    predicted = np.median(found.draws.values, axis=0)
    low, high = np.quantile(found.draws.values, ends(), axis=0)
    held = int(((found.values >= low) & (found.values <= high)).sum())
    total = len(found.values)
    error = float(np.median(np.abs(predicted - found.values)))
    spread = float(np.std(found.values))
    share = held / total
    sentences = [
        f"Each of {total} measured conditions was predicted from the others: {held} of them ({100 * share:.0f} %) lie "
        f"in the {100 * SHARE:.0f} % interval of their prediction."
    ]
    if share < SHARE - 2 * math.sqrt(SHARE * (1 - SHARE) / total):
        sentences.append("The intervals are too narrow: take them with caution.")
    elif share > SHARE + 2 * math.sqrt(SHARE * (1 - SHARE) / total):
        sentences.append("The intervals are wider than they need be.")
    else:
        sentences.append("That is what intervals should hold.")
    order = float(spearmanr(predicted, found.values).statistic) if total > 2 and np.ptp(predicted) > 0 else math.nan
    if math.isfinite(order):
        word = "well" if order > 0.8 else "roughly" if order > 0.5 else "hardly"
        sentences.append(f"It tells better conditions from worse ones {word} (rank correlation {order:.2f}).")
    sentences.append(f"Half of the predictions are off by less than {error:.3g}; the values scatter by {spread:.3g}.")
    return sentences
