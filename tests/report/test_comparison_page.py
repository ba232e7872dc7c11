"""The page of a comparison says what its runs say, and no more."""

import html
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest, wilcoxon

from matseek.insight.paired import AREA, BEST, EVALUATIONS, SUCCESS, Run, compared
from matseek.insight.success import SuccessRate
from matseek.problems import RecipeProblem
from matseek.report import comparison_page as module
from matseek.report.comparison_page import ComparisonRecord, write_comparison_page
from matseek.spaces import Box, Variable

PROBLEM = RecipeProblem(Box([Variable("a", 0, 1)]), name="valley", success_below=0.2)
BUDGET = 12


def run(seed, best, first=None, tested=True, budget=BUDGET):
    """Values that fall evenly to the best."""
    return Run(seed, budget, np.linspace(best + 1.0, best, budget), first, tested)


def record_of(runs, **more):
    """What a comparison would hold of these runs, by searcher."""
    rates = {name: (SuccessRate([r.first for r in own if r.tested]), SuccessRate([])) for name, own in runs.items()}
    rows = []
    for name, own in runs.items():
        bests, areas, raw = [r.best(r.budget) for r in own], [r.area(r.budget) for r in own], rates[name][0]
        rows.append(
            {
                "searcher": name,
                "seeds": len(own),
                "budget": own[0].budget if own else BUDGET,
                "successes": raw.successes if raw.runs else pd.NA,
                "success_rate": raw.rate,
                "median_evaluations_to_success": raw.median if np.isfinite(raw.median) else np.nan,
                "mean_evaluations_to_success": raw.mean_of_successes,
                "mean_evaluations_to_relaxed_success": np.nan,
                "median_best_value": np.median(bests) if own else np.nan,
                "median_best_low": min(bests, default=np.nan),
                "median_best_high": max(bests, default=np.nan),
                "median_area": np.median(areas) if own else np.nan,
                "median_area_low": min(areas, default=np.nan),
                "median_area_high": max(areas, default=np.nan),
                "evaluations": sum(len(r.values) for r in own),
                "relaxation_calls": 0,
                "median_cpu_seconds": 3.0,
                "median_wall_seconds": 4.0,
                "seconds_thinking_per_evaluation": np.nan,
            }
        )
    traces = {
        name: [
            pd.DataFrame(
                {
                    "evaluation": range(1, len(r.values) + 1),
                    "iteration": np.arange(len(r.values)) // 2 + 1,
                    "value": r.values,
                }
            )
            for r in own
        ]
        for name, own in runs.items()
    }
    record = ComparisonRecord(
        problem=PROBLEM,
        table=pd.DataFrame(rows),
        pairs=compared(runs),
        rates=rates,
        summaries={
            name: [
                {
                    "failed": 2,
                    "success": r.first is not None if r.tested else None,
                    "evaluations_to_success": r.first,
                }
                for r in own
            ]
            for name, own in runs.items()
        },
        traces=traces,
        iterations={name: [pd.DataFrame()] * len(own) for name, own in runs.items()},
        published={},
        missing={},
    )
    return replace(record, **more)


