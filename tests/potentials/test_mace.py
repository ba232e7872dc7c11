import os

import numpy as np
import pytest
import torch
from ase.build import bulk, fcc111

from matseek.configuration import run_settings
from matseek.core.potential import BatchedCalculator
from matseek.errors import ModelFileError
from matseek.potentials.mace import MACE
from matseek.potentials.mace_file import mace_imported
from tests.potentials.models import small_mace
from tests.potentials.optional import optional

pytestmark = optional("mace")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return small_mace(tmp_path_factory.mktemp("mace") / "small.model")


def structures():
    """Of one and of two elements, smaller than the cutoff, and periodic in plane alone."""
    alloy = fcc111("Pt", (2, 2, 3), vacuum=6)
    alloy.numbers[:4] = 29
    alloy.pbc = (True, True, False)
    many = [alloy, bulk("Pt"), fcc111("Pt", (3, 3, 2), vacuum=6)]
    for place, atoms in enumerate(many):
        atoms.rattle(0.1, seed=place)
    return many


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-10), ("float32", 1e-5)])
def test_energies_and_forces_are_those_of_maces_own_calculator(model, dtype, tolerance):
    ours = MACE(model, dtype=dtype)
    assert isinstance(ours, BatchedCalculator)
    with mace_imported():
        from mace.calculators import MACECalculator
    os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"
    try:
        theirs = MACECalculator(model_paths=str(model), device="cpu", default_dtype=dtype)
    finally:
        del os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"]
        torch.set_default_dtype(torch.float32)
    for atoms, (energy, forces, *_) in zip(structures(), ours.compute_many(structures()), strict=True):
        assert energy == pytest.approx(theirs.get_potential_energy(atoms), abs=tolerance * len(atoms))
        np.testing.assert_allclose(forces, theirs.get_forces(atoms), atol=tolerance)


def test_many_at_once_are_as_one_by_one_however_they_are_shared_out(model):
    ours = MACE(model, dtype="float64", batch_size=2)
    for atoms, (energy, forces, *_) in zip(structures(), ours.compute_many(structures()), strict=True):
        assert energy == pytest.approx(ours.get_potential_energy(atoms), abs=1e-10)
        np.testing.assert_allclose(forces, ours.get_forces(atoms), atol=1e-10)


def test_forces_are_the_slope_of_the_energy(model):
    ours, atoms = MACE(model, dtype="float64"), structures()[0]
    forces = ours.get_forces(atoms)
    for place, axis in [(0, 0), (5, 2)]:
        energies = []
        for step in (1e-4, -1e-4):
            moved = atoms.copy()
            moved.positions[place, axis] += step
            energies.append(ours.get_potential_energy(moved))
        assert forces[place, axis] == pytest.approx(-(energies[0] - energies[1]) / 2e-4, abs=1e-6)


def test_an_unknown_element_is_refused_by_name(model):
    with pytest.raises(ValueError, match=r"small.model does not know \['Au'\]"):
        MACE(model).get_potential_energy(bulk("Au"))


def test_reading_a_model_leaves_torch_as_careful_as_it_was(model):
    MACE(model)
    assert "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD" not in os.environ
    assert slice not in torch.serialization.get_safe_globals()


def test_the_papers_heptamer_waits_for_its_file_and_pays_for_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    settings = run_settings(["experiment=paper_heptamer"])
    assert (settings.budget, settings.searcher.samples, settings.searcher.steps) == (2560, 128, 8000)
    with pytest.raises(ModelFileError, match="MACE-MP-0"):
        settings.problem.require_oracle()


def test_a_campaign_runs_on_it(model, tmp_path):
    from matseek import Campaign

    settings = run_settings(
        [
            "problem=platinum_adatom",
            "searcher=rss",
            "calculator=mace",
            f"calculator.model='{model}'",
            "evaluator=batched",
            "budget=8",
        ]
    )
    campaign = Campaign(settings.problem, settings.searcher, seed=0, executor=settings.executor).run(8)
    assert [e.status for e in campaign.ledger.evaluations()] == ["done"] * 8
