"""One self-contained HTML page about a recipe campaign, for the people who ran it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from matseek.core.problem import Problem, Structures
from matseek.core.records import CONFIDENCE, Evaluation, lowest_of
from matseek.core.space import Coordinate
from matseek.files import write_text
from matseek.report.figures import proposer_label
from matseek.report.html import data_uri, svg, template
from matseek.report.outlook import Outlook
from matseek.report.structure_tables import MINIMA_HEADS, minima_rows
from matseek.secrets import masked
from matseek.tables import csv_text

CAPTIONS: Mapping[str, tuple[str, str]] = {
    "convergence": (
        "How the search got better",
        "Each mark is one condition, lower is better, and the black line is the lowest value so far: every step down "
        "is an improvement, and a long flat end means that further measurements of this kind would gain little.",
    ),
    "batches": (
        "Batch by batch",
        "Marks are the values of conditions (the median of their replicates, such as droplets, or what a risk measure "
        "makes of them); a box holds the middle half of all replicates and its whiskers reach from 5 to 95 %, so a "
        "search that learns moves down from left to right.",
    ),
    "sampled_energies": (
        "How good the samples are",
        "The energies of each iteration's structures, widest where most of them lie, the bar at the median. "
        "A search that learns moves down; the dashed line is the lowest energy found.",
    ),
    "iterations": (
        "What each iteration learnt from",
        "Above, the median of each iteration's samples (thick) and its lowest (thin). Structures count by their "
        "Boltzmann weights at kT, and the effective sample size says how many do: a lower kT makes it smaller, samples "
        "that gather in good places make it larger.",
    ),
    "sampled_places": (
        "Where the free atoms were tried",
        "The surface from above, one panel per iteration: circles are the template's upper atoms, dots the free atoms "
        "of all samples, dark where the energy is low. A search that learns gathers in a few places.",
    ),
    "structures": (
        "The best structures",
        "The lowest distinct minima from above and from the side; free atoms are coloured. Structures that differ by "
        "a small rattle, a permutation or a symmetry of the surface count as one. The lowest structures are in "
        "best.extxyz and structures.db for other programs, with the number of their minimum.",
    ),
    "spectra": (
        "The best spectrum against the target",
        "The closer the blue line follows the dashed target the better; its peak should lie within the shaded band, "
        "where absorbance is strong enough to measure and does not saturate the spectrometer.",
    ),
    "pareto_front": (
        "One objective against the other",
        "Each mark is one condition. Nothing that was measured betters a member of the Pareto front in one objective "
        "without being worse in another; crosses do not meet the constraints on outcomes. Which member to take is your "
        "choice.",
    ),
    "recipes": (
        "Where the good recipes lie",
        "Each panel shows all conditions against one variable: dark dots are late batches and the star is the best, so "
        "dark dots that gather low in a narrow range tell where that variable should be, and a star at the edge of a "
        "panel that better recipes may lie beyond.",
    ),
    "loss_maps": (
        "What the models expect where",
        "Each map shows the lowest loss that a model expects for given amounts of two ingredients when all others are "
        "chosen as well as possible. Dark is good, white dots were measured and the star is the model's favourite. "
        "Where all maps are dark they agree, so trust it; where only one is, measure before you believe.",
    ),
    "loss_level": (
        "Is the best good enough?",
        "The best condition of each batch and the best so far. A dashed level, where there is one, is what the "
        "campaign was after; once the upper line stays well above the lower one, new batches only confirm.",
    ),
    "accuracy": (
        "Does the model predict what is measured?",
        "Each batch's conditions are predicted before they are measured and before the model learns from them. A "
        "cosine near 1 is the same shape of spectrum; the squared error also sees its strength. As long as these still "
        "improve from batch to batch, more measurements make the model better.",
    ),
    "stability": (
        "Have the models made up their minds?",
        "How much each model's map resembles its own map one batch earlier: 1 is unchanged. A curve that stays close "
        "to 1 says that new measurements no longer surprise that model; it does not say that the model is right.",
    ),
    "attribution": (
        "Which ingredient matters",
        "How far each ingredient moves the loss on average, over the whole range of recipes: long bars deserve careful "
        "dosing, short ones can be chosen for convenience. Thin lines are standard errors; models that disagree by "
        "more than these have not learnt the same chemistry.",
    ),
    "spectrum_attribution": (
        "What each ingredient does to the spectrum",
        "Below the mean spectrum, dark bands tell at which wavelengths an ingredient changes the absorbance; in the "
        "lowest panel red means that more of it absorbs more there and blue less. A row that is blue on one side and "
        "red on the other shifts the band. Pale in the lowest panel but dark above: it goes both ways.",
    ),
    "predicted_against_measured": (
        "Did the model predict the spectra?",
        "Dashed is what the model predicted before the condition was measured and before it learnt from it, black is "
        "what was measured. The number is their cosine similarity: 1 is the same shape, and well below 0.9 means that "
        "the model's proposals are still guesses.",
    ),
    "palette": (
        "Colours within reach",
        "The colour of the droplets in transmitted daylight, as predicted, for all amounts of two ingredients with the "
        "others as in the starred recipe; hatched recipes are not feasible. The chips are the most different colours "
        "that any recipe is predicted to give. A screen shows them only approximately.",
    ),
}
"""Title of each figure, and how to read it."""

SECTIONS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "tried",
        "What was tried",
        ("convergence", "batches", "sampled_energies", "iterations", "sampled_places", "recipes"),
    ),
    ("found", "What is best", ("structures", "pareto_front", "spectra")),
    ("believe", "How far the models can be trusted", ("loss_maps", "predicted_against_measured")),
    ("stop", "When to stop", ("loss_level", "stability", "accuracy")),
    ("matters", "What matters", ("attribution", "spectrum_attribution", "palette")),
)
"""Anchor and title of each section, and the figures that it holds; other figures follow in a section of their own."""

FloatArray = npt.NDArray[np.float64]

_NO_TABLE: Mapping[str, Any] = {"heads": [], "rows": []}

_AT_EDGE = 0.02
"""What counts as at the edge of a window, as a fraction of it."""


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


def write_page(
    path: Path,
    problem: Problem,
    summary: Mapping[str, Any],
    evaluations: Sequence[Evaluation],
    frame: pd.DataFrame,
    figures: Mapping[str, Figure],
    outlook: Outlook | None = None,
) -> None:
    """Write the report of a recipe campaign as one HTML file that needs no network and no scripts.

    Args:
        path: The file; folders on the way are made.
        problem: The problem.
        summary: The campaign's summary, or what ``summary.json`` holds.
        evaluations: The campaign's evaluations.
        frame: A row per evaluation, as :meth:`matseek.campaign.Campaign.to_frame` gives it; it goes into the page
            as a table to unfold and as a CSV file to save.
        figures: Figures by name; those of :func:`matseek.report.figures.recipe_figures` and of the outlook get their
            captions.
        outlook: What the models say; None where there are none.
    """
    ordered = sorted(evaluations, key=lambda e: e.number)
    page = template("page.html.j2").render(
        problem=problem.name,
        things=f"{problem.point_name}s",
        origin=_origin(summary, ordered),
        verdict=verdict(problem, ordered),
        verdict_is_long=len(_variables(problem)) > 6,
        outcome=" ".join(outcome(problem, summary)),
        numbers=_key_numbers(problem, summary, ordered),
        best=best_table(problem, ordered),
        front=_front_table(problem, ordered),
        sections=_sections(figures, outlook),
        events=[str(event) for event in summary.get("events") or ()],
        failures=failures(ordered),
        pending=_pending_table(problem, ordered),
        proposed=_NO_TABLE if outlook is None else outlook.next_recipes(),
        hints=_hints(problem, summary, ordered),
        everything=everything(frame, problem.value_decimals),
        csv=data_uri("text/csv;charset=utf-8", masked(csv_text(frame)).encode()),
    )
    write_text(path, masked(page))


def _sections(figures: Mapping[str, Figure], outlook: Outlook | None) -> list[dict[str, Any]]:
    """The sections that hold anything: sentences, a table, pictures."""
    said: dict[str, list[str]] = {} if outlook is None else {"believe": outlook.model_trust()}
    tables: dict[str, Any] = {} if outlook is None else {"stop": outlook.when_to_stop()}
    known = {stem for _, _, stems in SECTIONS for stem in stems}
    rest = tuple(stem for stem in figures if stem not in known)
    sections = []
    for anchor, title, stems in (*SECTIONS, ("more", "More figures" if len(rest) < len(figures) else "Figures", rest)):
        section = {
            "anchor": anchor,
            "title": title,
            "sentences": said.get(anchor, []),
            "table": tables.get(anchor, _NO_TABLE),
            "pictures": [_picture(stem, figures[stem]) for stem in stems if stem in figures],
        }
        if section["sentences"] or section["table"]["rows"] or section["pictures"]:
            sections.append(section)
    return sections


def _recipes_of(problem: Problem, evaluations: Sequence[Evaluation]) -> pd.DataFrame:
    points = np.array([e.point for e in evaluations]).reshape(-1, problem.space.dim)
    frame = problem.space.to_frame(points) if _variables(problem) else pd.DataFrame(index=range(len(evaluations)))
    frame.insert(0, "evaluation", np.array([e.number for e in evaluations], dtype=np.int64))
    frame.insert(1, "batch", np.array([e.iteration for e in evaluations], dtype=np.int64))
    frame.insert(2, "proposer", np.array([e.proposer for e in evaluations], dtype=object))
    return frame


def _variables(problem: Problem) -> Sequence[Coordinate]:
    """The coordinates that say something to a reader; none for structures."""
    return problem.space.readable


def _origin(summary: Mapping[str, Any], ordered: Sequence[Evaluation]) -> str:
    """Who searched, with which seed, and when."""
    pieces = [f"searcher {summary['searcher']}"] if summary.get("searcher") is not None else []
    pieces += [f"seed {summary['seed']}"] if summary.get("seed") is not None else []
    if ordered:
        times = [e.finished_at or e.asked_at for e in ordered]
        first, last = f"{min(e.asked_at for e in ordered):%d %B %Y}", f"{max(times):%d %B %Y}"
        pieces.append(first if first == last else f"{first} to {last}")
    return " · ".join(pieces)


def verdict(problem: Problem, ordered: Sequence[Evaluation]) -> str:
    """The campaign in one sentence."""
    message = sum(e.settled for e in ordered)
    best = _best(problem, ordered)
    if best is None and message:
        return f"None of the {_count(message, 'measured condition')} gave a {problem.value_name}."
    if best is None:
        waiting = _count(len(ordered), "condition") + (" waits" if len(ordered) == 1 else " wait")
        return "Nothing has been measured yet" + (f"; {waiting} for the laboratory." if ordered else ".")
    value = _value_text(problem, best.value)
    recipe = ", ".join(
        f"{v.name}\u00a0{amount(v, x)}{_unit(v)}" for v, x in zip(_variables(problem), best.point, strict=False)
    )
    if not recipe:
        return f"Best {problem.value_name} {value} after {_count(message, 'evaluation')} (number {best.number})."
    return f"Best {problem.value_name} {value} after {_count(message, 'measured condition')}: {recipe}."


def outcome(problem: Problem, summary: Mapping[str, Any]) -> list[str]:
    """Whether the goal was reached, in sentences; none where there is no goal.

    Of structures both are said: whether one solves the problem as evaluated, and whether one relaxes to a solution.

    Args:
        problem: The problem.
        summary: The campaign's summary, or what ``summary.json`` holds.
    """
    return [*_goal(problem, summary), *_earlier(problem, summary)]


def _earlier(problem: Problem, summary: Mapping[str, Any]) -> list[str]:
    """What the campaign has begun with, and whether its own best is better."""
    earlier = summary.get("earlier")
    if not earlier:
        return []
    message = f"The campaign began with {_count(earlier['evaluations'], 'earlier evaluation')}"
    before, own = earlier["best_value"], summary.get("best_value")
    if before is None:
        return [f"{message}, none of which has a {problem.value_name}; they are not counted as its own."]
    best = f"the best of which has the {problem.value_name} {_value_text(problem, before)}"
    better = "" if own is None else f": its own best is {'lower' if own < before else 'not lower'}"
    return [f"{message}, {best}{better}. They are not counted as its own."]


def _goal(problem: Problem, summary: Mapping[str, Any]) -> list[str]:
    structures = problem.as_structures()
    if structures is not None:
        return [*_outcome_as_evaluated(summary), *_outcome_relaxed(structures, summary), *_judged(structures, summary)]
    atoms = problem.as_atoms()
    if atoms is not None and atoms.success_criterion is not None and summary.get("success") is not None:
        return [*_outcome_as_evaluated(summary), f"It is solved by a structure where {atoms.success_criterion}."]
    level = problem.success_below
    if level is None or summary.get("success") is None:
        return []
    goal = f"The goal, a {problem.value_name} below {level:g},"
    if not summary["success"]:
        return [f"{goal} has not been reached."]
    first = summary.get("evaluations_to_success")
    return [f"{goal} was reached" + (f" with condition {first}." if first is not None else ".")]


def _best(problem: Problem, ordered: Sequence[Evaluation]) -> Evaluation | None:
    return next(iter(problem.ranked(ordered)), None)


def _trust(problem: Problem, ordered: Sequence[Evaluation]) -> list[str]:
    """How far the best can be trusted, in sentences; none where it has no replicates."""
    best, lowest = _best(problem, ordered), lowest_of(ordered)
    if best is None or lowest is None or math.isnan(best.spread):
        return []
    replicates, bound = len(best.finite_replicates), value_texts([best.value, best.upper_bound()])[1]
    sentences = [
        f"The best {problem.point_name} is the one whose {replicates} replicates support the lowest bound: with "
        f"{100 * CONFIDENCE:g} % confidence its expected {problem.value_name} is at most {bound}."
    ]
    faults = {} if problem.objective is None else problem.objective.faults(_spectra(best))
    found = [f"{int(which.sum())} {'is' if which.sum() == 1 else 'are'} {fault}" for fault, which in faults.items()]
    if found:
        sentences.append(f"Of its replicates {' and '.join(found)}.")
    if lowest.number != best.number:
        value, spread = value_texts([lowest.value], [lowest.spread])
        sentences.append(
            f"Evaluation {lowest.number} has the lowest {problem.value_name}, {value}"
            + (f" ± {spread}" if spread else "")
            + ", but its replicates support less."
        )
    return sentences


def _spectra(evaluation: Evaluation) -> FloatArray:
    """The spectra of an evaluation's replicates that were measured completely, shape ``(r, m)``."""
    response = np.atleast_2d(np.asarray(evaluation.response, dtype=np.float64))
    return np.asarray(response[np.isfinite(response).all(axis=1)])


