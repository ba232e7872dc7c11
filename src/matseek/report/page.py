"""One self-contained HTML page about a recipe campaign, for the people who ran it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from matseek.core.problem import Problem
from matseek.core.records import Evaluation, lowest_of
from matseek.files import write_text
from matseek.report.describing import description
from matseek.report.digits import duration, value_text, value_texts
from matseek.report.html import data_uri, picture, template
from matseek.report.outlook import Outlook
from matseek.report.recipe_tables import as_told, best_table, everything, failures, front_table, pending_table
from matseek.report.sentences import first_ranked, next_steps, outcome, verdict
from matseek.secrets import masked
from matseek.tables import csv_text

CAPTIONS: Mapping[str, tuple[str, str]] = {
    "convergence": (
        "How the search got better",
        "Each mark is one condition, lower is better, and the line of steps is the lowest value so far: every step "
        "down is an improvement, and a long flat end means that further measurements of this kind would gain little.",
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
        "The lowest structures that differ, as they were evaluated, from above and from the side; free atoms are "
        "coloured. One on the way to a minimum may be among them. Structures that differ by "
        "a small rattle, a permutation or a symmetry of the surface count as one. The lowest structures are in "
        "best.extxyz and structures.db for other programs, with the number that they have here.",
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
        "Dashed is what the model predicted before the condition was measured and before it learnt from it, solid is "
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

_OF_MAXIMA = {
    "lower is better": "higher is better",
    "lowest value": "highest value",
    "every step down": "every step up",
    "moves down from": "moves up from",
    "gather low in": "gather high in",
    "the lowest loss": "the highest value",
    "the upper line stays well above the lower one": "the lower line stays well below the upper one",
    "moves the loss": "moves the value",
}
"""What captions say where values are maximised, by what they say else."""

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

_TRUE_COLOURS = ("palette", "loss_maps", "spectrum_attribution", "sampled_places", "structures")
"""Figures whose colours, or which of them are dark, mean something."""

_NO_TABLE: Mapping[str, Any] = {"heads": [], "rows": []}


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
        verdict_is_long=len(problem.space.readable) > 6,
        outcome=" ".join(outcome(problem, summary)),
        numbers=_key_numbers(problem, summary, ordered),
        best=best_table(problem, ordered),
        front=front_table(problem, ordered),
        sections=_sections(problem, figures, outlook),
        events=[str(event) for event in summary.get("events") or ()],
        failures=failures(ordered),
        pending=pending_table(problem, ordered),
        proposed=_NO_TABLE if outlook is None else outlook.next_recipes(),
        hints=next_steps(problem, summary, ordered),
        everything=everything(as_told(problem, frame), problem.value_decimals),
        csv=data_uri("text/csv;charset=utf-8", masked(csv_text(as_told(problem, frame))).encode()),
    )
    write_text(path, masked(page))


def _sections(problem: Problem, figures: Mapping[str, Figure], outlook: Outlook | None) -> list[dict[str, Any]]:
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
            "pictures": [_picture(problem, stem, figures[stem]) for stem in stems if stem in figures],
        }
        if section["sentences"] or section["table"]["rows"] or section["pictures"]:
            sections.append(section)
    return sections


def _origin(summary: Mapping[str, Any], ordered: Sequence[Evaluation]) -> str:
    """Who searched, with which seed, and when."""
    pieces = [f"searcher {summary['searcher']}"] if summary.get("searcher") is not None else []
    pieces += [f"seed {summary['seed']}"] if summary.get("seed") is not None else []
    if ordered:
        times = [e.finished_at or e.asked_at for e in ordered]
        first, last = f"{min(e.asked_at for e in ordered):%d %B %Y}", f"{max(times):%d %B %Y}"
        pieces.append(first if first == last else f"{first} to {last}")
    return " · ".join(pieces)


def _key_numbers(problem: Problem, summary: Mapping[str, Any], ordered: Sequence[Evaluation]) -> list[dict[str, str]]:
    message = [e for e in ordered if e.settled]
    failed = sum(e.status == "failed" for e in message)
    pending = sum(e.status == "pending" for e in ordered)
    best, lowest = first_ranked(problem, ordered), lowest_of(ordered)
    asking = [float(s) for s in summary.get("seconds_asking") or ()]
    spread = "" if best is None or math.isnan(best.spread) else f"± {value_texts([best.value], [best.spread])[1]}"
    return [
        _number(f"Best {problem.told_name}", "none" if best is None else value_text(problem, best.value), spread),
        *(
            [
                _number(
                    f"{'Lowest' if problem.sign > 0 else 'Highest'} {problem.told_name}",
                    value_text(problem, lowest.value),
                    f"evaluation {lowest.number}",
                )
            ]
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
            duration(statistics.median(asking)) if asking else "none yet",
            f"median, at most {duration(max(asking))}" if len(asking) > 1 else "",
        ),
        *_time(summary, ordered),
        _number("Stopped by", str(summary.get("stopped_by") or "still open").replace("_", " ")),
    ]


def _time(summary: Mapping[str, Any], ordered: Sequence[Evaluation]) -> list[dict[str, str]]:
    """How long the search took: of a campaign by hand, from the first recipe to the last result."""
    wall = float(summary.get("wall_seconds") or 0.0)
    if wall > 0:
        return [_number("Wall time", duration(wall))]
    finished = [e.finished_at for e in ordered if e.finished_at is not None]
    if not finished:
        return []
    span = max(finished) - min(e.asked_at for e in ordered)
    return [_number("Time", duration(span.total_seconds()), "first recipe to last result")]


def _number(label: str, value: str, note: str = "") -> dict[str, str]:
    return {"label": label, "value": value, "note": note}


def _picture(problem: Problem, stem: str, figure: Figure) -> dict[str, str]:
    title, caption = CAPTIONS.get(stem, (stem.replace("_", " ").capitalize(), ""))
    if problem.sign < 0:
        for words, others in _OF_MAXIMA.items():
            caption = caption.replace(words, others)
    source, seen = picture(figure), description(figure, title)
    # The dark theme turns white into black and keeps hues.
    look = "as-it-is" if stem in _TRUE_COLOURS else ""
    return {"stem": stem, "title": title, "caption": caption, "source": source, "seen": seen, "look": look}
