import base64
import math
import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from matseek import Campaign
from matseek.core.records import Evaluation
from matseek.problems import RecipeProblem, SpectralMatch
from matseek.report import best_recipes, recipe_figures, write_page
from matseek.report.digits import duration
from matseek.searchers import LatinHypercube
from matseek.spaces import Box, Variable

WAVELENGTHS = np.linspace(380.0, 800.0, 43)
TARGET = np.exp(-0.5 * ((WAVELENGTHS - 640) / 40) ** 2)
NASTY = "<script>alert('x')</script> & \"silver\""


def problem_of(**more):
    space = Box([Variable("AgNO3", 4, 45, unit="%", hardware=(0.5, 80)), Variable("Qtot", 200, 1000, unit="µL/min")])
    return RecipeProblem(space, len, **{"objective": SpectralMatch(WAVELENGTHS, TARGET), **more})


def evaluation(
    number, value=math.nan, *, batch=1, proposer="lhs", point=(32.14, 650.0), status=None, error="pump 3 stopped"
):
    status = status or ("done" if math.isfinite(value) else "failed")
    return Evaluation(
        number=number,
        iteration=batch,
        proposer=proposer,
        point=np.array(point),
        status=status,
        value=value,
        replicates=np.array([value - 0.01, value, value + 0.01] if status == "done" else []),
        error=error if status == "failed" else None,
        asked_at=datetime(2026, 3, 1, tzinfo=UTC),
        finished_at=None if status == "pending" else datetime(2026, 3, 2, tzinfo=UTC),
        load_response=lambda: TARGET if status == "done" else None,
    )


def table_of(evaluations):
    return pd.DataFrame(
        {
            "evaluation": [e.number for e in evaluations],
            "value": [e.value for e in evaluations],
            "error": [e.error or "" for e in evaluations],
            "finished_at": [e.finished_at for e in evaluations],
        }
    )


SUMMARY = {
    "problem": "silver",
    "searcher": "bayesian",
    "seed": 7,
    "success": None,
    "evaluations_to_success": None,
    "seconds_asking": [0.2, 1.5, 30.0],
    "wall_seconds": 7380.0,
    "stopped_by": "budget",
    "events": ["before batch 2 the window of AgNO3 widens", "the budget of 4 evaluations is spent"],
}

MIXED = [
    evaluation(1, 0.3, point=(10.0, 300.0)),
    evaluation(2),
    evaluation(3, 0.142, batch=2, proposer="bayesian"),
    evaluation(4, 0.25, batch=2, proposer="network", point=(20.0, 400.0)),
]


class Page(HTMLParser):
    """The page as its reader meets it: text, tags and attributes."""

    VOID = ("meta", "img")

    def __init__(self, source):
        super().__init__()
        self.source, self.tags, self.attributes, self.texts, self.open = source, [], [], [], []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.texts.append(data.replace("\u00a0", " "))

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


def page_of(tmp_path, evaluations, problem=None, figures=True, **summary):
    problem = problem or problem_of(name="silver")
    path = tmp_path / "new" / "report.html"
    drawn = recipe_figures(problem, evaluations) if figures else {}
    write_page(path, problem, {**SUMMARY, **summary}, evaluations, table_of(evaluations), drawn)
    page = Page(path.read_text(encoding="utf-8"))
    assert not page.open  # every tag is closed
    return page


def test_the_headline_tells_the_best_recipe(tmp_path):
    page = page_of(tmp_path, MIXED)
    assert "Best loss 0.142 after 4 measured conditions: AgNO3 32.1 %, Qtot 650 µL/min." in page.text
    assert "searcher bayesian · seed 7 · 01 March 2026 to 02 March 2026" in page.text


def test_key_numbers(tmp_path):
    text = page_of(tmp_path, MIXED).text
    for expected in (
        "Best loss 0.142 ± 0.010",
        "Measured 4",
        "Failed 1 of 4 measured",
        "Batches 2",
        "Asking a batch 1.5 s median, at most 30.0 s",
        "Wall time 2 h 03 min",
        "Stopped by budget",
    ):
        assert expected in text


def test_a_campaign_by_hand_is_told_from_its_first_recipe_to_its_last_result(tmp_path):
    text = page_of(tmp_path, MIXED, wall_seconds=0.0).text
    assert "Wall time" not in text
    assert re.search(r"Time (\d+ h \d\d min|\d+ days) first recipe to last result", text)


def test_long_times_are_days():
    assert [duration(s) for s in (0.01, 12.34, 300, 7500, 86400 * 12)] == [
        "under 0.1 s",
        "12.3 s",
        "5 min",
        "2 h 05 min",
        "12 days",
    ]


