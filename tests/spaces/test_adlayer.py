import json
import pickle

import numpy as np
import pandas as pd
import pytest
from ase import Atoms
from ase.build import fcc111
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list
from hypothesis import given, settings
from hypothesis import strategies as st

from matseek.errors import InfeasibleSpaceError
from matseek.spaces import Adlayer, Box, Space, Variable


@pytest.fixture(scope="module")
def slab():
    return fcc111("Pt", (3, 3, 2), vacuum=8)


@pytest.fixture(scope="module")
def layer(slab):
    return Adlayer(slab, "Pt2Cu", z=(1.0, 5.0))


def flat_template(cell, symbol="Pt", z=0.0):
    """One atom in a cell given by its in-plane vectors."""
    full = [[*cell[0], 0], [*cell[1], 0], [0, 0, 30]]
    return Atoms(symbol, positions=[[0, 0, z]], cell=full, pbc=(True, True, False))


def test_names_numbers_and_confinement(slab, layer):
    assert layer.dim == 9
    assert layer.names[:4] == ("x1", "y1", "z1", "x2")
    assert layer.labels[5] == "z2 (A)"
    assert layer.numbers.tolist() == [78, 78, 29]
    top = slab.positions[:, 2].max()
    assert (layer.z_low, layer.z_high) == pytest.approx((top + 1, top + 5))
    assert isinstance(layer, Space)
    assert isinstance(Box([Variable("a", 0, 1)]), Space)


def test_the_template_is_a_copy_that_cannot_be_changed(slab):
    mine = slab.copy()
    space = Adlayer(mine, "Pt", z=(1, 4))
    mine.positions += 1
    assert np.array_equal(space.template.positions, slab.positions)
    with pytest.raises(ValueError, match="read-only"):
        space.template.positions[0] = 0
    assert pickle.loads(pickle.dumps(space)).describe() == space.describe()


def test_atoms_and_back(slab, layer):
    point = layer.sample_uniform(1, np.random.default_rng(0))[0]
    atoms = layer.atoms(point)
    assert atoms.get_chemical_symbols() == [*slab.get_chemical_symbols(), "Pt", "Pt", "Cu"]
    assert np.array_equal(atoms.positions[:18], slab.positions)
    assert np.array_equal(atoms.cell, slab.cell)
    assert atoms.constraints[0].index.tolist() == list(range(18))
    assert np.array_equal(layer.point(atoms), point)
    with pytest.raises(ValueError, match="not the template followed by"):
        layer.point(slab)
    with pytest.raises(ValueError, match="2 points"):
        layer.atoms(np.zeros((2, 9)))


def test_description_is_plain_and_tells_spaces_apart(slab, layer):
    plain = layer.describe()
    assert json.loads(json.dumps(plain)) == plain
    assert plain == Adlayer(slab, "PtPtCu", z=[1, 5]).describe()
    moved = slab.copy()
    moved.positions[0, 0] += 0.1
    others = [Adlayer(slab, "Pt3", (1, 5)), Adlayer(slab, "Pt2Cu", (1, 4)), Adlayer(moved, "Pt2Cu", (1, 5))]
    assert all(plain != other.describe() for other in others)


def test_frames_go_there_and_back(layer):
    points = layer.sample_uniform(4, np.random.default_rng(1))
    frame = layer.to_frame(points)
    assert list(frame.columns) == list(layer.labels)
    assert np.array_equal(layer.from_frame(frame), points)
    assert np.array_equal(layer.from_frame(frame.set_axis(list(layer.names), axis=1)), points)
    with pytest.raises(ValueError, match=r"no column 'x1 \(A\)'"):
        layer.from_frame(pd.DataFrame({"a": [1]}))
    with pytest.raises(ValueError, match="row 0: 'much' is not a number"):
        layer.from_frame(frame.astype(object).assign(**{"z1 (A)": "much"}))
    with pytest.raises(ValueError, match="9 coordinates"):
        layer.as_points(np.zeros((2, 6)))


@pytest.mark.parametrize("way", ["sample_uniform", "sample_contiguous"])
def test_samples_may_be_evaluated_and_repeat_with_the_seed(layer, way):
    draw = getattr(layer, way)
    points = draw(50, np.random.default_rng(3))
    assert points.shape == (50, 9)
    assert layer.contains(points).all()
    assert layer.refusals(points) == [""] * 50
    assert np.array_equal(points, draw(50, np.random.default_rng(3)))
    assert np.allclose(layer.wrap(points), points)
    with pytest.raises(ValueError, match="m=0 structures"):
        draw(0, np.random.default_rng(3))


def test_a_lone_atom_is_uniform(slab):
    space = Adlayer(slab, "Pt", z=(2.0, 5.0))
    x, y, z = space.sample_uniform(4000, np.random.default_rng(0)).T
    fractions = np.column_stack([x, y]) @ np.linalg.inv(slab.cell[:2, :2])
    unit = np.column_stack([fractions, (z - space.z_low) / 3])
    assert np.abs(unit.mean(axis=0) - 0.5).max() < 0.02
    assert np.abs(unit.var(axis=0) - 1 / 12).max() < 0.005


def test_contiguous_structures_hang_together(slab):
    space = Adlayer(slab.repeat((2, 2, 1)), "Pt3Cu2", z=(1, 5))
    for point in space.sample_contiguous(30, np.random.default_rng(5)):
        atoms = space.atoms(point)[-5:]
        i, j = neighbor_list("ij", atoms, [1.11 * covalent_radii[k] for k in atoms.numbers])
        reached, edges = {0}, list(zip(i, j, strict=True))
        for _ in range(5):
            reached |= {b for a, b in edges if a in reached}
        assert reached == set(range(5))


