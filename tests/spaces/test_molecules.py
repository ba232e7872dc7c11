import json
import logging
import pickle

import numpy as np
import pytest
from ase.build import fcc111, fcc211, molecule
from hypothesis import given, settings
from hypothesis import strategies as st

from matseek.errors import InfeasibleSpaceError
from matseek.spaces import Adlayer, MolecularAdlayer
from matseek.testing import check_space

SLAB = fcc111("Pt", (3, 3, 2), vacuum=8)
SPACE = MolecularAdlayer(SLAB, "2CO + O", z=(0.8, 5.0))
SPACES = {
    "two molecules and an atom": SPACE,
    "water on a step": MolecularAdlayer(fcc211("Pt", (3, 2, 3), vacuum=8), "H2O + OH", z=(0.5, 6.0)),
    "nothing but an atom": MolecularAdlayer(SLAB, "O", z=(0.8, 5.0)),
    "alone in a small cell": MolecularAdlayer(fcc111("Pt", (1, 1, 2), vacuum=8), "CO", z=(0.8, 5.0)),
}


@pytest.mark.parametrize("name", SPACES)
def test_spaces_of_molecules_are_certified(name):
    check_space(SPACES[name])


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000), contiguous=st.booleans(), name=st.sampled_from(sorted(SPACES)))
def test_samples_are_whole_and_allowed(seed, contiguous, name):
    space, rng = SPACES[name], np.random.default_rng(seed)
    points = (space.sample_contiguous if contiguous else space.sample_uniform)(4, rng)
    assert space.refusals(points) == [""] * 4
    positions = points.reshape(4, -1, 3)
    assert space.bodies.strain(positions).max() < 1e-9
    # In one piece, not only across images.
    for body, shape in zip(space.bodies.members, space.bodies.shapes, strict=True):
        found = np.linalg.norm(positions[:, body, None] - positions[:, None, body], axis=-1)
        wanted = np.linalg.norm(shape[:, None] - shape, axis=-1)
        assert found.max() == pytest.approx(wanted.max(), abs=1e-9)


def test_orientations_are_uniform_where_nothing_is_in_the_way():
    space = MolecularAdlayer(SLAB, "CO", z=(3.0, 30.0))
    positions = space.sample_uniform(400, np.random.default_rng(0)).reshape(400, 2, 3)
    axis = positions[:, 1] - positions[:, 0]
    cosine = axis[:, 2] / np.linalg.norm(axis, axis=1)
    assert np.histogram(cosine, bins=4, range=(-1, 1))[0] == pytest.approx([100] * 4, abs=35)


def test_what_is_broken_is_refused_and_images_are_not():
    rng = np.random.default_rng(0)
    point = SPACE.sample_uniform(1, rng)[0]
    bent = point.copy()
    bent[0] += 0.1
    assert "broken molecule 1 (CO)" in SPACE.refusals(bent)[0]
    rounded = np.round(point, 5)
    images = point.reshape(-1, 3).copy()
    images[:, :2] += rng.integers(-2, 3, (5, 2)) @ SPACE.plane
    assert SPACE.refusals([rounded, images.ravel()]) == ["", ""]
    assert SPACE.bodies.strain(SPACE.wrap(images.ravel()).reshape(-1, 5, 3)).max() < 1e-9
    assert "not finite" in SPACE.refusals(np.full(15, np.nan))[0]


def test_distances_within_a_molecule_do_not_count_as_overlaps():
    hydrogen = MolecularAdlayer(
        SLAB, "H2", z=(1.0, 6.0), least_distance=1.0
    )  # covalent radii: 0.62 A; the bond: 0.74 A
    carbon = MolecularAdlayer(SLAB, "CO", z=(1.0, 6.0), least_distance=1.0)  # 1.42 A; 1.15 A
    for space in (hydrogen, carbon):
        points = space.sample_uniform(3, np.random.default_rng(0))
        assert space.refusals(points) == [""] * 3
        assert (space.closeness(points) >= 1).all()


def test_a_geometry_of_ones_own_is_kept():
    stretched = molecule("CO")
    stretched.set_distance(0, 1, 1.2)
    space = MolecularAdlayer(SLAB, [stretched, "O"], z=(0.8, 5.0))
    atoms = space.atoms(space.sample_uniform(1, np.random.default_rng(0))[0])
    assert atoms.get_distance(-3, -2) == pytest.approx(1.2)
    kept = space.bodies.shapes[0].copy()
    stretched.positions += 1  # what was given may change afterwards
    assert np.array_equal(space.bodies.shapes[0], kept)
    assert space.describe() != MolecularAdlayer(SLAB, "CO + O", z=(0.8, 5.0)).describe()


@pytest.mark.parametrize(
    ("template", "molecules", "z", "told"),
    [
        (fcc111("Pt", (1, 1, 2), vacuum=8), "C6H6", (1, 8), "C6H6 is 4.96 angstrom long.*repeat"),
        (SLAB, "CH4", (0.8, 1.2), "CH4, 1.7. angstrom long, found no place"),
        (fcc111("Pt", (2, 1, 2), vacuum=8), "9CO", (0.8, 1.4), "hard cores|do not fit"),
    ],
)
def test_what_does_not_fit_is_refused(template, molecules, z, told):
    with pytest.raises(InfeasibleSpaceError, match=told):
        MolecularAdlayer(template, molecules, z=z)


def test_a_space_is_told_from_others_and_travels():
    described = json.loads(json.dumps(SPACE.describe()))
    assert SPACE.columns_of(described) == tuple(range(15))
    loose = Adlayer(SLAB, SPACE.free, z=(0.8, 5.0))
    with pytest.raises(ValueError, match="not rigid"):
        SPACE.columns_of(loose.describe())
    assert loose.columns_of(described) == tuple(range(15))  # free atoms can learn from whole molecules
    again = pickle.loads(pickle.dumps(SPACE))
    assert again.describe() == SPACE.describe()
    assert again.species == ("CO", "CO", "O")


def test_a_formula_of_free_atoms_that_is_a_molecules_is_told(caplog):
    with caplog.at_level(logging.WARNING):
        Adlayer(SLAB, "Pt2", z=(1, 5))
        MolecularAdlayer(SLAB, "CO", z=(1, 5))
        assert not caplog.records
        Adlayer(SLAB, "CO", z=(1, 5))
    assert "MolecularAdlayer(template, 'CO', z)" in caplog.text
