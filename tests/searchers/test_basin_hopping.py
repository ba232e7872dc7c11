import numpy as np
import pytest
from ase.build import fcc111
from ase.calculators.emt import EMT

from matseek import Campaign
from matseek.errors import LedgerMismatchError
from matseek.insight.stopping import Solved
from matseek.library.lennard_jones import LOWEST, lennard_jones_cluster
from matseek.potentials import BatchedEMT
from matseek.problems import StructureProblem
from matseek.searchers import BasinHopping
from matseek.searchers.basin_hopping import hop, neighbour, rattle, refill, swap, symmetrise, twist
from matseek.spaces import Adlayer, Cluster
from matseek.testing import check_searcher
from tests.killing import require_nothing_paid_twice

SLAB = fcc111("Pt", (3, 3, 2), vacuum=12)
DIMER = Adlayer(SLAB, "Pt2", z=(1.0, 5.0))
ALLOY = Adlayer(SLAB, "Pt2Cu", z=(1.0, 5.0))
ATOM = Adlayer(SLAB, "Pt", z=(1.0, 5.0))


def relaxations(campaign):
    return [e.data for e in campaign.ledger.events() if e.kind == "relaxed"]


@pytest.mark.parametrize("space", [ATOM, DIMER, ALLOY], ids=["one atom", "two atoms", "two elements"])
@pytest.mark.parametrize("settings", [{}, {"concurrent": 3, "placement": "uniform"}], ids=["one", "side by side"])
def test_it_is_certified(space, settings):
    check_searcher(lambda: BasinHopping(**settings), StructureProblem(space, BatchedEMT), budget=30)


def test_every_move_is_relaxed_and_taken_by_its_energy():
    campaign = Campaign(StructureProblem(DIMER, BatchedEMT), BasinHopping(), seed=0).run(200)
    found = relaxations(campaign)
    assert len(found) >= 5
    spent = [number for r in found for number in r["evaluations"]]
    assert spent == list(range(1, len(spent) + 1)), "one after the other, and none without a relaxation"
    assert campaign.ledger.iterations() == 200


def test_a_cold_chain_only_descends_and_a_hot_one_takes_all(monkeypatch):
    """The structure that a move begins with is recorded: the lowest so far when it is cold, the last when it is hot."""
    begun = []

    def recorded(space, point, rng, tries=100):
        begun.append(point)
        return neighbour(space, point, rng, tries)

    monkeypatch.setattr("matseek.searchers.basin_hopping.neighbour", recorded)
    for kt, kept in ((1e-6, np.argmin), (1e6, lambda energies: len(energies) - 1)):
        begun.clear()
        campaign = Campaign(StructureProblem(DIMER, BatchedEMT), BasinHopping(kt=kt), seed=2).run(150)
        done = {e.number: e for e in campaign.ledger.evaluations()}
        ends = [done[r["evaluations"][-1]] for r in relaxations(campaign)]
        assert len(ends) >= 4
        for k, point in enumerate(begun[: len(ends)]):
            np.testing.assert_allclose(point, ends[kept([e.value for e in ends[: k + 1]])].point)


def test_a_chain_that_finds_nothing_begins_anew():
    campaign = Campaign(StructureProblem(ATOM, BatchedEMT), BasinHopping(patience=1), seed=0).run(120)
    often = Campaign(StructureProblem(ATOM, BatchedEMT), BasinHopping(patience=100), seed=0).run(120)
    places = [np.array([e.point for e in c.ledger.evaluations()]) for c in (campaign, often)]
    assert not np.array_equal(*places)


def test_the_openings_best_is_where_a_chain_begins_and_is_paid_for_once():
    campaign = Campaign(StructureProblem(DIMER, BatchedEMT), BasinHopping(concurrent=2), seed=1, opening=6).run(200)
    first = sorted((e for e in campaign.ledger.evaluations(iteration=1)), key=lambda e: e.value)
    begun = [r["evaluations"][0] for r in relaxations(campaign)]
    assert {first[0].number, first[1].number} <= set(begun)
    assert len(campaign.to_frame()) == 200


