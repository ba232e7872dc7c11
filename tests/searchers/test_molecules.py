"""Molecules stay whole in everything that is evaluated, whoever searches, and who would break them is refused."""

import numpy as np
import pytest
from ase.build import fcc111
from ase.neighborlist import neighbor_list

from matseek import Campaign
from matseek.candidates import AcquisitionRelaxation, StructureSearch
from matseek.configuration import run_settings
from matseek.potentials import BatchedEMT
from matseek.problems import StructureProblem
from matseek.searchers import (
    BasinHopping,
    BayesianSearcher,
    GeneticSearch,
    OnStructures,
    RandomSearcher,
    RandomStructureSearch,
)
from matseek.searchers.basin_hopping import hop, neighbour, rattle, swap, turn
from matseek.searchers.descent import Descent
from matseek.spaces import MolecularAdlayer
from matseek.surrogates import StructureGP
from tests.searchers.test_descent import evaluated

SPACE = MolecularAdlayer(fcc111("Pt", (3, 3, 2), vacuum=8), "2CO + O", z=(0.5, 5.0))
PROBLEM = StructureProblem(SPACE, BatchedEMT)
QUICK = StructureSearch(candidates=4, generations=2, relaxation=AcquisitionRelaxation(steps=8))
SEARCHERS = {
    "random": (RandomSearcher(8), 16),
    "rss": (RandomStructureSearch(concurrent=2), 60),
    "basin_hopping": (BasinHopping(most_steps=15), 60),
    "genetic": (GeneticSearch(population=3, most_steps=6), 60),
    "bayesian": (BayesianSearcher(structures=OnStructures(StructureGP(), QUICK, force_step=0.02)), 7),
}


@pytest.mark.parametrize("name", SEARCHERS)
def test_no_molecule_is_broken_in_any_evaluation(name):
    searcher, budget = SEARCHERS[name]
    history = Campaign(PROBLEM, searcher, seed=100).run(budget=budget).history()
    done = [e for e in history.evaluations if e.status == "done"]
    assert len(done) == budget
    bond = SPACE.bodies.shapes[0]
    length = np.linalg.norm(bond[1] - bond[0])
    for evaluation in done:
        atoms = SPACE.atoms(evaluation.point)[-SPACE.size :]
        found = [atoms.get_distance(a, b, mic=True) for a, b in SPACE.bodies.members[:2]]
        assert found == pytest.approx([length] * 2, abs=1e-6)


@pytest.mark.parametrize("name", ["minima_hopping", "godiff"])
def test_who_would_break_molecules_is_refused_before_anything_is_paid(name):
    searcher = run_settings(["problem=adsorbates", f"searcher={name}", "budget=640"]).searcher
    campaign = Campaign(PROBLEM, searcher, seed=0)
    with pytest.raises(ValueError, match="rigid molecules.*take searcher=rss"):
        campaign.run(budget=640)
    assert not campaign.history().evaluations


@pytest.mark.parametrize("move", [hop, rattle, swap, turn])
def test_moves_keep_molecules_whole(move):
    rng = np.random.default_rng(0)
    point = SPACE.sample_contiguous(1, rng)[0]
    moved = np.array([move(SPACE, point, rng) for _ in range(50)]).reshape(50, -1, 3)
    assert SPACE.bodies.strain(moved).max() < 1e-9
    assert SPACE.contains(moved.reshape(50, -1)).all()
    assert (np.abs(moved.reshape(50, -1) - SPACE.wrap(point)).max(axis=1) > 1e-3).all()
    assert neighbour(SPACE, point, rng) is not None


def test_a_relaxation_of_molecules_ends_where_force_and_torque_vanish():
    rng = np.random.default_rng(2)
    descent = Descent(0, SPACE, SPACE.sample_uniform(1, rng)[0], "BFGS", 0.05, 300)
    for number in range(1, 301):
        measured = PROBLEM.measure(descent.point, rng)
        descent.take(evaluated(number, descent.point, measured.value, measured.response))
        if descent.ended:
            break
    assert descent.ended == "converged"
    forces = descent.forces
    left = SPACE.slide(descent.point, forces.reshape(1, -1), 1e-6).reshape(-1, 3)
    assert np.linalg.norm(left, axis=1).max() <= 0.05
    # The bond itself is not at EMT's length: atoms alone would go on.
    assert np.linalg.norm(forces, axis=1).max() > 0.05
    atoms = SPACE.atoms(descent.point)
    assert len(neighbor_list("i", atoms[-5:-3], {("C", "O"): 1.2})) == 2
