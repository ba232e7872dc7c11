import ase.db
import ase.io
import numpy as np
import pytest
from ase.build import fcc111
from ase.calculators.emt import EMT
from matplotlib.backends.backend_agg import FigureCanvasAgg

from matseek import Campaign
from matseek.problems import StructureProblem
from matseek.report.figures import problem_figures, sampled_places
from matseek.searchers import RandomStructureSearch
from matseek.spaces import Adlayer


def structures(free="Pt", **more):
    return StructureProblem(Adlayer(fcc111("Pt", (2, 2, 2), vacuum=6), free, z=(1.0, 4.0)), EMT, **more)


@pytest.fixture(scope="module")
def campaign():
    return Campaign(structures(success=lambda atoms, energy: energy < 5), RandomStructureSearch(4), seed=0).run(24)


def test_the_page_speaks_of_energies_and_not_of_coordinates(campaign, tmp_path):
    page = campaign.write(tmp_path).read_text()
    assert "Best energy" in page
    assert "\u00a0eV after 24 evaluations" in page
    for title in ("How good the samples are", "Where the free atoms were tried", "The best structures"):
        assert f"<h3>{title}</h3>" in page
    assert "x1 (A)" not in page
    assert (tmp_path / "figures" / "sampled_places.png").is_file()


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
