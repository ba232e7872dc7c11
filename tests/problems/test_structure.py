import pickle
import re
import threading
from functools import partial

import numpy as np
import pytest
from ase.build import fcc111
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.neighborlist import neighbor_list

from matseek import Campaign
from matseek.core.problem import Problem
from matseek.errors import OracleError
from matseek.evaluation.executors import ProcessExecutor, ThreadExecutor
from matseek.potentials import BatchedEMT
from matseek.problems import StructureProblem
from matseek.problems.labelled import labelled
from matseek.problems.motifs import AfterRelaxation, ReachesEnergy, Relaxation
from matseek.searchers import BasinHopping, BayesianSearcher, GODiffSearcher, RandomSearcher, RandomStructureSearch
from matseek.spaces import Adlayer, Box, Cluster, Variable


class Scripted(Calculator):
    """Energy and forces as told; remembers how often it was made."""

    implemented_properties = ("energy", "forces")
    made = 0

    def __init__(self, energy=1.0, force=0.0):
        super().__init__()
        type(self).made += 1
        self.energy, self.force = energy, force

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        if self.energy == "raise":
            raise RuntimeError("did not converge")
        self.results = {"energy": self.energy, "forces": np.full((len(atoms), 3), self.force)}


@pytest.fixture(scope="module")
def layer():
    return Adlayer(fcc111("Pt", (2, 2, 2), vacuum=8), "Pt2", z=(1.0, 5.0))


@pytest.fixture(scope="module")
def point(layer):
    return layer.sample_uniform(1, np.random.default_rng(0))[0]


RNG = np.random.default_rng(0)


def test_energy_and_forces_are_those_of_the_calculator(layer, point):
    problem = StructureProblem(layer, EMT)
    assert isinstance(problem, Problem)
    with pytest.raises(ValueError, match="evaluated by its calculator"):
        Campaign(problem, RandomSearcher(batch_size=2)).ask(2)
    atoms = layer.atoms(point)
    atoms.calc = EMT()
    found = problem.measure(point, RNG)
    assert found.value == atoms.get_potential_energy()
    assert found.replicates.tolist() == [found.value]
    assert np.array_equal(found.response, atoms.get_forces()[-2:])
    step = 1e-4
    moved = [problem.measure(point + s * np.eye(6)[2], RNG).value for s in (-step, step)]
    assert found.response[0, 2] == pytest.approx(-(moved[1] - moved[0]) / (2 * step), rel=1e-4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"energy": np.nan}, "the calculator gave the energy nan eV"),
        ({"energy": np.inf}, "the calculator gave the energy inf eV"),
        ({"force": np.nan}, "the energy is 1 eV, but not all forces are finite"),
    ],
)
def test_what_is_not_finite_has_failed(layer, point, settings, message):
    found = StructureProblem(layer, partial(Scripted, **settings)).measure(point, RNG)
    assert found.error == message
    assert np.isnan(found.value)


def test_huge_and_negative_energies_are_values(layer, point):
    for energy in (1e6, -1e4):
        assert StructureProblem(layer, partial(Scripted, energy)).measure(point, RNG).value == energy


def test_exceptions_pass_and_cost_one_evaluation(layer, point):
    problem = StructureProblem(layer, partial(Scripted, "raise"))
    with pytest.raises(RuntimeError, match="did not converge"):
        problem.measure(point, RNG)
    summary = Campaign(problem, RandomSearcher(batch_size=2)).run(4).summary()
    assert (summary["failed"], summary["success"], summary["best_value"]) == (4, None, None)


@pytest.mark.parametrize("energy", ["raise", np.nan])
def test_a_calculator_that_never_works_ends_the_campaign_with_its_message(layer, energy):
    campaign = Campaign(StructureProblem(layer, partial(Scripted, energy)), RandomSearcher(batch_size=4))
    with pytest.raises(OracleError, match="did not converge|the calculator gave the energy nan"):
        campaign.run(40)
    assert campaign.summary()["failed"] == 10


def test_a_calculator_is_made_once_per_process_unless_it_failed(layer, point):
    Scripted.made = 0
    problem = StructureProblem(layer, partial(Scripted, 123.0))
    for _ in range(3):
        pickle.loads(pickle.dumps(problem)).measure(point, RNG)
    thread = threading.Thread(target=problem.measure, args=(point, RNG))
    thread.start()
    thread.join()
    assert Scripted.made == 1
    broken = StructureProblem(layer, partial(Scripted, "raise"))
    for _ in range(2):
        with pytest.raises(RuntimeError):
            broken.measure(point, RNG)
    assert Scripted.made == 3