def _outcome_as_evaluated(summary: Mapping[str, Any]) -> list[str]:
    if summary.get("success") is None:
        return []
    if not summary["success"]:
        return ["As evaluated, no structure solves the problem."]
    return [f"As evaluated, the problem is solved, first by evaluation {summary.get('evaluations_to_success')}."]


def _outcome_relaxed(problem: Structures, summary: Mapping[str, Any]) -> list[str]:
    if not problem.recognises:
        return []
    if summary.get("relaxed_success") is None:
        return [
            "Whether a structure relaxes to a solution has not been looked at; “matseek report FOLDER --relaxed” does, "
            "and calls the calculator for it."
        ]
    calls = f"({summary.get('relaxation_calls')} calls of the calculator to find out, which are no evaluations)"
    if not summary["relaxed_success"]:
        return [f"No structure relaxes to a solution {calls}."]
    first = summary.get("evaluations_to_relaxed_success")
    return [f"Relaxed, the problem is solved, first from evaluation {first} {calls}."]


def _judged(problem: Structures, summary: Mapping[str, Any]) -> list[str]:
    """By which test success is judged."""
    evaluated = problem.success_criterion if summary.get("success") is not None else None
    relaxed = problem.relaxed_criterion if problem.recognises else None
    if evaluated is None and relaxed is None:
        return []
    if None in (evaluated, relaxed) or evaluated == relaxed:
        return [f"It is solved by a structure where {evaluated or relaxed}."]
    return [f"It is solved by a structure where {evaluated}; relaxed, where {relaxed}."]