@pytest.mark.parametrize("at", [1, 17, 38])
def test_a_search_that_was_killed_pays_for_nothing_twice(tmp_path, at):
    searcher = BasinHopping(concurrent=2)
    require_nothing_paid_twice(DIMER, searcher, 40, at, tmp_path)


def test_another_searchers_ledger_is_refused(tmp_path):
    problem = StructureProblem(DIMER, BatchedEMT)
    Campaign(problem, BasinHopping(), tmp_path / "c.db", seed=1).run(10)
    with pytest.raises(LedgerMismatchError, match="evaluation 2 of the ledger is not what searcher=basin_hopping"):
        Campaign(problem, BasinHopping(optimizer="FIRE"), tmp_path / "c.db", seed=1).run(20)
    Campaign(problem, BasinHopping(concurrent=2), tmp_path / "two.db", seed=1).run(10)
    with pytest.raises(LedgerMismatchError, match="settings that the campaign was begun with"):
        Campaign(problem, BasinHopping(), tmp_path / "two.db", seed=1).run(20)


@pytest.mark.parametrize("every", [1, 2, 5])
def test_failures_end_a_relaxation_and_the_next_move_follows(every):
    class Flawed(EMT):
        calls = 0

        def calculate(self, *args, **kwargs):
            super().calculate(*args, **kwargs)
            Flawed.calls += 1
            # The very first gives a value: an oracle that never does ends a campaign.
            if Flawed.calls > 1 and Flawed.calls % every == 0:
                self.results["energy"] = np.nan

    campaign = Campaign(StructureProblem(DIMER, Flawed), BasinHopping(), seed=0).run(30)
    assert len(campaign.to_frame()) == Flawed.calls == 30
    assert campaign.summary()["failed"] == 30 // every - (every == 1)


def test_what_the_space_refuses_is_never_evaluated():
    class Attraction(EMT):
        """Atoms fall onto one another, so that every relaxation runs into an overlap."""

        def calculate(self, atoms=None, properties=("energy",), system_changes=()):
            super(EMT, self).calculate(atoms, properties, system_changes)
            apart = self.atoms.positions[-1] - self.atoms.positions[-2]
            forces = np.zeros((len(self.atoms), 3))
            forces[-1], forces[-2] = -apart, apart
            self.results = {"energy": float(apart @ apart) / 2, "free_energy": 0.0, "forces": forces}

    campaign = Campaign(StructureProblem(DIMER, Attraction), BasinHopping(), seed=0).run(40)
    points = np.array([e.point for e in campaign.ledger.evaluations()])
    assert DIMER.refusals(points) == [""] * 40
    assert any("overlap" in r["ended"] for r in relaxations(campaign))


def test_where_no_move_is_possible_it_begins_anew(monkeypatch):
    monkeypatch.setattr("matseek.searchers.basin_hopping.rattle", lambda space, point, rng: point * 0)
    monkeypatch.setattr("matseek.searchers.basin_hopping.hop", lambda space, point, rng: point * 0)
    campaign = Campaign(StructureProblem(ATOM, BatchedEMT), BasinHopping(), seed=0).run(60)
    assert len(campaign.to_frame()) == 60


@pytest.mark.parametrize("budget", [1, 2])
def test_small_budgets(budget):
    campaign = Campaign(StructureProblem(DIMER, BatchedEMT), BasinHopping(concurrent=5), seed=0).run(budget)
    assert len(campaign.to_frame()) == budget


