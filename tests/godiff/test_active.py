"""Many samples for each that is evaluated, and a Gaussian process that chooses among them."""

import os
import socket
import subprocess
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from ase.build import fcc111

from matseek import Campaign
from matseek.acquisition import LogEI
from matseek.candidates import AcquisitionRelaxation, OnStructures, StructureSearch
from matseek.configuration import run_settings
from matseek.core.records import REFUSED
from matseek.diffusion import ExponentialKT
from matseek.errors import OracleError
from matseek.godiff import ActiveChoice, GODiffSearcher
from matseek.potentials import BatchedEMT
from matseek.problems import RecipeProblem, StructureProblem
from matseek.spaces import Adlayer, Box, LinearConstraint, Variable
from matseek.surrogates import StructureGP, ValueGP
from matseek.testing import check_searcher, measured
from tests.conftest import ROOT
from tests.godiff.test_searcher import QUICK, valley

SEARCH = StructureSearch(candidates=6, generations=1, relaxation=AcquisitionRelaxation(steps=5), start=3)
CHOICE = ActiveChoice(pool=3, uniform=0, structures=OnStructures(StructureGP(forces=False), SEARCH))
ACTIVE = {**QUICK, "samples": 4, "steps": 4, "active": CHOICE, "kt": ExponentialKT(1.0, 0.1)}
SPACE = Box([Variable("a", 0, 10), Variable("b", -1, 1)], [LinearConstraint({"a": 1.0, "b": 5.0}, upper=9.0)])


def recipes(oracle=valley):
    return RecipeProblem(SPACE, oracle, name="valley")


def structures(width=2):
    return StructureProblem(Adlayer(fcc111("Pt", (width, width, 2), vacuum=6), "Pt2", z=(1.0, 4.0)), BatchedEMT)


@pytest.mark.parametrize("problem", [recipes(), structures()], ids=["recipes", "structures"])
def test_a_searcher_of_active_choices_is_certified(problem):
    check_searcher(partial(GODiffSearcher, **ACTIVE), problem, budget=10)


def test_each_batch_is_chosen_from_more_samples_than_are_evaluated():
    campaign = Campaign(recipes(), GODiffSearcher(**ACTIVE), seed=2).run(12)
    drawn = [e.data["drawn"] for e in campaign.ledger.events() if e.kind == REFUSED]
    assert drawn == [0, 12, 12], "nothing is sampled before anything is known"
    proposers = [e.proposer for e in campaign.ledger.evaluations()]
    assert proposers == ["lhs"] * 4 + ["godiff"] * 8


def test_the_choice_is_better_than_samples_as_they_come():
    def best(**settings):
        values = [
            Campaign(recipes(), GODiffSearcher(**{**ACTIVE, **settings}), seed=s).run(16).best.value for s in (0, 1)
        ]
        return max(values)

    assert best() < 0.01 < best(active=None)


def test_recipes_come_from_the_samples():
    history = measured(recipes(), 8)
    corner = np.array([[0.1, -0.9], [0.2, -0.8], [0.3, -0.7]])
    middle = np.array([[5.0, 0.5], [4.0, 0.4], [4.5, 0.3]])
    first, again, other = (CHOICE.ask(2, history, "godiff", s).points for s in (corner, corner, middle))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
    assert SPACE.contains(first).all()
    outside = CHOICE.ask(2, history, "godiff", np.array([[10.0, 1.0], [9.9, 0.9]])).points
    assert SPACE.contains(outside).all(), "samples that violate a constraint begin at the nearest point that does not"


def test_uniform_recipes_join_samples_that_lie_together():
    history = measured(recipes(), 8)
    together = np.array([[0.1, -0.9], [0.101, -0.9], [0.1, -0.901]])
    gp = ValueGP().fit(history)
    few, many = (
        replace(CHOICE, uniform=count, acquisition=LogEI(steps=1)).ask(1, history, "godiff", together).points
        for count in (0, 200)
    )
    assert gp.mean(many) < gp.mean(few)


