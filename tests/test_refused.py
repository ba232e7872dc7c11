"""What is refused before anything is paid, and what is taken although it is spelled otherwise."""

import numpy as np
import pytest
from ase.build import fcc111
from ase.calculators.emt import EMT
from typer.testing import CliRunner

from matseek.campaign import Campaign
from matseek.cli import app
from matseek.configuration import run_settings
from matseek.errors import BudgetError, ConfigurationError, LedgerError
from matseek.problems import RecipeProblem, StructureProblem
from matseek.searchers import NetworkSearcher, RandomSearcher
from matseek.spaces import Adlayer, Box, Variable
from matseek.spaces.variables import RESERVED
from matseek.surrogates.training import Training


@pytest.fixture(scope="module")
def layer():
    return Adlayer(fcc111("Pt", (3, 3, 2), vacuum=6), "Pt", (1.0, 4.0))


def test_the_columns_of_a_campaign_are_no_variables(problem):
    frame = Campaign(problem, RandomSearcher(2)).run(2).to_frame()
    own = set(frame.columns) - set(problem.space.labels)
    assert own <= RESERVED
    for name in (*own, "450", "450 nm", "nan", "a\nb"):
        with pytest.raises(ValueError, match="name="):
            Variable(name, 0, 1)


def test_labels_that_tables_cannot_tell_apart_are_refused():
    with pytest.raises(ValueError, match="must be unique"):
        Box([Variable("a", 0, 1, unit="mL"), Variable("a (mL)", 0, 1)])


@pytest.mark.parametrize("ledger", [5, True, [], ""])
def test_a_ledger_is_a_path_or_a_url(problem, ledger, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, LedgerError), match="ledger"):
        Campaign(problem, RandomSearcher(2), ledger=ledger)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("budget", ["120", 120.0, True, np.array(3), None, 0, 10**30])
def test_a_budget_is_a_whole_number(problem, counting, budget):
    with pytest.raises(BudgetError, match="budget=.* must be a whole number"):
        Campaign(problem, RandomSearcher(2)).run(budget)
    assert counting.points == []


def test_numbers_of_numpy_are_numbers(problem):
    campaign = Campaign(problem, RandomSearcher(np.int64(2)), seed=np.int32(1), opening=np.int64(1)).run(np.int64(3))
    assert len(campaign.ledger.evaluations()) == 3


@pytest.mark.parametrize("oracle", [lambda: 1, lambda a, b: a, 5])
def test_an_oracle_takes_points(box, oracle):
    with pytest.raises(ValueError, match="oracle=.* must be callable"):
        RecipeProblem(box, oracle)


def test_an_oracle_may_need_a_generator(box):
    def noisy(points, *, rng):
        return rng.normal(size=len(points))

    assert len(Campaign(RecipeProblem(box, noisy), RandomSearcher(2)).run(2).ledger.evaluations()) == 2


def test_a_test_of_success_may_take_the_structure_alone(layer):
    def low(atoms, limit=2.0):
        assert limit == 2.0
        return atoms.positions[-1, 2] > 0

    def of_both(atoms, energy=None):
        return energy is not None and len(atoms) > 0

    for test in (lambda atoms: len(atoms) > 0, low, of_both, lambda _atoms, energy: energy < 1e6):
        campaign = Campaign(StructureProblem(layer, EMT, test), RandomSearcher(2)).run(2)
        assert campaign.summary()["success"] is True


@pytest.mark.parametrize("test", [lambda: True, lambda a, b, c: a, 5])
def test_other_tests_of_success_are_refused(layer, test):
    with pytest.raises(ValueError, match="success=.* must be callable"):
        StructureProblem(layer, EMT, test)


def test_a_test_of_success_that_raises_is_told_after_the_first_evaluation(layer):
    campaign = Campaign(StructureProblem(layer, EMT, lambda atoms: atoms.nonsense), RandomSearcher(2))
    with pytest.raises(ConfigurationError, match="the test of success .* raised AttributeError"):
        campaign.run(8)
    assert [e.status for e in campaign.ledger.evaluations()] == ["done", "pending"]
    assert campaign.summary()["success"] is False


def test_a_factory_that_makes_no_calculator_is_told_before_anything_is_paid(layer):
    for factory, message in ((dict, "makes a dict"), (lambda: {}["x"], "cannot be made: KeyError")):
        with pytest.raises(ConfigurationError, match=message):
            StructureProblem(layer, factory).require_oracle()
    with pytest.raises(ValueError, match="callable with no arguments"):
        StructureProblem(layer, lambda device: EMT())


def test_a_searcher_is_checked_against_the_problem(problem, counting):
    cosine = NetworkSearcher(2, training=Training(cosine_weight=0.5))
    grid = NetworkSearcher(2, search_by="grid", levels=100_000)
    for searcher, message in ((cosine, "cosine_weight=0.5 needs spectra"), (grid, "levels=100000")):
        with pytest.raises(ValueError, match=message):
            Campaign(problem, searcher).run(8)
    assert counting.points == []


REFUSED = """
    searcher.training=0 searcher.widening=9 searcher.kappa=nan evaluator=5 problem=null problem.droplets=nan stop=[]
    stop=7 logger=5 searcher={} searcher={a:1} budget='12' seed=-1 trainer.accelerator=abc searcher.training.hidden=5
    opening=1.5 run_dir=[1] stop.loss_level=3 evaluator._target_=os.getcwd ~searcher problem=[1,2] x=1
    evaluator._partial_=7
"""


@pytest.mark.parametrize("override", REFUSED.split())
def test_configs_are_refused_with_their_group(override):
    with pytest.raises(ConfigurationError):
        run_settings(["searcher=network", override])


@pytest.mark.parametrize(
    "override",
    [
        "searcher.kt=0",
        "searcher.renoising=-1",
        "searcher.guidance.alpha=nan",
        "searcher.network.blocks=-1",
        "searcher.network=3",
    ],
)
def test_nested_settings_of_godiff_are_refused(override):
    with pytest.raises(ConfigurationError, match=override.split("=")[0].rsplit(".", 1)[-1]):
        run_settings(["problem=platinum_adatom", "searcher=godiff_ffg", override])


def test_the_command_ends_with_2_and_a_plain_message(tmp_path):
    for override in ("evaluator.workers=nan", "evaluator.workers=0", "searcher.batch_size=abc"):
        arguments = ["run", "evaluator=threads", f"run_dir={tmp_path / 'run'}", override]
        found = CliRunner().invoke(app, arguments)
        assert found.exit_code == 2
        assert "must be a whole number" in found.stderr
        assert "Traceback" not in found.stderr
    assert not (tmp_path / "run").exists()
