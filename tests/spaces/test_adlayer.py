import json
import pickle
from io import StringIO

import numpy as np
import pandas as pd
import pytest
from ase import Atoms
from ase.build import fcc111
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms
from ase.data import covalent_radii
from ase.io import read, write
from ase.neighborlist import neighbor_list
from hypothesis import given, settings
from hypothesis import strategies as st

from matseek.core.space import Space
from matseek.errors import InfeasibleSpaceError
from matseek.spaces import Adlayer, Box, Sphere, Variable
from matseek.spaces.free_atoms import CLOSE


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
    with pytest.raises(ValueError, match="m=0 must be a whole number"):
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
        ({"z": (-8, 3)}, "begins below the lowest template atom"),
        ({"z": None}, "give one of them"),
        ({"region": Sphere((0, 0, 12), 3.0)}, "give one of them"),
        ({"moving": 100.0}, "all of its atoms would move"),
        ({"moving": -1.0}, "moving"),
        ({"astray": 0.0}, "astray"),
        ({"z": (0, np.inf)}, "must be a number in"),
        ({"z": 3}, "must be a list"),
        ({"free": "Qq3"}, "free='Qq3' is no chemical formula"),
        ({"free": ""}, "free='' must be a text"),
        ({"free": "X2"}, "no covalent radius is known for"),
        ({"free": 7}, "free=7 must be a text"),
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


def test_the_least_distance_is_a_setting(slab):
    usual, wide = (Adlayer(slab, "Pt2", (1, 5), least_distance=least) for least in (None, 0.8))
    assert usual.least_distance == 0.6
    bond = 2 * covalent_radii[78]
    z = usual.z_low + 2.5
    pair = np.array([0, 0, z, 0.7 * bond, 0, z])
    assert usual.refusals(pair) == [""]
    assert f"at least {0.8 * bond:.3g} A needed" in wide.refusals(pair)[0]
    assert usual.closeness(pair) == pytest.approx(0.7 / 0.6)
    assert wide.closeness(pair) == pytest.approx(0.7 / 0.8)
    points = wide.sample_uniform(20, np.random.default_rng(0))
    assert (wide.closeness(points) >= 1).all()
    assert wide.refusals(points) == [""] * 20
    assert (
        Adlayer(slab, "Pt2", (1, 5), 0.95).closeness(wide.sample_contiguous(20, np.random.default_rng(0))) > 0.8
    ).all()
    assert wide.floor(slab.positions[-1:, :2]) - usual.floor(slab.positions[-1:, :2]) == pytest.approx(0.2 * bond)
    for bad in (0, -0.1, 1.01, np.nan, np.inf, "far", True):
        with pytest.raises(ValueError, match="least_distance=.* must be a number in"):
            Adlayer(slab, "Pt2", (1, 5), least_distance=bad)
    with pytest.raises(InfeasibleSpaceError, match="a shorter least_distance"):
        Adlayer(flat_template([[4.0, 0], [0, 4.0]]), "Pt4", (1, 2), least_distance=0.95)


def test_ledgers_that_are_older_than_the_least_distance_are_the_same_campaigns(slab):
    usual = Adlayer(slab, "Pt2", (1, 5)).describe()
    assert set(usual) == {"template", "free", "z"}
    assert Adlayer(slab, "Pt2", (1, 5), least_distance=0.6).describe() == usual
    assert Adlayer(slab, "Pt2", (1, 5), least_distance=0.7).describe() == {**usual, "least_distance": 0.7}


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.floats(0.3, 1.0))
def test_closeness_is_that_of_a_neighbour_list(seed, least):
    """Shortest distance over least distance, through all images, as far as atoms are close."""
    rng = np.random.default_rng(seed)
    plane = np.array([[rng.uniform(3.2, 6), 0], [rng.uniform(-9, 9), rng.uniform(3.2, 6)]])
    try:
        space = Adlayer(flat_template(plane), "PtCu", z=(0.5, 6), least_distance=least)
    except ValueError:
        return
    heights = rng.uniform(space.z_low, space.z_high, (10, 2, 1))
    points = np.concatenate([rng.uniform(-2, 3, (10, 2, 2)) @ plane, heights], axis=2).reshape(10, 6)
    for point, found in zip(points, space.closeness(points), strict=True):
        atoms = space.atoms(point)
        radii = covalent_radii[atoms.numbers]
        i, j, apart = neighbor_list("ijd", atoms, [1.15 * least * r for r in radii])
        close = apart[i != j] / (least * (radii[i] + radii[j])[i != j])
        assert min(found, 1.15) == pytest.approx(min([1.15, *close]))


