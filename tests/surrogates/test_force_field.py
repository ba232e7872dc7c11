"""An ensemble of energies and forces learns what was evaluated, and says where it does not know."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from ase.build import fcc111
from ase.calculators.calculator import Calculator, all_changes

from matseek import Campaign
from matseek.candidates import AcquisitionRelaxation, OnStructures, StructureSearch
from matseek.errors import ConfigurationError
from matseek.potentials import BatchedEMT
from matseek.problems import RecipeProblem, StructureProblem
from matseek.searchers import NetworkSearcher, RandomSearcher
from matseek.spaces import Adlayer, Box, Variable
from matseek.surrogates import ForceField, Training
from matseek.testing import check_searcher, check_surrogate, measured
from matseek.training.trainer import TrainerSettings

QUICK = ForceField(members=2, features=8, blocks=1, cutoff=4.0, gaussians=6, steps=25, batch_size=8, learning_rate=2e-2)
SEARCH = StructureSearch(candidates=6, generations=1, relaxation=AcquisitionRelaxation(steps=4), start=3)
ON = OnStructures(QUICK, SEARCH)


def structures(free="Pt2", calculator=BatchedEMT):
    return StructureProblem(Adlayer(fcc111("Pt", (2, 2, 2), vacuum=6), free, z=(1.0, 4.0)), calculator)


@pytest.fixture(scope="module")
def history():
    return measured(structures(), 16)


@pytest.fixture(scope="module")
def surface(history):
    return QUICK.fit(history)


def test_it_is_certified(history):
    check_surrogate(QUICK, history)


@pytest.mark.parametrize("free", ["Pt", "Pt2", "CuPt"])
def test_a_searcher_on_it_is_certified(free):
    check_searcher(partial(NetworkSearcher, 3, structures=ON), structures(free), budget=7)


def test_gradients_are_those_of_mean_and_deviation(history, surface):
    x, h = history.space.sample_contiguous(3, np.random.default_rng(1)), 5e-3
    found = surface.predict(x)
    for k in range(x.shape[1]):
        step = np.zeros_like(x)
        step[:, k] = h
        up, down = surface.predict(x + step), surface.predict(x - step)
        scale = np.abs(found.mean_gradient).max()
        np.testing.assert_allclose(found.mean_gradient[:, k], (up.mean - down.mean) / (2 * h), atol=0.02 * scale)
        numeric = (up.deviation - down.deviation) / (2 * h)
        np.testing.assert_allclose(found.deviation_gradient[:, k], numeric, atol=0.02 * scale)


def test_mean_and_deviation_are_those_of_the_members(history, surface):
    x = history.space.sample_contiguous(300, np.random.default_rng(2))
    members, found = surface.members(x), surface.predict(x)
    assert members.shape == (2, 300)
    np.testing.assert_allclose(found.mean, members.mean(axis=0), rtol=1e-5)
    assert (found.deviation > members.std(axis=0, ddof=1) * (1 - 1e-6)).all()
    drawn = surface.draw(x, np.random.default_rng(3))
    assert any(np.allclose(drawn, member) for member in members)


def test_permutations_lattice_vectors_and_translations_of_the_slab_are_at_no_distance(history, surface):
    space = history.space
    x = space.sample_contiguous(2, np.random.default_rng(4)).reshape(2, 2, 3)
    cell = np.asarray(space.template.cell)
    same = [x[:, ::-1], x + cell[0] - 2 * cell[1], x + cell[0] / 2]
    for other in same:
        y = other.reshape(2, -1)
        np.testing.assert_allclose(surface.features(y), surface.features(x.reshape(2, -1)), atol=1e-9)
        np.testing.assert_allclose(surface.mean(y), surface.mean(x.reshape(2, -1)), rtol=1e-4)


def test_forces_make_it_better_and_may_be_left_out(history):
    x = history.space.sample_uniform(40, np.random.default_rng(5))
    truth = np.array([BatchedEMT().compute_many([history.space.atoms(p)])[0].energy for p in x])
    low = truth < np.median(truth)

    def error(weight):
        mean = replace(QUICK, force_weight=weight, steps=60).fit(history).mean(x)
        return np.abs(mean - truth)[low].mean()

    assert error(0.3) < error(0.0)


def test_the_seed_and_the_batch_make_the_model(history, surface):
    x = history.points[:4]
    np.testing.assert_array_equal(QUICK.fit(history).mean(x), surface.mean(x))
    assert not np.array_equal(QUICK.fit(replace(history, iteration=history.iteration + 1)).mean(x), surface.mean(x))


def test_reduced_precision_trains_as_well(history, surface):
    reduced = replace(QUICK, trainer=TrainerSettings(precision="bf16-mixed")).fit(history).mean(history.points)
    assert np.std(reduced - surface.mean(history.points)) < 0.5 * np.std(history.values)
    assert not np.array_equal(reduced, surface.mean(history.points))


def test_no_structures_are_predicted_as_nothing(surface):
    found = surface.predict(np.zeros((0, 6)))
    assert found.mean.shape == (0,)
    assert found.mean_gradient.shape == (0, 6)


class Odd(Calculator):
    """EMT with a hole, a plateau, or an overlap of 1e6 eV."""

    implemented_properties = ("energy", "forces")

    def __init__(self, kind):
        super().__init__()
        self.kind, self.inner = kind, BatchedEMT()

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        (result,) = self.inner.compute_many([atoms])
        energy, forces = result.energy, np.array(result.forces)
        if self.kind == "equal":
            energy, forces = 1.0, np.zeros_like(forces)
        elif self.kind == "nan" and int(1e3 * atoms.positions[-1, 0]) % 3 == 0:
            energy = np.nan
        elif self.kind == "huge" and int(1e3 * atoms.positions[-1, 0]) % 2 == 0:
            energy, forces = 1e6, 1e6 * np.ones_like(forces)
        self.results = {"energy": energy, "forces": forces}


@pytest.mark.parametrize("kind", ["equal", "nan", "huge"])
def test_a_search_survives_odd_energies(kind):
    problem = structures(calculator=partial(Odd, kind))
    campaign = Campaign(problem, NetworkSearcher(4, structures=ON), seed=0).run(12)
    frame = campaign.to_frame()
    assert len(frame) == 12
    assert ("network" in set(frame["proposer"])) == (kind != "equal")


def test_energies_of_a_million_hide_nothing():
    problem = structures(calculator=partial(Odd, "huge"))
    known = Campaign(problem, RandomSearcher(20), seed=0).run(20).history()
    surface = replace(QUICK, steps=100).fit(known)
    low = known.values < 1e5
    assert 5 < low.sum() < 15
    mean = surface.mean(known.points)
    assert mean[low].mean() < mean[~low].mean()
    assert np.isfinite(surface.predict(known.points).mean_gradient).all()


def test_what_it_cannot_learn_from_is_told():
    known = measured(structures(calculator=partial(Odd, "equal")), 5)
    assert QUICK.reason_to_wait(known) == "it needs two energies that differ"
    with pytest.raises(ValueError, match="evaluate more structures"):
        QUICK.fit(known)
    recipes = measured(RecipeProblem(Box([Variable("x", 0, 1)]), lambda x: np.asarray(x)[:, 0]), 5)
    assert QUICK.reason_to_wait(recipes) == "it learns from structures"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"members": 1}, "members=1"),
        ({"cutoff": 0.0}, "cutoff=0"),
        ({"steps": 0}, "steps=0"),
        ({"floor": 0.0}, "floor=0"),
        ({"force_weight": -1.0}, "force_weight=-1"),
        ({"descriptor": "soap"}, "descriptor='soap'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        ForceField(**settings)


def test_a_trainer_that_this_machine_lacks_is_refused_before_anything_is_paid():
    searcher = NetworkSearcher(structures=OnStructures(replace(QUICK, trainer=TrainerSettings("mps")), SEARCH))
    with pytest.raises(ConfigurationError, match="training cannot begin here"):
        searcher.check(10)


def test_the_network_takes_structures_by_eight_and_recipes_by_fifteen():
    searcher, problem = NetworkSearcher(structures=ON), structures("Pt")
    assert searcher.batch_on(problem.space) == 8
    assert replace(searcher, structures=None).batch_on(problem.space) == 15
    with pytest.raises(ValueError, match="searches a box of coordinates"):
        replace(searcher, structures=None).check_problem(structures())


def test_a_loss_on_spectra_does_not_matter_to_structures():
    NetworkSearcher(training=Training(cosine_weight=0.5), structures=ON).check_problem(structures())
    with pytest.raises(ValueError, match="needs spectra"):
        NetworkSearcher(training=Training(cosine_weight=0.5), structures=None).check_problem(structures("Pt"))


def test_a_campaign_of_structures_tells_why_it_has_no_model_of_a_box():
    campaign = Campaign(structures(), NetworkSearcher(4, structures=ON), seed=0).run(8)
    assert [campaign.models().loss(s.name) for s in campaign.searcher.surrogates] == [None]
