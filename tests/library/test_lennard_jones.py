from dataclasses import replace

import numpy as np
import pytest
from ase.cluster import Icosahedron

from matseek import Campaign
from matseek.configuration import run_settings
from matseek.insight.plausibility import doubts
from matseek.library.lennard_jones import LOWEST, PT13, lennard_jones_cluster, lj13, pt13
from matseek.potentials import BatchedEMT, ClusterLennardJones
from matseek.problems.motifs import Relaxation
from matseek.searchers import (
    BasinHopping,
    BayesianSearcher,
    GeneticSearch,
    MinimaHopping,
    RandomStructureSearch,
)


def icosahedron(problem, length, factor=1.0):
    """The point of a 13-atom icosahedron in a problem's space."""
    shell = Icosahedron("Pt", 2, latticeconstant=length * 2**0.5).positions * factor
    return (shell - shell.mean(axis=0) + problem.space.region.centre).ravel()


@pytest.mark.parametrize(
    ("problem", "length", "calculator"), [(lj13(), 2.12, ClusterLennardJones), (pt13(), 2.7, BatchedEMT)]
)
def test_the_known_minima_are_those_of_the_potentials(problem, length, calculator):
    relaxed = Relaxation(fmax=1e-3, max_steps=300).relax(
        problem.space.atoms(icosahedron(problem, length)), calculator()
    )
    if calculator is ClusterLennardJones:
        assert relaxed.energy == pytest.approx(LOWEST[13], abs=1e-5)
    else:
        assert relaxed.energy >= PT13 - 1e-3


def test_success_is_an_energy_as_evaluated_or_after_relaxation():
    problem = lj13()
    point = icosahedron(problem, 2.12, 1.01)
    (measured,) = problem.measure_many(point[None])
    assert problem.succeeded(point, LOWEST[13] + 0.009)
    assert not problem.succeeded(point, LOWEST[13] + 0.011)
    assert not problem.succeeded(point, measured.value)
    assert problem.recognised(point, measured.value)


def test_other_sizes_and_other_lowest_energies():
    assert lennard_jones_cluster(9).space.size == 9
    assert pt13(lowest=-60.0).succeeded(icosahedron(pt13(), 2.7), -60.0)
    with pytest.raises(ValueError, match=r"atoms=21: no lowest energy is known here; take one of \[7, 8"):
        lennard_jones_cluster(21)


@pytest.mark.parametrize(
    ("overrides", "budget", "name"),
    [
        (["problem=lj13"], 1000, "ClusterLennardJones"),
        (["problem=lj38"], 30000, "ClusterLennardJones"),
        (["problem=pt13"], 1000, "EMT"),
        (["problem=lennard_jones_cluster", "problem.atoms=9"], 2000, "ClusterLennardJones"),
    ],
)
def test_the_command_line_has_a_calculator_and_a_budget_for_each(overrides, budget, name):
    settings = run_settings([*overrides, "searcher=basin_hopping"])
    assert settings.budget == budget
    assert name in settings.problem.describe()["calculator"]


@pytest.mark.parametrize(
    ("searcher", "budget"),
    [
        (RandomStructureSearch(concurrent=2), 60),
        (BasinHopping(), 60),
        (MinimaHopping(), 60),
        (GeneticSearch(population=2, concurrent=2), 80),
        (BayesianSearcher(), 6),
    ],
)
def test_every_searcher_of_structures_searches_clusters(searcher, budget):
    campaign = Campaign(lennard_jones_cluster(7), searcher, seed=0).run(budget)
    assert campaign.summary()["evaluations"] == budget
    assert campaign.best.value < -8
    points = np.array([e.point for e in campaign.ledger.evaluations()])
    assert campaign.problem.space.refusals(points) == [""] * budget


def test_basin_hopping_finds_seven_atoms():
    campaign = Campaign(lennard_jones_cluster(7), BasinHopping(), seed=1).run(400)
    assert campaign.summary()["success"]


def test_a_best_on_the_sphere_is_doubted_in_words():
    problem = lennard_jones_cluster(7)
    campaign = Campaign(problem, RandomStructureSearch(concurrent=1), seed=0).run(1)
    (first,) = campaign.ledger.evaluations()
    outer = first.point.reshape(-1, 3).copy()
    away = outer - problem.space.region.centre
    far = int(np.linalg.norm(away, axis=1).argmax())
    outer[far] = problem.space.region.centre + away[far] / np.linalg.norm(away[far]) * problem.space.radius
    (doubt,) = doubts(problem.space, [replace(first, point=outer.ravel(), load_response=lambda: None)])
    assert f"lies on the sphere of radius {problem.space.radius:g} angstrom" in doubt.message
    assert f"free atom {far + 1}" in doubt.message
