import subprocess
import sys
from functools import partial
from importlib.util import find_spec

import numpy as np
import pytest
from ase.build import fcc100, fcc111

from matseek import Campaign
from matseek.candidates import Rattle, StructureSearch
from matseek.configuration import run_settings
from matseek.descriptors import Soap
from matseek.potentials import BatchedEMT
from matseek.problems.structure import StructureProblem
from matseek.searchers import BayesianSearcher, OnStructures
from matseek.spaces import Adlayer
from matseek.surrogates import StructureGP
from tests.islands import island

needs_featomic = pytest.mark.skipif(find_spec("featomic") is None, reason="featomic is not installed")

SPACES = {
    "one element": partial(island, "Cu3"),
    "two elements": partial(island, "CuPt2"),
    "a cell shorter than the cutoff": lambda: Adlayer(fcc111("Cu", (2, 2, 2), vacuum=6), "Cu2", z=(1, 4)),
    "an alloy below": lambda: Adlayer(fcc100("Pt", (3, 3, 2), vacuum=6), "Cu2", z=(1, 4)),
    "little vacuum": lambda: Adlayer(fcc111("Cu", (3, 3, 2), vacuum=2.5), "Cu2", z=(1, 2)),
}


def numerical(function, x, step=1e-4):
    columns = []
    for k in range(x.shape[1]):
        e = np.zeros(x.shape[1])
        e[k] = step
        columns.append((function(x + e) - function(x - e)) / (2 * step))
    return np.stack(columns, axis=-1)


@needs_featomic
@pytest.mark.parametrize("space", [make() for make in SPACES.values()], ids=SPACES)
class TestInEverySpace:
    def test_derivatives_are_those_of_the_values(self, space):
        described = Soap().prepare(space)
        x = space.sample_uniform(3, np.random.default_rng(0))
        values, jacobians = described.values(x), described.jacobians(x)
        assert values.shape == (3, described.dim)
        assert np.abs(jacobians).max() > 0.1
        np.testing.assert_allclose(jacobians, numerical(described.values, x), atol=1e-5)

    def test_both_gradients_of_a_structure_are_pulled_back(self, space):
        described = Soap(n_max=3, l_max=2).prepare(space)
        x = space.sample_uniform(40, np.random.default_rng(0))
        twice = np.concatenate([x, x])
        gradients = np.random.default_rng(1).standard_normal((80, described.dim))
        expected = np.einsum("md,mdk->mk", gradients, described.jacobians(twice))
        np.testing.assert_allclose(described.pull_back(twice, gradients), expected, atol=1e-10)

    def test_images_of_a_structure_have_one_descriptor(self, space):
        described = Soap().prepare(space)
        rng = np.random.default_rng(2)
        x = space.sample_uniform(2, rng)
        shift = np.zeros_like(x).reshape(2, -1, 3)
        shift[..., :2] = rng.integers(-2, 3, size=(2, space.size, 2)) @ space.plane
        np.testing.assert_allclose(described.values(x + shift.reshape(2, -1)), described.values(x), atol=1e-9)

    def test_it_does_not_depend_on_what_is_described_beside(self, space):
        described = Soap().prepare(space)
        x = space.sample_uniform(35, np.random.default_rng(3))
        np.testing.assert_allclose(described.values(x)[33:], described.values(x[33:]), atol=1e-12)


@needs_featomic
@pytest.mark.parametrize(("free", "order", "same"), [("Cu3", [2, 0, 1], True), ("CuPt2", [1, 0, 2], False)])
def test_like_atoms_alone_can_be_exchanged(free, order, same):
    space = island(free)
    x = space.sample_uniform(1, np.random.default_rng(3))
    described = Soap().prepare(space)
    turned = described.values(x.reshape(3, 3)[order].reshape(1, -1))
    assert (np.abs(turned - described.values(x)).max() < 1e-9) == same


@needs_featomic
def test_a_symmetry_of_the_template_changes_nothing():
    """A lattice vector of the surface, a third of the cell, carries the template into itself."""
    space = island("Cu3")
    x = space.sample_uniform(1, np.random.default_rng(4))
    moved = x.reshape(3, 3) + np.append(space.plane[0] / 3, 0.0)
    described = Soap().prepare(space)
    np.testing.assert_allclose(described.values(moved.reshape(1, -1)), described.values(x), atol=1e-8)


