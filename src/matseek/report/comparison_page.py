"""The page of a comparison: the verdict first, then who succeeds, the curves, and each method's behaviour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from matseek.core.problem import Problem
from matseek.files import write_text
from matseek.insight.paired import AREA, BEST, EVALUATIONS, LEVEL, SUCCESS, least_p
from matseek.insight.success import SuccessRate, round_of
from matseek.report.describing import description
from matseek.report.figures.comparing import (
    best_against_evaluations,
    iterations_of_searchers,
    searcher_label,
    solved_against_evaluations,
    solved_against_rounds,
    successes_of_searchers,
    values_by_iteration,
)
from matseek.report.figures.values import Frames
from matseek.report.html import picture, template
from matseek.report.looks import Line, lines_of
from matseek.secrets import masked

Row = Mapping[str, Any]

Rates = Mapping[str, tuple[SuccessRate, SuccessRate]]
"""By searcher: successes as evaluated, and after relaxation."""


_T = TypeVar("_T")


@dataclass(frozen=True, eq=False)
class ComparisonRecord:
    """What the runs of a comparison came to; searchers without a complete run have empty entries.

    Args:
        problem: What was minimised.
        table: A row per searcher, as :meth:`matseek.comparison.Comparison.table` gives it.
        pairs: A row per pair of searchers and measure, as :func:`matseek.insight.paired.compared` gives it.
        rates: Successes by searcher.
        summaries: Of the complete runs, by searcher.
        traces: A row per evaluation of each complete run, by searcher.
        iterations: A row per iteration of each complete run, by searcher; empty where a searcher notes nothing.
        published: What others have reported, by searcher.
        missing: The runs that are not complete, by name, and why they failed if they did.
        lines: How searchers are drawn; those that are missing as configs of their names are.
    """

    problem: Problem
    table: pd.DataFrame
    pairs: pd.DataFrame
    rates: Rates
    summaries: Mapping[str, Sequence[Mapping[str, Any]]]
    traces: Frames
    iterations: Frames
    published: Mapping[str, Mapping[str, Any]]
    missing: Mapping[str, str | None]
    lines: Mapping[str, Line] = field(default_factory=dict)

    @property
    def rounds(self) -> dict[str, SuccessRate]:
        """Batches up to the first success of each run that is tested, by searcher."""
        return {
            name: SuccessRate(
                [
                    round_of(trace, summary["evaluations_to_success"])
                    for summary, trace in zip(summaries, self.traces[name], strict=True)
                    if summary["success"] is not None
                ]
            )
            for name, summaries in self.summaries.items()
        }

    def named(self, titles: Mapping[str, str]) -> ComparisonRecord:
        """The same with searchers named as people read them, for the page.

        Args:
            titles: By name; names that are missing stay.
        """

        def keyed(values: Mapping[str, _T]) -> dict[str, _T]:
            return {titles.get(name, name): value for name, value in values.items()}

        columns = {"searcher", "first", "second"}
        table, pairs = (
            frame.assign(**{c: frame[c].map(lambda name: titles.get(name, name)) for c in columns & {*frame.columns}})
            for frame in (self.table, self.pairs)
        )
        return replace(
            self,
            table=table,
            pairs=pairs,
            rates=keyed(self.rates),
            summaries=keyed(self.summaries),
            traces=keyed(self.traces),
            iterations=keyed(self.iterations),
            published=keyed(self.published),
            lines=keyed(self.lines or lines_of(self.traces)),
        )

    @property
    def rows(self) -> list[Row]:
        """The table's rows of searchers with a complete run."""
        return [row for row in _rows(self.table) if row["seeds"]]

    @property
    def tested(self) -> list[Row]:
        """Those rows whose runs were tested for success."""
        return [row for row in self.rows if not pd.isna(row["success_rate"])]

    @property
    def best(self) -> Row | None:
        """The row that succeeds most, of equals the one with the fewest evaluations; None where nothing is tested."""
        return max(
            self.tested,
            key=lambda row: (
                row["success_rate"],
                -_or_inf(row["median_evaluations_to_success"]),
                -_or_inf(row["mean_evaluations_to_success"]),
            ),
            default=None,
        )

    @property
    def leader(self) -> Row | None:
        """The row that the verdict is about: the best, or, where none has succeeded, that of the lowest median."""
        if self.best is not None and self.best["successes"]:
            return self.best
        return min(self.rows, key=lambda row: _or_inf(row["median_best_value"]), default=None)

    def against(self, searcher: str, measure: str) -> list[Row]:
        """The pairs of a searcher in a measure, seen from its side: ``other``, its wins and losses, its differences."""
        result: list[Row] = []
        for row in _rows(self.pairs[self.pairs["measure"] == measure]):
            if row["first"] == searcher:
                result.append({**row, "other": row["second"]})
            elif row["second"] == searcher:
                mirrored = {
                    "wins": row["losses"],
                    "losses": row["wins"],
                    "median_difference": -row["median_difference"],
                    "difference_low": -row["difference_high"],
                    "difference_high": -row["difference_low"],
                }
                result.append({**row, **mirrored, "other": row["first"]})
        return result