def test_structures_come_from_the_samples():
    problem = structures()
    history = measured(problem, 8)
    alone = CHOICE.ask(1, history, "godiff", np.zeros((0, 6)))
    samples = problem.space.sample_contiguous(40, np.random.default_rng(1))
    chosen = CHOICE.ask(1, history, "godiff", samples)
    assert not np.allclose(alone.points, chosen.points), "forty further candidates have a better one"
    surface = CHOICE.structures.surrogate.fit(history)
    bound = [float(p.mean[0] - 2 * p.deviation[0]) for p in map(surface.predict, (alone.points, chosen.points))]
    assert bound[1] < bound[0]


TWO = """
import sys, torch
from matseek import Campaign
from matseek.godiff import GODiffSearcher
from matseek.training.trainer import TrainerSettings
from tests.godiff.test_active import ACTIVE, recipes

torch.set_num_threads(1)
trainer = TrainerSettings(accelerator="cpu", devices=2, strategy="ddp")
Campaign(recipes(), GODiffSearcher(**ACTIVE, trainer=trainer), sys.argv[1], seed=0).run(12)
"""


def test_two_processes_choose_what_one_does(tmp_path):
    script = tmp_path / "two.py"
    script.write_text(TWO)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", f"--master_port={port}"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, script, tmp_path / "two.db"], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    together = Campaign(recipes(), GODiffSearcher(**ACTIVE), tmp_path / "two.db", seed=0)
    alone = Campaign(recipes(), GODiffSearcher(**ACTIVE), seed=0).run(12)
    a, b = ([e.point for e in c.ledger.evaluations()] for c in (together, alone))
    assert len(a) == 12, "paid for once, not once a process"
    np.testing.assert_allclose(a, b, atol=1e-2)


def test_equal_values_are_no_reason_to_end():
    campaign = Campaign(recipes(lambda x: np.zeros(len(x))), GODiffSearcher(**ACTIVE), seed=0).run(8)
    assert [e.proposer for e in campaign.ledger.evaluations()] == ["lhs"] * 8


def test_a_batch_that_fails_as_a_whole_is_followed_by_another_opening():
    calls = []

    def fails_first(points):
        calls.append(points)
        if len(calls) <= 4:
            raise RuntimeError(f"{points[0, 0]:g} is blocked")
        return valley(points)

    campaign = Campaign(recipes(fails_first), GODiffSearcher(**ACTIVE), seed=0).run(12)
    evaluations = campaign.ledger.evaluations()
    assert [e.status for e in evaluations] == ["failed"] * 4 + ["done"] * 8
    assert [e.proposer for e in evaluations] == ["lhs"] * 8 + ["godiff"] * 4
    with pytest.raises(OracleError):
        Campaign(recipes(lambda x: 1 / 0), GODiffSearcher(**ACTIVE), seed=0).run(12)


def test_a_trained_model_gives_the_first_batch():
    settings = {k: v for k, v in ACTIVE.items() if k != "network"}
    searcher = GODiffSearcher(**settings, start="adatom")
    campaign = Campaign(structures(width=4), searcher, seed=0).run(4)
    assert [e.proposer for e in campaign.ledger.evaluations()] == ["godiff"] * 4
    assert searcher.title == "GO-Diff with transfer and active choice"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pool": 0}, "active.pool=0"),
        ({"uniform": -1}, "active.uniform=-1"),
        ({"structures": StructureGP()}, "active.structures="),
        ({"acquisition": "nearest"}, "active.acquisition='nearest'"),
        ({"kernel": "round"}, "active.kernel='round'"),
    ],
)
def test_wrong_settings_are_refused_by_name(settings, message):
    with pytest.raises(ValueError, match=message):
        ActiveChoice(**settings)
    with pytest.raises(ValueError, match="active="):
        GODiffSearcher(active=8)


def test_the_shipped_settings():
    made = run_settings(["problem=silver", "searcher=godiff_active"]).searcher
    assert made.active == ActiveChoice()
    assert made.title == "GO-Diff with active choice"
    assert [s.name for s in made.surrogates] == ["gp"]
    assert run_settings(["problem=silver", "searcher=godiff"]).searcher.active is None