def _hints(problem: Problem, summary: Mapping[str, Any], ordered: Sequence[Evaluation]) -> list[str]:
    """What to do next, in sentences."""
    hints = []
    pending = sum(e.status == "pending" for e in ordered)
    if pending:
        verb = "is" if pending == 1 else "are"
        hints.append(
            f"{_count(pending, 'condition')} {verb} to be measured (listed below). Enter the results with "
            "“matseek tell”; the next batch learns from them."
        )
    elif summary.get("stopped_by") == "budget":
        hints.append(
            "The budget is spent. To go on, give the same command a larger budget: what is measured is kept and "
            "nothing is measured twice."
        )
    elif summary.get("stopped_by") == "no_points_left":
        hints.append("Every point that may be tried has been tried: measure the best ones again, or add candidates.")
    elif summary.get("stopped_by") is not None:
        hints.append(
            f"The campaign ended because of {str(summary['stopped_by']).replace('_', ' ')} (see When to stop). To go "
            "on all the same, run it again without that level: what is measured is kept."
        )
    else:
        hints.append("The campaign is still open. Ask for the next batch, or run the same command again.")
    hints += [str(warning) for warning in summary.get("warnings") or ()]
    best = _best(problem, ordered)
    if best is not None:
        hints += [_edge_hint(v, float(x)) for v, x in zip(_variables(problem), best.point, strict=False) if _edge(v, x)]
    failed = sum(e.status == "failed" for e in ordered)
    measured = sum(e.settled for e in ordered)
    if measured and failed >= 0.2 * measured:
        hints.append(
            f"{failed} of {_count(measured, 'condition')} failed. Look at the messages above before more are measured: "
            "failed conditions cost as much as others and teach little."
        )
    return hints or ["Nothing is waiting. More measurements may still improve on the best recipe."]


