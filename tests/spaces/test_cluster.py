import numpy as np
import pytest
from ase import Atoms
from hypothesis import given, settings
from hypothesis import strategies as st

from matseek.errors import InfeasibleSpaceError
from matseek.spaces import Cluster
from matseek.testing import check_space

SPACE = Cluster("Pt3Cu4")
MIDDLE = np.array(SPACE.region.centre)


def rows(*positions):
    """A point of the space, its atoms at positions from the centre."""
    return (MIDDLE + np.array(positions, dtype=float)).reshape(1, -1)


@pytest.mark.parametrize("space", [SPACE, Cluster("Ar2"), Cluster("Pt13", radius=6.0, least_distance=0.8, apart=1.5)])
def test_it_keeps_the_contract_of_a_space(space):
    check_space(space)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_shifting_to_the_centre_and_confining_change_no_distance_inside(seed):
    points = SPACE.sample_contiguous(2, np.random.default_rng(seed))
    centred = SPACE.recentred(points + 0.3)
    np.testing.assert_allclose(centred.reshape(2, -1, 3).mean(axis=1), np.tile(MIDDLE, (2, 1)), atol=1e-9)
    np.testing.assert_allclose(SPACE.confine(points), points, atol=1e-12)
    assert SPACE.contains(SPACE.confine(points * 1.5)).all()


def test_atoms_on_the_sphere_slide_along_it():
    atoms = np.zeros((7, 3))
    atoms[0], atoms[1] = [0, 0, SPACE.radius], [1.0, 0, 0]
    push = np.tile([1.0, 0.0, 2.0], (7, 1))
    left = SPACE.slide(rows(*atoms), push.reshape(1, -1)).reshape(-1, 3)
    np.testing.assert_allclose(left[0], [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(left[1:], push[1:])
    assert SPACE.walls(rows(*atoms))[0].tolist() == [1, 0, 0, 0, 0, 0, 0]


def test_what_evaporates_is_refused_by_the_numbers_of_its_atoms():
    space = Cluster("Ar4", radius=8.0)
    square = [[0, 0, 0], [2.1, 0, 0], [2.1, 2.1, 0], [0, 2.1, 0]]
    together = np.array(space.region.centre) + np.array(square)
    assert space.refusals(together.reshape(1, -1)) == [""]
    for away, refused in ((2.12 * 1.95, False), (2.12 * 2.05, True)):
        apart = together.copy()
        apart[2] = together[1] + [0, 0, away]
        (reason,) = space.refusals(apart.reshape(1, -1))
        assert (reason == "evaporated: free atoms [3] are farther than 2 sums of covalent radii from the others") is (
            refused
        )


def test_overlaps_and_what_is_outside_are_told():
    space = Cluster("Ar2")
    middle = np.array(space.region.centre)
    pairs = np.concatenate([np.tile(middle, (2, 1)), middle + np.array([[1.0, 0, 0], [9.0, 0, 0]])], axis=1)
    overlap = "overlap of free atom 1 with free atom 2: 1 A, at least 1.27 A needed"
    assert space.refusals(pairs) == [overlap, "outside the confinement"]
    assert space.refusals(np.full((1, 6), np.nan)) == ["not finite"]


def test_structures_are_not_periodic_and_come_back():
    point = SPACE.sample_uniform(1, np.random.default_rng(0))[0]
    atoms = SPACE.atoms(point)
    assert not atoms.pbc.any()
    np.testing.assert_array_equal(SPACE.point(atoms), point)
    with pytest.raises(ValueError, match="is not 'Pt3Cu4', in this order"):
        SPACE.point(Atoms("Cu4Pt3"))


def test_columns_are_those_of_the_same_atoms_in_the_same_sphere():
    assert SPACE.columns_of(Cluster("Pt3Cu4", apart=3.0, least_distance=0.7).describe()) == tuple(range(21))
    for other, told in ((Cluster("Pt4Cu3"), "its atoms are others"), (Cluster("Pt3Cu4", 9.0), "another radius")):
        with pytest.raises(ValueError, match=told):
            SPACE.columns_of(other.describe())


@pytest.mark.parametrize(
    ("build", "kind", "message"),
    [
        (lambda: Cluster("Pt"), ValueError, "single atom"),
        (lambda: Cluster("Xx"), ValueError, "no chemical formula"),
        (lambda: Cluster("Pt13", radius=0.0), ValueError, "radius=0"),
        (lambda: Cluster("Pt13", apart=1.0), ValueError, "apart=1"),
        (lambda: Cluster("Pt13", least_distance=2.0), ValueError, "least_distance=2"),
        (lambda: Cluster("Pt38", radius=2.0), InfeasibleSpaceError, "larger radius"),
    ],
)
def test_impossible_clusters_are_refused(build, kind, message):
    with pytest.raises(kind, match=message):
        build()