def test_the_page_lists_recipes_events_and_failures(tmp_path):
    text = page_of(tmp_path, MIXED).text
    assert "Rank Evaluation Loss 90 % bound AgNO3 (%) Qtot (µL/min) Batch Proposed by" in text
    assert "1 3 0.142 ± 0.010 0.153 32.1 650 2 Bayesian 2 4 0.250 ± 0.010 0.261 20.0 400 2 network" in text
    assert "before batch 2 the window of AgNO3 widens" in text
    assert "pump 3 stopped 1 condition: evaluation 2" in text


def test_the_page_needs_nothing_from_outside(tmp_path):
    page = page_of(tmp_path, MIXED)
    assert "http://" not in page.source
    assert "https://" not in page.source
    assert not re.search(r"@import|url\(", page.source)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    addresses = [value for _, name, value in page.attributes if name in ("src", "href")]
    assert addresses
    assert all(address.startswith(("data:", "#")) for address in addresses)


def test_figures_are_in_the_page_with_captions(tmp_path):
    page = page_of(tmp_path, MIXED)
    pictures = [value for tag, name, value in page.attributes if (tag, name) == ("img", "src")]
    assert len(pictures) == 4
    for picture in pictures:
        kind, data = picture.split(",")
        assert kind == "data:image/svg+xml;base64"
        assert b"</svg>" in base64.b64decode(data, validate=True)
    assert page.tags.count("figcaption") == 4
    assert all(alt for _, name, alt in page.attributes if name == "alt")


def test_an_unknown_figure_is_shown_without_a_caption(tmp_path):
    path = tmp_path / "report.html"
    figure = recipe_figures(problem_of(), MIXED)["batches"]
    write_page(path, problem_of(), SUMMARY, MIXED, table_of(MIXED), {"loss_map": figure})
    page = Page(path.read_text(encoding="utf-8"))
    assert "Loss map" in page.text
    assert "figcaption" not in page.tags


def test_text_is_escaped_everywhere(tmp_path):
    space = Box([Variable(NASTY, 0, 1, unit=NASTY), Variable("b", 0, 1)])
    evaluations = [
        evaluation(1, 0.2, point=(0.5, 0.5), proposer=NASTY),
        evaluation(2, error=NASTY, point=(0.1, 0.1)),
        evaluation(3, status="pending", point=(0.2, 0.2), proposer=NASTY),
    ]
    problem = RecipeProblem(space, len, name=NASTY)
    page = page_of(tmp_path, evaluations, problem, events=[NASTY], searcher=NASTY, stopped_by=NASTY)
    assert "script" not in page.tags
    assert "<script" not in page.source
    for place in (f"{NASTY} · searcher {NASTY}", f"{NASTY} 1 condition: evaluation 2", f"Stopped by {NASTY}"):
        assert place in page.text


def test_the_page_is_the_same_every_time(tmp_path):
    assert page_of(tmp_path, MIXED).source == page_of(tmp_path, MIXED).source


def test_all_failed(tmp_path):
    evaluations = [evaluation(n, error="lamp is off" if n < 6 else "leak") for n in (1, 2, 3, 5, 6)]
    page = page_of(tmp_path, evaluations)
    assert "None of the 5 measured conditions gave a loss." in page.text
    assert "lamp is off 4 conditions: evaluation 1–3, 5" in page.text
    assert "leak 1 condition: evaluation 6" in page.text
    assert "Best recipes" not in page.text
    assert "5 of 5 conditions failed" in page.text


def test_pending_evaluations_are_listed_as_to_be_measured(tmp_path):
    waiting = [evaluation(n, batch=3, status="pending", point=(5.0, 100.0 * n)) for n in (5, 6)]
    page = page_of(tmp_path, [*MIXED, *waiting], stopped_by=None)
    assert "2 conditions are to be measured" in page.text
    assert "5 5.0 500 3 Latin hypercube 6 5.0 600 3 Latin hypercube" in page.text
    assert "after 4 measured conditions" in page.text
    assert "Stopped by still open" in page.text


def test_only_pending(tmp_path):
    page = page_of(tmp_path, [evaluation(1, status="pending")], seconds_asking=[], stopped_by=None)
    assert "Nothing has been measured yet; 1 condition waits for the laboratory." in page.text


def test_nothing_at_all(tmp_path):
    page = page_of(tmp_path, [], seconds_asking=[], events=[], stopped_by=None)
    assert "Nothing has been measured yet." in page.text
    assert "img" not in page.tags


@pytest.mark.parametrize(
    ("success", "first", "sentence"),
    [(True, 3, "was reached with condition 3."), (False, None, "has not been reached.")],
)
def test_the_goal(tmp_path, success, first, sentence):
    problem = problem_of(success_below=0.2)
    page = page_of(tmp_path, MIXED, problem, figures=False, success=success, evaluations_to_success=first)
    assert f"The goal, a loss below 0.2, {sentence}" in page.text


