import numpy as np
import pytest
from ase.build import fcc111
from ase.calculators.emt import EMT

from matseek import Campaign
from matseek.problems import StructureProblem
from matseek.problems.motifs import Relaxation
from matseek.searchers import RandomStructureSearch
from matseek.spaces import Adlayer

SPACE = Adlayer(fcc111("Pt", (2, 2, 2), vacuum=6), "Pt", z=(1.0, 4.0))


def points_of(campaign):
    return campaign.to_frame()[list(campaign.problem.space.labels)].to_numpy()


def relaxations(campaign):
    return [e.data for e in campaign.ledger.events() if e.kind == "relaxed"]


class CountingEMT(EMT):
    calls = 0

    def calculate(self, *args, **kwargs):
        CountingEMT.calls += 1
        super().calculate(*args, **kwargs)


def test_every_call_is_an_evaluation_and_belongs_to_a_relaxation():
    CountingEMT.calls = 0
    campaign = Campaign(StructureProblem(SPACE, CountingEMT), RandomStructureSearch(concurrent=3), seed=0).run(150)
    assert CountingEMT.calls == len(campaign.to_frame()) == 150
    found = relaxations(campaign)
    assert len(found) >= 3
    numbers = [n for r in found for n in r["evaluations"]]
    assert len(set(numbers)) == len(numbers)
    frame = campaign.to_frame().set_index("evaluation")
    for r in found:
        energies = frame.loc[r["evaluations"], "value"].to_numpy()
        assert energies[-1] == r["energy"]
        assert energies[-1] <= energies[0] + 1e-9
        assert r["ended"] == "converged"


def test_it_ends_where_ases_own_optimiser_ends():
    campaign = Campaign(StructureProblem(SPACE, EMT), RandomStructureSearch(concurrent=1), seed=3).run(40)
    (first, *_) = relaxations(campaign)
    start = points_of(campaign)[first["evaluations"][0] - 1]
    theirs = Relaxation("BFGS", fmax=0.05).relax(SPACE.atoms(start), EMT())
    assert first["energy"] == pytest.approx(theirs.energy, abs=1e-6)
    assert len(first["evaluations"]) == theirs.calls


class Killed(BaseException):
    pass


def test_a_search_that_was_killed_pays_for_nothing_twice(tmp_path):
    searcher = RandomStructureSearch(concurrent=4, placement="contiguous")
    whole = points_of(Campaign(StructureProblem(SPACE, EMT), searcher, seed=1).run(40))
    calls = []

    class Dying(EMT):
        def calculate(self, *args, **kwargs):
            calls.append(1)
            if len(calls) == 18:
                raise Killed
            super().calculate(*args, **kwargs)

    problem = StructureProblem(SPACE, Dying)
    with pytest.raises(Killed):
        Campaign(problem, searcher, tmp_path / "c.db", seed=1).run(40)
    campaign = Campaign(problem, searcher, tmp_path / "c.db", seed=1).run(40)
    np.testing.assert_allclose(points_of(campaign), whole, atol=1e-9)
    assert len(calls) == 41, "the call that was cut off is made again, and no other"
    found = relaxations(campaign)
    assert len({r["relaxation"] for r in found}) == len(found)


def test_failures_end_a_relaxation_and_the_next_begins():
    class Flawed(EMT):
        calls = 0

        def calculate(self, *args, **kwargs):
            super().calculate(*args, **kwargs)
            Flawed.calls += 1
            if Flawed.calls % 10 == 0:
                self.results["energy"] = np.nan

    campaign = Campaign(StructureProblem(SPACE, Flawed), RandomStructureSearch(concurrent=2), seed=0).run(40)
    assert campaign.summary()["failed"] == 4
    assert sum(r["ended"] == "failed" for r in relaxations(campaign)) == 4


def test_everything_stays_in_the_confinement():
    tight = Adlayer(fcc111("Pt", (2, 2, 2), vacuum=6), "Pt2", z=(1.9, 2.6))
    campaign = Campaign(StructureProblem(tight, EMT), RandomStructureSearch(most_steps=20), seed=0).run(80)
    assert tight.contains(points_of(campaign)).all()
    assert tight.refusals(points_of(campaign)) == [""] * 80


def test_recipes_cannot_be_relaxed(problem):
    with pytest.raises(ValueError, match="searcher=rss relaxes structures"):
        Campaign(problem, RandomStructureSearch()).run(10)
    assert problem.oracle.points == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"concurrent": 0}, "concurrent=0 must be"),
        ({"placement": "anywhere"}, "placement='anywhere' is unknown"),
        ({"optimizer": "Newton"}, "optimizer='Newton' is unknown"),
        ({"fmax": 0.0}, "fmax=0.0 must be a finite number above 0"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        RandomStructureSearch(**settings)


class Spring(EMT):
    """An atom on springs to a place above the template, which may lie outside the confinement."""

    place = np.zeros(3)

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        super(EMT, self).calculate(atoms, properties, system_changes)
        away = self.atoms.positions[-1] - self.place
        forces = np.zeros((len(self.atoms), 3))
        forces[-1] = -away
        self.results = {"energy": float(away @ away) / 2, "free_energy": 0.0, "forces": forces}


@pytest.mark.parametrize("optimizer", ["BFGS", "LBFGS", "FIRE"])
@pytest.mark.parametrize(("wall", "height", "at"), [("upper", 6.0, 4.0), ("lower", -2.0, 1.9)])
def test_an_atom_held_by_a_wall_slides_to_where_it_is_lowest(wall, height, at, optimizer):
    """A minimum beyond a wall: relaxations converge on the wall beside it, and the campaign says so."""
    space = Adlayer(SPACE.template, "Pt", z=(1.9, 4.0))
    top = space.z_low - 1.9

    class Beyond(Spring):
        place = np.array([2.5, 1.5, top + height])

    searcher = RandomStructureSearch(concurrent=2, optimizer=optimizer, fmax=0.02)
    campaign = Campaign(StructureProblem(space, Beyond), searcher, seed=0).run(150)
    ended = [r["ended"] for r in relaxations(campaign)]
    assert ended.count("converged") >= 2
    assert set(ended) == {"converged"}
    best = campaign.best
    offset = best.point[:2] - Beyond.place[:2]
    fractions = offset @ np.linalg.inv(space.plane)
    assert np.abs((fractions - np.round(fractions)) @ space.plane).max() < 0.03
    assert best.point[2] == pytest.approx(top + at, abs=1e-9)
    assert abs(best.response[0, 2]) > 1, "the ledger has the force as it is"
    summary = campaign.summary()
    assert summary["best_on_wall"] == {wall: [1]}
    assert f"{wall} wall of the confinement" in summary["warnings"][0]
    assert [m for m in summary["events"] if "wall of the confinement" in m] == summary["warnings"]


def test_an_atom_leaves_a_wall_that_it_is_not_pushed_against():
    class Inside(Spring):
        place = np.array([2.5, 1.5, SPACE.z_low + 1.5])

    walk = Campaign(StructureProblem(SPACE, Inside), RandomStructureSearch(concurrent=1, fmax=0.01), seed=0).run(60)
    assert walk.best.value < 1e-4
    assert walk.summary()["warnings"] == []