def _rows(frame: pd.DataFrame) -> list[Row]:
    return [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")]


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
        findings=list(_findings(record)),
        values=_values(record),
        matrices=_matrices(record),
        differences=_differences(record),
        missing=[{"name": name, "error": error} for name, error in record.missing.items()],
        successes=_successes(record),
        published=_published(record),
        sources="; ".join(sorted({str(p["source"]) for p in record.published.values() if "source" in p})),
        figures=dict(_figures(record)),
        costs=_costs(rows),
        behaviours=_behaviours(record),
    )
    write_text(path, masked(page))


def _verdict(record: ComparisonRecord) -> str:
    leader, best = record.leader, record.best
    if leader is None:
        return "No run is complete yet"
    name = _name(leader, capital=best is None)
    if best is not None and best["successes"]:
        median: float = best["median_evaluations_to_success"]
        half = "" if pd.isna(median) else f"; the median run needs {median:,.0f} evaluations"
        return f"{_name(best, capital=True)} succeeds in {best['successes']} of {best['seeds']} runs{half}"
    low, high = leader["median_best_low"], leader["median_best_high"]
    within: str = "" if pd.isna(low) else f" ({_interval(low, high)})"
    lowest = f"{_value(leader['median_best_value'])}{within}"
    result = f"{name} has the lowest median best {record.problem.value_name}: {lowest}"
    return result if best is None else f"No run has succeeded; {result}"


def _findings(record: ComparisonRecord) -> Iterator[str]:
    """Which searchers differ significantly from the one of the verdict, and what so few runs cannot show."""
    leader = record.leader
    if leader is None:
        return
    best = record.best
    if best is not None and best["successes"]:
        quickest = min(record.tested, key=lambda row: _or_inf(row["mean_evaluations_to_success"]))
        if quickest["searcher"] != best["searcher"]:
            yield (
                f"Where it succeeds, {_name(quickest)} needs the fewest evaluations: "
                f"{quickest['mean_evaluations_to_success']:,.0f} on average in {quickest['successes']} of "
                f"{quickest['seeds']} runs."
            )
    leads = str(leader["searcher"])
    for measure, (better, worse) in _said(record.problem.value_name).items():
        result = record.against(leads, measure)
        if not any(row["wins"] + row["losses"] for row in result):
            continue  # all are alike
        apart = [row for row in result if row["p_holm"] < LEVEL]
        parts = [
            f"{message} {_with_p(side)}"
            for message, side in (
                (better, [row for row in apart if row["wins"] > row["losses"]]),
                (worse, [row for row in apart if row["wins"] <= row["losses"]]),
            )
            if side
        ]
        if alike := [row for row in result if not row["p_holm"] < LEVEL]:
            parts.append(f"does not differ significantly from {_with_p(alike)}")
        yield f"It {_list(parts)}, by {_BY[measure]}."
    if near := [row for row in record.against(leads, BEST) if not pd.isna(row["difference_low"])]:
        nearest = min(near, key=lambda row: abs(row["median_difference"]))
        yield (
            f"Nearest in the best {record.problem.value_name} is {searcher_label(nearest['other'])}: the median "
            f"difference is {_value(nearest['median_difference'], 2)} (95 % interval "
            f"{_interval(nearest['difference_low'], nearest['difference_high'], 2)}), and it is ahead in "
            f"{nearest['losses']} of {nearest['seeds']} pairs."
        )
    yield from _caveats(record)


