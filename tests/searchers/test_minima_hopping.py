from itertools import pairwise

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import fcc111
from ase.calculators.emt import EMT
from ase.optimize.minimahopping import MinimaHopping as ASEs

from matseek import Campaign
from matseek.potentials import BatchedEMT
from matseek.problems import StructureProblem
from matseek.searchers import MinimaHopping
from matseek.searchers.minima_hopping import thermal_velocities
from matseek.spaces import Adlayer
from matseek.testing import check_searcher
from tests.killing import require_nothing_paid_twice

SLAB = fcc111("Pt", (3, 3, 2), vacuum=12)
ATOM = Adlayer(SLAB, "Pt", z=(1.0, 5.0))
DIMER = Adlayer(SLAB, "Pt2", z=(1.0, 5.0))
ALLOY = Adlayer(SLAB, "Pt2Cu", z=(1.0, 5.0))


def relaxations(campaign):
    return [e.data for e in campaign.ledger.events() if e.kind == "relaxed"]


@pytest.mark.parametrize("space", [ATOM, DIMER, ALLOY], ids=["one atom", "two atoms", "two elements"])
def test_it_is_certified(space):
    check_searcher(lambda: MinimaHopping(concurrent=2, placement="uniform"), StructureProblem(space, BatchedEMT), 40)


def test_the_parameters_are_ases():
    mine, theirs = MinimaHopping(), ASEs._default_settings
    names = {
        "temperature": "T0",
        "colder": "beta3",
        "threshold": "Ediff0",
        "stricter": "alpha1",
        "laxer": "alpha2",
        "passes": "mdmin",
        "fmax": "fmax",
    }
    assert {name: getattr(mine, name) for name in names} == {n: theirs[other] for n, other in names.items()}
    assert mine.hotter == theirs["beta1"] == theirs["beta2"]


def test_every_evaluation_belongs_to_an_escape_with_its_relaxation():
    campaign = Campaign(StructureProblem(DIMER, BatchedEMT), MinimaHopping(), seed=0).run(400)
    found = relaxations(campaign)
    assert len(found) >= 4
    spent = sorted(number for r in found for number in r["evaluations"])
    assert spent == list(range(1, len(spent) + 1)), "none twice, and none without"


def test_relaxations_begin_where_dynamics_passed_a_minimum():
    campaign = Campaign(StructureProblem(ATOM, BatchedEMT), MinimaHopping(), seed=0).run(300)
    energy = campaign.to_frame().set_index("evaluation")["value"]
    escaped = [r["evaluations"] for r in relaxations(campaign)[1:] if r["ended"] == "converged"]
    # The relaxation begins two steps back from where the dynamics ended; those that were given up end where it begins.
    begins = [b for numbers in escaped for a, b in pairwise(numbers) if b < a]
    assert len(begins) >= 2
    for begun in begins:
        assert energy[begun] <= energy[begun - 1] <= energy[begun - 2]
        assert energy[begun] <= energy[begun + 1] <= energy[begun + 2]


class Spring(EMT):
    """A single atom on a spring of 1 eV/A^2 along x, and free otherwise."""

    middle = 4.0

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        super(EMT, self).calculate(atoms, properties, system_changes)
        away = self.atoms.positions[-1, 0] - self.middle
        forces = np.zeros((len(self.atoms), 3))
        forces[-1, 0] = -away
        self.results = {"energy": away**2 / 2, "free_energy": 0.0, "forces": forces}


def test_dynamics_are_newtons(monkeypatch):
    """An atom on a spring turns where its kinetic energy is spent, and is back after half a period."""
    speed, mass = 0.1, 195.084
    monkeypatch.setattr(
        "matseek.searchers.minima_hopping.thermal_velocities",
        lambda masses, temperature, rng: np.array([[speed, 0, 0]]),
    )
    searcher = MinimaHopping(timestep=2.0, passes=1, fmax=1e-3, most_steps=500)
    campaign = Campaign(StructureProblem(ATOM, Spring), searcher, seed=0).run(400)
    first, escape = relaxations(campaign)[:2]
    assert first["ended"] == escape["ended"] == "converged"
    away = campaign.to_frame()["value"].to_numpy()[len(first["evaluations"]) : max(escape["evaluations"])]
    assert away.max() == pytest.approx(mass * speed**2 / 2, rel=0.01)
    half = np.pi * np.sqrt(mass) / (2.0 * units.fs)
    (back,) = [b for a, b in pairwise(escape["evaluations"]) if b < a]
    assert back - len(first["evaluations"]) == pytest.approx(half, abs=1.5)


