from functools import partial

import numpy as np
import pytest
from ase.build import bulk, fcc111

from matseek import Campaign
from matseek.configuration import run_settings
from matseek.core.potential import BatchedCalculator
from matseek.library.platinum import platinum_heptamer
from matseek.potentials.sevenn import SevenNet
from matseek.potentials.sevenn_file import SHIPPED, SevenNetFile, import_sevenn, model_file
from matseek.problems import StructureProblem
from matseek.spaces import Adlayer
from matseek.testing import check_potential
from tests.potentials.optional import optional

pytestmark = optional("sevenn")


@pytest.fixture(scope="module")
def sevenn():
    return SevenNet()


def structures():
    """Of one and of two elements, smaller than the cutoff, and periodic in plane alone."""
    alloy = fcc111("Pt", (2, 2, 3), vacuum=6)
    alloy.numbers[:4] = 29
    alloy.pbc = (True, True, False)
    many = [alloy, bulk("Pt"), bulk("Cu", cubic=True)]
    for place, atoms in enumerate(many):
        atoms.rattle(0.1, seed=place)
    return many


def test_energies_and_forces_are_those_of_sevenns_own_calculator(sevenn):
    from sevenn.calculator import SevenNetCalculator

    assert isinstance(sevenn, BatchedCalculator)
    theirs = SevenNetCalculator("7net-0", device="cpu")
    for atoms, (energy, forces, *_) in zip(structures(), sevenn.compute_many(structures()), strict=True):
        assert energy == pytest.approx(theirs.get_potential_energy(atoms), abs=1e-5 * len(atoms))
        np.testing.assert_allclose(forces, theirs.get_forces(atoms), atol=1e-4)


def test_it_is_certified_many_at_once_as_one_by_one(sevenn):
    together = SevenNet(batch_size=2)
    assert (sevenn.batch_size, together.batch_size) == (1, 2)
    check_potential(lambda: together, structures(), tolerance=1e-2, step=1e-2)


def test_a_model_of_several_data_sets_is_asked_for_one(sevenn):
    for modal in (None, "HSE"):
        with pytest.raises(ValueError, match=rf"modal={modal!r} must be one of \['R2SCAN', 'PBE'\]"):
            SevenNet("7net-mf-0", modal=modal)
    with pytest.raises(ValueError, match="modal='PBE': checkpoint_sevennet_0.pth gives the energies of a single"):
        SevenNet(modal="PBE")
    pbe, scan = (SevenNet("7net-mf-0", modal=modal).compute_many(structures()) for modal in ("PBE", "R2SCAN"))
    for one, other, zero in zip(pbe, scan, sevenn.compute_many(structures()), strict=True):
        assert one.energy == pytest.approx(zero.energy, rel=0.02)
        assert abs(one.energy - other.energy) > 1.0


def test_every_model_that_is_named_comes_with_the_package():
    assert {name: SevenNetFile.read(model_file(name)).settings["cutoff"] for name in SHIPPED} == {
        **dict.fromkeys(("7net-0", "7net-0_22may2024", "7net-mf-0"), 5.0),
        "7net-l3i5": 5.0,
    }


def test_an_unknown_element_is_refused_by_name_and_before_anything_is_paid_for(sevenn):
    with pytest.raises(ValueError, match=r"checkpoint_sevennet_0.pth does not know \['Po'\]"):
        sevenn.get_potential_energy(bulk("Po", "sc", a=3.3))
    space = Adlayer(fcc111("Pt", (2, 2, 2), vacuum=8), "Po", z=(1.5, 3.0))
    with pytest.raises(ValueError, match=r"does not know \['Po'\]"):
        StructureProblem(space, partial(_the, sevenn)).require_oracle()


def _the(calculator):
    return calculator


def test_a_campaign_runs_on_it_and_takes_the_hexagon_for_a_success():
    settings = run_settings(
        ["problem=platinum_adatom", "searcher=rss", "calculator=sevenn", "evaluator=batched", "budget=3"]
    )
    campaign = Campaign(settings.problem, settings.searcher, seed=0, executor=settings.executor).run(3)
    assert [e.status for e in campaign.ledger.evaluations()] == ["done"] * 3
    # A dome of SevenNet: the centre 0.70 angstrom above the rim.
    problem = platinum_heptamer()
    ring = np.radians(60 * np.arange(6))
    flat = np.array([8.0, 7.0]) + np.vstack([[0, 0], 2.70 * np.column_stack([np.cos(ring), np.sin(ring)])])
    height = problem.space.template.positions[:, 2].max() + 2.0
    point = np.column_stack([flat, np.full(7, height)])
    point[0, 2] += 0.70
    assert problem.succeeded(point.ravel(), 0.0)


def test_import_leaves_torch_as_careful_as_it_was():
    import torch

    import_sevenn()
    SevenNetFile.read(model_file("7net-0"))
    assert np.ndarray not in torch.serialization.get_safe_globals()
