"""Evaluations as tables of texts: the best, those on the Pareto front, those that wait, and all of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from matseek.core.problem import Problem
from matseek.core.records import CONFIDENCE, Evaluation
from matseek.report.digits import amount, counted, value_texts
from matseek.report.proposers import proposer_label
from matseek.report.sentences import met, trust
from matseek.report.structure_tables import MINIMA_HEADS, minima_rows


def best_recipes(problem: Problem, evaluations: Sequence[Evaluation], count: int = 10) -> pd.DataFrame:
    """The best evaluations, best first.

    Args:
        problem: The problem; its variables' labels (names with units) are columns.
        evaluations: The campaign's evaluations; those without a value are left out.
        count: Most rows.

    Returns:
        Columns rank, evaluation, batch, proposer, the variables, value, spread (standard deviation between
        replicates, NaN with fewer than two), upper_bound, by which they are ranked, and the problem's outcomes. No rows
        where nothing has a value.

    Raises:
        ValueError: If count is below 1.
    """
    if count < 1:
        raise ValueError(f"count={count} recipes cannot be listed; give a whole number of at least 1")
    best = problem.ranked(evaluations)[:count]
    frame = _recipes_of(problem, best)
    frame.insert(0, "rank", np.arange(1, len(best) + 1))
    outcomes = pd.DataFrame(problem.goals.table(best), columns=[outcome.label for outcome in problem.goals.outcomes])
    valued = frame.assign(
        value=np.array([e.value for e in best], dtype=np.float64),
        spread=np.array([e.spread for e in best], dtype=np.float64),
        upper_bound=np.array([e.upper_bound() for e in best], dtype=np.float64),
    )
    return pd.concat([valued, outcomes], axis=1)


def best_table(problem: Problem, ordered: Sequence[Evaluation]) -> dict[str, Any]:
    """The best evaluations as a table of texts: ``heads`` and ``rows``, and ``sentences`` on how far to trust them.

    Of structures, the lowest that differ are listed.
    """
    structures = problem.as_structures()
    if structures is not None:
        heads = [head[0].upper() + head[1:] for head in MINIMA_HEADS]
        return {"heads": heads, "rows": minima_rows(structures, ordered, 10), "spread": False, "sentences": []}
    frame = as_told(problem, best_recipes(problem, ordered))
    values, spreads, bounds = (frame[column].tolist() for column in ("value", "spread", bound_name(problem)))
    texts = value_texts(values, spreads + bounds)
    told_values, spread_texts, bound_texts = (texts[k * len(values) : (k + 1) * len(values)] for k in range(3))
    scattered = any(spread_texts)
    name = problem.told_name.capitalize()
    rows = []
    outcomes = frame[[outcome.label for outcome in problem.goals.outcomes]].to_numpy()
    for k, recipe in enumerate(_recipe_rows(problem, frame)):
        spread = f"\u00a0±\u00a0{spread_texts[k]}" if spread_texts[k] else ""
        bound = bound_texts[k : k + scattered]
        further = [*bound, *(f"{x:.4g}" for x in outcomes[k])]
        rows.append([str(k + 1), *recipe[:1], told_values[k] + spread, *further, *recipe[3:], *recipe[1:3]])
    bound_head = [f"{100 * CONFIDENCE:g} % bound"] * scattered
    heads = ["Rank", "Evaluation", name, *bound_head, *(o.label for o in problem.goals.outcomes)]
    heads += [*(v.label for v in problem.space.readable), "Batch", "Proposed by"]
    sentences = [*met(problem, ordered), *trust(problem, ordered)]
    return {"heads": heads, "rows": rows, "spread": scattered, "sentences": sentences}


def bound_name(problem: Problem) -> str:
    """The column of the bounds by which evaluations are ranked, as people are shown them."""
    return "upper_bound" if problem.sign > 0 else "lower_bound"


def as_told(problem: Problem, frame: pd.DataFrame) -> pd.DataFrame:
    """A table of evaluations with values as people tell them: of what is maximised, not the negatives."""
    if problem.sign > 0:
        return frame
    values = frame.columns.intersection(["value", "upper_bound", "best_value"])
    return frame.assign(**{c: -frame[c] for c in values}).rename(columns={"upper_bound": bound_name(problem)})


def front_table(problem: Problem, ordered: Sequence[Evaluation]) -> dict[str, Any]:
    """The Pareto front by value, with all outcomes; no rows where there is a single objective."""
    front = problem.goals.front(ordered) if problem.goals.objectives else []
    frame = _recipes_of(problem, front)
    values, outcomes = value_texts([problem.sign * e.value for e in front]), problem.goals.table(front)
    rows = [
        [recipe[0], value, *(f"{x:.4g}" for x in numbers), *recipe[3:], *recipe[1:3]]
        for recipe, value, numbers in zip(_recipe_rows(problem, frame), values, outcomes, strict=True)
    ]
    heads = ["Evaluation", problem.told_name.capitalize(), *(o.label for o in problem.goals.outcomes)]
    return {"heads": [*heads, *(v.label for v in problem.space.readable), "Batch", "Proposed by"], "rows": rows}


def pending_table(problem: Problem, ordered: Sequence[Evaluation]) -> dict[str, Any]:
    """The recipes that wait for results."""
    frame = _recipes_of(problem, [e for e in ordered if e.status == "pending"])
    rows = [[row[0], *row[3:], *row[1:3]] for row in _recipe_rows(problem, frame)]
    return {"heads": ["Evaluation", *(v.label for v in problem.space.readable), "Batch", "Proposed by"], "rows": rows}


def _recipes_of(problem: Problem, evaluations: Sequence[Evaluation]) -> pd.DataFrame:
    points = np.array([e.point for e in evaluations]).reshape(-1, problem.space.dim)
    frame = problem.space.to_frame(points) if problem.space.readable else pd.DataFrame(index=range(len(evaluations)))
    frame.insert(0, "evaluation", np.array([e.number for e in evaluations], dtype=np.int64))
    frame.insert(1, "batch", np.array([e.iteration for e in evaluations], dtype=np.int64))
    frame.insert(2, "proposer", np.array([e.proposer for e in evaluations], dtype=object))
    return frame


def _recipe_rows(problem: Problem, frame: pd.DataFrame) -> Iterator[list[str]]:
    """Evaluation, batch, proposer and amounts of each row, as text."""
    space, variables = problem.space, problem.space.readable
    known = space.from_frame(frame) if variables and len(frame) else np.zeros((len(frame), 0))
    heads = zip(frame["evaluation"].tolist(), frame["batch"].tolist(), frame["proposer"].tolist(), strict=True)
    for (number, batch, proposer), point in zip(heads, known, strict=True):
        amounts = [amount(v, float(x)) for v, x in zip(variables, point, strict=True)]
        yield [str(number), str(batch), proposer_label(proposer), *amounts]


def failures(ordered: Sequence[Evaluation]) -> list[dict[str, str]]:
    """Error messages, each with the evaluations that it befell; the most frequent first."""
    befallen: dict[str, list[int]] = {}
    for e in ordered:
        if e.status == "failed":
            befallen.setdefault(e.error or "no message", []).append(e.number)
    groups = sorted(befallen.items(), key=lambda group: -len(group[1]))
    return [
        {"message": message, "count": counted(len(numbers), "condition"), "numbers": _runs(numbers)}
        for message, numbers in groups
    ]


def _runs(numbers: Sequence[int]) -> str:
    """Ascending numbers with runs drawn together: 1, 4-7, 9."""
    breaks = [0, *(k for k, (a, b) in enumerate(pairwise(numbers), start=1) if b != a + 1), len(numbers)]
    runs = [numbers[a:b] for a, b in pairwise(breaks)]
    return ", ".join(f"{run[0]}" if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs)


def everything(frame: pd.DataFrame, decimals: int) -> dict[str, Any]:
    """The whole table as text, without columns that hold nothing; values at least at these decimals, 0 for any."""
    if decimals:
        values = frame.columns.intersection(["value", "upper_bound", "lower_bound", "best_value"])
        frame = frame.assign(**{c: [_fixed(x, decimals) for x in frame[c]] for c in values})
    kept = [c for c in frame.columns if not frame[c].map(_cell).eq("").all()]
    return {
        "heads": [str(c) for c in kept],
        "rows": [[_cell(x) for x in row] for row in frame[kept].to_numpy(dtype=object)],
    }


def _fixed(value: float, decimals: int) -> str:
    return "" if math.isnan(value) else f"{value:.{decimals}f}"


def _cell(x: Any) -> str:  # noqa: ANN401 -- a cell of a table can be anything
    if x is None or x is pd.NaT or (isinstance(x, float) and math.isnan(x)):
        return ""
    if isinstance(x, float):
        return f"{x:.5g}"
    return f"{x:%Y-%m-%d %H:%M:%S}" if hasattr(x, "strftime") else str(x)
