from functools import partial

import numpy as np
import pytest
from ase.calculators.emt import EMT

from matseek.library.platinum import InStepHollow, platinum_adatom, platinum_heptamer
from matseek.problems.motifs import Heptamer, Relaxation
from tests.problems.test_motifs import wheel

FINE = Relaxation(fmax=0.02)


@pytest.fixture(scope="module")
def adatom():
    return platinum_adatom()


@pytest.fixture(scope="module")
def relaxations(adatom):
    """Uniform samples, where they relax to, and the energies there."""
    points = adatom.space.sample_uniform(24, np.random.default_rng(4))
    found = [FINE.relax(adatom.space.atoms(p), EMT()) for p in points]
    return points, found


def heptamer(problem, fcc):
    """A regular hexagon around a hollow of the terrace; ``fcc`` or hcp."""
    space = problem.space
    top = space.template.positions[space.template.positions[:, 2] > space.z_low - 1.1]
    below = space.template.positions[space.template.positions[:, 2] < space.z_low - 1.1]
    atop = top[np.argsort(np.linalg.norm(top[:, :2] - top[:, :2].mean(axis=0), axis=1))[0]]
    a, b = (np.array(space.template.cell)[k, :2] / 6 for k in (0, 1))
    sites = [atop[:2] + (a + b) / 3, atop[:2] + 2 * (a + b) / 3]
    over_atom = [np.linalg.norm(below[:, :2] - s, axis=1).min() < 0.1 for s in sites]
    assert sorted(over_atom) == [False, True]
    site = sites[over_atom.index(not fcc)]
    ring = [a, b, b - a, -a, -b, a - b]
    xy = site + np.vstack([np.zeros(2), ring])
    return np.column_stack([xy, np.full(7, space.z_low + 1.2)]).ravel()


def test_the_stepped_surface(adatom):
    template = adatom.space.template
    assert len(template) == 20
    assert template.pbc.tolist() == [True, True, False]
    assert np.allclose(np.array(template.cell)[2, :2], 0)
    assert adatom.space.z_high - adatom.space.z_low == pytest.approx(4)


def test_the_adatoms_minima(relaxations):
    energies = np.sort([r.energy for r in relaxations[1]])
    assert energies[0] == pytest.approx(5.506, abs=5e-4)
    others = energies[energies > 5.506 + 0.02]
    assert others[0] == pytest.approx(6.034, abs=1e-3)


def test_success_is_an_energy_near_that_of_the_hollow(adatom, relaxations):
    points, found = relaxations
    lowest = min(found, key=lambda r: r.energy)
    relaxed = adatom.space.point(lowest.atoms)
    assert adatom.succeeded(relaxed, lowest.energy)
    assert adatom.succeeded(relaxed, 5.60)
    assert not adatom.succeeded(relaxed, 5.62)
    assert not adatom.succeeded(points[0], 6.034)


def test_relaxed_success_is_the_basin_of_the_hollow(relaxations):
    points, found = relaxations
    problem = platinum_adatom()
    wanted = [bool(r.energy < 5.526) for r in found]
    assert 1 <= sum(wanted) < len(wanted)
    assert [problem.relaxed_success(problem.space.atoms(p), 0.0) for p in points] == wanted
    near = [InStepHollow()(problem.space.atoms(p), 0.0) for p in points]
    assert not all(near), "the cheap test spares relaxations"
    assert problem.relaxed_success.calls == sum(r.calls for r, n in zip(found, near, strict=True) if n)
    calls = problem.relaxed_success.calls
    assert problem.relaxed_success(problem.space.atoms(points[0]), 0.0) == wanted[0]
    assert problem.relaxed_success.calls == calls


def test_the_hollow_is_found_across_the_boundary(adatom):
    point = np.array([*np.array([0.236, 0.882]) @ np.array(adatom.space.template.cell)[:2, :2], 15.0])
    moved = point.copy()
    moved[:2] += 2 * np.array(adatom.space.template.cell)[0, :2] - np.array(adatom.space.template.cell)[1, :2]
    assert InStepHollow(0.1)(adatom.space.atoms(point), 0.0)
    assert InStepHollow(0.1)(adatom.space.atoms(moved), 0.0)


@pytest.mark.parametrize(("fcc", "energy"), [(False, 24.9875), (True, 24.9936)])
def test_the_heptamers(fcc, energy):
    problem = platinum_heptamer()
    point = heptamer(problem, fcc)
    assert problem.space.refusals(point) == [""]
    relaxed = Relaxation(fmax=0.005).relax(problem.space.atoms(point), EMT())
    assert relaxed.energy == pytest.approx(energy, abs=2e-4)
    assert problem.succeeded(problem.space.point(relaxed.atoms), relaxed.energy)


def test_a_rattle_hides_a_heptamer_until_it_is_relaxed():
    problem = platinum_heptamer()
    point = heptamer(problem, fcc=False) + np.random.default_rng(1).normal(0, 0.25, 21)
    assert isinstance(problem.success, Heptamer)
    assert problem.succeeded(point, 0.0) is False
    assert problem.relaxed_success(problem.space.atoms(point), 0.0) is True
    assert problem.relaxed_success.calls > 5


def test_a_flat_wheel_far_from_everything_is_recognised_raw():
    problem = platinum_heptamer()
    assert problem.succeeded((wheel() + np.array([0, 0, problem.space.z_low])).ravel(), 99.0)


def test_one_problem_however_its_calculator_is_given():
    assert platinum_adatom(partial(EMT)).describe() == platinum_adatom().describe()
    assert platinum_heptamer(partial(EMT)).describe() == platinum_heptamer().describe()