def _edge(variable: Coordinate, x: float) -> str:
    """The side of its window at the start on which a number lies; empty if on none, or beyond it.

    A periodic variable has no ends.
    """
    if variable.periodic:
        return ""
    if variable.values or not variable.high > variable.low:  # nothing lies beyond a name or a fixed value
        return ""
    share = (float(x) - variable.low) / (variable.high - variable.low)
    return "lower" if abs(share) <= _AT_EDGE else "upper" if abs(share - 1) <= _AT_EDGE else ""


def _edge_hint(variable: Coordinate, x: float) -> str:
    side = _edge(variable, x)
    end, limit = (variable.low, variable.limits[0]) if side == "lower" else (variable.high, variable.limits[1])
    text = f"The best recipe lies at the {side} end of the window of {variable.name} ({end:g}{_unit(variable)})"
    if limit != end:
        return f"{text}. The apparatus can go to {limit:g}{_unit(variable)}: a wider window may hold better recipes."
    if variable.limits != (variable.low, variable.high):
        return f"{text}, which is as far as the apparatus goes."
    return f"{text}. If the apparatus can go further, a wider window may hold better recipes."


def _unit(variable: Coordinate) -> str:
    """The unit as it follows a number, on the same line."""
    return f"\u00a0{variable.unit}" if variable.unit else ""


