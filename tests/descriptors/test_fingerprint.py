import numpy as np
import pytest
from ase.build import fcc100, fcc111

from matseek.descriptors import Fingerprint, Repulsion
from matseek.spaces import Adlayer
from tests.islands import island

SPACES = {
    "one element": island("Cu3"),
    "one atom": island("Pt"),
    "two elements": island("CuPt2"),
    "a cell shorter than the cutoff": Adlayer(fcc111("Cu", (2, 2, 2), vacuum=6), "Cu2", z=(1, 4)),
    "an alloy below": Adlayer(fcc100("Pt", (3, 3, 2), vacuum=6), "Cu2", z=(1, 4)),
}


@pytest.fixture(params=SPACES, scope="module")
def space(request):
    return SPACES[request.param]


def numerical(function, x, step=1e-5):
    columns = []
    for k in range(x.shape[1]):
        e = np.zeros(x.shape[1])
        e[k] = step
        columns.append((function(x + e) - function(x - e)) / (2 * step))
    return np.stack(columns, axis=-1)


def test_derivatives_are_those_of_the_values(space):
    described = Fingerprint().prepare(space)
    x = space.sample_uniform(3, np.random.default_rng(0))
    values, jacobians = described.values(x), described.jacobians(x)
    assert values.shape == (3, described.dim)
    assert np.abs(jacobians).max() > 0.1
    np.testing.assert_allclose(jacobians, numerical(described.values, x), atol=1e-7)
    gradients = np.random.default_rng(1).standard_normal(values.shape)
    expected = np.einsum("md,mdk->mk", gradients, jacobians)
    np.testing.assert_allclose(described.pull_back(x, gradients), expected, atol=1e-10)


def test_the_repulsion_has_the_gradient_of_its_energy(space):
    repulsion = Repulsion(contact=2.0).prepare(space)
    x = space.sample_contiguous(3, np.random.default_rng(0))
    energies, gradients = repulsion.energies(x)
    assert (energies > 0).all()
    np.testing.assert_allclose(gradients, numerical(lambda y: repulsion.energies(y)[0], x), rtol=1e-5, atol=1e-6)


def test_images_of_a_structure_have_one_fingerprint(space):
    described = Fingerprint().prepare(space)
    rng = np.random.default_rng(2)
    x = space.sample_uniform(2, rng)
    shift = np.zeros_like(x).reshape(2, -1, 3)
    shift[..., :2] = rng.integers(-2, 3, size=(2, space.size, 2)) @ space.plane
    np.testing.assert_allclose(described.values(x + shift.reshape(2, -1)), described.values(x), atol=1e-9)


def test_like_atoms_can_be_exchanged():
    space = island("Cu3")
    x = space.sample_uniform(1, np.random.default_rng(3))
    turned = x.reshape(3, 3)[[2, 0, 1]].reshape(1, -1)
    described = Fingerprint().prepare(space)
    np.testing.assert_allclose(described.values(turned), described.values(x), atol=1e-10)


def test_unlike_atoms_cannot_be_exchanged():
    space = island("CuPt2")
    x = space.sample_uniform(1, np.random.default_rng(3))
    turned = x.reshape(3, 3)[[1, 0, 2]].reshape(1, -1)
    described = Fingerprint().prepare(space)
    assert np.abs(described.values(turned) - described.values(x)).max() > 1e-3


def test_a_symmetry_of_the_template_changes_nothing():
    """A lattice vector of the surface, a third of the cell, carries the template into itself."""
    space = island("Cu3")
    x = space.sample_uniform(1, np.random.default_rng(4))
    moved = x.reshape(3, 3) + np.append(space.plane[0] / 3, 0.0)
    described = Fingerprint().prepare(space)
    np.testing.assert_allclose(described.values(moved.reshape(1, -1)), described.values(x), atol=1e-8)


def test_a_cutoff_beyond_half_the_cell_counts_every_image():
    """A structure that is repeated has twice the fingerprint, each atom the surroundings that it had."""
    small = fcc111("Cu", (2, 2, 2), vacuum=6)
    one = Adlayer(small, "Cu2", z=(1, 4))
    two = Adlayer(small.repeat((2, 1, 1)), "Cu4", z=(1, 4))
    x = one.sample_uniform(1, np.random.default_rng(5))
    repeated = np.concatenate([x.reshape(2, 3), x.reshape(2, 3) + np.append(one.plane[0], 0.0)]).reshape(1, -1)
    twice = 2 * Fingerprint(cutoff=7.0).prepare(one).values(x)
    np.testing.assert_allclose(Fingerprint(cutoff=7.0).prepare(two).values(repeated), twice, rtol=1e-9, atol=1e-9)


def test_atoms_on_top_of_each_other_have_finite_derivatives():
    space = island("Cu3")
    x = np.tile(space.sample_uniform(1, np.random.default_rng(6)).reshape(3, 3)[:1], (3, 1)).reshape(1, -1)
    described, repulsion = Fingerprint().prepare(space), Repulsion().prepare(space)
    assert np.isfinite(described.jacobians(x)).all()
    assert all(np.isfinite(part).all() for part in repulsion.energies(x))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cutoff": 0.1}, "cutoff"),
        ({"radial": 1}, "radial"),
        ({"angular_cutoff": 7.0}, "longer than cutoff=6.0; lower it"),
        ({"angular": "many"}, "angular"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Fingerprint(**settings)
