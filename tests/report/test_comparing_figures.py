"""Figures of comparisons mislead nobody."""

import numpy as np
import pandas as pd
import pytest

from matseek.core.records import OPENING
from matseek.insight.success import SuccessRate
from matseek.library.lennard_jones import lj13
from matseek.problems import RecipeProblem
from matseek.report.figures.comparing import (
    best_against_evaluations,
    solved_against_evaluations,
    successes_of_searchers,
)
from matseek.report.figures.house import axis_label
from matseek.spaces import Box, Variable

VALLEY = RecipeProblem(Box([Variable("a", 0, 1)]), name="valley")
OPENED = 15


def traces(names, n=60, least=0.1):
    def run(name):
        x = np.arange(1, n + 1)
        who = np.where(x <= OPENED, OPENING, name)
        return pd.DataFrame({"evaluation": x, "iteration": x, "value": least + 1 / x, "searcher": who})

    return {name: [run(name)] * 3 for name in names}


@pytest.mark.parametrize("count", [3, 5])
def test_bands_share_axes_only_where_they_can_be_told_apart(count):
    axes = best_against_evaluations(VALLEY, traces(["bayesian", "network", "godiff", "lhs", "random"][:count])).axes
    assert len(axes) == (1 if count == 3 else 5)
    assert {ax.get_xlim()[0] for ax in axes} == {OPENED}
    assert {(ax.get_xscale(), ax.get_yscale()) for ax in axes} == {("linear", "linear")}


def test_regret_is_drawn_where_the_minimum_is_known():
    problem = lj13()
    assert problem.known_minimum == pytest.approx(-44.3268, abs=1e-4)
    ax = best_against_evaluations(problem, traces(["bayesian"], 1000, problem.known_minimum)).axes[0]
    assert ax.get_ylabel() == "Energy above the minimum (eV, log scale)"
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    drawn = ax.get_lines()[0]
    assert np.allclose(drawn.get_ydata(), np.maximum(1 / drawn.get_xdata(), 0.01))
    assert VALLEY.known_minimum is None


def test_that_nobody_succeeds_is_said_in_words():
    none = (SuccessRate([None] * 4), SuccessRate([]))
    for figure in (
        successes_of_searchers({"lhs": none, "random": none}, {}),
        solved_against_evaluations({"lhs": none, "random": none}, {"lhs": 60, "random": 60}),
    ):
        assert "no run has succeeded" in [text.get_text() for ax in figure.axes for text in ax.texts]


def test_microlitres_are_printed_with_the_sign():
    assert axis_label("Qtot (uL/min)") == "Qtot (µL/min)"
    assert axis_label("Qtot (%)") == "Qtot (%)"