def _key_numbers(problem: Problem, summary: Mapping[str, Any], ordered: Sequence[Evaluation]) -> list[dict[str, str]]:
    message = [e for e in ordered if e.settled]
    failed = sum(e.status == "failed" for e in message)
    pending = sum(e.status == "pending" for e in ordered)
    best, lowest = _best(problem, ordered), lowest_of(ordered)
    asking = [float(s) for s in summary.get("seconds_asking") or ()]
    spread = "" if best is None or math.isnan(best.spread) else f"± {value_texts([best.value], [best.spread])[1]}"
    return [
        _number(f"Best {problem.value_name}", "none" if best is None else _value_text(problem, best.value), spread),
        *(
            [_number(f"Lowest {problem.value_name}", _value_text(problem, lowest.value), f"evaluation {lowest.number}")]
            if best is not None and lowest is not None and lowest.number != best.number
            else []
        ),
        _number(
            "Evaluated" if problem.as_laboratory() is None else "Measured",
            str(len(message)),
            f"{pending} to be measured" if pending else "",
        ),
        _number("Failed", str(failed), f"of {len(message)} measured" if failed else ""),
        _number("Batches", str(len({e.iteration for e in ordered}))),
        _number(
            "Asking a batch",
            _duration(statistics.median(asking)) if asking else "none yet",
            f"median, at most {_duration(max(asking))}" if len(asking) > 1 else "",
        ),
        _number("Wall time", _duration(float(summary.get("wall_seconds") or 0.0))),
        _number("Stopped by", str(summary.get("stopped_by") or "still open").replace("_", " ")),
    ]


