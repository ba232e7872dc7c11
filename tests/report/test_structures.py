import json
import sqlite3
from contextlib import closing

import ase.db
import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import fcc111
from ase.calculators.emt import EMT
from matplotlib.backends.backend_agg import FigureCanvasAgg

from matseek import Campaign
from matseek.insight.minima import distinct_minima
from matseek.problems import RecipeProblem, StructureProblem
from matseek.problems.motifs import ReachesEnergy
from matseek.report.figures import problem_figures, sampled_places
from matseek.report.sentences import outcome
from matseek.searchers import RandomSearcher, RandomStructureSearch
from matseek.spaces import Adlayer, Box, Variable
from tests.report.test_accessibility import MOST_BYTES


def structures(free="Pt", **more):
    return StructureProblem(Adlayer(fcc111("Pt", (2, 2, 2), vacuum=6), free, z=(1.0, 4.0)), EMT, **more)


@pytest.fixture(scope="module")
def campaign():
    return Campaign(structures(success=lambda atoms, energy: energy < 5), RandomStructureSearch(4), seed=0).run(24)


def test_the_page_speaks_of_energies_and_not_of_coordinates(campaign, tmp_path):
    page = campaign.write(tmp_path).read_text()
    assert "Best energy" in page
    for title in ("How good the samples are", "Where the free atoms were tried", "The best structures"):
        assert f"<h3>{title}</h3>" in page
    assert "x1 (A)" not in page
    assert (tmp_path / "figures" / "sampled_places.png").is_file()
    best = campaign.best.value
    assert f"Best energy {best:.4f}\u00a0eV after 24 evaluations" in page
    assert '<th scope="col">Energy (eV)</th><th scope="col">Above the best (meV)</th>' in page
    assert f"<td>1</td><td>{best:.4f}</td><td>0.0</td>" in page
    second = distinct_minima(campaign.problem.space, campaign.ledger.evaluations(), 2)[1].best.value
    assert f"<td>2</td><td>{second:.4f}</td><td>{1e3 * (second - best):.1f}</td>" in page


def test_a_page_of_large_structures_is_small(tmp_path):
    problem = StructureProblem(Adlayer(fcc111("Pt", (6, 6, 2), vacuum=6), "Pt7", z=(1.0, 6.0)), EMT)
    campaign = Campaign(problem, RandomSearcher(8), seed=0).run(32)
    assert campaign.write(tmp_path).stat().st_size < MOST_BYTES


def test_the_best_structures_are_files_for_other_programs(campaign, tmp_path):
    campaign.write(tmp_path)
    campaign.write(tmp_path)
    frames = ase.io.read(tmp_path / "best.extxyz", index=":")
    energies = [atoms.get_potential_energy() for atoms in frames]
    assert energies == sorted(energies)
    assert energies[0] == pytest.approx(campaign.best.value)
    assert len(frames[0]) == 9
    assert frames[0].info["evaluation"] == campaign.best.number
    with ase.db.connect(tmp_path / "structures.db") as database:
        rows = list(database.select(sort="energy"))
    assert len(rows) == len(frames) == 24
    assert rows[0].evaluation == campaign.best.number
    np.testing.assert_allclose(rows[0].toatoms().positions, frames[0].positions, atol=1e-6)


def test_by_which_test_success_was_judged_is_told():
    problem = structures(success=ReachesEnergy(5.0, 0.01))
    (told,) = outcome(problem, {"success": True, "evaluations_to_success": 3})[1:]
    assert told == "It is solved by a structure where the energy is at most 0.01 eV above 5 eV."
    named = structures(success=flat)
    assert outcome(named, {"success": False})[-1] == "It is solved by a structure where the test flat passes."
    assert Campaign(named, RandomStructureSearch(1)).run(1).summary()["success_criterion"] == "the test flat passes"


