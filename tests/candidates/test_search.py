"""Relaxation on an acquisition function, batches by local penalization, and the search of a surface."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from matseek.acquisition import LogImprovement, LowerBound, Thompson
from matseek.candidates import AcquisitionRelaxation, Generator, StructurePenalty, StructureSearch
from matseek.candidates.penalization import distances
from matseek.surrogates import StructureGP
from tests.islands import evaluated, island, island_problem

SMALL = StructureSearch(candidates=8, generations=2, relaxation=AcquisitionRelaxation(steps=15))


@pytest.fixture(scope="module")
def history():
    return evaluated(island_problem(), 8)


@pytest.fixture(scope="module")
def surface(history):
    return StructureGP().fit(history)


def test_a_bowl_is_relaxed_to_its_bottom():
    space = island("Cu2")
    x = space.sample_uniform(5, np.random.default_rng(0))
    bottom = space.sample_uniform(1, np.random.default_rng(1))
    stiff = np.array([1.0, 5.0, 20.0, 2.0, 10.0, 40.0])

    def bowl(y):
        return (0.5 * stiff * (y - bottom) ** 2).sum(axis=1), stiff * (y - bottom)

    relaxed, values = AcquisitionRelaxation(steps=200, fmax=1e-3).relax(bowl, x, space)
    np.testing.assert_allclose(relaxed, space.wrap(bottom).repeat(5, axis=0), atol=2e-3)
    assert values.max() < 1e-5


def test_what_is_pushed_through_a_wall_stays_on_it():
    space = island("Cu2")
    up = np.array([0.0, 0.0, -1.0] * 2)
    relaxed, _ = AcquisitionRelaxation(steps=100).relax(
        lambda y: (y @ up, np.tile(up, (len(y), 1))), space.sample_uniform(3, np.random.default_rng(0)), space
    )
    assert space.contains(relaxed).all()
    np.testing.assert_allclose(relaxed.reshape(3, 2, 3)[..., 2], space.z_high)


def test_a_surface_that_is_no_number_ends_the_relaxation():
    space = island("Cu2")
    x = space.sample_uniform(3, np.random.default_rng(0))
    relaxed, values = AcquisitionRelaxation().relax(lambda y: (np.full(len(y), np.nan), np.ones_like(y)), x, space)
    assert np.isinf(values).all()
    assert space.contains(relaxed).all()


def test_a_batch_keeps_apart():
    rng = np.random.default_rng(0)
    features = np.concatenate([rng.normal(0, 0.05, (20, 3)), rng.normal(4, 0.05, (20, 3))])
    mean = np.concatenate([np.linspace(0, 0.01, 20), np.linspace(0.1, 0.11, 20)])
    chosen = StructurePenalty().choose(2, -mean, features, mean, np.full(40, 0.1), np.zeros((0, 3)), np.zeros((0, 3)))
    assert chosen[0] < 20 <= chosen[1], "the second comes from the other heap, though all of the first are better"


def test_what_is_known_is_not_chosen_and_what_is_pending_is_avoided():
    features = np.array([[0.0], [1.0], [5.0]])
    mean, deviation = np.array([0.0, 0.1, 0.2]), np.full(3, 0.05)
    choose = StructurePenalty().choose
    nothing = np.zeros((0, 1))
    assert choose(1, -mean, features, mean, deviation, nothing, nothing) == [0]
    assert choose(1, -mean, features, mean, deviation, features[:1], nothing) == [1]
    assert choose(3, -mean, features, mean, deviation, features, nothing) == []
    assert choose(1, -mean, features, mean, deviation, nothing, np.array([[0.05]])) == [2]


@pytest.mark.parametrize("acquisition", [LowerBound(), LogImprovement(), Thompson()])
@pytest.mark.parametrize(("n", "mean_every"), [(1, None), (4, 2)])
def test_proposals_are_new_and_allowed(history, surface, acquisition, n, mean_every):
    search = replace(SMALL, acquisition=acquisition, mean_every=mean_every)
    points = search.propose(n, surface, history)
    assert points.shape == (n, history.space.dim)
    assert history.space.refusals(points) == [""] * n
    features = surface.features(points)
    assert distances(features, surface.features(history.points)).min() > 1e-3
    assert (distances(features, features) + np.eye(n)).min() > 1e-3
    np.testing.assert_array_equal(points, search.propose(n, surface, history))


def test_the_search_finds_lower_bounds_than_random_placement(history, surface):
    def bound(points):
        p = surface.predict(points)
        return (p.mean - 2 * p.deviation).min()

    random = history.space.sample_contiguous(100, np.random.default_rng(5))
    assert bound(replace(SMALL, mean_every=None).propose(1, surface, history)) < bound(random)


def test_every_second_structure_minimises_the_mean(history, surface):
    mean = replace(SMALL, mean_every=None, acquisition=LowerBound(0.0))
    bound = replace(SMALL, mean_every=None)
    np.testing.assert_array_equal(SMALL.propose(1, surface, history), mean.propose(1, surface, history))
    odd = evaluated(island_problem(), 7)
    np.testing.assert_array_equal(SMALL.propose(1, surface, odd), bound.propose(1, surface, odd))
    assert not np.array_equal(bound.propose(1, surface, odd), mean.propose(1, surface, odd))
    first, *_ = SMALL.propose(4, surface, history)
    np.testing.assert_array_equal(first, mean.propose(2, surface, history)[0])


def test_a_mean_that_promises_no_gain_leaves_all_to_the_acquisition(history, surface):
    """Else every second evaluation would polish a minimum that is known."""
    below = float(surface.mean(SMALL.propose(1, surface, history))[0])
    best = replace(history.evaluations[0], value=below - 1.0)
    known = replace(history, evaluations=(best, *history.evaluations[1:]))
    proposed = SMALL.propose(1, surface, known)
    assert surface.mean(proposed) - 2 * surface.deviation(proposed) < below
    assert surface.deviation(proposed) > 2 * surface.deviation(SMALL.propose(1, surface, history))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"generators": ()}, "generators"),
        ({"start": 0}, "start"),
        ({"mean_every": 0}, "mean_every"),
        ({"acquisition": "lcb"}, "acquisition"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        StructureSearch(**settings)


@dataclass(frozen=True)
class Raised(Generator):
    """Parents a little higher; every other one with all atoms in one place."""

    label: ClassVar[str] = "raised"

    def propose(self, count, parents, space, rng):
        x = parents[np.arange(count) % len(parents)].reshape(count, -1, 3).copy()
        x[..., 2] = space.z_high
        x[::2] = x[::2, :1]
        return space.wrap(x.reshape(count, -1))


def test_a_generator_makes_what_is_evaluated_first():
    space = island("Cu3")
    search = replace(SMALL, beginning=Raised())
    first = search.first(3, space, np.random.default_rng(0))
    assert (first.reshape(3, 3, 3)[..., 2] == space.z_high).all()
    assert not any(space.refusals(first))
    assert (search.first_label, SMALL.first_label) == ("raised", "contiguous")
    usual = SMALL.first(3, space, np.random.default_rng(0))
    np.testing.assert_array_equal(usual, space.sample_contiguous(3, np.random.default_rng(0)))


def test_placements_stand_in_for_what_is_refused():
    """Where all that a generator makes overlaps, contiguous placements begin."""

    @dataclass(frozen=True)
    class Piled(Raised):
        def propose(self, count, parents, space, rng):
            x = super().propose(count, parents, space, rng).reshape(count, -1, 3)
            x[:] = x[:, :1]
            return x.reshape(count, -1)

    space = island("Cu3")
    found = replace(SMALL, beginning=Piled()).first(2, space, np.random.default_rng(0))
    np.testing.assert_array_equal(found, space.sample_contiguous(2, np.random.default_rng(0)))


def test_a_beginning_that_is_no_generator_is_refused():
    with pytest.raises(ValueError, match="beginning"):
        StructureSearch(beginning="nonesuch")