def test_refusals_name_what_is_wrong(slab, layer):
    z = layer.z_low + 1.5
    good = np.array([0.0, 0, z, 4, 0, z, 0, 4, z])
    nan, high, near, low = good.copy(), good.copy(), good.copy(), good.copy()
    nan[0] = np.nan
    high[2] += 9
    near[3:6] = [0.5, 0, z]
    low[2::3] = layer.z_low
    low[:2] = slab.positions[slab.positions[:, 2].argmax(), :2]
    found = layer.refusals([good, nan, high, near, low])
    assert found[:3] == ["", "not finite", "outside the confinement"]
    assert "overlap of free atom 1 with free atom 2: 0.5 A, at least 1.63 A needed" in found[3]
    assert "with the template: 1 A" in found[4]
    assert layer.contains([good, nan, high, near, low]).tolist() == [True, False, False, True, True]


def test_overlaps_are_seen_through_the_boundary(slab, layer):
    z = layer.z_low + 1.5
    across = slab.cell[0] + slab.cell[1]
    point = np.array([0.2, 0.1, z, *(across[:2] - 0.2), z, 4, 4, z])
    assert "overlap of free atom 1 with free atom 2" in layer.refusals(point)[0]
    far = point.copy()
    far[3:5] += 7 * slab.cell[0, :2] - 3 * slab.cell[1, :2]
    assert "overlap of free atom 1 with free atom 2" in layer.refusals(far)[0]


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_overlaps_are_those_of_a_neighbour_list(seed):
    """In thin and skewed cells too, against ASE's list of all images."""
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(1.9, 7), rng.uniform(1.9, 7)
    plane = np.array([[a, 0], [rng.uniform(-12, 12), b]])
    try:
        space = Adlayer(flat_template(plane), "PtCu", z=(0.5, 6))
    except ValueError:  # too thin, or no room
        return
    positions = np.concatenate(
        [rng.uniform(-2, 3, (20, 2, 2)) @ plane, rng.uniform(space.z_low, space.z_high, (20, 2, 1))], axis=2
    )
    points = positions.reshape(20, 6)
    for point, refusal in zip(points, space.refusals(points), strict=True):
        atoms = space.atoms(point)
        i, j = neighbor_list("ij", atoms, [0.6 * covalent_radii[k] for k in atoms.numbers])
        involves_free = [k for k, m in zip(i, j, strict=True) if k > 0 or m > 0]
        assert bool(refusal) == bool(involves_free)


def test_wrapping_moves_by_lattice_vectors_only(layer):
    points = layer.sample_uniform(5, np.random.default_rng(0))
    moved = points.reshape(5, 3, 3).copy()
    moved[..., :2] += np.array([3, -2]) @ np.array(layer.template.cell)[:2, :2]
    assert np.allclose(layer.wrap(moved.reshape(5, 9)), layer.wrap(points))
    assert layer.refusals(moved.reshape(5, 9)) == [""] * 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"z": (4, 1)}, r"z=\(4, 1\): the upper end must be above"),
        ({"z": (2, 2)}, "the upper end must be above"),
        ({"z": (-1, 3)}, "begins below the highest template atom"),
        ({"z": (0, np.inf)}, "must be finite"),
        ({"z": 3}, "must be two numbers"),
        ({"free": "Qq3"}, "free='Qq3' is no chemical formula"),
        ({"free": ""}, "free='' names no atoms"),
        ({"free": "X2"}, "no covalent radius is known for"),
        ({"free": 7}, "free=7 is no chemical formula"),
        ({"template": None}, "must be an ase.Atoms, got NoneType"),
        ({"template": Atoms()}, "template has no atoms"),
        ({"free": "Pt400"}, "free='Pt400': the atoms' hard cores take"),
    ],
)
def test_bad_settings_are_refused(slab, change, message):
    with pytest.raises(ValueError, match=message):
        Adlayer(**{"template": slab, "free": "Pt", "z": (1, 4), **change})


def test_bad_cells_are_refused(slab):
    open_plane, tilted, standing, flat, full = (slab.copy() for _ in range(5))
    open_plane.pbc = (True, False, False)
    tilted.cell[2] = [1, 0, 20]
    standing.cell[1] = [0, 3, 3]
    flat.cell[2] = 0
    full.pbc = True
    for template, message in [
        (open_plane, "must be periodic in plane; set template.pbc"),
        (tilted, r"third cell vector \[1.0, 0.0, 20.0\] must point along z"),
        (standing, "without z components"),
        (flat, "third cell vector"),
    ]:
        with pytest.raises(ValueError, match=message):
            Adlayer(template, "Pt", (1, 4))
    with pytest.raises(ValueError, match="its next image begins at"):
        Adlayer(full, "Pt", (1, 16))
    Adlayer(full, "Pt", (1, 4))
    with pytest.raises(ValueError, match="repeats after 1.5 angstrom"):
        Adlayer(flat_template([[1.5, 0], [0, 9]]), "Pt", (1, 4))


def test_atoms_that_cannot_be_placed_are_refused():
    with pytest.raises(InfeasibleSpaceError, match="could not be placed without overlap"):
        Adlayer(flat_template([[3.0, 0], [0, 3.0]]), "Pt6", z=(1, 1.2))