def test_all_structures_are_exported_and_read_again(campaign, tmp_path):
    for name in ("all.xyz", "all.extxyz", "all.db"):
        told = campaign.export(tmp_path / name)
        assert str(told) == "24 structures, 24 with forces on all atoms, 24 with a stress"
        frames = ase.io.read(str(tmp_path / name), index=":")
        assert len(frames) == 24
        for atoms, e in zip(frames, campaign.ledger.evaluations(), strict=True):
            fresh = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc, calculator=EMT())
            assert atoms.get_potential_energy() == pytest.approx(e.value, abs=1e-8)
            # Extended XYZ has eight decimals.
            np.testing.assert_allclose(atoms.get_forces(), fresh.get_forces(), rtol=1e-5, atol=1e-5)
            np.testing.assert_allclose(atoms.get_stress(), fresh.get_stress(), rtol=1e-5, atol=1e-6)
    with ase.db.connect(tmp_path / "all.db") as database:
        row = database.get(evaluation=7)
    assert (row.problem, row.potential, row.proposer) == ("structure", "EMT", "rss")
    assert ase.io.read(tmp_path / "all.xyz", index=6).info["evaluation"] == 7


def test_forces_that_are_not_known_on_all_atoms_are_not_exported(tmp_path, caplog):
    campaign = Campaign(structures(), RandomStructureSearch(2), ledger=tmp_path / "old.db", seed=0).run(3)
    with closing(sqlite3.connect(tmp_path / "old.db")) as connection:
        connection.execute("DELETE FROM properties WHERE evaluation = 2")
        connection.commit()
    told = campaign.export(tmp_path / "all.xyz")
    assert (told.structures, told.forces) == (3, 2)
    assert "1 of 3 structures are written without forces" in caplog.text
    assert set(ase.io.read(tmp_path / "all.xyz", index=1).calc.results) == {"energy"}


