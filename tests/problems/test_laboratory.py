import numpy as np
import pytest

from matseek.problems.laboratory import laboratory

VARIABLES = {"x": {"low": 0, "high": 1, "unit": "%", "hardware": [0, 2]}, "y": {"low": 0, "high": 1}}


def test_variables_constraints_and_target(tmp_path):
    target = tmp_path / "target.csv"
    target.write_text("wavelength,absorbance\n400,0\n500,1\n600,0\n")
    problem = laboratory("mine", VARIABLES, [{"coefficients": {"x": 1, "y": 1}, "upper": 1}], target, 0.2)
    assert problem.name == "mine"
    assert problem.oracle is None
    assert problem.space.labels == ("x (%)", "y")
    assert problem.space.variables[0].limits == (0, 2)
    np.testing.assert_array_equal(problem.space.contains([[0.5, 0.5], [0.6, 0.6]]), [True, False])
    assert problem.objective.response_size == 3
    assert problem.succeeded(np.zeros(problem.space.dim), 0.1) is True
    assert laboratory("mine", VARIABLES).objective is None


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"variables": {"x": {"low": 0}}},
            ValueError,
            r"variable 'x': unknown settings \[\], missing settings \['high'\]",
        ),
        ({"variables": {"x": {"low": 0, "high": 1, "max": 2}}}, ValueError, r"unknown settings \['max'\]"),
        ({"variables": VARIABLES, "constraints": [{"upper": 1}]}, ValueError, "give coefficients"),
        ({"variables": VARIABLES, "target": "nowhere.csv"}, FileNotFoundError, "target='nowhere.csv' is not a file"),
    ],
)
def test_bad_settings_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        laboratory("mine", **arguments)


def test_a_target_without_its_columns(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("nm,A\n400,1\n")
    with pytest.raises(ValueError, match=r"lacks the columns \['wavelength', 'absorbance'\]"):
        laboratory("mine", VARIABLES, target=path)