def test_velocities_have_the_temperature():
    masses = np.array([[195.0], [63.5], [1.0]])
    for temperature in (1.0, 1000.0):
        v = thermal_velocities(masses, temperature, np.random.default_rng(0))
        atoms = Atoms("PtCuH", masses=masses.ravel(), momenta=v * masses)
        assert atoms.get_kinetic_energy() == pytest.approx(1.5 * 3 * units.kB * temperature)
    many = thermal_velocities(np.full((20_000, 1), 2.0), 300.0, np.random.default_rng(0))
    assert np.abs(many.mean(axis=0)).max() < 4 * np.sqrt(units.kB * 300 / 2 / 20_000)


@pytest.mark.parametrize("at", [3, 45, 77])
def test_a_search_that_was_killed_pays_for_nothing_twice(tmp_path, at):
    searcher = MinimaHopping(concurrent=2)
    require_nothing_paid_twice(DIMER, searcher, 80, at, tmp_path)


@pytest.mark.parametrize("every", [2, 7])
def test_failures_end_what_is_under_way_and_the_campaign_goes_on(every):
    class Flawed(EMT):
        calls = 0

        def calculate(self, *args, **kwargs):
            super().calculate(*args, **kwargs)
            Flawed.calls += 1
            if Flawed.calls % every == 0:
                self.results["energy"] = np.nan

    campaign = Campaign(StructureProblem(ATOM, Flawed), MinimaHopping(fmax=0.5), seed=0).run(70)
    assert Flawed.calls == 70
    assert campaign.summary()["failed"] == 70 // every
    assert any(r["ended"] == "failed" for r in relaxations(campaign))


class Still(EMT):
    """No forces at all: every structure is a minimum, and dynamics fly straight on."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        super(EMT, self).calculate(atoms, properties, system_changes)
        self.results = {"energy": 1.0, "free_energy": 1.0, "forces": np.zeros((len(self.atoms), 3))}


def test_atoms_bounce_off_walls_and_what_is_refused_is_never_evaluated():
    campaign = Campaign(StructureProblem(DIMER, Still), MinimaHopping(most_steps=40), seed=0).run(300)
    points = np.array([e.point for e in campaign.ledger.evaluations()])
    assert DIMER.refusals(points) == [""] * 300
    heights = points[:, [2, 5]]
    assert np.ptp(heights) > 1
    ended = [r["ended"] for r in relaxations(campaign)]
    assert any("overlap" in why for why in ended), "atoms that fly into others are turned back"
    assert "converged" in ended


def test_where_no_first_step_is_possible_it_begins_anew(monkeypatch):
    monkeypatch.setattr(
        "matseek.searchers.minima_hopping.thermal_velocities",
        lambda masses, temperature, rng: np.tile([0.0, 0.0, -1e3], (len(masses), 1)),
    )
    monkeypatch.setattr(type(ATOM), "confine", lambda space, points: np.array(points))
    campaign = Campaign(StructureProblem(ATOM, Still), MinimaHopping(), seed=0).run(5)
    assert [r["evaluations"] for r in relaxations(campaign)] == [[1], [2], [3], [4], [5]]


def test_it_gets_hotter_where_it_falls_back(monkeypatch):
    asked = []

    def recorded(masses, temperature, rng):
        asked.append(temperature)
        return thermal_velocities(masses, temperature, rng)

    monkeypatch.setattr("matseek.searchers.minima_hopping.thermal_velocities", recorded)
    Campaign(StructureProblem(ATOM, Still), MinimaHopping(most_steps=5, hotter=2.0), seed=0).run(60)
    assert asked[:4] == [1000.0, 2000.0, 4000.0, 8000.0], "all energies are the same, so that every minimum is known"
    assert max(asked) <= 1e5


@pytest.mark.parametrize("budget", [1, 3])
def test_small_budgets(budget):
    campaign = Campaign(StructureProblem(DIMER, BatchedEMT), MinimaHopping(concurrent=2), seed=0).run(budget)
    assert len(campaign.to_frame()) == budget


def test_recipes_cannot_be_relaxed(problem):
    with pytest.raises(ValueError, match="searcher=minima_hopping relaxes structures, .*take searcher=lhs"):
        Campaign(problem, MinimaHopping()).run(10)
    assert problem.oracle.points == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 0.0}, "temperature=0.0 must be"),
        ({"hotter": 0.9}, "hotter=0.9 must be"),
        ({"colder": 1.1}, "colder=1.1 must be"),
        ({"threshold": -1.0}, "threshold=-1.0 must be"),
        ({"passes": 0}, "passes=0 must be"),
        ({"timestep": 0.0}, "timestep=0.0 must be"),
        ({"same": float("inf")}, "same=inf must be"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        MinimaHopping(**settings)
