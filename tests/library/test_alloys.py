from itertools import combinations

import ase.io
import numpy as np
import pytest

from matseek import Campaign
from matseek.configuration import run_settings
from matseek.library.alloys import LOWEST, platinum_copper_alloy
from matseek.potentials import BatchedEMT
from matseek.problems import LatticeProblem
from matseek.searchers import BayesianSearcher, GODiffSearcher, RandomSearcher, RandomStructureSearch, TabuSearch
from matseek.testing import check_problem, check_searcher

PROBLEM = platinum_copper_alloy(BatchedEMT)


def test_the_lowest_energy_is_that_of_all_arrangements():
    space, different = PROBLEM.space, {}
    for sites in combinations(range(1, 16), 7):  # by a translation, the first site is copper's
        point = np.full(16, 78.0)
        point[[0, *sites]] = 29.0
        different.setdefault(space.canonical(point).tobytes(), space.atoms(point))
    energies = np.sort([r.energy for r in BatchedEMT().compute_many(list(different.values()))])
    assert len(energies) == 153
    assert energies[0] == pytest.approx(LOWEST, abs=1e-6)
    assert energies[1] == pytest.approx(-1.824798, abs=1e-6)


def test_problem_and_searcher_keep_their_contracts():
    check_problem(PROBLEM)
    check_searcher(TabuSearch, PROBLEM, budget=16)


def test_exchanges_of_good_arrangements_find_the_lowest():
    for seed in range(2):
        summary = Campaign(PROBLEM, TabuSearch(), seed=seed).run(140).summary()
        assert summary["success"]
        assert summary["success_criterion"] == "the energy is at most 0.001 eV above -1.84003 eV"


def test_no_structure_is_tried_twice():
    campaign = Campaign(PROBLEM, TabuSearch(), seed=0).run(60)
    points = np.array([e.point for e in campaign.ledger.evaluations()])
    assert len(np.unique(PROBLEM.space.canonical(points), axis=0)) == 60


@pytest.mark.parametrize("searcher", [BayesianSearcher(), RandomStructureSearch(), GODiffSearcher()])
def test_who_needs_coordinates_is_refused_before_anything_is_paid_for(searcher):
    with pytest.raises(ValueError, match="searcher="):
        Campaign(PROBLEM, searcher).run(640)


def test_arrangements_are_exported_with_their_forces(tmp_path):
    campaign = Campaign(PROBLEM, RandomSearcher(4), seed=0).run(4)
    assert str(campaign.export(tmp_path / "all.xyz")) == "4 structures, 4 with forces on all atoms, 4 with a stress"
    atoms = ase.io.read(tmp_path / "all.xyz", index=2)
    assert atoms.get_potential_energy() == pytest.approx(campaign.ledger.evaluation(3).value, abs=1e-6)
    assert atoms.get_forces().shape == (16, 3)


def test_an_element_that_a_potential_does_not_know_is_refused():
    space = type(PROBLEM.space)(PROBLEM.space.crystal, "Pt8Fe8")
    with pytest.raises(ValueError, match="does not know"):
        Campaign(LatticeProblem(space, BatchedEMT), RandomSearcher()).run(4)


def test_it_is_a_problem_by_name():
    settings = run_settings(["problem=platinum_copper_alloy", "searcher=tabu", "calculator=batched_emt"])
    assert settings.problem.describe()["space"] == PROBLEM.describe()["space"]
    assert settings.searcher == TabuSearch(batch_size=8)
