import itertools

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import fcc111
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms
from ase.optimize import FIRE

from matseek.diffusion import PeriodicSlab
from matseek.godiff.steering import Renoising, SurrogateRelaxation

SLAB = PeriodicSlab(((9.0, 0.0), (2.0, 8.0)), 1.0, 6.0, 2)
STIFFNESS = torch.tensor([8.0, 1.0, 0.3])


def springs(rest):
    return lambda x: STIFFNESS * SLAB.displacement(rest, x)


def places(seed, count=5):
    return SLAB.sample_uniform(count, torch.Generator().manual_seed(seed))


def test_stiff_and_soft_springs_come_to_rest_through_the_cells_edges():
    start, rest = places(0), places(1)
    relaxed = SurrogateRelaxation(steps=200).relax(start, springs(rest), SLAB)
    assert SLAB.displacement(relaxed, rest).abs().max() < 1e-2


def test_a_sample_does_not_depend_on_the_others():
    start, rest = places(0), places(1)
    relaxation = SurrogateRelaxation(steps=30)
    together = relaxation.relax(start, springs(rest), SLAB)
    for row in range(len(start)):
        alone = relaxation.relax(start[row : row + 1], springs(rest[row : row + 1]), SLAB)
        torch.testing.assert_close(alone[0], together[row])


def test_no_step_is_longer_than_allowed():
    start = places(0)
    frames = [start]

    def pushed(x):
        frames.append(x)
        return torch.full_like(x, 1e3)

    SurrogateRelaxation(steps=10, longest=0.05).relax(start, pushed, SLAB)
    moves = [SLAB.displacement(b, a) for a, b in itertools.pairwise(frames)]
    assert max(m.square().sum(dim=(1, 2)).sqrt().max() for m in moves) <= 0.05 + 1e-5


def test_it_ends_where_another_fire_does():
    atoms = fcc111("Pt", (2, 2, 2), vacuum=6)
    atoms.set_constraint(FixAtoms(range(8)))
    top = atoms.positions[:, 2].max()
    atoms += Atoms("Pt", [[1.1, 0.6, top + 2.2]])
    cell = tuple(tuple(row[:2]) for row in atoms.cell[:2].tolist())
    manifold = PeriodicSlab(cell, top + 1, top + 4, 1)

    def forces(x):
        found = []
        for row in x:
            atoms.positions[-1] = row[0].numpy()
            found.append(atoms.get_forces(apply_constraint=False)[-1:])
        return torch.as_tensor(np.array(found))

    start = torch.as_tensor(atoms.positions[-1:]).reshape(1, 1, 3)
    atoms.calc = EMT()
    ours = SurrogateRelaxation(steps=80).relax(start, forces, manifold)
    atoms.positions[-1] = start[0, 0].numpy()
    FIRE(atoms, logfile=None).run(fmax=1e-3, steps=300)
    np.testing.assert_allclose(ours[0, 0], atoms.positions[-1], atol=5e-3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SurrogateRelaxation(steps=0), "relaxation.steps=0"),
        (lambda: SurrogateRelaxation(longest=0.0), "relaxation.longest=0.0"),
        (lambda: Renoising(share=0.0), "renoising.share=0.0"),
        (lambda: Renoising(time=1.5), "time=1.5"),
    ],
)
def test_settings_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
