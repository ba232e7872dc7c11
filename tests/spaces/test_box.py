import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matseek.errors import InfeasibleSpaceError
from matseek.spaces import Box, LinearConstraint, Variable
from tests.spaces.strategies import boxes


@given(boxes(), st.integers(1, 40), st.integers(0, 100))
def test_samples_are_feasible_and_survive_the_table(box, n, seed):
    rng = np.random.default_rng(seed)
    for points in (box.sample_uniform(n, rng), box.sample_latin_hypercube(n, rng)):
        assert points.shape == (n, box.dim)
        assert points.dtype == np.float64
        assert box.contains(points).all()
        np.testing.assert_array_equal(box.from_frame(box.to_frame(points)), points)
        np.testing.assert_allclose(
            box.unnormalize(box.normalize(points)), points, rtol=1e-12, atol=1e-9 * np.abs(points).max()
        )


@given(boxes(), st.integers(0, 100))
def test_same_seed_same_points(box, seed):
    first, second = (box.sample_latin_hypercube(7, np.random.default_rng(seed)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_contains_refuses_outside_violating_and_nan(box):
    points = [[5, 0.5, 600], [11, 0, 600], [7.5, 0.5, 600], [np.nan, 0, 600]]
    np.testing.assert_array_equal(box.contains(points), [True, False, False, False])
    with pytest.raises(ValueError, match=r"shape \(1, 2\).*3 variables"):
        box.contains([[1, 2]])


def test_labels_carry_units(box):
    assert box.labels == ("a (%)", "b (mL)", "c (uL/min)")
    assert list(box.to_frame([[1, 0, 300]]).columns) == list(box.labels)


def test_from_frame_by_bare_name_and_any_order(box):
    frame = pd.DataFrame({"c": [300.0], "b": [0.5], "a": [1.0]})
    np.testing.assert_array_equal(box.from_frame(frame), [[1.0, 0.5, 300.0]])


def test_no_proposal_exceeds_a_bound_in_plain_arithmetic():
    box = Box([Variable(n, 0.5, 80) for n in "abcd"], [LinearConstraint(dict.fromkeys("abcd", 1), upper=90)])
    corners = box.unnormalize(box.unit_polytope.project(np.random.default_rng(0).random((500, 4)) * 2))
    assert (corners.sum(axis=1) <= 90).all()
    assert (90 - corners.sum(axis=1)).min() < 1e-6


def test_descriptions_hold_every_digit():
    one, two = (Box([Variable("x", 0, 2e6)], [LinearConstraint({"x": 1}, upper=u)]) for u in (1000001, 1000002))
    assert one.describe() != two.describe()


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"a (%)": [1], "b (mL)": [0]}, "no column 'c .uL/min.'"),
        ({"a (mmol)": [1], "b": [0], "c": [300]}, "found 'a .mmol.': convert it to %"),
        ({"a": ["one"], "b": [0], "c": [300]}, "column 'a', row 0: 'one' is not a number"),
    ],
)
def test_bad_tables_are_refused(box, frame, message):
    with pytest.raises(ValueError, match=message):
        box.from_frame(pd.DataFrame(frame))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Variable("x", 2, 1), "low=2 must not exceed high=1; swap"),
        (lambda: Box([Variable("x", 1, 1)]).as_box(), "every variable of"),
        (lambda: Variable("x", 0, float("nan")), "high=nan must be a number"),
        (lambda: Variable("", 0, 1), "name='' must be a text"),
        (lambda: Variable("x", 0, 1, hardware=(0.5, 2)), "hardware limits"),
        (lambda: Variable("x", 0, 1, hardware=(2, 0)), "the wrong way round; swap"),
        (lambda: Variable("x", 0, 1, hardware=(2,)), "must be a list of exactly 2"),
        (lambda: Variable("x", 0, 1, hardware=5), "must be a list"),
        (lambda: Variable("x", 0, 1, periodic="no"), "periodic='no' must be true or false"),
        (lambda: Variable("x", "zero", 1), "low='zero' must be a number"),
        (lambda: Box([("x", 0, 1)]), "must be a Variable"),
        (lambda: LinearConstraint({"x": 1}), "bounds nothing"),
        (lambda: LinearConstraint({"x": 0}, upper=1), "other than zero"),
        (lambda: LinearConstraint({"x": 1}, lower=2, upper=1), "lower=2 must not exceed upper=1"),
        (lambda: Box([]), "must be a list of at least 1"),
        (lambda: Box([Variable("x", 0, 1), Variable("x", 0, 1)]), r"\['x'\] repeat"),
        (lambda: Box([Variable("x", 0, 1)], [LinearConstraint({"y": 1}, upper=1)]), r"unknown variables \['y'\]"),
        (lambda: Box([Variable("x", 0, 1)]).sample_uniform(0, np.random.default_rng(0)), "n=0"),
        (lambda: Box([Variable("x", 0, 1)]).widen("y", low=0), "no variable 'y'"),
    ],
)
def test_bad_values_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_constraint_that_nothing_satisfies_is_named():
    variables = [Variable("x", 0, 1), Variable("y", 0, 1)]
    with pytest.raises(InfeasibleSpaceError, match=r"'3 <= x \+ y' leaves no room.*runs from 0 to 2"):
        Box(variables, [LinearConstraint({"x": 1, "y": 1}, lower=3)])
    with pytest.raises(InfeasibleSpaceError, match="or only a point or a face"):
        Box(variables, [LinearConstraint({"x": 1, "y": 1}, upper=0)])
    with pytest.raises(InfeasibleSpaceError, match="contradict each other|leave no room together"):
        Box(variables, [LinearConstraint({"x": 1, "y": 1}, lower=s, upper=s) for s in (1.5, 1.5 + 5e-8)])
    with pytest.raises(InfeasibleSpaceError, match="contradict each other|leave no room together"):
        Box(variables, [LinearConstraint({"x": 1}, upper=0.4), LinearConstraint({"x": 1, "y": 0.0}, lower=0.6)])


def test_equality_constraints_hold():
    mixture = Box([Variable(n, 0, 1) for n in "xyz"], [LinearConstraint(dict.fromkeys("xyz", 1), lower=1, upper=1)])
    rng = np.random.default_rng(0)
    for points in (mixture.sample_uniform(500, rng), mixture.sample_latin_hypercube(20, rng)):
        np.testing.assert_allclose(points.sum(axis=1), 1, atol=1e-9)
        assert mixture.contains(points).all()
    assert not mixture.contains([[0.3, 0.3, 0.3]]).any()


def test_widening_stops_at_the_hardware():
    box = Box([Variable("x", 2, 4, hardware=(0, 5)), Variable("y", 0, 1)])
    assert box.widen("x", high=9).upper[0] == 5
    assert box.widen("x", low=-9).lower[0] == 0
    assert box.widen("x", high=3).upper[0] == 4, "a window never narrows"
    assert box.widen("y", high=3).upper[1] == 1, "without hardware limits the window is fixed"


def test_constraints_that_contradict_each_other_are_named():
    variables = [Variable(name, 0, 10) for name in "abc"]
    rules = [
        LinearConstraint({"c": 1}, upper=9),
        LinearConstraint({"a": 1, "b": 1}, upper=3),
        LinearConstraint({"a": 1, "b": 1}, lower=5),
    ]
    with pytest.raises(InfeasibleSpaceError, match=r"'a \+ b <= 3' and '.*a \+ b.*' contradict each other"):
        Box(variables, rules)
