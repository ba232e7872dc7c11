import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from scipy.stats import chisquare

from matseek.errors import InfeasibleSpaceError
from matseek.spaces import Box, Category, LinearConstraint, Variable
from matseek.testing import check_space
from tests.spaces.strategies import mixed_boxes, pools

SPACES = st.one_of(mixed_boxes(), pools())
PARTS = {f"x{i}": 1 for i in range(4)}


@limits(max_examples=20, deadline=None)
@given(SPACES)
def test_every_space_keeps_the_contract(space):
    check_space(space)


@limits(max_examples=20, deadline=None)
@given(SPACES, st.integers(0, 2**31))
def test_what_is_allowed_is_feasible_and_stays(space, seed):
    box = space.as_box().box
    unit = np.random.default_rng(seed).uniform(-0.2, 1.2, (60, box.dim))
    allowed = box.allowed(unit)
    points = space.as_box().points(box.unnormalize(allowed))
    assert space.contains(points).all()
    # Nothing is nearer to an allowed point than itself.
    np.testing.assert_allclose(box.unit_offset(box.allowed(allowed), allowed), 0, atol=1e-9)
    np.testing.assert_allclose(space.nearest(points), points, rtol=1e-12)


@limits(max_examples=15, deadline=None)
@given(SPACES)
def test_tables_and_descriptions_come_back(space):
    points = space.sample_uniform(10, np.random.default_rng(0))
    np.testing.assert_allclose(space.from_frame(space.to_frame(points)), points, rtol=1e-12)
    assert type(space).from_description(space.describe()).describe() == space.describe()


@limits(max_examples=15, deadline=None)
@given(SPACES, st.integers(0, 1000))
def test_what_is_held_stays_held(space, seed):
    rng = np.random.default_rng(seed)
    point = space.sample_uniform(1, rng)[0]
    names = [name for name in space.names if rng.random() < 0.5]
    held = {name: float(point[space.names.index(name)]) for name in names}
    try:
        box = space.as_box().box.hold(held)
    except InfeasibleSpaceError:
        return  # a face of the constraints, which is refused
    unit = box.allowed(rng.random((20, box.dim)))
    for points in (box.points(box.unnormalize(unit)), box.points(box.sample_latin_hypercube(7, rng))):
        assert space.contains(points).all()
        for name, value in held.items():
            np.testing.assert_allclose(points[:, space.names.index(name)], value, rtol=1e-12)


@pytest.mark.parametrize("step", [0.1, 1, 5])
def test_a_mixture_in_steps_sums_exactly(step):
    space = Box([Variable(name, 0, 60, "%", step=step) for name in PARTS], [LinearConstraint(PARTS, 100, 100)])
    box = space.as_box().box
    points = space.as_box().points(box.sample_uniform(300, np.random.default_rng(0)))
    assert (np.abs(points / step - np.rint(points / step)) < 1e-6).all()
    np.testing.assert_allclose(points.sum(axis=1), 100, rtol=1e-14)


def test_rounding_takes_the_largest_remainder():
    space = Box([Variable(name, 0, 60, step=1) for name in PARTS], [LinearConstraint(PARTS, 100, 100)])
    np.testing.assert_array_equal(space.nearest([[25.4, 25.3, 24.9, 24.4], [33.7, 33.6, 32.7, 0]])[0], [26, 25, 25, 24])


def test_unequal_steps_are_solved_as_integers():
    # No single step of 7 or 5 brings an odd remainder to zero.
    space = Box(
        [Variable("a", 0, 70, step=7), Variable("b", 0, 100, step=5)], [LinearConstraint({"a": 1, "b": 1}, 99, 99)]
    )
    points = space.sample_uniform(50, np.random.default_rng(0))
    np.testing.assert_allclose(points.sum(axis=1), 99)
    assert len(space.listed) == 2  # 14 + 85 and 49 + 50


def test_steps_that_never_meet_a_constraint_are_refused():
    with pytest.raises(InfeasibleSpaceError, match="leave no point on the steps"):
        Box([Variable("a", 0, 10, step=2), Variable("b", 0, 10, step=2)], [LinearConstraint({"a": 1, "b": 1}, 9, 9)])


def test_values_are_equally_likely():
    space = Box([Variable("q", 0, 1), Variable("n", 0, 4, step=1), Category("kind", ("a", "b", "c"))])
    points = space.sample_uniform(3000, np.random.default_rng(0))
    assert chisquare(np.bincount(points[:, 1].astype(int))).pvalue > 1e-3
    assert chisquare(np.bincount(points[:, 2].astype(int))).pvalue > 1e-3


