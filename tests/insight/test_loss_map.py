import numpy as np
import pytest

from matseek.insight.loss_map import loss_map, map_correlation, map_similarity
from matseek.library.silver_problems import silver_space
from matseek.spaces import Box, LinearConstraint, Variable

SPACE = silver_space()
CENTRE = np.array([20.0, 30.0, 10.0, 6.0, 700.0])
WIDTH = SPACE.upper - SPACE.lower


def bowl(points):
    return (((points - CENTRE) / WIDTH) ** 2).sum(axis=1)


def test_minimum_over_the_others_is_that_of_an_analytic_function():
    found = loss_map(bowl, SPACE, "Qseed", "QAgNO3", resolution=9)
    X, Y = np.meshgrid(found.x_values, found.y_values)
    alone = ((X - 6) / WIDTH[3]) ** 2 + ((Y - 20) / WIDTH[0]) ** 2
    # Where the other three fit at their own optimum beside x and y, the map is x's and y's own part.
    free = X + Y + 40 <= 90
    assert 30 < free.sum() < free.size
    np.testing.assert_allclose(found.losses[free], alone[free], atol=5e-4)
    # Elsewhere the constraint binds: the nearest point of a half-space, within the window of citrate and PVA.
    over = X + Y + 40 - 90
    bound = over**2 / (WIDTH[1] ** 2 + WIDTH[2] ** 2)
    pva = 30 - over * WIDTH[1] ** 2 / (WIDTH[1] ** 2 + WIDTH[2] ** 2)
    tsc = 10 - over * WIDTH[2] ** 2 / (WIDTH[1] ** 2 + WIDTH[2] ** 2)
    inner = ~free & (pva >= 10) & (tsc >= 0.5)
    assert inner.sum() > 3
    np.testing.assert_allclose(found.losses[inner], (alone + bound)[inner], atol=2e-3)


def test_recipes_are_feasible_lie_in_their_cells_and_have_the_loss():
    found = loss_map(bowl, SPACE, "Qseed", "QAgNO3", resolution=7)
    recipes = found.recipes.reshape(-1, 5)
    assert SPACE.contains(recipes).all()
    np.testing.assert_allclose(found.recipes[..., 3], np.tile(found.x_values, (7, 1)), atol=1e-9)
    np.testing.assert_allclose(found.recipes[..., 0], np.tile(found.y_values[:, None], 7), atol=1e-9)
    np.testing.assert_allclose(bowl(recipes), found.losses.ravel(), atol=1e-9)
    assert found.least == found.losses.min()
    np.testing.assert_allclose(bowl(found.optimum[None]), found.least, atol=1e-9)
    assert found.x.name == "Qseed"


def test_infeasible_cells_are_nan_and_thin_ones_are_found():
    wide = SPACE.widen("QAgNO3", high=80).widen("Qseed", high=60)
    found = loss_map(bowl, wide, "Qseed", "QAgNO3", resolution=12)
    X, Y = np.meshgrid(found.x_values, found.y_values)
    feasible = X + Y + 10 + 0.5 <= 90 + 1e-9
    np.testing.assert_array_equal(np.isfinite(found.losses), feasible)
    assert np.isnan(found.recipes[~feasible]).all()
    assert wide.contains(found.recipes[feasible]).all()


def test_equality_constraints_leave_slices_without_volume():
    space = Box([Variable(n, 0, 1) for n in "abcd"], [LinearConstraint(dict.fromkeys("abcd", 1), lower=1, upper=1)])
    found = loss_map(lambda X: (X[:, 2] - X[:, 3] + 0.2) ** 2, space, "a", "b", resolution=6)
    X, Y = np.meshgrid(found.x_values, found.y_values)
    np.testing.assert_array_equal(np.isfinite(found.losses), X + Y <= 1 + 1e-9)
    assert space.contains(found.recipes[np.isfinite(found.losses)]).all()
    assert np.nanmax(found.losses[X + Y < 0.7]) < 1e-4


def test_maps_of_two_variables_need_no_search():
    space = Box([Variable("a", 0, 1), Variable("b", 0, 2)], [LinearConstraint({"a": 1, "b": 1}, upper=2)])
    found = loss_map(lambda X: X[:, 0] + 10 * X[:, 1], space, "a", "b", resolution=3)
    np.testing.assert_allclose(found.losses, [[0, 0.5, 1], [10, 10.5, 11], [20, np.nan, np.nan]])