def _said(name: str) -> dict[str, tuple[str, str]]:
    """How it is said that the one of the verdict is better, or worse, than others."""
    return {
        EVALUATIONS: ("needs fewer evaluations to success than", "needs more evaluations to success than"),
        SUCCESS: ("succeeds in more runs than", "succeeds in fewer runs than"),
        BEST: (f"ends with a lower {name} than", f"ends with a higher {name} than"),
        AREA: (f"has a lower {name} on the way there than", f"has a higher {name} on the way there than"),
    }


_BY = {
    EVALUATIONS: "the log-rank test",
    SUCCESS: "McNemar's exact test",
    BEST: "Wilcoxon's signed-rank test",
    AREA: "Wilcoxon's test of the areas under the best-so-far curves",
}


def _caveats(record: ComparisonRecord) -> Iterator[str]:
    """How the p-values were made, and how small they can become."""
    pairs = record.pairs[record.pairs["measure"] == BEST]
    if not len(pairs):
        return
    seeds, many = int(pairs["seeds"].max()), len(pairs)
    yield (
        "All p-values are two-sided, from runs paired by their seeds over the smaller of two budgets"
        + (f", Holm-corrected over {many} pairs." if many > 1 else ".")
        + (
            " The log-rank test knows no pairs and is asymptotic: with few runs its p-values are too small."
            if seeds < _FEW and record.pairs.loc[record.pairs["measure"] == EVALUATIONS, "p"].notna().any()
            else ""
        )
    )
    alone, corrected = least_p(seeds), min(least_p(seeds) * many, 1.0)
    if alone > LEVEL:
        yield (
            f"With {seeds} paired seed{'' if seeds == 1 else 's'} no paired test can give a p-value below {alone:.2g}: "
            "that no difference is significant says nothing about the methods. Six seeds are the least that could."
        )
    elif corrected > LEVEL:
        enough = next(n for n in range(seeds, 100) if least_p(n) * many <= LEVEL)
        yield (
            f"With {seeds} seeds and {many} pairs no corrected p-value of a paired test can be below {corrected:.2g}; "
            f"{enough} seeds are the least that could tell a pair apart."
        )


_FEW = 20
"""Runs below which a test for large samples is not to be taken at its word."""


def _with_p(rows: Sequence[Row]) -> str:
    """Who, and the corrected p-values."""
    names, p_values = [searcher_label(row["other"]) for row in rows], [_p(row["p_holm"]) for row in rows]
    if len({*p_values}) == 1:
        return f"{_list(names)} ({p_values[0]}{' each' if len(p_values) > 1 else ''})"
    return _list([f"{name} ({p})" for name, p in zip(names, p_values, strict=True)])


_MEASURES = {
    EVALUATIONS: "Evaluations to success (log-rank test)",
    SUCCESS: "Success (McNemar's exact test)",
    BEST: "Best value (Wilcoxon's signed-rank test)",
    AREA: "Area under the best-so-far curve (Wilcoxon's signed-rank test)",
}


def _matrices(record: ComparisonRecord) -> list[dict[str, Any]]:
    """Per measure, everyone against everyone: wins and losses of the row's searcher, and the corrected p-value."""
    result = []
    for measure, title in _MEASURES.items():
        names = [str(row["searcher"]) for row in record.rows]
        table = {name: {row["other"]: row for row in record.against(name, measure)} for name in names}
        if any(row["wins"] + row["losses"] for against in table.values() for row in against.values()):
            result.append(
                {
                    "title": title,
                    "heads": [searcher_label(name) for name in names],
                    "rows": [
                        {"name": searcher_label(one), "cells": [_cell(table[one].get(other)) for other in names]}
                        for one in names
                    ],
                }
            )
    return result


