"""Neighbours in rows of one length are the neighbours."""

import numpy as np
import pytest
import torch
from ase.build import fcc111

from matseek.godiff.atomic_score import TemplateScore
from matseek.networks.graphs import AtomicSystem, free_edges
from matseek.networks.rows import row_plan

CPU = torch.device("cpu")


def system(shape, rattle=0.0, free=3, strange=False):
    slab = fcc111("Pt", shape, vacuum=6)
    slab.rattle(rattle, seed=0) if rattle else None
    if strange:
        slab.numbers[-1] = 79
    return AtomicSystem(slab.positions, slab.numbers, slab.cell.array, (True, True, False), np.full(free, 29))


SYSTEMS = {
    "orbits": system((6, 6, 2), free=7),
    "images": system((2, 2, 2)),
    "no two alike": system((4, 4, 2), rattle=0.05),
    "images of atoms none of which are alike": system((2, 1, 2), rattle=0.05),
    "one of another element": system((3, 3, 2), strange=True),
    "bare": AtomicSystem(np.zeros((0, 3)), np.zeros(0), np.eye(3) * 7, (True, True, False), np.full(2, 78)),
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_network_sees_in_rows_what_it_sees_in_lists(name):
    atoms, model = SYSTEMS[name], TemplateScore(8, 3, 5.0, 6, seed=1)
    generator = torch.Generator().manual_seed(0)
    x = torch.rand((4, atoms.n_free, 3), generator=generator, dtype=torch.float64) @ torch.tensor(atoms.cell)
    x[..., 2] = atoms.positions[:, 2].max(initial=0.0) + 3 * torch.rand(x.shape[:2], generator=generator)
    plan = row_plan(atoms, 6, 5.0, x.dtype, CPU)
    free = plan.free(model.representation.basis, x)
    assert free.source.shape == (x.shape[0] * atoms.n_free * plan.length,)
    numbers = torch.cat([plan.around.distinct.numbers, plan.around.numbers[plan.around.n_template :].repeat(4)])
    with torch.no_grad():
        expected = model._represent(model.graph(atoms, x), None)
        found = model.representation.forward_rows(numbers, plan.fixed, free, plan.distinct)
        template = model.encode_template(atoms)
        ahead = model.representation(numbers[plan.distinct :], free, template)
    for wanted, *ways in zip(expected, found, ahead, strict=True):
        for way in ways:
            torch.testing.assert_close(way, wanted, atol=2e-6, rtol=2e-6)


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_row_is_long_enough_wherever_atoms_are(name):
    atoms = SYSTEMS[name]
    plan = row_plan(atoms, 6, 5.0, torch.float64, CPU)
    # All free atoms in one place beside the template have the most neighbours.
    x = torch.rand((300, 1, 3), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    x = (x @ torch.tensor(atoms.cell)).expand(-1, atoms.n_free, -1)
    structure, receiver, *_ = free_edges(plan.around, x)
    most = int(torch.bincount(structure * atoms.n_free + receiver).max())
    assert plan.members or most <= plan.length
