import networkx as nx
import numpy as np
import pytest
from ase import Atoms
from ase.build import add_adsorbate, fcc100, fcc111
from ase.calculators.emt import EMT

from matseek.problems.motifs import (
    AfterRelaxation,
    Heptamer,
    Relaxation,
    bond_graph,
    free_indices,
    hexagonal_heptamer,
    is_one_layer,
    matches,
    surrounded,
)
from matseek.spaces import Adlayer

BOND = 2.77


def wheel(height=2.2, twist=0.3):
    """Positions of a flat hexagon with its centre."""
    angle = twist + np.arange(6) * np.pi / 3
    ring = BOND * np.column_stack([np.cos(angle), np.sin(angle), np.zeros(6)])
    return np.vstack([np.zeros(3), ring]) + np.array([0, 0, height])


@pytest.fixture(scope="module")
def layer():
    return Adlayer(fcc111("Pt", (6, 6, 1), vacuum=8), "Pt7", z=(1.0, 6.0))


def on(layer, positions):
    return layer.atoms((positions + np.array([0, 0, layer.z_low - 1])).ravel())


class Counting(EMT):
    calls = 0

    def calculate(self, *args, **kwargs):
        type(self).calls += 1
        super().calculate(*args, **kwargs)


def test_free_atoms_are_those_not_held(layer):
    assert free_indices(on(layer, wheel())).tolist() == list(range(36, 43))
    assert free_indices(Atoms("Pt2")).tolist() == [0, 1]


@pytest.mark.parametrize("shift", [(0, 0), (8.1, 3), (16.5, 14.2), (-5, 40)])
def test_a_heptamer_is_recognised_wherever_it_lies(layer, shift):
    atoms = on(layer, wheel() + np.array([*shift, 0]))
    atoms.set_positions(atoms.get_positions(wrap=True), apply_constraint=False)
    graph = bond_graph(atoms, free_indices(atoms))
    assert graph.number_of_edges() == 12
    assert matches(graph, hexagonal_heptamer())
    assert Heptamer()(atoms, 0.0)
    order = np.r_[np.arange(36), 36 + np.random.default_rng(0).permutation(7)]
    shuffled = atoms[order]
    shuffled.set_constraint(atoms.constraints)
    assert Heptamer()(shuffled, 0.0)


def test_other_islands_are_not_heptamers(layer):
    moved = wheel()
    moved[3] *= [1.9, 1.9, 1]  # one atom leaves the ring
    buckled = wheel()
    buckled[3, 2] += 0.61  # an atom of the rim
    assert not Heptamer()(on(layer, moved), 0.0)
    assert not Heptamer()(on(layer, buckled), 0.0)
    assert Heptamer(z_range=0.7, factor=1.15)(on(layer, buckled), 0.0)
    six = Adlayer(layer.template, "Pt6", z=(1, 6))
    assert not Heptamer()(on(six, wheel()[1:]), 0.0)


SEVENNET = {
    "hcp": [
        (8.318, 6.396, 13.170),
        (10.933, 6.407, 12.462),
        (9.623, 8.664, 12.470),
        (6.990, 8.678, 12.464),
        (5.706, 6.416, 12.467),
        (7.013, 4.125, 12.466),
        (9.619, 4.123, 12.463),
    ],
    "fcc": [
        (8.317, 8.000, 13.207),
        (10.926, 7.989, 12.495),
        (9.606, 10.268, 12.503),
        (7.008, 10.279, 12.498),
        (5.708, 7.997, 12.503),
        (6.999, 5.741, 12.501),
        (9.632, 5.739, 12.497),
    ],
    "on top of atoms": [
        (8.319, 4.792, 13.231),
        (10.965, 4.804, 12.760),
        (9.646, 7.088, 12.758),
        (6.995, 7.071, 12.754),
        (5.678, 4.765, 12.755),
        (7.013, 2.484, 12.758),
        (9.658, 2.504, 12.758),
    ],
    "six and one on top": [
        (8.631, 6.575, 12.450),
        (9.392, 9.165, 12.604),
        (11.180, 11.102, 12.422),
        (11.253, 5.947, 12.607),
        (11.974, 8.521, 12.708),
        (13.816, 6.532, 12.421),
        (10.189, 7.479, 14.384),
    ],
}
"""Pt7 on the (6, 6, 2) slab as SevenNet-0 (sevenn 0.13, model 7net-0) relaxed it, to 0.05 eV/A, in angstrom."""


@pytest.mark.parametrize(
    ("island", "recognised"), [("hcp", True), ("fcc", True), ("on top of atoms", True), ("six and one on top", False)]
)
def test_another_potentials_hexagon_is_one_too(island, recognised):
    """SevenNet-0's centres rise by 0.70 A, EMT's by 0.14; its second layer begins 1.7 A above the first."""
    space = Adlayer(fcc111("Pt", (6, 6, 2), vacuum=8), "Pt7", z=(1.0, 6.0))
    atoms = space.atoms(np.array(SEVENNET[island]).ravel())
    assert Heptamer()(atoms, 0.0) == recognised


def hexagon(bond, dome):
    """A hexagon of a bond's length whose centre lies a dome above its rim."""
    return (wheel() - [0, 0, 2.2]) * bond / BOND + np.outer(np.arange(7) == 0, [0, 0, dome]) + [0, 0, 2.4]