def _cell(row: Row | None) -> dict[str, str]:
    if row is None:
        return {"score": "", "p": "", "kind": "none"}
    apart = row["p_holm"] < LEVEL
    kind = ("better" if row["wins"] > row["losses"] else "worse") if apart else "alike"
    return {"score": f"{row['wins']} : {row['losses']}", "p": _p(row["p_holm"]), "kind": kind}


def _differences(record: ComparisonRecord) -> dict[str, Any]:
    """Every pair's differences in value, with their intervals."""
    heads = ["pair", "in", "over", "pairs of runs", "median difference", "95 % interval", "better : alike : worse"]
    result = []
    for row in _rows(record.pairs):
        if row["measure"] in (BEST, AREA):
            result.append(
                [
                    f"{searcher_label(row['first'])} – {searcher_label(row['second'])}",
                    "best value" if row["measure"] == BEST else "area",
                    f"{row['budget']:,}",
                    row["seeds"],
                    _value(row["median_difference"], 3),
                    _interval(row["difference_low"], row["difference_high"], 3),
                    f"{row['wins']} : {row['ties']} : {row['losses']}",
                    _p(row["p"]),
                    _p(row["p_holm"]),
                ]
            )
    return {"heads": [*heads, "p", "p, corrected"], "rows": result}


def _values(record: ComparisonRecord) -> dict[str, Any]:
    """Medians over runs with their intervals."""
    result = [
        [
            _name(row),
            row["seeds"],
            f"{row['budget']:,}",
            _value(row["median_best_value"]),
            _interval(row["median_best_low"], row["median_best_high"]),
            _value(row["median_area"]),
            _interval(row["median_area_low"], row["median_area_high"]),
        ]
        for row in record.rows
    ]
    name = record.problem.value_name
    heads = ["searcher", "runs", "budget", f"median best {name}", "95 % interval", "median area", "95 % interval"]
    return {"heads": heads, "rows": result}


def _figures(record: ComparisonRecord) -> Iterator[tuple[str, dict[str, str]]]:
    """By anchor: title, caption and picture."""
    problem, name = record.problem, record.problem.value_name
    if record.tested:
        yield (
            "successes",
            _picture(
                "Who succeeds, and after how many evaluations",
                "Left: the share of runs that succeed, with Wilson's 95 % interval. Right: the evaluations it took, "
                "where it did." + (" Open diamonds are what others have published." if record.published else ""),
                successes_of_searchers(record.rates, record.published, record.lines),
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
                solved_against_evaluations(
                    record.rates, {row["searcher"]: int(row["budget"]) for row in record.rows}, record.lines
                ),
            ),
        )
        yield (
            "rounds",
            _picture(
                "The same by rounds",
                "A round is a batch: what is evaluated before the searcher learns again. It is what counts where many "
                "are evaluated at once. A line ends with the searcher's longest run.",
                solved_against_rounds(record.rounds, record.traces, record.lines),
            ),
        )
    yield (
        "best",
        _picture(
            f"The best {name} so far",
            "Medians over the runs; the band is the median's 95 % bootstrap interval at each count (none with a single "
            "run). Lower is better, further left is cheaper. A run that has ended keeps its best"
            + (", also where it was ended by its success." if record.tested else "."),
            best_against_evaluations(problem, record.traces, record.lines),
        ),
    )
    yield (
        "tried",
        _picture(
            f"The {name} of what each tried",
            "Medians over all runs in windows of evaluations: a searcher that learns goes down, others stay level.",
            values_by_iteration(problem, record.traces, record.lines),
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
                iterations_of_searchers(problem, record.iterations, record.lines),
            ),
        )


def _picture(title: str, caption: str, figure: Any) -> dict[str, str]:  # noqa: ANN401 -- a matplotlib figure
    source, seen = picture(figure), description(figure, title)
    return {"title": title, "caption": caption, "source": source, "seen": seen}


