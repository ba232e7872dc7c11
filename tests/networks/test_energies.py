"""An ensemble of energies: batched as one by one, and derivatives against finite differences."""

import numpy as np
import pytest
import torch
from ase.build import fcc111

from matseek.networks.energies import AtomicEnergies, EnergyEnsemble, pull_back
from matseek.networks.graphs import AtomicSystem
from matseek.networks.painn import Edges

SIZES = {"features": 8, "blocks": 2, "cutoff": 4.0, "gaussians": 6}
SLAB = fcc111("Pt", (2, 2, 2), vacuum=6)
TOP = SLAB.positions[:, 2].max()


def system(free=(78, 29, 78)):
    return AtomicSystem(SLAB.positions, SLAB.numbers, SLAB.cell.array, (True, True, False), np.array(free))


def ensemble(members=3, free=(78, 29, 78), seed=0):
    return EnergyEnsemble(system(free), members, **SIZES, seed=seed)


def structures(count=2, atoms=3, seed=0):
    rng = np.random.default_rng(seed)
    inside = rng.random((count, atoms, 3)) * [1.0, 1.0, 0.0] @ SLAB.cell.array
    return torch.tensor(inside + [0.0, 0.0, TOP] + rng.uniform(1.2, 3.5, (count, atoms, 1)) * [0.0, 0.0, 1.0])


def energies(model, positions):
    return model(model.neighbours(positions))[0]


def test_all_members_at_once_are_each_on_its_own():
    model, positions = ensemble(), structures()
    near = model.neighbours(positions)
    found, by_seen = model(near)
    graph = near.graph
    for k in range(3):
        alone = AtomicEnergies(**SIZES)
        names = [name for name, _ in alone.named_parameters()]
        alone.load_state_dict({name: p[k] for name, p in zip(names, model.stacked, strict=True)})
        painn = alone.representation
        x = positions.clone().requires_grad_()
        graph = model.neighbours(x).graph
        edges = painn.edges(graph.edge_index, graph.edge_vectors, graph.pair)
        within = painn.edges(graph.template_edge_index, graph.template_edge_vectors, graph.template_pair)
        of_atoms = alone(graph.numbers, Edges(*edges), painn.sent(graph.template_numbers, within))
        single = of_atoms.view(2, 3).sum(dim=1)
        torch.testing.assert_close(found[k], single.detach(), atol=1e-5, rtol=1e-5)
        (gradient,) = torch.autograd.grad(single.sum(), x)
        torch.testing.assert_close(pull_back(near, by_seen)[k].double(), gradient, atol=1e-5, rtol=1e-4)


def test_derivatives_are_those_of_the_energies():
    model, positions = ensemble(seed=1), structures(seed=1)
    near = model.neighbours(positions)
    gradient = pull_back(near, model(near)[1])
    h = 5e-3
    for atom, axis in [(0, 0), (1, 1), (2, 2)]:
        step = torch.zeros_like(positions)
        step[:, atom, axis] = h
        numeric = (energies(model, positions + step) - energies(model, positions - step)) / (2 * h)
        torch.testing.assert_close(gradient[:, :, atom, axis], numeric, atol=5e-4, rtol=1e-2)


def test_like_atoms_images_and_translations_of_the_slab_change_nothing():
    model, positions = ensemble(), structures()
    expected = energies(model, positions)
    swapped = positions[:, [2, 1, 0]]
    images = positions + torch.tensor(SLAB.cell.array[:2].sum(axis=0) * [[1], [-2], [3]])
    moved = positions + torch.tensor(SLAB.cell.array[0] / 2)
    for same in (swapped, images, moved):
        torch.testing.assert_close(energies(model, same), expected, atol=1e-5, rtol=1e-5)
    other = energies(model, positions[:, [1, 0, 2]])
    assert (other - expected).abs().max() > 1e-4, "copper is not platinum"


def test_a_member_learns_nothing_from_the_others():
    model = ensemble()
    found, _ = model(model.neighbours(structures()), differentiable=True)
    gradients = torch.autograd.grad(found[1].sum(), list(model.stacked), allow_unused=True)
    known = [g for g in gradients if g is not None]
    assert max(float(g[1].abs().max()) for g in known) > 0
    assert max(float(g[[0, 2]].abs().max()) for g in known) == 0


def test_initial_parameters_are_a_function_of_the_seed_and_the_global_generator_is_left_alone():
    before = torch.random.get_rng_state()
    first, again, other = ensemble(seed=3), ensemble(seed=3), ensemble(seed=4)
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(first.stacked, again.stacked, strict=True))
    assert not torch.equal(first.stacked[0], other.stacked[0])
    assert not torch.equal(first.stacked[0][0], first.stacked[0][1]), "members differ"


@pytest.mark.parametrize("apart", [0.0, 1e-5, 30.0])
def test_atoms_on_top_of_each_other_and_atoms_that_see_nothing_have_finite_energies(apart):
    model = ensemble(members=2, free=(78, 78))
    positions = structures(1, 2)
    positions[:, 1] = positions[:, 0] + torch.tensor([0.0, 0.0, apart])
    near = model.neighbours(positions)
    found, by_seen = model(near)
    assert torch.isfinite(found).all()
    assert torch.isfinite(pull_back(near, by_seen)).all()
