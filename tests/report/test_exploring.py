"""Campaigns and comparisons to explore."""

import builtins

import numpy as np
import pytest

from matseek.report.exploring import explore_campaign, explore_comparison, sparkline
from tests.report.test_comparing_figures import VALLEY, traces
from tests.report.test_page import TARGET, evaluation, problem_of


def test_a_spectrum_is_a_line_of_text():
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert sparkline([1.0, 1.0]) == "▁▁"
    assert sparkline([np.nan, np.nan]) == ""
    assert len(sparkline(np.arange(421))) == 48


def test_hover_tells_recipe_and_spectrum():
    pytest.importorskip("plotly")
    figure = explore_campaign(
        problem_of(), [evaluation(1, 0.5), evaluation(2, 0.3, proposer="bayesian"), evaluation(3)]
    )
    assert [trace.name for trace in figure.data] == ["Latin hypercube", "Bayesian", "best so far"]
    told = figure.data[1].text[0]
    assert "evaluation 2, batch 1" in told
    assert "AgNO3 (%): 32.14" in told
    assert f"spectrum {sparkline(TARGET)}" in told
    assert figure.data[2].y.tolist() == [0.5, 0.3]


def test_searchers_are_toggled_together_with_their_runs():
    pytest.importorskip("plotly")
    figure = explore_comparison(VALLEY, traces(["bayesian", "lhs"]))
    assert [t.name for t in figure.data if t.showlegend is not False] == ["Bayesian", "Latin hypercube"]
    assert [sum(t.legendgroup == name for t in figure.data) for name in ("bayesian", "lhs")] == [4, 4]


def test_without_plotly_the_extra_is_named(monkeypatch):
    known = builtins.__import__

    def refusing(name, *rest):
        if name.startswith("plotly"):
            raise ImportError("No module named 'plotly'")
        return known(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refusing)
    with pytest.raises(ImportError, match=r"pip install 'matseek\[explore\]'"):
        explore_campaign(VALLEY, [])