def test_recipes_cannot_be_relaxed(problem):
    with pytest.raises(ValueError, match="searcher=basin_hopping relaxes structures, .*take searcher=lhs"):
        Campaign(problem, BasinHopping()).run(10)
    assert problem.oracle.points == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"concurrent": 0}, "concurrent=0 must be"),
        ({"placement": "anywhere"}, "placement='anywhere' is unknown"),
        ({"kt": 0.0}, "kt=0.0 must be a number in"),
        ({"kt": float("nan")}, "kt=nan must be"),
        ({"patience": 0}, "patience=0 must be"),
        ({"most_steps": True}, "most_steps=True must be"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        BasinHopping(**settings)


def test_moves_stay_in_the_confinement_and_change_what_they_say():
    rng = np.random.default_rng(0)
    point = ALLOY.sample_contiguous(1, rng)[0]
    for _ in range(50):
        hopped = hop(ALLOY, point, rng).reshape(-1, 3) - point.reshape(-1, 3)
        assert (np.abs(hopped).max(axis=1) > 0).sum() == 1, "one atom"
        swapped = swap(ALLOY, point, rng)
        assert sorted(map(tuple, swapped.reshape(-1, 3))) == sorted(map(tuple, point.reshape(-1, 3)))
        assert not np.array_equal(swapped[-3:], point[-3:]), "the copper atom changes its place"
        for move in (hop, rattle, swap):
            assert ALLOY.contains(move(ALLOY, point, rng)).all()
    assert np.array_equal(swap(DIMER, point[:6], rng), point[:6])


def test_the_atom_with_the_fewest_neighbours_hops():
    triangle = Adlayer(SLAB, "Pt5", z=(1.0, 5.0))
    bond, height = 2.72, triangle.z_low + 1.2
    island = [[0, 0, height], [bond, 0, height], [bond / 2, bond * 0.87, height], [bond * 1.5, bond * 0.87, height]]
    point = np.array([*island, [bond / 2, -bond * 1.7, height + 1]]).ravel()
    rng = np.random.default_rng(0)
    movers = [int(np.abs((hop(triangle, point, rng) - point).reshape(-1, 3)).max(axis=1).argmax()) for _ in range(200)]
    assert movers.count(4) > 100


@pytest.mark.parametrize("formula", ["Pt2", "Ar13", "Pt4Cu3", "Ar38"])
@pytest.mark.parametrize("move", [refill, symmetrise, twist, rattle])
def test_moves_of_clusters_keep_the_elements_inside_the_sphere(formula, move):
    space = Cluster(formula)
    rng = np.random.default_rng(0)
    point = space.sample_contiguous(1, rng)[0]
    for _ in range(20):
        moved = move(space, point, rng)
        assert moved.shape == point.shape
        assert space.contains(moved).all()
        assert not np.allclose(moved, point)


def test_clusters_begin_symmetric_and_what_is_known_begins_as_it_is():
    space = Cluster("Pt13")
    problem = StructureProblem(space, BatchedEMT)
    asked = [Campaign(problem, BasinHopping(), seed=seed).run(1).best.point for seed in range(8)]
    placed = [space.sample_contiguous(1, np.random.default_rng([seed, 0]))[0] for seed in range(8)]
    assert sum(twins(point) >= 4 for point in asked) >= 4
    assert not any(twins(point) for point in placed)
    opened = Campaign(problem, BasinHopping(), seed=3, opening=4).run(6)
    first = opened.ledger.evaluations(iteration=1)
    begun = relaxations(Campaign(problem, BasinHopping(most_steps=1), seed=3, opening=4).run(6))[0]["evaluations"]
    assert begun == [min(first, key=lambda e: e.value).number]


def twins(point):
    """Atoms that have the same distances to all others as another one has."""
    positions = point.reshape(-1, 3)
    rows = np.sort(np.linalg.norm(positions[:, None] - positions, axis=-1), axis=1)
    apart = np.abs(rows[:, None] - rows).max(axis=-1) + 9.0 * np.eye(len(rows))
    return int((apart.min(axis=1) < 1e-6).sum())


def test_islands_are_not_made_symmetric(monkeypatch):
    def refused(*_arguments):
        raise AssertionError

    monkeypatch.setattr("matseek.searchers.basin_hopping.symmetrised", refused)
    assert len(Campaign(StructureProblem(DIMER, BatchedEMT), BasinHopping(), seed=0).run(80).to_frame()) == 80


@pytest.mark.parametrize("atoms", [7, 8, 9, 10, 13])
def test_small_lennard_jones_clusters_are_found(atoms):
    campaign = Campaign(lennard_jones_cluster(atoms), BasinHopping(), seed=100, stop=(Solved(),)).run(1000)
    assert campaign.summary()["success"]
    assert campaign.best.value == pytest.approx(LOWEST[atoms], abs=0.01)


def test_a_search_for_a_cluster_that_was_killed_pays_for_nothing_twice(tmp_path):
    require_nothing_paid_twice(Cluster("Pt5Cu2"), BasinHopping(), 60, 31, tmp_path)
