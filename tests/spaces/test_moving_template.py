"""Templates whose upper layers move: which atoms, where they may go, and what searchers do with them."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import fcc111
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms, FixedPlane

from matseek import Campaign
from matseek.core.records import RELAXED
from matseek.problems import StructureProblem
from matseek.problems.motifs import Relaxation, free_indices, moving_indices
from matseek.searchers import BasinHopping, GeneticSearch, MinimaHopping, RandomStructureSearch
from matseek.searchers.basin_hopping import neighbour
from matseek.searchers.descent import Descent
from matseek.spaces import Adlayer, Cuboid, HeightField, Sphere
from matseek.testing import check_space


@pytest.fixture
def held():
    """Three layers, of which the lowest is held."""
    slab = fcc111("Pt", (3, 3, 3), vacuum=7)
    slab.set_constraint(FixAtoms(mask=slab.get_tags() > 2))
    return slab


@pytest.fixture
def space(held):
    return Adlayer(held, "PtCu", z=(1.0, 5.0))


def test_fix_atoms_is_honoured(held, space):
    assert space.moving == 18
    assert len(space.template) == 9
    assert space.names[:2] == ("x_m1", "y_m1")
    assert space.names[-3:] == ("x2", "y2", "z2")
    point = space.sample_uniform(1, np.random.default_rng(0))[0]
    atoms = space.atoms(point)
    np.testing.assert_allclose(atoms.positions[:27], held.positions)
    assert atoms.constraints[0].index.tolist() == list(range(9))
    assert free_indices(atoms).tolist() == [27, 28]
    assert moving_indices(atoms).tolist() == list(range(9, 29))
    np.testing.assert_array_equal(space.point(atoms), point)
    held.set_constraint()
    assert Adlayer(held, "Pt", z=(1, 5)).moving == 0
    by_depth = Adlayer(held, "PtCu", z=(1.0, 5.0), moving=3.0)
    assert by_depth.describe() == space.describe()
    assert Adlayer(held, "PtCu", z=(1.0, 5.0)).describe() != space.describe()


def test_it_is_a_space(space):
    assert check_space(space) is None


def test_constraints_that_are_not_understood_are_refused(held):
    with pytest.raises(ValueError, match="leave one of them out"):
        Adlayer(held, "Pt", z=(1, 5), moving=3.0)
    held.set_constraint(FixedPlane(0, (0, 0, 1)))
    with pytest.raises(ValueError, match="constraint FixedPlane, and only FixAtoms"):
        Adlayer(held, "Pt", z=(1, 5))


def test_an_atom_that_leaves_its_place_is_refused_and_told(space):
    point = space.sample_uniform(1, np.random.default_rng(0))[0]
    moved = point.copy()
    moved[2] -= 1.6
    (reason,) = space.refusals(moved)
    assert "atom 1 of the template's moving ones has left its place by 1.6 A" in reason
    assert not space.contains(moved)[0]
    assert space.contains(space.confine(moved))[0]
    # An image of its place is its place.
    image = point.copy()
    image[:2] += space.plane[0] - space.plane[1]
    assert space.refusals(image) == [""]


def test_a_relaxation_ends_where_an_atom_leaves_its_place(space):
    start = space.sample_contiguous(1, np.random.default_rng(0))[0]
    tight = Adlayer(fcc111("Pt", (3, 3, 3), vacuum=7), "PtCu", z=(1.0, 5.0), moving=3.0, astray=0.02)
    problem = StructureProblem(tight, EMT)
    campaign = Campaign(problem, RandomStructureSearch(concurrent=1, placement="contiguous"), seed=0)
    campaign.run(budget=12)
    ended = [e.data["ended"] for e in campaign.ledger.events() if e.kind == RELAXED]
    assert ended
    assert all("has left its place" in reason for reason in ended)
    assert tight.contains(np.array([e.point for e in campaign.ledger.evaluations()])).all()
    assert Descent(0, space, start, "BFGS", 0.05, 10).point.shape == (60,)


def test_moving_layers_are_relaxed_and_lower_the_energy(held, space):
    problem = StructureProblem(space, EMT)
    start = space.sample_contiguous(1, np.random.default_rng(1))[0]
    rest = Relaxation(fmax=0.05).relax(space.placements.atoms(space.free_of(start)[0]), EMT()).energy
    free = Relaxation(fmax=0.05).relax(space.atoms(start), EMT()).energy
    assert free < rest - 0.05
    measured = problem.measure(start, np.random.default_rng(0))
    assert measured.response.shape == (20, 3)
    # The forces are those of the moving atoms, too, which are at rest nowhere in an unrelaxed slab.
    assert np.abs(measured.response[:18]).max() > 0.01


@pytest.mark.parametrize("searcher", [BasinHopping(), MinimaHopping(), GeneticSearch(population=2)])
def test_searchers_relax_them(searcher, space):
    campaign = Campaign(StructureProblem(space, EMT), searcher, seed=0)
    campaign.run(budget=40)
    points = np.array([e.point for e in campaign.ledger.evaluations()])
    assert space.contains(points).all()
    moved = np.abs(points[:, :54] - points[0, :54]).max(axis=1)
    assert moved.max() > 0.01


def test_moves_leave_the_template_alone(space):
    rng = np.random.default_rng(0)
    point = space.sample_contiguous(1, rng)[0]
    other = neighbour(space, point, rng)
    np.testing.assert_array_equal(other[:54], point[:54])
    assert np.abs(other[54:] - point[54:]).max() > 0.1


REGIONS = [Sphere((4.0, 3.0, 13.0), 3.5), Cuboid((1.0, 1.0, 12.0), (6.0, 5.0, 15.0))]


@pytest.mark.parametrize("region", REGIONS)
def test_free_atoms_are_confined_to_a_region(held, region):
    space = Adlayer(held, "Pt2", region=region)
    assert check_space(space) is None
    rng = np.random.default_rng(0)
    for points in (space.sample_uniform(20, rng), space.sample_contiguous(20, rng)):
        assert space.contains(points).all()
        assert space.region.contains(points[:, 54:].reshape(-1, 3)).all()
    assert space.describe()["region"] == region.describe()
    assert space.placements.describe()["region"] == region.describe()
    campaign = Campaign(StructureProblem(space, EMT), RandomStructureSearch(concurrent=2), seed=0)
    campaign.run(budget=30)
    assert space.contains(np.array([e.point for e in campaign.ledger.evaluations()])).all()


def test_free_atoms_lie_in_a_pit():
    """Below the highest atom of the template: in a hole of the first layer, by heights and by a height field."""
    slab = fcc111("Pt", (4, 4, 3), vacuum=7)
    top = slab.positions[:, 2].max()
    del slab[[37, 38, 41]]
    rng = np.random.default_rng(0)
    deep = Adlayer(slab, "Pt", z=(-2.4, 3.0))
    heights = deep.sample_uniform(400, rng)[:, 2] - top
    assert heights.min() < -0.2
    follows = Adlayer(slab, "Pt", region=HeightField.above(slab, 1.0, 2.5))
    heights = follows.sample_uniform(400, rng)[:, 2] - top
    assert heights.min() < 0.0
    assert heights.max() <= 2.5
    # Relaxed in the pit, an atom is lower in energy than on the terrace.
    campaign = Campaign(StructureProblem(deep, EMT), RandomStructureSearch(concurrent=4), seed=0)
    campaign.run(budget=60)
    assert campaign.best.point[2] - top < 0.5
