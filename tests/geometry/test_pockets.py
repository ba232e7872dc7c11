import numpy as np
from ase.cluster import Icosahedron

from matseek.geometry.pockets import pockets


def test_every_face_of_an_icosahedron_has_one_pocket_and_its_inside_none():
    positions = Icosahedron("Ar", 2, latticeconstant=2**0.5).positions
    places, touched = pockets(positions, np.full(13, 1.0))
    distinct = np.unique(np.round(places, 4), axis=0)
    assert len(distinct) == 20
    assert set(touched.tolist()) == {3}
    assert (np.linalg.norm(places, axis=1) > 1.2).all()


def test_what_one_atom_leaves_behind_is_where_most_are_touched():
    positions = Icosahedron("Ar", 2, latticeconstant=2**0.5).positions
    gone = int(np.linalg.norm(positions, axis=1).argmax())
    places, touched = pockets(np.delete(positions, gone, axis=0), np.full(12, 1.0))
    assert touched.max() == 6
    np.testing.assert_allclose(places[touched.argmax()], positions[gone], atol=0.1)


def test_contacts_of_different_lengths_are_kept():
    positions = np.array([[0.0, 0, 0], [2.0, 0, 0], [0.8, 1.5, 0]])
    contacts = np.array([1.5, 1.3, 1.1])
    places, touched = pockets(positions, contacts)
    assert len(places) == 2
    np.testing.assert_allclose(np.linalg.norm(places[:, None] - positions, axis=-1), contacts[None].repeat(2, 0))
    assert touched.tolist() == [3, 3]


def test_atoms_on_a_line_or_too_few_have_none():
    line = np.array([[0.0, 0, 0], [1.0, 0, 0], [2.0, 0, 0]])
    for positions in (line, line[:2], line[:1]):
        places, touched = pockets(positions, np.full(len(positions), 1.1))
        assert places.shape == (0, 3)
        assert touched.shape == (0,)