def _number(label: str, value: str, note: str = "") -> dict[str, str]:
    return {"label": label, "value": value, "note": note}


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _duration(seconds: float) -> str:
    if seconds < 0.1:
        return "under 0.1 s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def amount(variable: Coordinate, x: float) -> str:
    """A value of a recipe: a category's name, or a number to half a percent of the variable's window or finer."""
    if variable.values:
        return variable.values[round(x)]
    if not variable.high > variable.low:
        return f"{x:.6g}"
    decimals = 2 - math.floor(math.log10((variable.high - variable.low) / 2))
    return f"{x:.{max(decimals, 0)}f}" if decimals <= 6 and abs(x) < 1e7 else f"{x:.4g}"


def _value_text(problem: Problem, value: float) -> str:
    """A value with its unit, if it has one, at the decimals that the problem asks for."""
    unit = f"\u00a0{problem.value_unit}" if problem.value_unit else ""
    return f"{value:.{problem.value_decimals}f}{unit}" if problem.value_decimals else value_texts([value])[0] + unit


def value_texts(values: Sequence[float], spreads: Sequence[float] = ()) -> list[str]:
    """Values, then their spreads, with as many decimals as tell the values apart."""
    numbers = np.array(values, dtype=np.float64)
    scale, extent = float(np.abs(numbers).max(initial=0.0)), float(np.ptp(numbers)) if len(numbers) else 0.0
    decimals = max(_decimals(scale, 3), _decimals(extent, 2))
    readable = decimals <= 6 and scale < 1e7
    texts = [f"{x:.{decimals}f}" if readable else f"{x:.3e}" for x in numbers.tolist()]
    return texts + ["" if math.isnan(s) else f"{s:.{decimals}f}" if readable else f"{s:.1e}" for s in spreads]


def _decimals(scale: float, digits: int) -> int:
    return max(digits - 1 - math.floor(math.log10(scale)), 0) if scale > 0 and math.isfinite(scale) else 0