@needs_featomic
def test_a_cutoff_beyond_half_the_cell_counts_every_image():
    """A structure that is repeated has twice the descriptor, each atom the surroundings that it had."""
    small = fcc111("Cu", (2, 2, 2), vacuum=6)
    one = Adlayer(small, "Cu2", z=(1, 4))
    two = Adlayer(small.repeat((2, 1, 1)), "Cu4", z=(1, 4))
    x = one.sample_uniform(1, np.random.default_rng(5))
    repeated = np.concatenate([x.reshape(2, 3), x.reshape(2, 3) + np.append(one.plane[0], 0.0)]).reshape(1, -1)
    twice = 2 * Soap(cutoff=6.0).prepare(one).values(x)
    np.testing.assert_allclose(Soap(cutoff=6.0).prepare(two).values(repeated), twice, rtol=1e-9, atol=1e-9)


@needs_featomic
def test_the_image_of_a_slab_is_not_seen():
    """With the vacuum that ASE leaves out, the slab above would be within the cutoff."""
    thin, thick = (Adlayer(fcc111("Cu", (3, 3, 2), vacuum=v), "Cu2", z=(1, 2)) for v in (2.5, 20.0))
    x = thin.sample_uniform(1, np.random.default_rng(6))
    higher = x.reshape(2, 3) + np.array([0.0, 0.0, thick.z_low - thin.z_low])
    values = Soap().prepare(thick).values(higher.reshape(1, -1))
    np.testing.assert_allclose(Soap().prepare(thin).values(x), values, atol=1e-9)


@needs_featomic
def test_distances_are_those_of_the_whole_spectrum():
    """featomic's own values of all components, for a single atom, whose two kinds are told apart."""
    from featomic import SoapPowerSpectrum

    space = island("Pt")
    first, second = space.sample_uniform(2, np.random.default_rng(7))
    settings = Soap(n_max=3, l_max=2)
    calculator = SoapPowerSpectrum(
        cutoff={"radius": 5.0, "smoothing": {"type": "ShiftedCosine", "width": 1.0}},
        density={"type": "Gaussian", "width": 0.5},
        basis={"type": "TensorProduct", "max_angular": 2, "radial": {"type": "Gto", "max_radial": 2}},
    )
    whole = []
    for point in (first, second):
        atoms = space.atoms(point)
        atoms.pbc = True
        atoms.center(vacuum=10.0, axis=2)
        blocks = calculator.compute(atoms).keys_to_properties(["neighbor_1_type", "neighbor_2_type"])
        whole.append(blocks.block({"center_type": 78}).values[0])
    values = settings.prepare(space).values(np.stack([first, second]))
    assert values.shape[1] < len(whole[0])
    assert np.linalg.norm(values[0] - values[1]) == pytest.approx(np.linalg.norm(whole[0] - whole[1]), rel=1e-8)


@needs_featomic
def test_lost_atoms_and_atoms_on_top_of_each_other_have_finite_derivatives(caplog):
    space = island("Cu3")
    x = space.sample_uniform(2, np.random.default_rng(6))
    x[0] = np.tile(x[0, :3], 3)
    x[1, 2] = 1e9
    with caplog.at_level("INFO"):
        jacobians = Soap().prepare(space).jacobians(x)
    assert np.isfinite(jacobians).all()
    assert not caplog.records


@needs_featomic
def test_each_kind_of_centre_is_a_group():
    groups = Soap(n_max=2, l_max=1).prepare(island("CuPt2")).groups
    # Of three kinds, three pairs are alike, with 3 products of radial functions, and three are not, with 4.
    assert np.bincount(groups).tolist() == [2 * 3 * (3 + 4)] * 2


@needs_featomic
def test_structures_are_searched_with_it():
    surrogate = StructureGP(descriptor=Soap(n_max=3, l_max=2))
    quick = StructureSearch(candidates=4, generations=1, generators=(Rattle(),))
    searcher = BayesianSearcher(structures=OnStructures(surrogate, quick))
    campaign = Campaign(StructureProblem(island("Cu2"), BatchedEMT), searcher, seed=0).run(4)
    assert campaign.summary()["evaluations"] == 4


@needs_featomic
def test_a_configuration_names_it():
    at = "searcher.structures.surrogate.descriptor"
    named = [f"{at}._target_=matseek.descriptors.Soap", f"+{at}.l_max=2"]
    settings = run_settings(["problem=platinum_heptamer", "searcher=bayesian", *named])
    assert settings.searcher.structures.surrogate.descriptor == Soap(l_max=2)


@needs_featomic
@pytest.mark.parametrize(
    ("settings", "message"),
    [({"cutoff": 0.1}, "cutoff"), ({"n_max": 0}, "n_max"), ({"l_max": "many"}, "l_max"), ({"smearing": 0}, "smearing")],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Soap(**settings)


def test_without_featomic_it_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "featomic", None)
    with pytest.raises(ImportError, match=r"pip install 'matseek\[soap\]'"):
        Soap()


def test_featomic_is_imported_when_it_is_asked_for():
    told = "import sys, matseek.descriptors; sys.exit('featomic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", told], check=False).returncode == 0
