"""Neighbours of all atoms in rows of one length are the neighbours."""

import pytest
import torch

from matseek.godiff.atomic_score import FullScore
from matseek.networks.full_rows import full_plan
from tests.networks.test_rows import CPU, SYSTEMS


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_network_sees_in_rows_what_it_sees_in_lists(name):
    atoms, model = SYSTEMS[name], FullScore(8, 3, 5.0, 6, seed=1)
    generator = torch.Generator().manual_seed(0)
    x = torch.rand((2, atoms.n_free, 3), generator=generator, dtype=torch.float64) @ torch.tensor(atoms.cell)
    x[..., 2] = atoms.positions[:, 2].max(initial=0.0) + 3 * torch.rand(x.shape[:2], generator=generator)
    plan = full_plan(atoms, 6, 5.0, x.dtype, CPU)
    rows = plan.rows(model.representation.basis, x)
    assert rows.edges.source.shape == (2 * len(atoms.all_numbers) * plan.length,)
    with torch.no_grad():
        expected = model._represent(model.graph(atoms, x), None)
        found = model.representation(plan.around.numbers.repeat(2), rows.edges, last=(rows.free, rows.into_free))
    for way, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(way, wanted, atol=2e-6, rtol=2e-6)


@pytest.mark.parametrize("name", SYSTEMS)
def test_rows_are_long_enough_where_all_free_atoms_are_in_one_place(name):
    atoms, basis = SYSTEMS[name], FullScore(8, 1, 5.0, 6).representation.basis
    plan = full_plan(atoms, 6, 5.0, torch.float64, CPU)
    place = torch.rand((20, 1, 3), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    x = (place @ torch.tensor(atoms.cell)).expand(-1, atoms.n_free, -1)
    seen = int((plan.rows(basis, x).edges.radial[:, -1] > 0).sum())
    wider = full_plan(atoms, 6, 5.0, torch.float64, CPU)
    wider = type(plan)(wider.around, wider.fixed, atoms.n_free * len(wider.around.shifts), 2 * wider.length)
    assert seen == int((wider.rows(basis, x).edges.radial[:, -1] > 0).sum())