def _successes(record: ComparisonRecord) -> dict[str, Any]:
    relaxing = any(pair[1].runs for pair in record.rates.values())
    heads = ["searcher", "budget", "succeed", "95 % interval", "mean evaluations", "median", "mean rounds"]
    heads += ["after relaxation", "mean evaluations"] if relaxing else []
    result, rounds = [], record.rounds
    for row in record.tested:
        raw, relaxed = record.rates[row["searcher"]]
        low, high = raw.interval()
        cells = [
            _name(row),
            f"{row['budget']:,}",
            f"{raw.successes} of {raw.runs}",
            f"{low:.0%} to {high:.0%}",
            _number(row["mean_evaluations_to_success"]),
            _number(row["median_evaluations_to_success"]),
            _number(rounds[row["searcher"]].mean_of_successes),
        ]
        if relaxing:
            cells.append(f"{relaxed.successes} of {relaxed.runs}" if relaxed.runs else "–")
            cells.append(_number(row["mean_evaluations_to_relaxed_success"]))
        result.append(cells)
    return {"heads": heads, "rows": result}


def _published(record: ComparisonRecord) -> dict[str, Any]:
    result = []
    for row in record.rows:
        reported = record.published.get(row["searcher"])
        if reported is not None:
            result.append(
                [
                    _name(row),
                    "–" if pd.isna(row["successes"]) else f"{row['successes']} of {row['seeds']}",
                    _number(row["mean_evaluations_to_success"]),
                    f"{reported['successes']} of {reported['runs']}",
                    _number(reported["mean_evaluations_to_success"]),
                ]
            )
    heads = ["searcher", "succeed here", "mean evaluations here", "succeed there", "mean evaluations there"]
    return {"heads": heads, "rows": result}


def _costs(rows: Sequence[Row]) -> dict[str, Any]:
    result = [
        [
            _name(row),
            f"{row['evaluations']:,}",
            "–" if pd.isna(row["seconds_thinking_per_evaluation"]) else f"{row['seconds_thinking_per_evaluation']:.3g}",
            _number(row["median_cpu_seconds"]),
            _number(row["median_wall_seconds"]),
            f"{row['relaxation_calls']:,}",
        ]
        for row in rows
    ]
    heads = [
        "searcher",
        "evaluations",
        "optimizer overhead, s per evaluation",
        "processor s",
        "wall s",
        "calls to recognise",
    ]
    return {"heads": heads, "rows": result}


def _behaviours(record: ComparisonRecord) -> dict[str, Any]:
    """What each had at the beginning and at the end, and what failed."""
    result = []
    for row in record.rows:
        runs = [trace["value"].dropna() for trace in record.traces[row["searcher"]]]
        parts = [
            (v.iloc[: max(len(v) // 10, 1)].median(), v.iloc[-max(len(v) // 10, 1) :].median()) for v in runs if len(v)
        ]
        first, last = np.median(parts, axis=0) if parts else (float("nan"), float("nan"))
        failed = sum(s["failed"] for s in record.summaries[row["searcher"]])
        result.append([_name(row), f"{first:.4g}", f"{last:.4g}", failed])
    name = record.problem.value_name
    heads = ["searcher", f"median {name} of the first tenth", "of the last tenth", "failed evaluations"]
    return {"heads": heads, "rows": result}


def _name(row: Row, *, capital: bool = False) -> str:
    name = searcher_label(str(row["searcher"]))
    return name[0].upper() + name[1:] if capital else name


def _list(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _number(value: float | None) -> str:
    return "–" if value is None or pd.isna(value) else f"{value:,.0f}"


def _value(value: float, digits: int = 4) -> str:
    """A value or a difference of values, with a true minus sign."""
    return "–" if pd.isna(value) else f"{value:.{digits}g}".replace("-", "\N{MINUS SIGN}")


def _interval(low: float, high: float, digits: int = 4) -> str:
    return "–" if pd.isna(low) else f"{_value(low, digits)} to {_value(high, digits)}"


def _p(p: float) -> str:
    if pd.isna(p):
        return "–"
    return ("p < 0.0001" if p < 1e-4 else f"p = {p:.2g}").replace(" ", "\N{NO-BREAK SPACE}")


def _or_inf(value: float) -> float:
    return float("inf") if pd.isna(value) else value