@pytest.mark.parametrize("least", [0.6, 1.0])
@pytest.mark.parametrize("wide", [1.03, 1.4, 1.9])
@pytest.mark.parametrize(("ratio", "angle"), [(1, 60), (1, 90), (1.2, 70), (2.5, 65), (2.5, 90), (1, 120)])
@pytest.mark.parametrize("skew", [0, 3])
def test_closeness_in_small_and_skewed_cells_is_that_of_many_images(least, wide, ratio, angle, skew):
    """The shortest distance through 31 x 31 images, in cells hardly wider than an atom."""
    a = wide * 2 * least * covalent_radii[78]
    turn = np.radians(angle)
    plane = a * np.array([[1.0, 0.0], [ratio * np.cos(turn) + skew, ratio * np.sin(turn)]])
    space = Adlayer(flat_template(plane), "Pt2", z=(2.0, 12), least_distance=least)
    rng = np.random.default_rng(0)
    height = space.z_low + np.column_stack([rng.uniform(0, 2, 60), rng.uniform(0, 2, 60)])
    places = np.concatenate([rng.uniform(-1, 2, (60, 2, 2)) @ plane, height[..., None]], axis=2)
    shifts = np.array([[i, j] for i in range(-15, 16) for j in range(-15, 16)]) @ plane
    expected = []
    for one, other in places:
        pairs = [one - other, one - space.template.positions[0], other - space.template.positions[0]]
        images = np.array(pairs)[:, None] + np.pad(shifts, ((0, 0), (0, 1)))
        expected.append(np.linalg.norm(images, axis=-1).min() / (2 * least * covalent_radii[78]))
    expected = np.array(expected)
    assert (expected < CLOSE).sum() >= 10, "close pairs must be among the cases"
    found = space.closeness(places.reshape(60, 6))
    np.testing.assert_allclose(np.minimum(found, CLOSE), np.minimum(expected, CLOSE), rtol=1e-9)
    assert [bool(text) for text in space.refusals(places.reshape(60, 6))] == (expected < 1).tolist()


def test_walls_of_the_confinement(layer):
    z = layer.z_low + 1
    point = np.array([0, 0, layer.z_low, 4, 0, layer.z_high - 0.05, 0, 4, z])
    assert layer.walls(point).tolist() == [[-1, 0, 0]]
    assert layer.walls(point, reach=0.1).tolist() == [[-1, 1, 0]]
    assert layer.walls(point, reach=100).tolist() == [[-1, 1, -1]], "of both walls the nearer counts"


def test_a_slab_cut_by_the_cells_face_is_made_whole_or_refused(slab):
    whole = Adlayer(slab, "Pt", (1, 4))
    sunk = slab.copy()
    sunk.pbc = True
    sunk.positions[:, 2] -= slab.positions[:, 2].max() - 0.5  # the lower layer lies below the cell
    cut = sunk.copy()
    cut.wrap(pbc=(False, False, True))
    assert np.ptp(cut.positions[:, 2]) > 10
    mended = Adlayer(cut, "Pt", (1, 4))
    assert np.allclose(mended.template.positions, sunk.positions)
    assert mended.z_low == pytest.approx(1.5)
    point = whole.sample_uniform(1, np.random.default_rng(0))[0]
    low = point - np.array([0, 0, whole.z_low - mended.z_low])
    assert mended.refusals(low) == [""]
    assert np.allclose(mended.atoms(low).get_distances(-1, range(18)), whole.atoms(point).get_distances(-1, range(18)))
    cut.pbc = (True, True, False)
    with pytest.raises(ValueError, match="slab is cut by the cell's face: 9 atoms lie .* Move them there") as told:
        Adlayer(cut, "Pt", (1, 4))
    remedy = str(told.value).split("Move them there: ")[1].split("; if both")[0]
    template = cut
    exec(remedy, {"template": template})
    assert np.allclose(Adlayer(template, "Pt", (1, 4)).template.positions, sunk.positions, atol=1e-4)


def test_slabs_that_are_not_cut_stay_as_they_are(slab):
    thin, far = slab.copy(), slab.copy()
    thin.center(vacuum=0.5, axis=2)
    far.positions[:, 2] += 40  # outside the cell, where no face is periodic
    two = slab + slab
    two.positions[18:, 2] += 10
    two.cell[2, 2] = 40
    for template in (thin, far, two, flat_template([[5, 0], [0, 5]])):
        assert np.array_equal(Adlayer(template, "Pt", (1, 4)).template.positions, template.positions)


def test_nothing_of_a_template_holds_the_free_atoms(slab):
    """Constraints and arrays of a template's file would be zero for free atoms, which means held, without charge ..."""
    template = slab.copy()
    template.set_constraint([FixAtoms(range(9)), FixAtoms(range(9, 18))])
    template.arrays["move_mask"] = np.zeros(18, dtype=bool)
    template.arrays["forces"] = np.ones((18, 3))
    template.set_momenta(np.ones((18, 3)), apply_constraint=False)
    template.set_masses([7.0] * 18)
    template.info["charge"] = 1
    template.calc = EMT()
    space = Adlayer(template, "PtCu", (1, 4))
    atoms = space.atoms(space.sample_uniform(1, np.random.default_rng(0))[0])
    assert set(atoms.arrays) == {"numbers", "positions", "tags", "masses"}
    assert atoms.get_masses()[-1] == pytest.approx(63.546)
    assert atoms.info["charge"] == 1
    assert atoms.calc is None
    assert [c.index.tolist() for c in atoms.constraints] == [list(range(18))]
    atoms.calc = EMT()
    assert (np.abs(atoms.get_forces()[18:]) > 0).all()
    file = StringIO()
    atoms.calc, atoms.info = None, {}
    write(file, atoms, format="extxyz")
    file.seek(0)
    (held,) = read(file, format="extxyz").constraints
    assert held.index.tolist() == list(range(18)), "nor of a file that is written"
    assert "move_mask" in template.arrays, "the template that was given is as it was"


@pytest.mark.parametrize("name", ["initial_magmoms", "initial_charges"])
def test_moments_that_free_atoms_would_lack_are_refused(slab, name):
    template = slab.copy()
    template.arrays[name] = np.zeros(18)
    assert name not in Adlayer(template, "Pt", (1, 4)).template.arrays
    template.arrays[name] = np.ones(18)
    with pytest.raises(ValueError, match=rf"remove them, del template.arrays\['{name}'\]"):
        Adlayer(template, "Pt", (1, 4))
