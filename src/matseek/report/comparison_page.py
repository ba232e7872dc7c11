"""The page of a comparison: the verdict first, then who succeeds, the curves, and each method's behaviour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from matseek.insight.success import SuccessRate, log_rank
from matseek.problems import Problem
from matseek.report.figures.comparing import (
    Frames,
    best_against_evaluations,
    iterations_of_searchers,
    searcher_label,
    solved_against_evaluations,
    successes_of_searchers,
    values_by_iteration,
)
from matseek.report.figures.house import value_name
from matseek.report.html import data_uri, svg, template

Row = Mapping[str, Any]

Rates = Mapping[str, tuple[SuccessRate, SuccessRate]]
"""By searcher: successes as evaluated, and after relaxation."""

_TOLD_APART = 0.05
"""Below this p-value two searchers are told apart."""


@dataclass(frozen=True, eq=False)
class ComparisonRecord:
    """What the runs of a comparison came to; searchers without a complete run have empty entries.

    Args:
        problem: What was minimised.
        table: A row per searcher, as :meth:`matseek.comparison.Comparison.table` gives it.
        rates: Successes by searcher.
        summaries: Of the complete runs, by searcher.
        traces: A row per evaluation of each complete run, by searcher.
        iterations: A row per iteration of each complete run, by searcher; empty where a searcher notes nothing.
        published: What others have reported, by searcher.
        missing: The runs that are not complete, by name, and why they failed if they did.
    """

    problem: Problem
    table: pd.DataFrame
    rates: Rates
    summaries: Mapping[str, Sequence[Mapping[str, Any]]]
    traces: Frames
    iterations: Frames
    published: Mapping[str, Mapping[str, Any]]
    missing: Mapping[str, str | None]

    @property
    def rows(self) -> list[Row]:
        """The table's rows of searchers with a complete run."""
        every: list[Row] = [{str(k): v for k, v in row.items()} for row in self.table.to_dict("records")]
        return [row for row in every if row["seeds"]]

    @property
    def tested(self) -> list[Row]:
        """Those rows whose runs were tested for success."""
        return [row for row in self.rows if not pd.isna(row["success_rate"])]

    @property
    def best(self) -> Row | None:
        """The row that succeeds most, of equals the one with the fewest evaluations; None where nothing is tested."""
        return max(
            self.tested,
            key=lambda row: (row["success_rate"], -_or_inf(row["mean_evaluations_to_success"])),
            default=None,
        )


