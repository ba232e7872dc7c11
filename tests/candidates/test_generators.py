import numpy as np
import pytest

from matseek.candidates import CentreMove, Contiguous, Crossover, Hop, Permutation, Rattle, SymmetryMove, Uniform
from tests.islands import island

GENERATORS = [Uniform(), Contiguous(), Rattle(), CentreMove(), Hop(), Permutation(), SymmetryMove(), Crossover()]
SPACES = {"three": island("Cu3"), "one": island("Cu"), "two elements": island("Cu2Pt2")}


@pytest.mark.parametrize("generator", GENERATORS, ids=lambda g: g.label)
@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_candidates_lie_in_the_confinement_and_follow_the_seed(generator, space):
    parents = space.sample_contiguous(4, np.random.default_rng(0))
    before = parents.copy()
    first, second, other = (generator.propose(6, parents, space, np.random.default_rng(s)) for s in (1, 1, 2))
    assert first.shape == (6, space.dim)
    assert space.contains(first).all()
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(parents, before)
    if not (generator.label == "permutation" and space.size == 1) and not (
        generator.label == "hop" and space.size == 1
    ):
        assert np.abs(first - other).max() > 1e-3


def test_a_permutation_only_exchanges_elements():
    space = SPACES["two elements"]
    parent = space.wrap(space.sample_contiguous(1, np.random.default_rng(0)))
    (child,) = Permutation().propose(1, parent, space, np.random.default_rng(1)).reshape(-1, 4, 3)
    a, b = np.sort(parent.reshape(4, 3), axis=0), np.sort(child, axis=0)
    np.testing.assert_allclose(a, b, atol=1e-9)
    moved = np.flatnonzero(np.abs(child - parent.reshape(4, 3)).max(axis=1) > 1e-6)
    assert len(set(space.numbers[moved].tolist())) == 2


def test_a_rattle_moves_no_more_atoms_than_it_says():
    space = SPACES["three"]
    parent = space.wrap(space.sample_contiguous(1, np.random.default_rng(0)))
    children = Rattle(atoms=1, amplitude=0.5).propose(10, parent, space, np.random.default_rng(1)).reshape(10, 3, 3)
    moved = (np.abs(children - parent.reshape(1, 3, 3)).max(axis=2) > 1e-9).sum(axis=1)
    assert (moved == 1).all()


def test_a_turned_island_keeps_its_distances():
    space = island("Cu3", size=(6, 6, 2))
    parent = space.sample_contiguous(1, np.random.default_rng(0))
    children = SymmetryMove().propose(5, parent, space, np.random.default_rng(1))

    def distances(point):
        return np.sort(space.atoms(point)[-3:].get_all_distances(mic=True)[np.triu_indices(3, 1)])

    for child in children:
        np.testing.assert_allclose(distances(child), distances(parent), atol=1e-8)


def test_children_have_the_elements_of_their_parents():
    """Atoms of an element come from atoms of this element."""
    space = island("Cu2Pt2", size=(6, 6, 2))
    parents = space.sample_contiguous(2, np.random.default_rng(0))
    heights = parents.reshape(2, 4, 3)[..., 2]
    for child in Crossover().propose(20, parents, space, np.random.default_rng(1)).reshape(20, 4, 3):
        for k, height in enumerate(child[:, 2]):
            alike = heights[:, space.numbers == space.numbers[k]]
            assert np.abs(alike - height).min() < 1e-9


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Rattle(weight=0.0), "weight"),
        (lambda: Rattle(atoms=0), "atoms"),
        (lambda: CentreMove(margin=-1.0), "margin"),
    ],
)
def test_settings_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