def test_two_threads_never_share_a_calculator(layer, point):
    inside, seen = threading.Barrier(2, timeout=20), set()

    class Meeting(Scripted):
        def calculate(self, *args, **kwargs):
            super().calculate(*args, **kwargs)
            seen.add(id(self))
            inside.wait()

    problem = StructureProblem(layer, Meeting)
    threads = [threading.Thread(target=problem.measure, args=(point, RNG)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 2


@pytest.mark.parametrize("executor", [ThreadExecutor(workers=2), ProcessExecutor(workers=2)])
def test_workers_find_the_same_energies(layer, executor):
    def energies(executor):
        problem = StructureProblem(layer, EMT, success=lowish)
        campaign = Campaign(problem, RandomSearcher(batch_size=4), seed=1, executor=executor).run(4)
        return [e.value for e in campaign.history().evaluations]

    assert energies(executor) == energies(None)


def lowish(atoms, energy):
    return energy < 1e3


def test_success_is_tested_lazily(layer):
    asked = []

    def success(atoms, energy):
        asked.append((len(atoms), energy))
        return len(asked) == 3

    problem = StructureProblem(layer, EMT, success=success, name="dimer")
    campaign = Campaign(problem, RandomSearcher(batch_size=3), seed=0).run(9)
    assert len(asked) == 1  # the test is tried on the first evaluation
    summary = campaign.summary()
    assert (summary["success"], summary["evaluations_to_success"]) == (True, 2)
    assert asked[1:] == [(10, e.value) for e in campaign.history().evaluations[:2]]
    assert list(summary["best_point"]) == list(layer.labels)
    untested = StructureProblem(layer, EMT)
    assert not untested.has_success
    assert untested.succeeded(np.zeros(6), 0.0) is None


def test_description_names_the_factory(layer):
    found = [
        StructureProblem(layer, f).describe()["calculator"] for f in (EMT, partial(EMT), partial(EMT, asap_cutoff=True))
    ]
    assert found == ["EMT", "EMT", "EMT with () {'asap_cutoff': True}"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"calculator": EMT()}, r"give the class \(EMT, not EMT\(\)\)"),
        ({"calculator": None}, "calculator must be a callable"),
        ({"space": Box([Variable("a", 0, 1)])}, "space=.* must be a space of structures, such as an Adlayer"),
        ({"success": 0.2}, "success=0.2 must be callable"),
    ],
)
def test_bad_settings_are_refused(layer, settings, message):
    with pytest.raises(ValueError, match=message):
        StructureProblem(**{"space": layer, "calculator": EMT, **settings})


class Chain(EMT):
    """A pair potential that takes every face for periodic, whatever pbc says, as potentials of crystals do."""

    calls = 0
    blind = False
    cutoff = 6.0

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        Calculator.calculate(self, atoms, properties, system_changes)
        type(self).calls += 1
        crystal = self.atoms.copy()
        crystal.pbc = self.atoms.pbc if self.blind else True
        apart = neighbor_list("d", crystal, self.cutoff)
        energy = -0.05 * float(((self.cutoff - apart) ** 2).sum())
        self.results = {"energy": energy, "forces": np.zeros((len(self.atoms), 3))}


class Open(Chain):
    blind = True


@pytest.mark.parametrize(("vacuum", "seen"), [(4.0, True), (8.0, False)])
def test_a_calculator_that_sees_an_image_above_is_refused(vacuum, seen):
    """Where the next image is within reach, the calculator is asked; one that keeps to pbc may be used."""
    slab = fcc111("Pt", (2, 2, 2), vacuum=vacuum)
    space = Adlayer(slab, "Pt", z=(1.5, 4.0))
    Chain.calls = Open.calls = 0
    StructureProblem(space, Open).require_oracle()
    StructureProblem(space, EMT).require_oracle()
    StructureProblem(space, BatchedEMT).require_oracle()
    if not seen:
        StructureProblem(space, Chain).require_oracle()
        assert Chain.calls == Open.calls == 0, "nothing is asked where nothing is near"
        return
    campaign = Campaign(StructureProblem(space, Chain), RandomSearcher(4))
    with pytest.raises(ValueError, match="Chain takes the third cell vector for a period all the same") as told:
        campaign.run(8)
    assert len(campaign.to_frame()) == 0
    assert Chain.calls == Open.calls == 2
    height = float(re.search(r"template.cell\[2, 2\] = ([\d.]+) or more", str(told.value))[1])
    slab.cell[2, 2] = height
    StructureProblem(Adlayer(slab, "Pt", z=(1.5, 4.0)), Chain).require_oracle()


