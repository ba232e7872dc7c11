"""The page of a comparison: the verdict first, then the table, the curves, and each method's behaviour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from matseek.insight.success import SuccessRate
from matseek.problems import Problem
from matseek.report.figures.comparing import (
    Traces,
    best_against_evaluations,
    searcher_label,
    solved_against_evaluations,
    values_by_iteration,
)
from matseek.report.figures.house import value_name
from matseek.report.html import data_uri, svg, template

Row = Mapping[str, Any]

Rates = Mapping[str, tuple[SuccessRate, SuccessRate]]
"""By searcher: successes as evaluated, and after relaxation."""


def write_comparison_page(
    path: Path,
    problem: Problem,
    table: pd.DataFrame,
    rates: Rates,
    traces: Traces,
    summaries: Mapping[str, Sequence[Mapping[str, Any]]],
    published: Mapping[str, Mapping[str, Any]],
) -> None:
    """Write a comparison as one HTML file that needs no network and no scripts.

    Args:
        path: The file; folders on the way are made.
        problem: The problem that all searchers had.
        table: A row per searcher, as :meth:`matseek.comparison.Comparison.table` gives it.
        rates: Successes by searcher.
        traces: The complete runs' traces by searcher.
        summaries: The complete runs' summaries by searcher.
        published: What others have reported, by searcher.
    """
    every: list[Row] = [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]
    rows = [row for row in every if row["seeds"]]
    tested = [row for row in rows if not pd.isna(row["success_rate"])]
    figures = {
        "best": (
            f"The best {value_name(problem)} so far",
            "Medians over the runs; the band holds their middle half. Lower is better, further left is cheaper.",
            best_against_evaluations(problem, traces),
        )
    }
    if tested:
        raw = {name: pair[0] for name, pair in rates.items()}
        budgets = {row["searcher"]: int(row["budget"]) for row in every}
        figures["solved"] = (
            "How many runs have succeeded",
            "Each step up is a run's first success as evaluated, without relaxation.",
            solved_against_evaluations(raw, budgets),
        )
    figures["tried"] = (
        f"The {value_name(problem)} of what each tried",
        "Medians over all runs in windows of evaluations: a searcher that learns goes down, others stay level.",
        values_by_iteration(problem, traces),
    )
    page = template("comparison.html.j2").render(
        problem=problem.name,
        origin=f"{sum(row['seeds'] for row in rows)} runs, "
        f"{sum(row['evaluations'] for row in rows):,} evaluations in all",
        verdict=_verdict(problem, rows, tested),
        findings=_findings(rates, tested),
        successes=_successes(problem, rows, rates),
        reading="Intervals are Wilson's at 95 %. The mean is over the runs that succeeded, as papers give it; "
        "the median is over all runs, and is missing where most have not succeeded.",
        published=_published(rows, published),
        sources="; ".join(sorted({str(p["source"]) for p in published.values() if "source" in p})),
        pictures=[
            {"stem": stem, "title": title, "caption": caption, "source": data_uri("image/svg+xml", svg(figure))}
            for stem, (title, caption, figure) in figures.items()
        ],
        costs=_costs(rows),
        behaviours=_behaviours(rows, traces, summaries),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")


def _verdict(problem: Problem, rows: Sequence[Row], tested: Sequence[Row]) -> str:
    if not rows:
        return "No run is complete yet"
    if not tested:
        best = min(rows, key=lambda row: row["median_best_value"])
        return f"{_name(best)} has the lowest median best {value_name(problem)}: {best['median_best_value']:.4g}"
    best = max(tested, key=lambda row: (row["success_rate"], -_or_inf(row["mean_evaluations_to_success"])))
    if not best["successes"]:
        return "No run has succeeded"
    return (
        f"{_name(best)} succeeds in {best['successes']} of {best['seeds']} runs, after "
        f"{best['mean_evaluations_to_success']:,.0f} evaluations on average"
    )


def _findings(rates: Rates, tested: Sequence[Row]) -> list[str]:
    """A sentence per searcher, and what so few runs cannot tell apart."""
    said = []
    for row in tested:
        after = f" after {row['mean_evaluations_to_success']:,.0f} evaluations on average" if row["successes"] else ""
        low, high = rates[row["searcher"]][0].interval()
        said.append(
            f"{_name(row)}: {row['successes']} of {row['seeds']}{after}; between {low:.0%} and {high:.0%} of all runs "
            f"would succeed within {row['budget']:,} evaluations."
        )
    return said


def _successes(problem: Problem, rows: Sequence[Row], rates: Rates) -> dict[str, Any]:
    heads = ["runs", "budget", "succeed", "95 % interval", "mean evaluations", "median", "after relaxation"]
    heads += ["mean evaluations", f"median best {value_name(problem)}", "searcher"]
    found = []
    for row in rows:
        raw, relaxed = rates[row["searcher"]]
        low, high = raw.interval()
        found.append(
            [
                row["seeds"],
                f"{row['budget']:,}",
                raw.successes if raw.runs else "–",
                f"{low:.0%} to {high:.0%}" if raw.runs else "–",
                _number(row["mean_evaluations_to_success"]),
                _number(row["median_evaluations_to_success"]),
                relaxed.successes if relaxed.runs else "–",
                _number(row["mean_evaluations_to_relaxed_success"]),
                f"{row['median_best_value']:.4f}",
                _name(row),
            ]
        )
    return {"heads": heads, "rows": found}


def _published(rows: Sequence[Row], published: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    found = []
    for row in rows:
        theirs = published.get(row["searcher"])
        if theirs is not None:
            ours = f"{row['successes']} of {row['seeds']}"
            found.append(
                [
                    ours,
                    _number(row["mean_evaluations_to_success"]),
                    f"{theirs['successes']} of {theirs['runs']}",
                    _number(theirs["mean_evaluations_to_success"]),
                    _name(row),
                ]
            )
    heads = ["succeed here", "mean evaluations", "succeed there", "mean evaluations", "searcher"]
    return {"heads": heads, "rows": found}


def _costs(rows: Sequence[Row]) -> dict[str, Any]:
    found = [
        [
            f"{row['evaluations']:,}",
            _number(row["median_cpu_seconds"]),
            _number(row["median_wall_seconds"]),
            f"{row['relaxation_calls']:,}",
            _name(row),
        ]
        for row in rows
    ]
    return {"heads": ["evaluations", "processor s", "wall s", "calls to recognise", "searcher"], "rows": found}


def _behaviours(
    rows: Sequence[Row], traces: Traces, summaries: Mapping[str, Sequence[Mapping[str, Any]]]
) -> dict[str, Any]:
    """What each had at the beginning and at the end, and what failed."""
    found = []
    for row in rows:
        runs = [trace["value"].dropna() for trace in traces[row["searcher"]]]
        parts = [
            (v.iloc[: max(len(v) // 10, 1)].median(), v.iloc[-max(len(v) // 10, 1) :].median()) for v in runs if len(v)
        ]
        first, last = np.median(parts, axis=0) if parts else (float("nan"), float("nan"))
        failed = sum(s["failed"] for s in summaries[row["searcher"]])
        asking = sum(sum(s["seconds_asking"]) for s in summaries[row["searcher"]]) / max(row["evaluations"], 1)
        found.append([f"{first:.4g}", f"{last:.4g}", failed, f"{asking:.3g}", _name(row)])
    heads = ["median of the first tenth", "of the last tenth", "failed", "seconds asking per evaluation", "searcher"]
    return {"heads": heads, "rows": found}


def _name(row: Row) -> str:
    return searcher_label(str(row["searcher"]))


def _number(value: float | None) -> str:
    return "–" if value is None or pd.isna(value) else f"{value:,.0f}"


def _or_inf(value: float) -> float:
    return float("inf") if pd.isna(value) else value
