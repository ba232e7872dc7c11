"""Bayesian optimisation of structures."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from ase.build import fcc111

from matseek import Campaign
from matseek.candidates import AcquisitionRelaxation, StructureSearch
from matseek.potentials import BatchedEMT
from matseek.problems import StructureProblem
from matseek.searchers import BayesianSearcher, OnStructures
from matseek.spaces import Adlayer
from matseek.surrogates import StructureGP
from matseek.testing import check_searcher
from tests.islands import Constant, Failing, Hole, Overlapping, island_problem

SMALL = OnStructures(
    StructureGP(), StructureSearch(candidates=6, generations=2, relaxation=AcquisitionRelaxation(steps=10))
)
SEARCHER = BayesianSearcher(structures=SMALL)

PROBLEMS = {
    "three atoms": island_problem("Cu3"),
    "one atom": island_problem("Cu"),
    "two elements": island_problem("CuPt"),
    "equal energies": island_problem("Cu2", Constant),
    "a million eV": island_problem("Cu3", Overlapping),
    "a hole": island_problem("Cu3", Hole),
    "failures": island_problem("Cu3", Failing),
}


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
def test_it_is_a_searcher(problem):
    check_searcher(partial(BayesianSearcher, structures=SMALL), problem, budget=5)


def test_batches_are_a_searcher_too():
    check_searcher(partial(BayesianSearcher, 4, structures=SMALL), PROBLEMS["three atoms"], budget=9)


def test_a_descriptor_s_cutoff_may_exceed_half_the_cell():
    space = Adlayer(fcc111("Cu", (2, 2, 2), vacuum=6), "Cu2", z=(1, 4))
    check_searcher(partial(BayesianSearcher, structures=SMALL), StructureProblem(space, BatchedEMT), budget=5)


def test_fifty_atoms_are_searched():
    space = Adlayer(fcc111("Cu", (8, 8, 1), vacuum=6), "Cu50", z=(1, 6))
    quick = OnStructures(
        StructureGP(), StructureSearch(candidates=2, generations=1, relaxation=AcquisitionRelaxation(steps=3))
    )
    campaign = Campaign(StructureProblem(space, BatchedEMT), BayesianSearcher(structures=quick), seed=0).run(4)
    assert campaign.summary()["evaluations"] == 4


def test_what_has_failed_is_avoided():
    campaign = Campaign(PROBLEMS["failures"], SEARCHER, seed=0).run(20)
    failed = [e.status == "failed" for e in campaign.ledger.evaluations()]
    assert sum(failed) > 0
    assert sum(failed[10:]) <= 5, "random placements would fail one time in two"


def test_it_beats_random_placements():
    problem = island_problem("Cu4", size=(4, 4, 2))
    found = [Campaign(problem, BayesianSearcher(), seed=seed).run(9).best.value for seed in (0,)]
    random = min(m.value for m in problem.measure_many(problem.space.sample_contiguous(200, np.random.default_rng(0))))
    assert max(found) < random


def test_the_model_is_recorded():
    campaign = Campaign(PROBLEMS["three atoms"], SEARCHER, seed=0).run(5)
    told = [event for event in campaign.history().events if event.kind == "trained"]
    assert len(told) == 3
    assert {"predicted_lowest", "predicted_deviation"} <= told[-1].metrics().keys()


def test_one_atom_can_still_be_searched_as_a_box():
    problem = island_problem("Cu")
    campaign = Campaign(problem, BayesianSearcher(5, structures=None), seed=0).run(10)
    assert campaign.summary()["evaluations"] == 10
    with pytest.raises(ValueError, match="this space has 3"):
        Campaign(PROBLEMS["three atoms"], BayesianSearcher(structures=None), seed=0).run(5)


def test_a_new_best_structure_is_followed_along_its_forces():
    searcher = BayesianSearcher(structures=replace(SMALL, force_step=0.02))
    campaign = Campaign(PROBLEMS["three atoms"], searcher, seed=0).run(10)
    found = campaign.ledger.evaluations()
    plane = campaign.problem.space.plane
    steps = [k for k, e in enumerate(found) if e.proposer == "true forces"]
    assert steps
    for k in steps:
        before, after = found[k - 1], found[k]
        assert before.value <= min(e.value for e in found[:k])
        moved = (after.point - before.point).reshape(-1, 3)
        moved[:, :2] -= np.round(moved[:, :2] @ np.linalg.inv(plane)) @ plane
        assert np.linalg.norm(moved, axis=1).max() <= 0.2 + 1e-9
        assert (moved * before.response).sum() > 0
    check_searcher(lambda: searcher, PROBLEMS["three atoms"], budget=5)
