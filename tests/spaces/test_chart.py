import numpy as np
import pytest
from ase import Atoms
from ase.build import fcc111
from hypothesis import given, settings
from hypothesis import strategies as st

from matseek.library.platinum import stepped_platinum
from matseek.spaces import Adlayer, AtomChart, Box, Variable

SPACES = {
    "stepped": Adlayer(stepped_platinum(), "Pt", z=(0.0, 4.0)),
    "hexagonal": Adlayer(fcc111("Cu", (2, 2, 2), vacuum=8), "Au", z=(0.5, 3.0)),
    "one atom": Adlayer(Atoms("Pt", cell=[3, 3, 20], pbc=(True, True, False)), "H", z=(0.0, 2.0)),
}


@pytest.mark.parametrize("name", SPACES)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_point_of_the_box_may_be_evaluated_and_comes_back(name, seed):
    space = SPACES[name]
    chart = space.as_box()
    unit = chart.box.sample_uniform(20, np.random.default_rng(seed))
    points = chart.points(unit)
    assert space.refusals(points) == [""] * 20
    assert np.abs(chart.box.unit_offset(chart.coordinates(points), unit)).max() < 1e-9


@pytest.mark.parametrize("name", SPACES)
def test_every_point_that_may_be_evaluated_is_in_the_box(name):
    space = SPACES[name]
    chart = space.as_box()
    points = space.sample_uniform(200, np.random.default_rng(0))
    assert np.allclose(chart.points(chart.coordinates(points)), space.wrap(points), atol=1e-9)


def test_images_are_one_place():
    space = SPACES["stepped"]
    chart = AtomChart(space)
    points = space.sample_uniform(5, np.random.default_rng(0))
    moved = points + np.array([*(2 * space.plane[0] - space.plane[1]), 0.0])
    assert np.abs(chart.box.unit_offset(chart.coordinates(moved), chart.coordinates(points))).max() < 1e-9


def test_the_floor_is_where_atoms_touch():
    space = SPACES["stepped"]
    plane = space.sample_uniform(50, np.random.default_rng(1))[:, :2]
    floor = space.floor(plane)
    above = np.column_stack([plane, floor + 1e-6])
    assert space.refusals(above) == [""] * 50
    touching = floor > space.z_low + 1e-9
    assert touching.sum() > 0
    below = np.column_stack([plane, floor - 1e-3])[touching]
    assert all("overlap" in reason for reason in space.refusals(below))


def test_whole_structures_and_boxes_have_no_chart():
    assert Adlayer(fcc111("Pt", (3, 3, 2), vacuum=8), "Pt2", z=(1.0, 4.0)).as_box() is None
    box = Box([Variable("x", 0, 1)])
    assert box.as_box().box is box
    with pytest.raises(ValueError, match="2 free atoms 'Pt2' have no box"):
        AtomChart(Adlayer(fcc111("Pt", (3, 3, 2), vacuum=8), "Pt2", z=(1.0, 4.0)))