@pytest.mark.parametrize(
    ("name", "message"), [("all.cif", r"written as \.xyz, \.extxyz, \.db"), ("no/all.xyz", "there is no folder")]
)
def test_what_cannot_be_exported_is_refused(campaign, tmp_path, name, message):
    with pytest.raises((ValueError, OSError), match=message):
        campaign.export(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_nothing_evaluated_and_recipes_are_not_exported(tmp_path):
    with pytest.raises(ValueError, match="no evaluation has an energy yet"):
        Campaign(structures(), RandomStructureSearch(1)).export(tmp_path / "all.xyz")
    recipes = RecipeProblem(Box([Variable("a", 0, 1)]), lambda x: x[:, 0], name="bowl")
    with pytest.raises(ValueError, match="'bowl' has no structures to export"):
        Campaign(recipes, RandomSearcher()).export(tmp_path / "all.xyz")


def flat(atoms):
    return bool(np.ptp(atoms.positions[-1:, 2]) < 1)


def test_summary_counts_the_first_success(campaign):
    summary = campaign.summary()
    values = campaign.to_frame()["value"].to_numpy()
    assert summary["success"] == bool((values < 5).any())
    first = int(np.argmax(values < 5)) + 1 if (values < 5).any() else None
    assert summary["evaluations_to_success"] == first


def test_every_figure_draws_also_two_species_and_few_evaluations():
    campaign = Campaign(structures("PtCu"), RandomStructureSearch(3), seed=0).run(3)
    drawn = problem_figures(campaign.problem, campaign.ledger.evaluations())
    assert set(drawn) == {"convergence", "sampled_energies", "sampled_places", "structures"}
    for figure in drawn.values():
        FigureCanvasAgg(figure).draw()


def test_at_most_ten_iterations_are_mapped(campaign):
    many = Campaign(structures(), RandomStructureSearch(1), seed=0).run(15)
    figure = sampled_places(many.problem, many.ledger.evaluations())
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    assert len(titles) == 10
    assert (titles[0], titles[-1]) == ("iteration 1", "iteration 15")


def test_nothing_evaluated_draws_nothing():
    assert problem_figures(structures(), ()) == {}


@pytest.mark.parametrize(
    ("summary", "sentences"),
    [
        ({"success": False}, ["As evaluated, no structure solves", "--relaxed”"]),
        (
            {
                "success": True,
                "evaluations_to_success": 7,
                "relaxed_success": True,
                "evaluations_to_relaxed_success": 3,
                "relaxation_calls": 99,
            },
            ["is solved, first by evaluation 7.", "Relaxed, the problem is solved, first from evaluation 3 (99 calls"],
        ),
        (
            {"success": False, "relaxed_success": False, "relaxation_calls": 5},
            ["no structure solves", "No structure relaxes to a solution (5 calls"],
        ),
        ({}, ["has not been looked at"]),
    ],
)
def test_success_is_told_as_evaluated_and_relaxed(summary, sentences):
    told = " ".join(outcome(structures(success=bool, relaxed_success=bool), summary))
    assert all(sentence in told for sentence in sentences)
    assert outcome(structures(), summary) == outcome(structures(), summary | {"relaxed_success": None})


def test_a_best_on_a_wall_is_on_page_summary_and_record(tmp_path, caplog):
    """Above 2.6 A an adatom of EMT is pulled down to the surface: the lower wall holds it."""
    problem = StructureProblem(Adlayer(fcc111("Pt", (2, 2, 2), vacuum=6), "Pt", z=(2.6, 4.0)), EMT)
    campaign = Campaign(problem, RandomStructureSearch(2), tmp_path / "ledger.db", seed=0).run(30)
    page = campaign.write(tmp_path).read_text()
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["best_on_wall"] == {"lower": [1]}
    (warning,) = summary["warnings"]
    assert "lies on the lower wall of the confinement, 2.6 angstrom" in warning
    assert "z=[1.6, 4]" in warning
    assert page.count("lower wall of the confinement") == 2, "among what to run next, and what happened"
    assert "the best structure is in doubt (wall)" in caplog.text
    Campaign(problem, RandomStructureSearch(2), tmp_path / "ledger.db", seed=0).run(30)
    assert [e.kind for e in campaign.ledger.events()].count("doubted") == 1, "what has been said is not said again"


class Hole(EMT):
    """EMT with a hole: below 0.85 of the bond the energy falls without end."""

    def calculate(self, *args, **kwargs):
        super().calculate(*args, **kwargs)
        apart = self.atoms.get_distances(-1, range(len(self.atoms) - 1), mic=True, vector=True)
        length = np.linalg.norm(apart, axis=1)
        deep = np.clip(2.3 - length, 0, None)
        self.results["energy"] -= float((200 * deep**2).sum())
        self.results["forces"][-1] += (400 * (deep / length)[:, None] * apart).sum(axis=0)


@pytest.mark.parametrize("searcher", [RandomStructureSearch(4), RandomSearcher(10)])
def test_a_hole_of_a_potential_is_told_and_a_larger_least_distance_excludes_it(searcher):
    slab = fcc111("Pt", (2, 2, 2), vacuum=6)
    fooled = Campaign(StructureProblem(Adlayer(slab, "Pt", z=(0.5, 3.5)), Hole), searcher, seed=0).run(160)
    warnings = fooled.summary()["warnings"]
    assert any("lowest energies belong to structures with two atoms at the least distance" in w for w in warnings)
    assert fooled.summary()["lowest_at_least_distance"] > 5
    sound = Campaign(StructureProblem(Adlayer(slab, "Pt", (0.5, 3.5), least_distance=0.85), EMT), searcher, seed=0).run(
        160
    )
    assert not any("least distance" in w for w in sound.summary()["warnings"])
    emt = Campaign(StructureProblem(Adlayer(slab, "Pt", z=(0.5, 3.5)), EMT), searcher, seed=0).run(160)
    assert not any("least distance" in w for w in emt.summary()["warnings"])
