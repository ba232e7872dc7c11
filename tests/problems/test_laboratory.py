import dataclasses

import numpy as np
import pytest

from matseek.problems.laboratory import laboratory
from matseek.spaces import Category, Variable

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


def test_every_field_of_a_variable_may_be_set():
    settings = {"low": 0, "high": 360, "unit": "deg", "periodic": True}
    others = {
        "n": {"low": 0, "high": 4, "step": 1},
        "c": {"low": 0.1, "high": 1, "log": True},
        "s": {"values": ["a", "b"]},
    }
    x = {"low": 0, "high": 1, "hardware": [0, 2], "hard": True}
    problem = laboratory("mine", {"angle": settings, "x": x, **others})
    assert problem.space.variables == (
        Variable("angle", 0, 360, "deg", periodic=True),
        Variable("x", 0, 1, hardware=(0, 2), hard=True),
        Variable("n", 0, 4, step=1),
        Variable("c", 0.1, 1, log=True),
        Category("s", ("a", "b")),
    )
    offered = {f.name for f in dataclasses.fields(Variable)}
    assert offered == {"name", "low", "high", "unit", "hardware", "periodic", "step", "log", "hard"}


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"variables": {"x": {"low": 0}}},
            ValueError,
            r"variable 'x': unknown settings \[\], missing settings \['high'\]",
        ),
        (
            {"variables": {"x": {"low": 0, "high": 1, "max": 2}}},
            ValueError,
            r"unknown settings \['max'\].*give low and high, and optionally unit, .* step, log and hard",
        ),
        ({"variables": {"x": {"low": 0, "high": 1, "periodic": "no"}}}, ValueError, "must be true or false"),
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


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"ligand": {"values": [False, "PVP"]}}, "YAML reads NO, off, Y and yes as true or false; put quotes"),
        ({True: {"low": 0, "high": 1}}, "YAML reads the name of a variable as True; put quotes"),
        ({"x": {"low": "0,5", "high": 1}}, "low='0,5' is a text, not a number; write 0.5 with a decimal point"),
        ({"x": {"low": 0, "high": 1, "hardware": [0, 5, 80]}}, "hardware=.* must be two numbers"),
    ],
)
def test_what_yaml_makes_of_words_and_decimal_commas_is_explained(variables, message):
    with pytest.raises(ValueError, match=message):
        laboratory("lab", variables)


def test_the_quantity_has_a_name_and_a_unit():
    problem = laboratory("lab", {"x": {"low": 0, "high": 1}}, quantity="yield", unit="%", maximize=True)
    assert (problem.quantity, problem.value_unit, problem.value_label) == ("yield", "%", "Negative yield (%)")