@pytest.mark.parametrize(
    ("point", "hint"),
    [
        ((45.0, 600.0), "upper end of the window of AgNO3 (45 %). The apparatus can go to 80 %"),
        ((4.1, 600.0), "lower end of the window of AgNO3 (4 %). The apparatus can go to 0.5 %"),
        ((20.0, 1000.0), "upper end of the window of Qtot (1000 µL/min). If the apparatus can go further"),
        ((50.0, 600.0), None),
        ((20.0, 600.0), None),
    ],
)
def test_a_best_recipe_at_the_edge_of_its_window_is_pointed_out(tmp_path, point, hint):
    text = page_of(tmp_path, [evaluation(1, 0.2, point=point)], figures=False).text
    assert (hint in text) if hint else ("of the window of" not in text)


def test_values_without_replicates_and_of_any_size(tmp_path):
    space = Box([Variable("x", 0.0, 1e-9), Variable("y", -1e9, 1e9)])
    evaluations = [evaluation(1, 10432.12, point=(1e-10, 5e8)), evaluation(2, 10432.57, point=(5e-10, 0.0))]
    text = page_of(tmp_path, evaluations, RecipeProblem(space, len)).text
    assert "Best value 10432 after 2 measured conditions: x 1e-10, y 5e+08." in text
    assert "10432.12" in text
    assert "10432.57" in text  # told apart in the table


def test_the_table_of_all_evaluations_can_be_saved(tmp_path):
    page = page_of(tmp_path, MIXED)
    address = next(value for tag, name, value in page.attributes if (tag, name) == ("a", "href") and "csv" in value)
    text = base64.b64decode(address.split(",")[1]).decode()
    assert text == table_of(MIXED).to_csv(index=False)
    assert "Show the table (4 rows)" in page.text


def test_the_page_tells_the_lowest_from_the_best_and_counts_what_lies_above_the_gate(tmp_path):
    lucky = replace(evaluation(5, 0.1), replicates=np.array([0.1, 0.1, 1.0]))
    strong = replace(MIXED[2], load_response=lambda: np.stack([TARGET, 2 * TARGET, 0.5 * TARGET]))
    text = page_of(tmp_path, [*MIXED[:2], strong, MIXED[3], lucky]).text
    assert "Best loss 0.142 after 5 measured conditions" in text
    assert "Lowest loss 0.100 evaluation 5" in text
    assert "The best recipe is the one whose 3 replicates support the lowest bound: with 90 % confidence" in text
    assert "1 is above the absorbance gate (peak over 1.2) and 1 is below the absorbance gate (peak under 0.7)" in text
    assert "Evaluation 5 has the lowest loss, 0.100 ± 0.520, but its replicates support less." in text


def test_best_recipes():
    frame = best_recipes(problem_of(), [*MIXED, evaluation(5, status="pending")], count=2)
    assert list(frame.columns) == [
        "rank",
        "evaluation",
        "batch",
        "proposer",
        "AgNO3 (%)",
        "Qtot (µL/min)",
        "value",
        "spread",
        "upper_bound",
    ]
    assert frame["evaluation"].tolist() == [3, 4]
    assert frame["rank"].tolist() == [1, 2]
    assert frame["proposer"].tolist() == ["bayesian", "network"]
    assert frame["AgNO3 (%)"].tolist() == [32.14, 20.0]
    np.testing.assert_allclose(frame["spread"], 0.01)


def test_equal_values_rank_by_number():
    frame = best_recipes(problem_of(), [evaluation(n, 0.5) for n in (3, 1, 2)])
    assert frame["evaluation"].tolist() == [1, 2, 3]


def test_best_recipes_of_nothing():
    frame = best_recipes(problem_of(), [evaluation(1)])
    assert len(frame) == 0
    assert list(frame.columns)[-3:] == ["value", "spread", "upper_bound"]
    with pytest.raises(ValueError, match="at least 1"):
        best_recipes(problem_of(), MIXED, count=0)


def test_a_real_campaign(tmp_path):
    def lab(points, rng):
        if points[0, 0] > 40:
            raise RuntimeError("pressure above 8 bar")
        center = 500 + 5 * points[:, 0] + 3 * rng.normal(size=6)
        return (0.9 * np.exp(-0.5 * ((WAVELENGTHS - center[:, None]) / 40) ** 2))[None]

    space, objective = problem_of().space, problem_of().objective
    problem = RecipeProblem(space, lab, objective, name="silver", success_below=0.2)
    campaign = Campaign(problem, LatinHypercube(batch_size=6), seed=0).run(12)
    campaign.ask(3)
    path = tmp_path / "report.html"
    evaluations = campaign.ledger.evaluations()
    figures = recipe_figures(problem, evaluations)
    write_page(path, problem, campaign.summary(), evaluations, campaign.to_frame(), figures)
    text = Page(path.read_text(encoding="utf-8")).text
    (best,) = re.findall(r"Best loss (\S+) after 12 measured conditions", text)
    assert float(best) == pytest.approx(campaign.best.value, rel=5e-3)
    assert "pressure above 8 bar" in text
    assert "3 conditions are to be measured" in text