def test_calls_are_bounded_and_repeatable():
    sizes = []
    a = loss_map(
        lambda X: sizes.append(len(X)) or bowl(X), SPACE, "Qseed", "QAgNO3", resolution=5, chunk=100, samples=16
    )
    assert max(sizes) <= 100
    np.testing.assert_array_equal(a.losses, loss_map(bowl, SPACE, "Qseed", "QAgNO3", resolution=5, samples=16).losses)


def test_nan_losses_are_passed_over():
    found = loss_map(lambda X: np.where(X[:, 4] > 600, bowl(X), np.nan), SPACE, "Qseed", "QAgNO3", resolution=4)
    assert np.isfinite(found.losses).all()
    assert (found.recipes[..., 4] > 600).all()
    nothing = loss_map(lambda X: np.full(len(X), np.nan), SPACE, "Qseed", "QAgNO3", resolution=3)
    assert np.isnan(nothing.losses).all()
    assert np.isnan(nothing.least)
    assert np.isnan(nothing.optimum).all()


def test_similarity():
    a = loss_map(bowl, SPACE, "Qseed", "QAgNO3", resolution=5)
    assert map_similarity(a, a) == pytest.approx(1)
    b = loss_map(lambda X: 3 * bowl(X), SPACE, "Qseed", "QAgNO3", resolution=5)
    assert map_similarity(a, b) == pytest.approx(1, abs=1e-3)
    c = loss_map(lambda X: (X[:, 0] > 30) * 1.0, SPACE, "Qseed", "QAgNO3", resolution=5)
    by_hand = (a.losses * c.losses).sum() / np.sqrt((a.losses**2).sum() * (c.losses**2).sum())
    assert map_similarity(a, c) == pytest.approx(by_hand)
    assert by_hand < 0.9


def test_correlation_sees_through_a_common_level():
    a = loss_map(bowl, SPACE, "Qseed", "QAgNO3", resolution=5)
    flat, other = (loss_map(f, SPACE, "Qseed", "QAgNO3", resolution=5) for f in (flat_loss, lambda X: 5 - bowl(X)))
    assert map_similarity(a, other) > 0, "losses are positive"
    assert map_correlation(a, other) == pytest.approx(np.corrcoef(a.losses.ravel(), other.losses.ravel())[0, 1])
    assert map_correlation(a, other) < 0
    assert map_correlation(a, a) == pytest.approx(1)
    assert np.isnan(map_correlation(a, flat))


def flat_loss(X):
    return np.full(len(X), 0.3)


def test_similarity_leaves_out_what_either_does_not_know():
    a = loss_map(bowl, SPACE, "Qseed", "QAgNO3", resolution=4)
    b = loss_map(lambda X: np.where(X[:, 0] > 40, np.nan, bowl(X)), SPACE, "Qseed", "QAgNO3", resolution=4)
    assert np.isnan(b.losses).any()
    assert map_similarity(a, b) == pytest.approx(1)
    nothing = loss_map(lambda X: np.full(len(X), np.nan), SPACE, "Qseed", "QAgNO3", resolution=4)
    assert np.isnan(map_similarity(a, nothing))


def test_similarity_needs_the_same_grid():
    a = loss_map(bowl, SPACE, "Qseed", "QAgNO3", resolution=4, refinements=0)
    for other in (
        loss_map(bowl, SPACE, "Qseed", "QAgNO3", resolution=5, refinements=0),
        loss_map(bowl, SPACE, "Qtsc", "QAgNO3", resolution=4, refinements=0),
        loss_map(bowl, SPACE.widen("Qseed", high=40), "Qseed", "QAgNO3", resolution=4, refinements=0),
    ):
        with pytest.raises(ValueError, match="different grids"):
            map_similarity(a, other)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"x": "Qgold"}, "no variable 'Qgold'"),
        ({"x": "QAgNO3"}, "two different variables"),
        ({"resolution": 1}, "at least 2"),
        ({"samples": 0}, "samples=0"),
    ],
)
def test_bad_arguments_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        loss_map(bowl, SPACE, **({"x": "Qseed", "y": "QAgNO3"} | kwargs))


def test_a_loss_of_the_wrong_shape_is_refused():
    with pytest.raises(ValueError, match="one number each"):
        loss_map(lambda X: X, SPACE, "Qseed", "QAgNO3", resolution=3)
