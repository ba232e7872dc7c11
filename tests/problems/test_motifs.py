import networkx as nx
import numpy as np
import pytest
from ase import Atoms
from ase.build import add_adsorbate, fcc111
from ase.calculators.emt import EMT

from matseek.problems.motifs import (
    AfterRelaxation,
    Heptamer,
    Relaxation,
    bond_graph,
    free_indices,
    hexagonal_heptamer,
    matches,
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
    buckled[0, 2] += 0.61
    assert not Heptamer()(on(layer, moved), 0.0)
    assert not Heptamer()(on(layer, buckled), 0.0)
    assert Heptamer(z_range=0.7, factor=1.15)(on(layer, buckled), 0.0)
    six = Adlayer(layer.template, "Pt6", z=(1, 6))
    assert not Heptamer()(on(six, wheel()[1:]), 0.0)


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
        ({"fmax": 0}, "fmax=0 must be a positive number"),
        ({"fmax": "x"}, "fmax='x' must be"),
        ({"max_steps": 0}, "max_steps=0 must be a whole number"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Relaxation(**settings)