def text_of(page):
    """What a reader sees."""
    page = re.sub(r"<(style|script).*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).replace("\u00a0", " ").split())


@pytest.fixture
def written(tmp_path, monkeypatch):
    """The text of a record's page, without its figures, which take seconds."""
    monkeypatch.setattr(module, "_figures", lambda record: iter(()))

    def write(record):
        write_comparison_page(tmp_path / "report.html", record)
        return text_of((tmp_path / "report.html").read_text(encoding="utf-8"))

    return write


EIGHT = range(8)
QUICK = [run(s, 0.10 + 0.001 * s, first=4 + s % 3) for s in EIGHT]
SLOW = [run(s, 0.30 + 0.002 * s, first=11 if s == 0 else None) for s in EIGHT]
NEVER = [run(s, 0.105 + 0.001 * ((3 * s) % 8), first=None) for s in EIGHT]


def test_the_verdict_is_the_one_that_succeeds_most(written):
    text = written(record_of({"slow": SLOW, "quick": QUICK}))
    assert "Quick succeeds in 8 of 8 runs; the median run needs 5 evaluations" in text
    assert "16 runs, 192 evaluations in all" in text
    # Wilson's interval of 8 of 8 and of 1 of 8.
    assert "quick 12 8 of 8 68% to 100% 5 5" in text
    assert "slow 12 1 of 8 2% to 47% 11 –" in text


def test_equally_successful_ones_are_told_by_their_evaluations():
    early = [run(s, 0.1, first=3) for s in EIGHT]
    late = [run(s, 0.05, first=9) for s in EIGHT]
    record = record_of({"late": late, "early": early})
    assert record.best["searcher"] == record.leader["searcher"] == "early"


def test_where_nothing_succeeds_the_lowest_value_leads(written):
    record = record_of({"slow": [run(s, 0.3) for s in EIGHT], "never": NEVER})
    assert record.leader["searcher"] == "never"
    assert "No run has succeeded; never has the lowest median best value: 0.1085 (0.105 to 0.112)" in written(record)


def test_without_a_test_of_success_there_is_no_table_of_successes(written):
    record = record_of({"a": [run(s, 0.3 + s, tested=False) for s in EIGHT]})
    assert record.best is None
    assert record.tested == []
    text = written(record)
    assert "A has the lowest median best value: 3.8" in text
    assert "succeed" not in text.lower()


def test_differences_that_tests_confirm_are_said_with_their_p_values(written):
    record = record_of({"slow": SLOW, "quick": QUICK})
    text = written(record)
    differences = [q.best(BUDGET) - s.best(BUDGET) for q, s in zip(QUICK, SLOW, strict=True)]
    of_wilcoxon, of_mcnemar = wilcoxon(differences).pvalue, binomtest(0, 7).pvalue
    assert f"It ends with a lower value than slow (p = {of_wilcoxon:.2g}), by Wilcoxon's signed-rank test." in text
    assert f"It succeeds in more runs than slow (p = {of_mcnemar:.2g}), by McNemar's exact test." in text
    assert "It needs fewer evaluations to success than slow (p < 0.0001), by the log-rank test." in text
    assert f"median difference is \N{MINUS SIGN}{abs(np.median(differences)):.2g}" in text


def test_differences_that_tests_do_not_confirm_are_not_claimed(written):
    noisy = [run(s, 0.1 + 0.01 * (-1) ** s, first=4) for s in EIGHT]
    text = written(record_of({"noisy": noisy, "other": [run(s, 0.1, first=4) for s in EIGHT]}))
    assert "does not differ significantly from" in text
    assert "ends with a lower value than" not in text
    assert "It needs fewer" not in text


def test_few_seeds_are_said_to_tell_nothing(written):
    text = written(record_of({"a": [run(s, 0.1, 3) for s in range(2)], "b": [run(s, 0.3) for s in range(2)]}))
    assert "With 2 paired seeds no paired test can give a p-value below 0.5" in text


def test_many_pairs_need_more_seeds(written):
    runs = {name: [run(s, 0.1 * k + 0.001 * s) for s in range(6)] for k, name in enumerate("abc", 1)}
    text = written(record_of(runs))
    assert "Holm-corrected over 3 pairs" in text
    # The least p of 6 pairs is 2/64, thrice that is 0.094; 2/128 times 3 is below 0.05.
    assert "no corrected p-value of a paired test can be below 0.094; 7 seeds are the least" in text


@pytest.mark.parametrize("measure", [BEST, AREA, SUCCESS, EVALUATIONS])
def test_a_pair_seen_from_either_side_is_the_same_pair(measure):
    record = record_of({"slow": SLOW, "quick": QUICK})
    (one,), (other,) = record.against("slow", measure), record.against("quick", measure)
    assert (one["other"], other["other"]) == ("quick", "slow")
    assert (one["wins"], one["losses"], one["p"]) == (other["losses"], other["wins"], other["p"])
    assert other["wins"] > other["losses"]
    if measure in (BEST, AREA):
        assert one["median_difference"] == -other["median_difference"] > 0
        assert other["difference_low"] <= other["median_difference"] <= other["difference_high"] < 0
        assert (one["difference_low"], one["difference_high"]) == (-other["difference_high"], -other["difference_low"])


def test_titles_take_the_place_of_names_everywhere():
    record = record_of({"slow": SLOW, "quick": QUICK}, published={"quick": {"runs": 8, "successes": 5}})
    named = record.named({"quick": "Quick one"})
    assert named.table["searcher"].tolist() == ["slow", "Quick one"]
    assert set(named.pairs["second"]) == {"Quick one"}
    for part in (named.rates, named.summaries, named.traces, named.iterations):
        assert list(part) == ["slow", "Quick one"]
    assert named.published["Quick one"]["successes"] == 5
    assert record.table["searcher"].tolist() == ["slow", "quick"]


def test_runs_that_are_missing_are_told_and_leave_no_row(written):
    failure = "ValueError: <b>out</b> of silver"
    record = record_of({"quick": QUICK, "lost": []}, missing={"lost/0": failure, "lost/1": None})
    assert [row["searcher"] for row in record.rows] == ["quick"]
    text = written(record)
    assert failure in text  # escaped, or its tags would be gone
    assert "lost/1" in text


def test_nothing_is_complete_yet(written):
    record = record_of({"lost": []}, missing={"lost/0": None})
    assert record.leader is None
    assert "No run is complete yet" in written(record)


def test_published_results_stand_beside_ours(written):
    published = {"quick": {"runs": 8, "successes": 5, "mean_evaluations_to_success": 1667.4, "source": "a paper"}}
    text = written(record_of({"slow": SLOW, "quick": QUICK}, published=published))
    assert "quick 8 of 8 5 5 of 8 1,667" in text
    assert "a paper" in text


def test_behaviour_is_the_first_and_the_last_tenth(written):
    falling = [Run(s, 40, np.linspace(4.0, 1.0, 40), None, True) for s in EIGHT]
    first, last = np.linspace(4.0, 1.0, 40)[:4].mean(), np.linspace(4.0, 1.0, 40)[-4:].mean()
    assert f"falling {first:.4g} {last:.4g} 16" in written(record_of({"falling": falling}))


def test_a_page_is_one_file_with_its_figures(tmp_path):
    record = record_of({"slow": SLOW[:3], "quick": QUICK[:3]})
    write_comparison_page(tmp_path / "report.html", record)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/svg+xml;base64,") == 4
    assert "<script" not in page
    assert not re.search(r"""(?:src|href)=["']?https?:""", page)
    for caption in ("Who succeeds", "How many runs have succeeded by then", "The best value so far"):
        assert caption in page


def test_rounds_are_counted_beside_evaluations():
    rounds = record_of({"quick": QUICK, "slow": SLOW}).rounds
    assert rounds["quick"].mean_of_successes == pytest.approx(np.mean([2, 3, 3, 2, 3, 3, 2, 3]))
    assert (rounds["slow"].runs, rounds["slow"].evaluations) == (8, [6])