def test_a_hypercube_takes_values_in_equal_numbers():
    space = Box([Variable("q", 0, 1), Variable("n", 0, 4, step=1), Category("kind", ("a", "b", "c"))])
    points = space.sample_latin_hypercube(15, np.random.default_rng(0))
    np.testing.assert_array_equal(np.bincount(points[:, 1].astype(int)), 3)
    np.testing.assert_array_equal(np.bincount(points[:, 2].astype(int)), 5)


def test_a_logarithmic_range_is_spread_over_its_decades():
    space = Box([Variable("c", 1e-6, 1, "M", log=True), Variable("q", 0, 1)])
    points = space.sample_latin_hypercube(12, np.random.default_rng(0))
    np.testing.assert_array_equal(np.bincount(np.floor(np.log10(points[:, 0])).astype(int) + 6), 2)
    assert space.as_box().box.labels == ("c (log10 M)", "q")


def test_steps_of_a_tenth_read_as_tenths():
    variable = Variable("x", 0, 40, step=0.1)
    assert [str(x) for x in variable.nearest(np.array([0.29, 0.31, 17.04999]))] == ["0.3", "0.3", "17.0"]


def test_a_stepped_window_widens_to_a_step_within_the_limits():
    variable = Variable("x", 1, 4, step=0.5, hardware=(0.2, 4.9))
    assert variable.coordinates[0].hardware == (0.5, 4.5)
    assert (variable.widened(0.7, None).low, variable.widened(None, 4.1).high) == (0.5, 4.5)
    box = Box([variable, Variable("c", 1e-3, 1e-1, log=True, hardware=(1e-4, 1))]).as_box().box
    assert box.widen("c", high=0.0).origin.variables[1].high == 1.0
    assert box.widen("x", low=0.0).origin.variables[0].low == 0.5


def test_descriptors_are_what_models_see():
    space = Box([Category("ligand", ("A", "B", "C"), {"mass": [1, 2, 10]}), Variable("q", 0, 1)])
    view = space.as_box()
    assert view.box.names == ("ligand: mass", "q")
    np.testing.assert_array_equal(view.coordinates([[2, 0.5]]), [[10, 0.5]])
    np.testing.assert_array_equal(view.points([[2.4, 0.5], [7, 0]])[:, 0], [1, 2])


def test_names_of_categories_are_read_and_told():
    space = Box([Category("ligand", ("PVP", "citrate")), Variable("q", 0, 1, "%")])
    frame = space.to_frame([[1, 0.5]])
    assert frame.iloc[0].to_dict() == {"ligand": "citrate", "q (%)": 0.5}
    np.testing.assert_array_equal(space.from_frame(frame.assign(ligand=" pvp ")), [[0, 0.5]])
    with pytest.raises(ValueError, match=r"row 0: 'PEG' is none of \['PVP', 'citrate'\]"):
        space.from_frame(frame.assign(ligand="PEG"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Variable("x", 0, 1, step=0.3), "take high=0.9 or high=1.2"),
        (lambda: Variable("x", 0, 1, step=0), "step=0 must be"),
        (lambda: Variable("x", 0, 1, log=True), "needs a window above 0"),
        (lambda: Variable("x", 1, 1, periodic=True), "neither fixed nor logarithmic"),
        (lambda: Category("x", ()), "a list of at least 1"),
        (lambda: Category("x", ("a", "A")), "repeat"),
        (lambda: Category("x", ("1", "2")), "take a Variable with a step"),
        (lambda: Category("x", ("none", "b")), "reads as empty"),
        (lambda: Category("x", ("a", "b"), {"m": [1]}), "a finite number for each"),
        (lambda: Category("x", ("a", "b"), {"m": [1, 1]}), "is the same for all values"),
        (lambda: Category("x", ("a", "b", "c"), {"m": [1, 1, 2]}), "the same for two values"),
        (lambda: Box([Variable("x", 1, 2, log=True)], [LinearConstraint({"x": 1}, upper=1.5)]), "bends a linear"),
        (lambda: Box([Category("x", ("a", "b"))], [LinearConstraint({"x": 1}, upper=1)]), "has no order"),
        (lambda: Box([Variable("x", 1, 1)]).as_box(), "there is nothing to search"),
        (lambda: Box([Variable("x", 0, 1)]).numbers_of({"x": 3}), r"its window is \[0, 1\]"),
        (lambda: Box([Variable("x", 0, 1, step=0.5)]).numbers_of({"x": 0.3}), "take 0.5"),
        (lambda: Box([Category("x", ("a", "b"))]).numbers_of({"x": "c"}), "has no value 'c'"),
        (lambda: Box([Variable("x", 0, 1)]).numbers_of({"y": 1}), r"no variables \['y'\]"),
    ],
)
def test_bad_variables_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