def best_table(problem: Problem, ordered: Sequence[Evaluation]) -> dict[str, Any]:
    """The best evaluations as a table of texts: ``heads`` and ``rows``, and ``sentences`` on how far to trust them.

    Of structures, distinct minima are listed.
    """
    structures = problem.as_structures()
    if structures is not None:
        heads = [head[0].upper() + head[1:] for head in MINIMA_HEADS]
        return {"heads": heads, "rows": minima_rows(structures, ordered, 10), "spread": False, "sentences": []}
    frame = best_recipes(problem, ordered)
    values, spreads, bounds = (frame[column].tolist() for column in ("value", "spread", "upper_bound"))
    texts = value_texts(values, spreads + bounds)
    told_values, spread_texts, bound_texts = (texts[k * len(values) : (k + 1) * len(values)] for k in range(3))
    scattered = any(spread_texts)
    name = problem.value_name.capitalize()
    rows = []
    outcomes = frame[[outcome.label for outcome in problem.goals.outcomes]].to_numpy()
    for k, recipe in enumerate(_recipe_rows(problem, frame)):
        spread = f"\u00a0±\u00a0{spread_texts[k]}" if spread_texts[k] else ""
        bound = bound_texts[k : k + scattered]
        further = [*bound, *(f"{x:.4g}" for x in outcomes[k])]
        rows.append([str(k + 1), *recipe[:1], told_values[k] + spread, *further, *recipe[3:], *recipe[1:3]])
    bound_head = [f"{100 * CONFIDENCE:g} % bound"] * scattered
    heads = ["Rank", "Evaluation", name, *bound_head, *(o.label for o in problem.goals.outcomes)]
    heads += [*(v.label for v in _variables(problem)), "Batch", "Proposed by"]
    sentences = [*_met(problem, ordered), *_trust(problem, ordered)]
    return {"heads": heads, "rows": rows, "spread": scattered, "sentences": sentences}


def _front_table(problem: Problem, ordered: Sequence[Evaluation]) -> dict[str, Any]:
    """The Pareto front by value, with all outcomes; no rows where there is a single objective."""
    front = problem.goals.front(ordered) if problem.goals.objectives else []
    frame = _recipes_of(problem, front)
    values, outcomes = value_texts([e.value for e in front]), problem.goals.table(front)
    rows = [
        [recipe[0], value, *(f"{x:.4g}" for x in numbers), *recipe[3:], *recipe[1:3]]
        for recipe, value, numbers in zip(_recipe_rows(problem, frame), values, outcomes, strict=True)
    ]
    heads = ["Evaluation", problem.value_name.capitalize(), *(o.label for o in problem.goals.outcomes)]
    return {"heads": [*heads, *(v.label for v in _variables(problem)), "Batch", "Proposed by"], "rows": rows}


def _met(problem: Problem, ordered: Sequence[Evaluation]) -> list[str]:
    """How many conditions meet the constraints on outcomes, in a sentence; none where there are no constraints."""
    rules, done = problem.goals.constraints, [e for e in ordered if e.status == "done"]
    if not rules or not done:
        return []
    met = int(problem.goals.feasible(done).sum())
    wanted = ", ".join(map(str, rules))
    if not met:
        return [f"No condition meets what is required of the outcomes ({wanted}); the best is the best of the others."]
    return [f"{met} of {_count(len(done), 'condition')} meet what is required of the outcomes ({wanted})."]


def _pending_table(problem: Problem, ordered: Sequence[Evaluation]) -> dict[str, Any]:
    frame = _recipes_of(problem, [e for e in ordered if e.status == "pending"])
    rows = [[row[0], *row[3:], *row[1:3]] for row in _recipe_rows(problem, frame)]
    return {"heads": ["Evaluation", *(v.label for v in _variables(problem)), "Batch", "Proposed by"], "rows": rows}


def _recipe_rows(problem: Problem, frame: pd.DataFrame) -> Iterator[list[str]]:
    """Evaluation, batch, proposer and amounts of each row, as text."""
    space, variables = problem.space, _variables(problem)
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
        {"message": message, "count": _count(len(numbers), "condition"), "numbers": _runs(numbers)}
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
        values = frame.columns.intersection(["value", "upper_bound", "best_value"])
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


def _picture(stem: str, figure: Figure) -> dict[str, str]:
    title, caption = CAPTIONS.get(stem, (stem.replace("_", " ").capitalize(), ""))
    return {"stem": stem, "title": title, "caption": caption, "source": data_uri("image/svg+xml", svg(figure))}