@pytest.mark.parametrize("bond", [2.55, 2.65, 2.77])
@pytest.mark.parametrize("dome", [-0.9, -0.7, 0.0, 0.5, 0.7, 0.9, 1.05])
def test_a_dome_is_one_layer(layer, bond, dome):
    assert Heptamer()(on(layer, hexagon(bond, dome)), 0.0)


@pytest.mark.parametrize("bond", [2.4, 2.55, 2.77])
@pytest.mark.parametrize("dome", [1.2, 1.5, 1.8, 2.2])
def test_an_atom_on_top_of_a_ring_is_a_second_layer(layer, bond, dome):
    """Short bonds hold the wheel together even at such heights: the bond graph alone does not tell."""
    atoms = on(layer, hexagon(bond, dome))
    assert not Heptamer()(atoms, 0.0)
    if (bond, dome) == (2.4, 1.5):
        assert matches(bond_graph(atoms, free_indices(atoms)), hexagonal_heptamer())


def test_a_tilted_hexagon_is_no_layer(layer):
    angle = np.radians(20)
    tilt = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    assert not Heptamer()(on(layer, (wheel() - [0, 0, 2.2]) @ tilt.T + [0, 0, 4]), 0.0)


def test_inner_atoms_are_surrounded(layer):
    atoms = on(layer, hexagon(2.7, 0.7) + np.array([16, 14, 0]))
    atoms.set_positions(atoms.get_positions(wrap=True), apply_constraint=False)
    assert surrounded(atoms, free_indices(atoms)) == {36}
    square = fcc100("Cu", (3, 3, 1), vacuum=8)
    square.pbc = False
    assert surrounded(square, range(9)) == {4}
    assert surrounded(Atoms("Pt"), [0]) == set()
    endless = fcc111("Pt", (3, 3, 1), vacuum=8)
    assert surrounded(endless, range(9)) == set(range(9))
    assert is_one_layer(endless, range(9), set(range(9)), 0.1)


def test_bonds_through_several_images_are_counted():
    chain = Atoms("Pt2", positions=[[0, 0, 0], [2.5, 0, 0]], cell=[5, 20, 20], pbc=(True, True, False))
    graph = bond_graph(chain, [0, 1])
    assert graph.edges[0, 1]["bonds"] == 2
    assert not matches(graph, nx.path_graph(2))
    alone = Atoms("Pt", cell=[2.6, 20, 20], pbc=(True, True, False))
    assert bond_graph(alone, [0]).number_of_edges() == 1, "an atom is bonded to its own image"
    assert bond_graph(chain, [1]).nodes[1] == {"number": 78}


def test_bonds_are_shorter_than_the_sum_of_radii_with_some_slack():
    for distance, bonded in [(2.98, True), (3.0, False)]:
        pair = Atoms("Pt2", positions=[[0, 0, 0], [0, 0, distance]])
        assert bond_graph(pair, [0, 1]).has_edge(0, 1) == bonded
    mixed = Atoms("PtH", positions=[[0, 0, 0], [0, 0, 1.9]])
    assert not bond_graph(mixed, [0, 1]).has_edge(0, 1)


@pytest.mark.parametrize("optimizer", ["BFGS", "FIRE", "LBFGS"])
def test_relaxations_count_their_calls_and_hold_the_template(optimizer):
    slab = fcc111("Pt", (2, 2, 2), vacuum=8)
    space = Adlayer(slab, "Pt", z=(0, 4))
    add_adsorbate(slab, "Pt", 2.4, "fcc", offset=(0.05, 0.02))
    start = space.atoms(slab.positions[-1])
    Counting.calls = 0
    found = Relaxation(optimizer, fmax=0.05, max_steps=100).relax(start, Counting())
    assert found.calls == Counting.calls > 2
    assert np.array_equal(found.atoms.positions[:8], space.template.positions)
    found.atoms.calc = EMT()
    assert np.linalg.norm(found.atoms.get_forces(), axis=1).max() < 0.05
    assert found.energy == pytest.approx(found.atoms.get_potential_energy())
    assert np.array_equal(start.positions[-1], slab.positions[-1])
    assert Relaxation(optimizer, max_steps=1).relax(start, EMT()).calls == 2


def test_recognition_after_relaxation_counts_and_remembers(layer):
    Counting.calls = 0
    start = on(layer, wheel())
    recognition = AfterRelaxation(lambda atoms, energy: energy < 1e6, Counting, Relaxation(max_steps=2))
    assert recognition(start, 0.0)
    assert recognition(start.copy(), 0.0)
    assert recognition.calls == Counting.calls == 3
    never = AfterRelaxation(Heptamer(), Counting, before=lambda atoms, energy: False)
    assert not never(start, 0.0)
    assert never.calls == 0


def test_a_relaxation_that_fails_recognises_nothing(layer, caplog):
    def broken():
        raise RuntimeError("no licence")

    assert not AfterRelaxation(Heptamer(), broken)(on(layer, wheel()), 0.0)
    assert "no licence" in caplog.text


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimizer": "magic"}, "optimizer='magic' is unknown; choose one of"),
        ({"fmax": 0}, "fmax=0 must be a finite number above 0"),
        ({"fmax": "x"}, "fmax='x' must be"),
        ({"max_steps": 0}, "max_steps=0 must be a whole number"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Relaxation(**settings)
