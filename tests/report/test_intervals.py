import numpy as np
import pytest
from benchmarks import pictures

from matseek.report.figures.intervals import Measured, costs_by_problem, values_with_intervals


def test_values_stand_in_their_order_with_interval_and_note():
    found = {"random": Measured(2.0, 3.0, 4.0, "0 of 8"), "bayesian": Measured(1.0, 1.5, 2.0, "8 of 8")}
    (ax,) = values_with_intervals(found, "Lowest loss", (1.2, "best possible")).axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["Bayesian", "random"]
    assert [text.get_text() for text in ax.texts] == ["8 of 8", "0 of 8"]
    assert list(ax.lines[0].get_xdata()) == [1.0, 2.0]
    assert list(ax.lines[1].get_xdata()) == [1.5]
    assert ax.lines[-1].get_label() == "best possible"
    assert ax.get_xlabel() == "Lowest loss"
    low, high = ax.get_ylim()
    assert low > high, "the lowest value on top"
    with pytest.raises(ValueError, match="at least one searcher"):
        values_with_intervals({}, "Lowest loss")


def test_costs_by_problem_leave_no_row_for_what_was_not_tried():
    costs = {"bayesian": {"b": Measured(4, 5, 6), "a": Measured(8, 9, 10)}, "godiff_ffg": {"a": Measured(90, 100, 110)}}
    (ax,) = costs_by_problem(costs, "Evaluations", words={"bayesian": "by a model"}).axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["b", "a"], "as the first searcher's costs"
    np.testing.assert_allclose(ax.get_yticks(), [0, 2.5])
    drawn = [line for line in ax.lines if len(line.get_xdata()) == 1]
    assert [line.get_xdata()[0] for line in drawn] == [5, 9, 100]
    assert [line.get_ydata()[0] for line in drawn] == [0, 2, 3]
    labels = [line.get_label() for line in ax.lines if not str(line.get_label()).startswith("_")]
    assert labels == ["by a model", "GO-Diff, force guidance"]
    with pytest.raises(ValueError, match="with a problem"):
        costs_by_problem({"bayesian": {}}, "Evaluations")


def test_the_pictures_of_readme_are_drawn_from_stored_tables():
    (recipes,), (structures,) = pictures.recipes().axes, pictures.structures().axes
    assert sum("of 10 below" in text.get_text() for text in recipes.texts) == 6
    assert len(structures.get_yticks()) == 7
    assert {path.name for path in pictures.FOLDER.glob("compared_*.png")} == {
        "compared_recipes.png",
        "compared_structures.png",
    }
