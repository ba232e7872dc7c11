import json

import numpy as np
import pytest
from ase.calculators.emt import EMT
from benchmarks.results_io import RESULTS

from matseek.configuration import run_settings
from matseek.library import islands
from matseek.potentials import BatchedEMT
from matseek.problems.motifs import bond_graph, free_indices, same_island, surrounded

NAMES = [
    "platinum_tetramer",
    "platinum_decamer",
    "copper_hexamer",
    "copper_nonamer",
    "platinum_copper_heptamer",
]


@pytest.mark.parametrize("name", NAMES)
def test_the_putative_minimum_is_one_and_solves_its_problem(name):
    problem = run_settings([f"problem={name}", "calculator=batched_emt"]).problem
    known = islands.putative_minimum(name)
    known.calc = EMT()
    free = free_indices(known)
    assert len(free) == problem.space.size
    assert np.linalg.norm(known.get_forces(apply_constraint=False)[free], axis=1).max() < 0.05
    energy = known.get_potential_energy()
    assert energy == pytest.approx(known.info["energy"], abs=2e-3)
    point = problem.space.point(known)
    assert problem.space.refusals(point) == [""]
    assert problem.succeeded(point, energy)
    assert problem.relaxed_success(problem.space.atoms(point), energy)
    evidence = {r["problem"]: r for r in json.loads((RESULTS / "minima.json").read_text())["rows"]}[name]
    assert evidence["putative_minimum_eV"] == pytest.approx(known.info["energy"])


@pytest.mark.parametrize("name", NAMES)
def test_another_island_solves_nothing(name):
    problem = getattr(islands, name)(BatchedEMT)
    point = problem.space.sample_uniform(1, np.random.default_rng(0))[0]
    value = problem.measure(point, np.random.default_rng()).value
    assert problem.succeeded(point, value) is False
    assert problem.relaxed_success(problem.space.atoms(point), value) is False


def test_a_little_rattle_is_the_same_island_and_swapped_elements_are_not():
    problem = islands.platinum_copper_heptamer(BatchedEMT)
    known = islands.putative_minimum("platinum_copper_heptamer")
    point = problem.space.point(known)
    assert problem.succeeded(point + np.random.default_rng(0).normal(0, 0.02, 21), 0.0)
    swapped = point.reshape(-1, 3).copy()
    platinum, copper = np.flatnonzero(problem.space.numbers == 78), np.flatnonzero(problem.space.numbers == 29)
    graphs = []
    for i in platinum:
        for j in copper:
            other = swapped.copy()
            other[[i, j]] = other[[j, i]]
            atoms = problem.space.atoms(other.ravel())
            graphs.append(same_island(bond_graph(atoms, free_indices(atoms)), problem.success._motif))
    assert not all(graphs), "which sites the elements have counts"


@pytest.mark.parametrize(("name", "inner"), [("platinum_decamer", 2), ("copper_nonamer", 1)])
def test_inner_atoms_of_an_island_may_rise_and_its_rim_may_not(name, inner):
    """With other potentials an island domes; a rim atom that rises as far, or an inner one by a layer, is no dome."""
    problem, known = getattr(islands, name)(BatchedEMT), islands.putative_minimum(name)
    free = free_indices(known)
    middle = sorted(surrounded(known, free))
    assert len(middle) == inner

    def raised(indices, by):
        atoms = known.copy()
        atoms.positions[indices, 2] += by
        return problem.succeeded(problem.space.point(atoms), 0.0)

    assert raised(middle, 0.7)
    assert raised(middle[:1], 0.7)
    assert not raised([i for i in free if i not in middle][:1], 0.7)
    assert not raised(middle, 1.5)


@pytest.mark.parametrize("face", islands.FACES)
@pytest.mark.parametrize(("metal", "free"), [("Pt", "Pt7"), ("Cu", "Cu"), ("Au", "Pt3Cu4"), ("Ni", "Ni30")])
def test_any_island_has_room(face, metal, free):
    problem = islands.island(BatchedEMT, free=free, metal=metal, face=face)
    space = problem.space
    island = space.sample_contiguous(1, np.random.default_rng(0))
    assert np.isfinite(problem.measure_many(island)[0].value)
    heights = 1 / np.linalg.norm(np.linalg.inv(np.asarray(space.template.cell)), axis=0)[:2]
    diameter = 2 * np.sqrt(space.size * 6.0 / np.pi)
    assert heights.min() > diameter * 0.8 + 4
    assert not problem.has_success


def test_the_island_is_a_problem_of_the_command_line():
    problem = run_settings(["problem=island", "problem.free=Cu5", "problem.metal=Cu", "problem.face='100'"]).problem
    assert problem.name == "Cu5 on Cu(100)"
    assert problem.space.size == 5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"metal": "Fe"}, "no fcc metal"),
        ({"metal": "Xx"}, "no fcc metal"),
        ({"face": "123"}, "face"),
        ({"free": "seven"}, "no chemical formula"),
        ({"layers": 0}, "layers"),
    ],
)
def test_islands_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        islands.island(BatchedEMT, **settings)