def write_comparison_page(path: Path, record: ComparisonRecord) -> None:
    """Write a comparison as one HTML file that needs no network and no scripts.

    Args:
        path: Where to.
        record: What the runs came to.
    """
    rows = record.rows
    evaluations = sum(row["evaluations"] for row in rows)
    page = template("comparison.html.j2").render(
        problem=record.problem.name,
        origin=f"{sum(row['seeds'] for row in rows)} runs, {evaluations:,} evaluations in all",
        verdict=_verdict(record),
        findings=[*_findings(record), *_intervals(record)],
        missing=[{"name": name, "error": error} for name, error in record.missing.items()],
        successes=_successes(record),
        published=_published(record),
        sources="; ".join(sorted({str(p["source"]) for p in record.published.values() if "source" in p})),
        figures=dict(_figures(record)),
        costs=_costs(rows),
        behaviours=_behaviours(record),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")


def _verdict(record: ComparisonRecord) -> str:
    if not record.rows:
        return "No run is complete yet"
    best = record.best
    if best is None:
        leader = min(record.rows, key=lambda row: _or_inf(row["median_best_value"]))
        found = leader["median_best_value"]
        return f"{_name(leader, capital=True)} has the lowest median best {value_name(record.problem)}: {found:.4g}"
    if not best["successes"]:
        return "No run has succeeded"
    return (
        f"{_name(best, capital=True)} succeeds in {best['successes']} of {best['seeds']} runs, after "
        f"{best['mean_evaluations_to_success']:,.0f} evaluations on average"
    )


def _findings(record: ComparisonRecord) -> Iterator[str]:
    """Who needs the fewest evaluations, and whether so few runs can tell."""
    best = record.best
    if best is None or not best["successes"]:
        return
    quickest = min(record.tested, key=lambda row: _or_inf(row["mean_evaluations_to_success"]))
    if quickest["searcher"] != best["searcher"]:
        yield (
            f"Where it succeeds, {_name(quickest)} needs the fewest evaluations: "
            f"{quickest['mean_evaluations_to_success']:,.0f} on average in {quickest['successes']} of "
            f"{quickest['seeds']} runs."
        )
    ahead: list[str] = []
    alike: list[str] = []
    for row in record.tested:
        if row["searcher"] != best["searcher"]:
            one, other = (record.rates[r["searcher"]][0] for r in (best, row))
            p = log_rank(one, best["budget"], other, row["budget"])
            (ahead if p < _TOLD_APART else alike).append(f"{_name(row)} (p = {p:.2g})")
    if ahead:
        yield f"In evaluations to success, {_name(best)} differs from {_list(ahead)} by a log-rank test."
    if alike:
        yield f"So few runs do not tell {_name(best)} apart from {_list(alike)}."


def _intervals(record: ComparisonRecord) -> Iterator[str]:
    """A sentence per searcher."""
    for row in record.tested:
        after = f" after {row['mean_evaluations_to_success']:,.0f} evaluations on average" if row["successes"] else ""
        low, high = record.rates[row["searcher"]][0].interval()
        yield (
            f"{_name(row, capital=True)}: {row['successes']} of {row['seeds']}{after}; {low:.0%} to {high:.0%} "
            f"of all such runs would succeed within {row['budget']:,} evaluations."
        )


def _figures(record: ComparisonRecord) -> Iterator[tuple[str, dict[str, str]]]:
    """By anchor: title, caption and picture."""
    problem, name = record.problem, value_name(record.problem)
    if record.tested:
        yield (
            "successes",
            _picture(
                "Who succeeds, and after how many evaluations",
                "Left: the share of runs that succeed, with Wilson's 95 % interval. Right: the evaluations it took, "
                "where it did." + (" Open diamonds are what others have published." if record.published else ""),
                successes_of_searchers(record.rates, record.published),
            ),
        )
        relaxed = any(pair[1].runs for pair in record.rates.values())
        yield (
            "solved",
            _picture(
                "How many runs have succeeded by then",
                "Each step up is a run's first success"
                + (
                    "; on the left as it was evaluated, on the right the first structure that a local relaxation "
                    "turns into a success."
                    if relaxed
                    else "."
                )
                + " A line ends where the searcher's budget does.",
                solved_against_evaluations(record.rates, {row["searcher"]: int(row["budget"]) for row in record.rows}),
            ),
        )
    yield (
        "best",
        _picture(
            f"The best {name} so far",
            "Medians over the runs; the band holds their middle half. Lower is better, further left is cheaper. A run "
            "that has ended keeps its best" + (", also where it was ended by its success." if record.tested else "."),
            best_against_evaluations(problem, record.traces),
        ),
    )
    yield (
        "tried",
        _picture(
            f"The {name} of what each tried",
            "Medians over all runs in windows of evaluations: a searcher that learns goes down, others stay level.",
            values_by_iteration(problem, record.traces),
        ),
    )
    if any(len(frame) for frames in record.iterations.values() for frame in frames):
        yield (
            "iterations",
            _picture(
                "From iteration to iteration",
                f"Medians over the runs that were still going, with the band of their middle half. Top: the {name} of "
                "an iteration's samples, their median thick and their lowest thin. As kT falls, fewer samples of the "
                "buffer carry the weight: an effective sample size near 1 means that one structure teaches alone.",
                iterations_of_searchers(problem, record.iterations),
            ),
        )


def _picture(title: str, caption: str, figure: Any) -> dict[str, str]:  # noqa: ANN401 -- a matplotlib figure
    return {"title": title, "caption": caption, "source": data_uri("image/svg+xml", svg(figure))}


def _successes(record: ComparisonRecord) -> dict[str, Any]:
    heads = ["searcher", "budget", "succeed", "95 % interval", "mean evaluations", "median", "after relaxation"]
    heads += ["mean evaluations", f"median best {value_name(record.problem)}"]
    found = []
    for row in record.rows:
        raw, relaxed = record.rates[row["searcher"]]
        low, high = raw.interval()
        found.append(
            [
                _name(row),
                f"{row['budget']:,}",
                f"{raw.successes} of {raw.runs}" if raw.runs else "–",
                f"{low:.0%} to {high:.0%}" if raw.runs else "–",
                _number(row["mean_evaluations_to_success"]),
                _number(row["median_evaluations_to_success"]),
                f"{relaxed.successes} of {relaxed.runs}" if relaxed.runs else "–",
                _number(row["mean_evaluations_to_relaxed_success"]),
                f"{row['median_best_value']:.4f}",
            ]
        )
    return {"heads": heads, "rows": found}


def _published(record: ComparisonRecord) -> dict[str, Any]:
    found = []
    for row in record.rows:
        theirs = record.published.get(row["searcher"])
        if theirs is not None:
            found.append(
                [
                    _name(row),
                    "–" if pd.isna(row["successes"]) else f"{row['successes']} of {row['seeds']}",
                    _number(row["mean_evaluations_to_success"]),
                    f"{theirs['successes']} of {theirs['runs']}",
                    _number(theirs["mean_evaluations_to_success"]),
                ]
            )
    heads = ["searcher", "succeed here", "mean evaluations here", "succeed there", "mean evaluations there"]
    return {"heads": heads, "rows": found}


def _costs(rows: Sequence[Row]) -> dict[str, Any]:
    found = [
        [
            _name(row),
            f"{row['evaluations']:,}",
            _number(row["median_cpu_seconds"]),
            _number(row["median_wall_seconds"]),
            f"{row['relaxation_calls']:,}",
        ]
        for row in rows
    ]
    return {"heads": ["searcher", "evaluations", "processor s", "wall s", "calls to recognise"], "rows": found}


def _behaviours(record: ComparisonRecord) -> dict[str, Any]:
    """What each had at the beginning and at the end, and what failed."""
    found = []
    for row in record.rows:
        runs = [trace["value"].dropna() for trace in record.traces[row["searcher"]]]
        parts = [
            (v.iloc[: max(len(v) // 10, 1)].median(), v.iloc[-max(len(v) // 10, 1) :].median()) for v in runs if len(v)
        ]
        first, last = np.median(parts, axis=0) if parts else (float("nan"), float("nan"))
        failed = sum(s["failed"] for s in record.summaries[row["searcher"]])
        found.append([_name(row), f"{first:.4g}", f"{last:.4g}", failed])
    name = value_name(record.problem)
    heads = ["searcher", f"median {name} of the first tenth", "of the last tenth", "failed evaluations"]
    return {"heads": heads, "rows": found}


def _name(row: Row, *, capital: bool = False) -> str:
    name = searcher_label(str(row["searcher"]))
    return name[0].upper() + name[1:] if capital else name


def _list(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _number(value: float | None) -> str:
    return "–" if value is None or pd.isna(value) else f"{value:,.0f}"


def _or_inf(value: float) -> float:
    return float("inf") if pd.isna(value) else value
