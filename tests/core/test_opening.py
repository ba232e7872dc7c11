"""The same first points for all, and every searcher on every problem that it has a meaning for."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from ase.build import fcc111
from ase.calculators.emt import EMT

from matseek import Campaign, plugins
from matseek.core.records import RELAXED
from matseek.errors import BudgetError, LedgerMismatchError
from matseek.godiff.searcher import GODiffSearcher
from matseek.godiff.steering import SurrogateRelaxation
from matseek.insight.stopping import LossLevel, Solved
from matseek.problems import StructureProblem
from matseek.searchers import (
    BasinHopping,
    BayesianSearcher,
    LatinHypercube,
    MinimaHopping,
    NetworkSearcher,
    RandomSearcher,
    RandomStructureSearch,
    TwoStepSearcher,
)
from matseek.searchers.descent import relaxations
from matseek.spaces import Adlayer
from tests.conftest import QUICK
from tests.godiff.test_searcher import QUICK as DIFFUSION
from tests.godiff.test_searcher import recipes
from tests.shipped import shipped

NETWORK = NetworkSearcher(batch_size=5, training=QUICK, starts=8, least=4)
BOXES = {
    "random": RandomSearcher(batch_size=5),
    "lhs": LatinHypercube(batch_size=5),
    **{f"bayesian {a}": BayesianSearcher(batch_size=5, acquisition=a) for a in shipped(plugins.ACQUISITIONS)},
    "network": NETWORK,
    "two_step": TwoStepSearcher(batch_size=5, network=NETWORK),
    "godiff": GODiffSearcher(**DIFFUSION),
}
ATOMS = {
    "rss": RandomStructureSearch(concurrent=3),
    "basin_hopping": BasinHopping(concurrent=2),
    "minima_hopping": MinimaHopping(concurrent=2),
    "random": BOXES["random"],
    "godiff": BOXES["godiff"],
}


class CountedEMT(EMT):
    """Counts the calls of all its instances."""

    calls = 0

    def calculate(self, *args, **kwargs):
        type(self).calls += 1
        super().calculate(*args, **kwargs)


def structures(free="Pt"):
    CountedEMT.calls = 0
    return StructureProblem(Adlayer(fcc111("Pt", (2, 2, 2), vacuum=6), free, z=(1.0, 4.0)), CountedEMT)


def campaign_of(problem, searcher, budget=21, **settings):
    return Campaign(problem, searcher, seed=3, opening=7, **settings).run(budget)


def opened(campaign):
    frame = campaign.to_frame()
    return frame[frame["proposer"] == "opening"]


@pytest.mark.parametrize("name", BOXES)
def test_recipes_open_alike_and_every_evaluation_is_counted(name, counting, box):
    problem = recipes()
    reference = campaign_of(problem, LatinHypercube(), budget=15)
    campaign = campaign_of(problem, BOXES[name])
    assert opened(campaign)["a"].tolist() == opened(reference)["a"].tolist()
    assert opened(campaign)["evaluation"].tolist() == list(range(1, 8))
    assert len(campaign.to_frame()) == 21
    assert len(np.unique(campaign.to_frame()[["a", "b"]], axis=0)) == 21


@pytest.mark.parametrize("name", {**BOXES, **ATOMS})
def test_one_atom_opens_alike_and_every_call_is_counted(name):
    reference = campaign_of(structures(), LatinHypercube(), budget=15)
    campaign = campaign_of(structures(), {**BOXES, **ATOMS}[name])
    columns = list(campaign.problem.space.labels)
    assert np.array_equal(opened(campaign)[columns], opened(reference)[columns])
    assert len(campaign.to_frame()) == CountedEMT.calls == 21
    assert campaign.problem.space.refusals(campaign.to_frame()[columns].to_numpy()) == [""] * 21


@pytest.mark.parametrize("name", ATOMS)
def test_whole_structures_open_alike(name):
    reference = campaign_of(structures("Pt2"), RandomSearcher(), budget=15)
    campaign = campaign_of(structures("Pt2"), ATOMS[name])
    columns = list(campaign.problem.space.labels)
    assert np.array_equal(opened(campaign)[columns], opened(reference)[columns])
    assert len(campaign.to_frame()) == CountedEMT.calls == 21


IN_A_BOX = {
    "lhs": BOXES["lhs"],
    "bayesian": replace(BOXES["bayesian qei"], structures=None),
    "network": replace(NETWORK, structures=None),
    "two_step": BOXES["two_step"],
}


@pytest.mark.parametrize("name", IN_A_BOX)
def test_whole_structures_are_no_box(name):
    with pytest.raises(ValueError, match="one free atom, .* this space has 2: take searcher=rss"):
        Campaign(structures("Pt2"), IN_A_BOX[name])


def test_recipes_have_no_atoms():
    with pytest.raises(ValueError, match="rss relaxes structures, and this problem's points"):
        Campaign(recipes(), ATOMS["rss"])
    for more in ({"relaxation": SurrogateRelaxation()}, {"guidance": True}, {"start": "adatom"}):
        with pytest.raises(ValueError, match="recipes have neither"):
            Campaign(recipes(), GODiffSearcher(**DIFFUSION, **more))


def test_relaxations_begin_at_the_opening_and_pay_for_it_once():
    campaign = campaign_of(structures(), RandomStructureSearch(concurrent=2, most_steps=4), budget=40)
    events = [e for e in campaign.ledger.events() if e.kind == RELAXED]
    firsts = [e.data["evaluations"][0] for e in events if e.data["run"] <= 7]
    assert sorted(firsts) == list(range(1, 8))
    walks = relaxations(campaign.ledger.evaluations(), events)
    numbers = sorted(e.number for walk in walks for e in walk)
    assert numbers == list(range(1, 41))


@pytest.mark.parametrize(
    "searcher", [ATOMS["rss"], ATOMS["basin_hopping"], BOXES["godiff"], BOXES["bayesian local_penalization"]]
)
def test_a_campaign_goes_on_after_its_opening(searcher, tmp_path):
    whole = campaign_of(structures(), searcher, budget=24)
    problem = structures()
    Campaign(problem, searcher, tmp_path / "ledger.db", seed=3, opening=7).run(17)
    again = Campaign(problem, searcher, tmp_path / "ledger.db", seed=3, opening=7).run(24)
    assert len(again.ledger.evaluations()) == CountedEMT.calls == 24
    columns = list(whole.problem.space.labels)
    assert np.array_equal(whole.to_frame()[columns][:17], again.to_frame()[columns][:17])


def test_another_opening_is_refused(tmp_path):
    path = tmp_path / "ledger.db"
    Campaign(recipes(), RandomSearcher(batch_size=5), path, seed=0, opening=4).run(5)
    with pytest.raises(LedgerMismatchError, match=r"opening=4, this has opening=0"):
        Campaign(recipes(), RandomSearcher(batch_size=5), path, seed=0)
    with pytest.raises(ValueError, match="opening=-1 must be"):
        Campaign(recipes(), RandomSearcher(), opening=-1)
    with pytest.raises(BudgetError, match="opening=30 points are more than budget=20"):
        Campaign(recipes(), RandomSearcher(), opening=30).run(20)


def test_a_stop_criterion_knows_one_atom_by_its_coordinates():
    campaign = campaign_of(structures(), BOXES["bayesian local_penalization"], stop=[LossLevel(below=-1e9)])
    assert campaign.stopped_by == "budget"
    assert campaign.models().fitted("gp").gp.space.names == ("a", "b", "height")


def test_calculators_may_be_partials():
    problem = StructureProblem(structures().space, partial(EMT))
    assert len(campaign_of(problem, BOXES["godiff"], budget=9).to_frame()) == 9


def test_what_solves_is_looked_at_where_the_atom_is():
    space = structures().space
    above = StructureProblem(space, EMT, success=lambda atoms, energy: atoms.positions[-1, 2] > space.z_low)
    stopped = Campaign(above, RandomSearcher(batch_size=5), seed=0, stop=[Solved()]).run(40)
    assert (stopped.stopped_by, len(stopped.to_frame())) == ("solved", 5)


def test_no_room_above_an_atom_is_no_box():
    thin = StructureProblem(Adlayer(fcc111("Pt", (3, 3, 2), vacuum=8), "Pt", z=(0.5, 1.5)), EMT)
    with pytest.raises(ValueError, match="room for it above every atom of the template"):
        Campaign(thin, IN_A_BOX["network"])
    assert len(campaign_of(thin, RandomSearcher(batch_size=5), budget=12).to_frame()) == 12


@pytest.mark.parametrize("budgets", [(23, 24), (7, 8, 9)])
def test_a_raised_budget_is_spent(budgets, tmp_path):
    for budget in budgets:
        again = Campaign(structures(), BOXES["godiff"], tmp_path / "ledger.db", seed=3, opening=7)
        if budget >= DIFFUSION["samples"]:
            again.run(budget)
            assert len(again.ledger.evaluations()) == budget


def test_a_laboratory_is_asked_without_an_opening():
    with pytest.raises(ValueError, match="opening=4 belongs to run"):
        Campaign(recipes(), RandomSearcher(), opening=4).ask(5)
