import numpy as np
import pytest
import torch
from captum.attr import ShapleyValues
from hypothesis import given
from hypothesis import strategies as st

from matseek.insight.attribution import explain, in_units, shapley_values
from matseek.library.silver import SilverLaboratory
from matseek.library.silver_problems import silver
from tests.insight.exact import brute_force_shapley

RNG = np.random.default_rng(0)
EXACT = 1e-5  # captum adds up in single precision


def wavy(X, W):
    """Smooth, with interactions of every order; ``(n, d)`` to ``(n, m)``."""
    return np.sin(X @ W) + 0.3 * np.prod(1 + 0.5 * X, axis=1, keepdims=True)


def drawn(seed, d, n=4, b=5):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(size=(b, d)), rng.normal(size=(d, 3))


@given(seed=st.integers(0, 2**31), d=st.integers(1, 5), single=st.booleans())
def test_efficiency_values_add_up_to_the_prediction(seed, d, single):
    points, background, W = drawn(seed, d)
    f = (lambda X: wavy(X, W)[:, 0]) if single else (lambda X: wavy(X, W))
    found = shapley_values(f, points, background)
    scale = np.abs(found.values).max() + 1
    np.testing.assert_allclose(found.reference, f(background).mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(found.reference + found.values.sum(axis=1), f(points), atol=EXACT * scale)


@pytest.mark.parametrize("baselines", [5, 8, 13, 19])
@given(seed=st.integers(0, 2**31), d=st.integers(1, 5))
def test_captum_agrees_with_brute_force(baselines, seed, d):
    """Also where groups of baselines are not of one size."""
    points, background, W = drawn(seed, d, b=baselines)
    found = shapley_values(lambda X: wavy(X, W), points, background)
    exact = brute_force_shapley(lambda X: wavy(X, W), points, background)
    np.testing.assert_allclose(found.values, exact, atol=EXACT * (np.abs(exact).max() + 1))


def test_agrees_with_captum_used_on_the_points_themselves():
    points, background, W = drawn(1, 4)
    method = ShapleyValues(lambda X: torch.tensor(wavy(X.numpy(), W)[:, 0]))
    direct = [method.attribute(torch.tensor(points), baselines=torch.tensor(b)[None]).numpy() for b in background]
    found = shapley_values(lambda X: wavy(X, W)[:, 0], points, background)
    np.testing.assert_allclose(found.values, np.mean(direct, axis=0), atol=EXACT)


def test_a_dummy_gets_nothing_and_twins_get_the_same():
    points, background = RNG.normal(size=(6, 4)), RNG.normal(size=(5, 4))
    points[:, 1], background[:, 1] = points[:, 0], background[:, 0]
    f = lambda X: np.exp(0.3 * (X[:, 0] + X[:, 1])) * X[:, 2]  # noqa: E731
    for values in (shapley_values(f, points, background).values, brute_force_shapley(f, points, background)):
        np.testing.assert_allclose(values[:, 3], 0, atol=1e-12)
        np.testing.assert_allclose(values[:, 0], values[:, 1], atol=EXACT)
        assert np.abs(values[:, 0]).max() > 0.1


def test_additive_functions_have_known_values():
    points, background = RNG.normal(size=(6, 3)), RNG.normal(size=(4, 3))
    slopes = np.array([1.0, -2.0, 0.5])
    found = shapley_values(lambda X: X @ slopes, points, background, names=("a", "b", "c"))
    np.testing.assert_allclose(found.values, (points - background.mean(axis=0)) * slopes, atol=EXACT)
    np.testing.assert_allclose(found.direction, [1, -1, 1], atol=1e-6)
    assert found.ranking[0] == "b"
    np.testing.assert_allclose(found.mean_absolute, np.abs(found.values).mean(axis=0))


def test_each_set_of_variables_is_evaluated_once():
    calls = []
    points, background, W = drawn(2, 5)
    shapley_values(lambda X: calls.append(len(X)) or wavy(X, W), points, background)
    assert sum(calls) == 2**5 * 4 * 5
    small = []
    shapley_values(lambda X: small.append(len(X)) or wavy(X, W), points, background, chunk=7)
    assert max(small) <= 7
    assert sum(small) == sum(calls)


def test_many_variables_are_sampled_with_the_seed_alone():
    points, background = RNG.normal(size=(3, 9)), RNG.normal(size=(4, 9))
    f = lambda X: X[:, 0] * X[:, 1] + X.sum(axis=1) + np.prod(X[:, 2:5], axis=1)  # noqa: E731
    before = torch.random.get_rng_state()
    first = shapley_values(f, points, background, permutations=40, seed=3)
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(99)
    again = shapley_values(f, points, background, permutations=40, seed=3)
    np.testing.assert_array_equal(first.values, again.values)
    assert np.abs(first.values - shapley_values(f, points, background, permutations=40, seed=4).values).max() > 1e-3
    np.testing.assert_allclose(first.reference + first.values.sum(axis=1), f(points), atol=1e-4)
    np.testing.assert_allclose(first.values, brute_force_shapley(f, points, background), atol=1.0)


def test_the_standard_error_covers_points_and_baselines():
    slopes = np.array([1.0, 0.0])
    truth = np.sqrt(2 / np.pi)  # mean |x| of a standard normal; the mean baseline is near zero
    f = lambda X: X @ slopes  # noqa: E731
    rng = np.random.default_rng(5)
    errors, claimed = [], []
    for _ in range(120):
        found = shapley_values(f, rng.normal(size=(30, 2)), rng.normal(size=(64, 2)))
        errors.append(found.mean_absolute[0] - truth)
        claimed.append(found.standard_error[0])
    assert np.std(errors) == pytest.approx(np.mean(claimed), rel=0.25)
    assert found.standard_error[1] == pytest.approx(0, abs=1e-12)
    # Few baselines make the size of a lopsided variable uncertain even if all points agree.
    lopsided = shapley_values(f, np.full((20, 2), 5.0), rng.normal(size=(4, 2)))
    assert lopsided.standard_error[0] > 0.1


def test_one_point_or_one_baseline_has_no_error():
    points, background, W = drawn(3, 3)
    f = lambda X: wavy(X, W)  # noqa: E731
    assert np.isnan(shapley_values(f, points[:1], background).standard_error).all()
    assert np.isnan(shapley_values(f, points, background[:1]).standard_error).all()


def test_a_torch_function_of_unit_coordinates(box):
    points, background = box.sample_uniform(5, RNG), box.sample_uniform(4, RNG)
    slopes = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    function = in_units(box, lambda U: (U * slopes).sum(dim=-1), dtype=torch.float32)
    found = shapley_values(function, points, background)
    unit = box.normalize(points) - box.normalize(background).mean(axis=0)
    np.testing.assert_allclose(found.values, unit * [1, 2, 3], atol=1e-5)


def test_explain_uses_feasible_points_and_the_seed(box):
    seen = explain(lambda X: X[:, 0], box, points=10, background=4, seed=1)
    assert box.contains(seen.points).all()
    assert seen.variables == box.names
    np.testing.assert_array_equal(seen.points, explain(lambda X: X[:, 0], box, points=10, background=4, seed=1).points)
    assert not np.array_equal(seen.points, explain(lambda X: X[:, 0], box, points=10, background=4, seed=2).points)


def test_silver_and_seeds_dominate_the_silver_laboratory():
    problem, laboratory = silver(), SilverLaboratory()
    loss = lambda X: problem.objective(laboratory.spectra(X))  # noqa: E731
    found = explain(loss, problem.space, points=24, background=8)
    assert set(found.ranking[:2]) == {"QAgNO3", "Qseed"}
    background = problem.space.sample_latin_hypercube(8, np.random.default_rng(1))
    ours = shapley_values(loss, found.points[:6], background)
    exact = brute_force_shapley(loss, found.points[:6], background)
    np.testing.assert_allclose(ours.values, exact, atol=EXACT)


def test_spectra_have_values_at_each_wavelength():
    space, laboratory = silver().space, SilverLaboratory()
    found = explain(laboratory.spectra, space, points=6, background=4)
    assert found.values.shape == (6, 5, 421)
    assert found.mean_absolute.shape == found.standard_error.shape == found.direction.shape == (5, 421)
    whole = found.reference + found.values.sum(axis=1)
    np.testing.assert_allclose(whole, laboratory.spectra(found.points), atol=EXACT)
    assert found.direction[0, 200:260].min() > 0.5, "more silver absorbs more"


@pytest.mark.parametrize(
    ("function", "points", "background", "message"),
    [
        (len, np.ones(3), np.ones((2, 3)), r"points have shape \(3,\)"),
        (len, np.ones((2, 3)), np.ones((2, 4)), "one column per variable"),
        (len, np.ones((2, 3)), np.ones((0, 3)), "at least one row"),
        (lambda X: X[:1, 0], np.ones((2, 3)), np.ones((2, 3)), r"it must give \(n,\) or \(n, m\)"),
        (lambda X: X[:, 0] * np.nan, np.ones((2, 3)), np.ones((2, 3)), "not finite at"),
    ],
)
def test_bad_input_is_refused(function, points, background, message):
    with pytest.raises(ValueError, match=message):
        shapley_values(function, points, background)


def test_names_must_fit():
    with pytest.raises(ValueError, match="names has 1 entries"):
        shapley_values(lambda X: X[:, 0], np.ones((2, 3)), np.zeros((2, 3)), names=("a",))