def test_an_image_that_was_asked_for_is_no_fault():
    slab = fcc111("Pt", (2, 2, 2), vacuum=4)
    slab.pbc = True
    StructureProblem(Adlayer(slab, "Pt", z=(1.5, 4.0)), Chain).require_oracle()


def test_a_calculator_that_cannot_be_asked_is_let_through(caplog):
    class Shy(EMT):
        def calculate(self, *args, **kwargs):
            raise RuntimeError("not this structure")

    StructureProblem(Adlayer(fcc111("Pt", (2, 2, 2), vacuum=4), "Pt", z=(1.5, 4.0)), Shy).require_oracle()
    assert "not this structure" in caplog.text


@pytest.mark.parametrize(("template", "free"), [("Pt", "FePt"), ("Fe", "Pt")])
def test_an_element_that_a_potential_does_not_know_is_refused_before_anything_is_paid_for(template, free):
    slab = fcc111(template, (2, 2, 2), a=3.9, vacuum=6)
    campaign = Campaign(StructureProblem(Adlayer(slab, free, z=(1.5, 4.0)), BatchedEMT), RandomSearcher(4))
    with pytest.raises(ValueError, match=r"BatchedEMT does not know \['Fe'\]; take a potential"):
        campaign.run(8)
    assert len(campaign.to_frame()) == 0


class Mute(EMT):
    """Gives energies alone."""

    implemented_properties = ["energy"]  # noqa: RUF012 -- as ASE declares it

    def get_forces(self, atoms=None):
        raise AssertionError("it has no forces")


@pytest.mark.parametrize("searcher", [RandomStructureSearch(4), BasinHopping(), GODiffSearcher(guidance=True)])
def test_a_calculator_without_forces_is_refused_by_who_needs_them_before_anything_is_paid_for(searcher):
    campaign = Campaign(without_forces(), searcher)
    with pytest.raises(ValueError, match=r"needs forces, and calculator=Mute gives none; take a calculator .* random"):
        campaign.run(40)
    assert len(campaign.to_frame()) == 0


@pytest.mark.parametrize("searcher", [RandomSearcher(4), BayesianSearcher(), GODiffSearcher(samples=2, steps=2)])
def test_searchers_that_need_no_forces_go_on_without(searcher):
    campaign = Campaign(without_forces("PtCu"), searcher, seed=0).run(4)
    evaluations = campaign.ledger.evaluations(status="done")
    assert len(evaluations) == 4
    assert all(e.response is None for e in evaluations)
    assert set(labelled(campaign.problem.space, evaluations[0]).calc.results) == {"energy", "stress"}


def without_forces(free="Pt"):
    return StructureProblem(Adlayer(fcc111("Pt", (2, 2, 2), vacuum=6), free, z=(1.5, 4.0)), Mute)


class Noisy(EMT):
    """Gives another energy in each call."""

    calls = 0

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        super().calculate(atoms, properties, system_changes)
        Noisy.calls += 1
        self.results["energy"] += 0.02 * Noisy.calls


@pytest.mark.parametrize(("calculator", "told"), [(Noisy, True), (EMT, False)])
def test_a_calculator_that_is_not_deterministic_is_told_where_it_is_asked_again(calculator, told):
    space = Adlayer(fcc111("Pt", (2, 2, 2), vacuum=6), "Pt", z=(1.5, 4.0))
    relaxed = AfterRelaxation(ReachesEnergy(-100.0), calculator, Relaxation(max_steps=1))
    campaign = Campaign(StructureProblem(space, calculator, relaxed_success=relaxed), RandomSearcher(), seed=0).run(3)
    campaign.recognise()
    warnings = [w for w in campaign.summary()["warnings"] if w.startswith("The calculator is not deterministic")]
    assert len(warnings) == told
    assert len(campaign.ledger.evaluations(status="done")) == 3


class Repulsive(EMT):
    """Pushes all atoms apart, without end."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        super().calculate(atoms, properties, system_changes)
        x = self.atoms.positions - self.atoms.positions.mean(axis=0)
        self.results |= {"energy": -float((x**2).sum()), "forces": 2 * x}


def test_a_cluster_that_evaporates_ends_its_relaxations_and_loses_no_evaluation():
    problem = StructureProblem(Cluster("Pt2", radius=6.0), Repulsive)
    campaign = Campaign(problem, RandomStructureSearch(2), seed=0).run(60)
    evaluations = campaign.ledger.evaluations()
    assert {e.status for e in evaluations} == {"done"}
    assert len(evaluations) == 60
    told = [e.message for e in campaign.ledger.events() if "evaporated" in e.message]
    assert told
