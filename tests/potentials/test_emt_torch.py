import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from hypothesis import given, settings

from matseek.core.potential import BatchedCalculator
from matseek.library.platinum import platinum_heptamer
from matseek.potentials import BatchedEMT, TorchEMT
from matseek.potentials import emt_torch as module
from tests.devices.pretend import pretend_cuda
from tests.potentials.test_emt import structures

COMPILED, TORCH = BatchedEMT(), TorchEMT("cpu")


def assert_alike(found, expected):
    for a, b in zip(found, expected, strict=True):
        scale = max(1.0, np.abs(b.forces).max())
        assert a.energy == pytest.approx(b.energy, rel=1e-12, abs=1e-10 * scale)
        np.testing.assert_allclose(a.forces, b.forces, atol=1e-9 * scale)
        if b.stress is None:
            assert a.stress is None
        else:
            np.testing.assert_allclose(a.stress, b.stress, atol=1e-9 * scale)


@settings(max_examples=40, deadline=None)
@given(structures())
def test_it_agrees_with_the_compiled_one_on_any_structure(atoms):
    assert_alike(TORCH.compute_many([atoms]), COMPILED.compute_many([atoms]))


def islands(count):
    problem = platinum_heptamer(BatchedEMT)
    points = problem.space.sample_uniform(count, np.random.default_rng(0))
    return [problem.space.atoms(point) for point in points]


def test_structures_of_several_kinds_come_back_in_their_order(monkeypatch):
    monkeypatch.setattr(module, "_MOST_PAIRS", 2 * 79 * 79 * 9)
    slabs = islands(5)
    mixed = [slabs[0], bulk("Cu"), slabs[1], Atoms("Pt2", [(0, 0, 0), (0, 0, 2.5)]), *slabs[2:], bulk("Ag") * 2]
    assert_alike(TORCH.compute_many(mixed), COMPILED.compute_many(mixed))


def test_on_a_gpu_it_waits_for_the_results_alone():
    slabs = islands(3)
    expected = COMPILED.compute_many(slabs)
    with pretend_cuda() as device:
        found = TorchEMT("cuda").compute_many(slabs)
    assert {what for what, _ in device.waits} == {"to cuda", "to cpu"}
    assert sum(device.waits.values()) == 6, "positions, images, constants; energies, forces, virials"
    assert_alike(found, expected)


def test_it_is_a_calculator_of_ase():
    slab = fcc111("Pt", (2, 2, 2), vacuum=6)
    slab.calc = TorchEMT("cpu")
    assert isinstance(slab.calc, BatchedCalculator)
    twin = slab.copy()
    twin.calc = COMPILED
    assert slab.get_potential_energy() == pytest.approx(twin.get_potential_energy())
    np.testing.assert_allclose(slab.get_stress(), twin.get_stress(), atol=1e-10)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="device='tpu' cannot be used here"):
        TorchEMT("tpu")
    with pytest.raises(ValueError, match="no parameters for"):
        TORCH.compute_many([Atoms("Fe")])
    with pytest.raises(ValueError, match="finite"):
        TORCH.compute_many([bulk("Cu"), Atoms("Cu", [(np.nan, 0, 0)], cell=bulk("Cu").cell, pbc=True)])
    overlapping = Atoms("Cu2", [(0, 0, 0), (0, 0, 0)])
    assert not np.isfinite(TORCH.compute_many([overlapping])[0].forces).all()
