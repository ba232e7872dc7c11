import sys

import numpy as np
import pytest
from ase.build import fcc111
from ase.calculators.emt import EMT

from matseek import Campaign
from matseek.errors import ConfigurationError
from matseek.potentials import BatchedEMT
from matseek.problems import StructureProblem
from matseek.searchers import GeneticSearch
from matseek.searchers.descent import Descent
from matseek.searchers.genetic import _Population
from matseek.spaces import Adlayer
from matseek.testing import check_searcher
from tests.killing import require_nothing_paid_twice

SLAB = fcc111("Pt", (3, 3, 2), vacuum=12)
ATOM = Adlayer(SLAB, "Pt", z=(1.0, 5.0))
TRIMER = Adlayer(SLAB, "Pt3", z=(1.0, 5.0))
ALLOY = Adlayer(SLAB, "Pt3Cu2", z=(1.0, 5.0))
QUICK = {"population": 3, "fmax": 0.5}


@pytest.fixture(autouse=True)
def _operators(request):
    if "without" not in request.node.name:
        pytest.importorskip("ase_ga")


def relaxations(campaign):
    return [e.data for e in campaign.ledger.events() if e.kind == "relaxed"]


@pytest.mark.parametrize("space", [ATOM, TRIMER, ALLOY], ids=["one atom", "three atoms", "two elements"])
@pytest.mark.parametrize("concurrent", [1, 4])
def test_it_is_certified(space, concurrent):
    make = lambda: GeneticSearch(concurrent=concurrent, **QUICK)  # noqa: E731
    check_searcher(make, StructureProblem(space, BatchedEMT), budget=60)


def members_of(space, energies, seed=0):
    """A population of random structures, which have these energies."""
    population, rng = _Population(space, size=4), np.random.default_rng(seed)
    for k, energy in enumerate(energies):
        ended = Descent(k, space, space.sample_contiguous(1, rng)[0], "BFGS", 0.05, 100)
        ended.energy = energy
        population.add(ended)
    return population


def test_a_population_holds_the_best_that_differ():
    population = members_of(TRIMER, [3.0, 1.0, 2.0, 5.0, 4.0, 0.0])
    assert [m.energy for m in population.members] == [0.0, 1.0, 2.0, 3.0]
    again = Descent(9, TRIMER, population.members[1].atoms.positions.ravel(), "BFGS", 0.05, 100)
    again.energy = 1.005
    population.add(again)
    assert [m.energy for m in population.members] == [0.0, 1.0, 2.0, 3.0], "it is the same as one that is lower"
    assert population.members[1].alike == 1
    again.energy = 0.995
    population.add(again)
    assert [m.energy for m in population.members] == [0.0, 0.995, 2.0, 3.0], "it replaces the one that is higher"
    assert population.members[1].alike == 2


def test_the_fitness_is_the_papers():
    population = members_of(TRIMER, [0.0, 1.0, 2.0])
    raw = (1 - np.tanh([-1.0, 0.0, 1.0])) / 2
    np.testing.assert_allclose(population.fitness(), raw / raw.sum())
    population.members[0].parent_of, population.members[1].alike = 3, 8
    raw /= [2, 3, 1]
    np.testing.assert_allclose(population.fitness(), raw / raw.sum())
    np.testing.assert_allclose(members_of(TRIMER, [1.0, 1.0, 1.0]).fitness(), 1 / 3)


@pytest.mark.parametrize("mutation", [0.0, 1.0])
def test_offspring_are_structures_that_may_be_evaluated(mutation):
    population, rng = members_of(ALLOY, [0.0, 1.0, 2.0]), np.random.default_rng(0)
    places = np.vstack([ALLOY.wrap(m.atoms.positions.ravel()).reshape(-1, 3) for m in population.members])
    found = [point for point in (population.offspring(mutation, rng) for _ in range(20)) if point is not None]
    assert len(found) >= 10
    assert ALLOY.refusals(np.array(found)) == [""] * len(found)
    assert sum(m.parent_of for m in population.members) == len(found) * (1 if mutation else 2)
    if not mutation:
        for child in found:
            for row in ALLOY.wrap(child).reshape(-1, 3):
                assert np.abs(places - row).max(axis=1).min() < 1e-6, "every atom comes from a parent"


def test_offspring_are_drawn_as_soon_as_there_are_parents():
    campaign = Campaign(StructureProblem(TRIMER, BatchedEMT), GeneticSearch(**QUICK), seed=0).run(150)
    found = relaxations(campaign)
    assert len(found) > 5
    spent = [number for r in found for number in r["evaluations"]]
    assert spent == list(range(1, len(spent) + 1))


def test_the_opening_is_the_first_generation():
    campaign = Campaign(StructureProblem(TRIMER, BatchedEMT), GeneticSearch(**QUICK), seed=1, opening=5).run(200)
    begun = [r["evaluations"][0] for r in relaxations(campaign)]
    assert begun[:5] == [1, 2, 3, 4, 5]
    assert len(campaign.to_frame()) == 200


@pytest.mark.parametrize("at", [2, 90, 118])
def test_a_search_that_was_killed_pays_for_nothing_twice(tmp_path, at):
    searcher = GeneticSearch(concurrent=3, **QUICK)
    require_nothing_paid_twice(TRIMER, searcher, 120, at, tmp_path)


def test_failures_have_no_offspring():
    class Flawed(EMT):
        calls = 0

        def calculate(self, *args, **kwargs):
            super().calculate(*args, **kwargs)
            Flawed.calls += 1
            if Flawed.calls % 2 == 0:
                self.results["energy"] = np.nan

    campaign = Campaign(StructureProblem(TRIMER, Flawed), GeneticSearch(**QUICK), seed=0).run(60)
    assert Flawed.calls == 60
    assert campaign.summary()["failed"] == 30


class Same(EMT):
    """All energies are equal."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        super(EMT, self).calculate(atoms, properties, system_changes)
        self.results = {"energy": 1.0, "free_energy": 1.0, "forces": np.zeros((len(self.atoms), 3))}


@pytest.mark.parametrize("space", [ATOM, TRIMER], ids=["one atom", "three atoms"])
def test_equal_energies(space):
    campaign = Campaign(StructureProblem(space, Same), GeneticSearch(concurrent=2, **QUICK), seed=0).run(25)
    assert len(campaign.to_frame()) == 25


@pytest.mark.parametrize("budget", [1, 3])
def test_small_budgets(budget):
    campaign = Campaign(StructureProblem(TRIMER, BatchedEMT), GeneticSearch(concurrent=5), seed=0).run(budget)
    assert len(campaign.to_frame()) == budget


def test_recipes_cannot_be_relaxed(problem):
    with pytest.raises(ValueError, match="searcher=genetic relaxes structures, .*take searcher=lhs"):
        Campaign(problem, GeneticSearch()).run(10)
    assert problem.oracle.points == []


def test_without_the_package_it_says_which_before_anything_is_paid(monkeypatch):
    class Unused(EMT):
        calls = 0

        def calculate(self, *given, **more):
            Unused.calls += 1
            super().calculate(*given, **more)

    monkeypatch.setitem(sys.modules, "ase_ga", None)
    with pytest.raises(ConfigurationError, match="pip install 'ase-ga"):
        Campaign(StructureProblem(TRIMER, Unused), GeneticSearch()).run(10)
    assert Unused.calls == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"population": 1}, "population=1 must be"),
        ({"mutation": 1.5}, "mutation=1.5 must be"),
        ({"concurrent": 0}, "concurrent=0 must be"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        GeneticSearch(**settings)
