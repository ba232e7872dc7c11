"""The Pareto front on the page."""

import json

import numpy as np
import pytest

from matseek import Campaign
from matseek.problems import Derived, FurtherObjective, LinearCombination, OutcomeConstraint, RecipeProblem
from matseek.report.figures import pareto_front
from matseek.searchers import LatinHypercube
from matseek.spaces import Box, Variable
from tests.report.test_page import Page

SPACE = Box([Variable("silver", 0, 10, unit="%"), Variable("flow", 0, 10)])
USED = LinearCombination("used", {"silver": 1}, unit="%")
FLOW = Derived("yield", lambda point, response: float(point[1]))


def oracle(X):
    return (10 - X[:, 0]) ** 2 / 100 + 0.1


def campaign_of(*goals, constraints=()):
    problem = RecipeProblem(SPACE, oracle, further_objectives=goals, outcome_constraints=constraints)
    return Campaign(problem, LatinHypercube(8), seed=0).run(8)


def drawn(campaign):
    return pareto_front(campaign.problem, campaign.ledger.evaluations())


def test_the_front_is_a_line_of_steps():
    campaign = campaign_of(FurtherObjective(USED))
    (ax,) = drawn(campaign).axes
    (line,) = [line for line in ax.lines if line.get_label() == "Pareto front"]
    front = campaign.pareto_front().sort_values("used (%)")
    np.testing.assert_allclose(line.get_xdata(), front["used (%)"])
    assert len(front) == 8  # less silver is always paid for by the value
    assert (line.get_drawstyle(), ax.get_xlabel()) == ("steps-post", "used (%), less is better")
    assert ax.get_ylabel() == "Value"


def test_each_further_objective_has_a_panel_and_what_is_not_feasible_a_cross():
    most = FurtherObjective(FLOW, maximize=True)
    campaign = campaign_of(FurtherObjective(USED), most, constraints=[OutcomeConstraint(USED, lower=2)])
    used, flow = drawn(campaign).axes
    assert flow.get_xlabel() == "yield, more is better"
    crosses = [c for c in used.collections if c.get_label() == "does not meet the constraints"]
    expected = campaign.to_frame().query("not feasible")["used (%)"]
    assert 0 < len(expected) < 8
    np.testing.assert_allclose(np.sort(crosses[0].get_offsets()[:, 0]), np.sort(expected))


def test_one_objective_has_no_front():
    with pytest.raises(ValueError, match="one objective"):
        drawn(campaign_of())


def test_the_page_and_the_files_tell_the_front(tmp_path):
    campaign = campaign_of(FurtherObjective(USED), constraints=[OutcomeConstraint(USED, lower=2)])
    page = Page(campaign.write(tmp_path).read_text(encoding="utf-8"))
    met = campaign.summary()["feasible"]
    assert f"{met} of 8 conditions meet what is required of the outcomes (used (%) at least 2)." in page.text
    assert "The Pareto front" in page.text
    assert "Rank Evaluation Value used (%) silver (%) flow Batch Proposed by" in page.text
    assert ("figure", "id", "pareto_front") in page.attributes
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["pareto_front"] == campaign.pareto_front()["evaluation"].tolist()
    assert list(summary["best_outcomes"]) == ["used (%)"]


def test_a_page_without_anything_feasible_says_so(tmp_path):
    campaign = campaign_of(constraints=[OutcomeConstraint(USED, lower=10)])
    page = Page(campaign.write(tmp_path).read_text(encoding="utf-8"))
    assert "No condition meets what is required of the outcomes (used (%) at least 10)" in page.text
    assert campaign.best.number == campaign.lowest.number
