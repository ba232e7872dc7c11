from dataclasses import replace

import numpy as np
import torch

from matseek.acquisition import Pathwise, SearchState
from matseek.acquisition.pathwise import corners_and_edges
from matseek.spaces import Box, LinearConstraint, Variable

CORNER = Box(
    [Variable("x", 0, 1), Variable("y", 0, 1), Variable("z", 0, 1)], [LinearConstraint({"x": 1, "y": 1}, upper=1.5)]
)


class Flat:
    """Samples that know nothing of the values but where they vary: more and more toward one corner."""

    def paths(self, count, rng):
        self.signs = torch.as_tensor(rng.standard_normal(count))
        return self

    def __call__(self, x):
        return self.signs.unsqueeze(1) * x.prod(dim=-1)

    def each(self, x):
        return self.signs * x.prod(dim=-1)


class Valley(Flat):
    """Samples that agree on a valley, and that have nothing to gain elsewhere."""

    def __call__(self, x):
        return (x - 0.3).square().sum(dim=-1) + 1e-6 * super().__call__(x)

    def each(self, x):
        return (x - 0.3).square().sum(dim=-1) + 1e-6 * super().each(x)


def state(source, observed):
    known = torch.as_tensor(np.atleast_2d(observed), dtype=torch.float64)
    candidates = torch.as_tensor(CORNER.unit_polytope.sample(200, np.random.default_rng(1)))
    return SearchState(
        model=None,
        lengthscales=torch.ones(3),
        polytope=CORNER.unit_polytope,
        observed=known,
        pending=known[:0],
        tried=known,
        periodic=torch.zeros(3, dtype=torch.bool),
        source=source,
        candidates=candidates,
    )


def test_the_valley_of_all_samples_is_found():
    batch = Pathwise(steps=30).batch(state(Valley(), [0.9, 0.1, 0.9]), 1, np.random.default_rng(0))
    np.testing.assert_allclose(batch[0], [0.3, 0.3, 0.3], atol=1e-3)


def test_every_fifteenth_evaluation_goes_to_the_border_where_the_samples_differ_most():
    observed = np.full((14, 3), 0.3) + 0.02 * np.random.default_rng(0).random((14, 3))
    explored = Pathwise(steps=30).batch(state(Valley(), observed), 1, np.random.default_rng(0))
    at_bound = CORNER.unit_polytope.A @ explored[0].numpy() > CORNER.unit_polytope.b - 1e-6
    assert at_bound.sum() >= 2, "on an edge or a corner"
    assert explored[0, 2] > 1 - 1e-6, "the samples differ most at the far end of z"


def test_corners_are_all_found_and_points_between_them_are_feasible():
    border = corners_and_edges(CORNER.unit_polytope, 64, np.random.default_rng(0)).numpy()
    assert CORNER.unit_polytope.contains(border, 1e-7).all()
    corners = {tuple(row) for row in np.round(border[:10], 6)}
    expected = {(0, 0), (1, 0), (0, 1), (1, 0.5), (0.5, 1)}
    assert corners == {(*xy, z) for xy in expected for z in (0, 1)}


def test_pending_points_are_no_gain_twice():
    known = state(Valley(), [0.9, 0.1, 0.9])
    first = Pathwise(steps=30).batch(known, 1, np.random.default_rng(0))
    waiting = replace(known, pending=first, tried=torch.cat([known.tried, first]))
    second = Pathwise(steps=30).batch(waiting, 1, np.random.default_rng(0))
    assert (second - first).abs().max() > 1e-3
