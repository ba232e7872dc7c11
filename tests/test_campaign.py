import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import numpy as np
import pandas as pd
import pytest

from matseek import Campaign
from matseek.errors import LedgerBusyError, LedgerMismatchError, ResponseError, UnknownEvaluationError
from matseek.evaluation.batch import Batch
from matseek.insight.stopping import LossLevel
from matseek.problems import RecipeProblem, SpectralMatch
from matseek.searchers import BayesianSearcher, LatinHypercube, RandomSearcher
from tests.conftest import ROOT, Counting, bowl


def points_of(campaign):
    return campaign.to_frame()[list(campaign.problem.space.labels)].to_numpy()


def test_a_campaign_goes_on_where_it_was_cut_off(problem, tmp_path):
    whole = Campaign(problem, BayesianSearcher(5), seed=2).run(20)
    problem.oracle.points.clear()
    path = tmp_path / "c.db"
    Campaign(problem, BayesianSearcher(5), path, seed=2).run(10)
    resumed = Campaign(problem, BayesianSearcher(5), path, seed=2).run(20)
    assert len(problem.oracle.points) == 20
    np.testing.assert_array_equal(points_of(resumed), points_of(whole))
    Campaign(problem, BayesianSearcher(5), path, seed=2).run(20)
    assert len(problem.oracle.points) == 20, "a finished campaign computes nothing"


def test_a_cut_within_a_batch_pays_for_nothing_twice(box, tmp_path):
    class Interrupted(BaseException):
        pass

    calls = []

    def oracle(points):
        if len(calls) == 7 and "cut" not in calls:
            calls.append("cut")
            raise Interrupted
        calls.append(points[0].tolist())
        return bowl(points)

    problem = RecipeProblem(box, oracle)
    with pytest.raises(Interrupted):
        Campaign(problem, LatinHypercube(5), tmp_path / "c.db").run(15)
    campaign = Campaign(problem, LatinHypercube(5), tmp_path / "c.db").run(15)
    calls.remove("cut")
    assert calls == points_of(campaign).tolist()
    assert campaign.summary()["evaluations"] == 15


KILLED = """
import sys, time
from matseek import Campaign
from matseek.problems import RecipeProblem
from matseek.searchers import LatinHypercube
from matseek.spaces import Box, Variable
called = open(sys.argv[2], "a", buffering=1)
def oracle(X):
    called.write(repr(X[0].tolist()) + "\\n")
    time.sleep(0.01)
    return X.sum(axis=1)
problem = RecipeProblem(Box([Variable("x", 0, 1), Variable("y", 0, 1)]), oracle)
Campaign(problem, LatinHypercube(7), sys.argv[1], seed=3).run(60)
"""


def done_in(path):
    """Points whose results are in the ledger, read without the package."""
    if not path.exists():
        return []
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT point FROM evaluations WHERE status = 'done' ORDER BY number").fetchall()
    return [json.loads(point) for (point,) in rows]


def test_kill_9_loses_nothing_and_pays_nothing_twice(tmp_path):
    ledger, called = tmp_path / "c.db", tmp_path / "called.txt"
    command = [sys.executable, "-W", "ignore", "-c", KILLED, str(ledger), str(called)]
    called.touch()
    rng = np.random.default_rng(0)
    for kills in range(1, 4):
        done, calls = done_in(ledger), len(called.read_text().splitlines())
        process = subprocess.Popen(command)
        while len(called.read_text().splitlines()) < calls + 4:
            time.sleep(0.01)
        time.sleep(float(rng.uniform(0, 0.1)))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        lines = [json.loads(line) for line in called.read_text().splitlines()]
        assert all(point not in lines[calls:] for point in done), "a point with a result is never called again"
        assert done_in(ledger)[: len(done)] == done, "a result stays"
        assert len(lines) - len(done_in(ledger)) <= kills, "only the call in flight can be without a result"
    subprocess.run(command, check=True)
    points = done_in(ledger)
    uninterrupted = tmp_path / "whole.db"
    subprocess.run([*command[:-2], str(uninterrupted), str(tmp_path / "other.txt")], check=True)
    assert len(points) == 60
    assert points == done_in(uninterrupted)


def test_the_lab_asks_and_tells(problem, tmp_path):
    campaign = Campaign(problem, BayesianSearcher(6), tmp_path / "lab.db", seed=0)
    batch = campaign.ask(6)
    frame = batch.to_frame()
    assert list(frame.columns) == ["evaluation", *problem.space.labels]
    assert problem.oracle.points == [], "asking pays for nothing"
    campaign.tell(batch.with_responses(bowl(batch.points)))
    again = Campaign(problem, BayesianSearcher(6), tmp_path / "lab.db", seed=0)
    second = again.ask(4)
    assert second.numbers == (7, 8, 9, 10)
    again.tell(second.to_frame().assign(value=bowl(second.points)))
    assert again.summary()["evaluations"] == 10
    assert again.best.value == min(bowl(batch.points).min(), bowl(second.points).min())


def test_a_problem_without_an_oracle_is_asked_not_run(box):
    campaign = Campaign(RecipeProblem(box), RandomSearcher(2), seed=0)
    with pytest.raises(ValueError, match=r"has no oracle to run; use ask\(\) and tell\(\)"):
        campaign.run(4)
    campaign.tell(campaign.ask(2).with_responses([1.0, 2.0]))
    assert campaign.best.value == 1.0


def test_pending_points_are_not_asked_again(problem):
    campaign = Campaign(problem, BayesianSearcher(4), seed=0)
    batch = campaign.ask(4)
    campaign.tell(batch.with_responses(bowl(batch.points)))
    asked = np.vstack([campaign.ask(3).points for _ in range(3)])
    unit = problem.space.normalize(asked)
    assert (np.abs(unit[:, None] - unit[None]).max(axis=2) + np.eye(9)).min() > 1e-3


def test_told_tables_may_name_points_and_hold_replicates(problem):
    campaign = Campaign(problem, RandomSearcher(2), seed=0)
    batch = campaign.ask(2)
    rows = pd.concat([problem.space.to_frame(batch.points)] * 3).assign(value=[1.0, 4.0, 2.0, 5.0, 9.0, np.nan])
    campaign.tell(rows)
    first, second = campaign.history().evaluations
    assert (first.value, second.value) == (2.0, 4.5)
    assert len(second.finite_replicates) == 2


def test_told_spectra_by_wavelength_columns(box):
    wavelengths = np.array([400.0, 500.0, 600.0])
    match = SpectralMatch(wavelengths, np.array([0.0, 1.0, 0.0]))
    campaign = Campaign(RecipeProblem(box, len, match), RandomSearcher(2), seed=0)
    batch = campaign.ask(2)
    frame = batch.to_frame().assign(**{"400 nm": [0.0, 0.0], "500 nm": [1.0, 0.35], "600": [0.0, 0.0]})
    with pytest.raises(ResponseError, match=r"2 wavelengths .400-500 nm., but the target has 3"):
        campaign.tell(frame.drop(columns="600"))
    campaign.tell(frame)
    np.testing.assert_allclose([e.value for e in campaign.history().evaluations], [0, 0.5], atol=1e-12)


def test_a_nan_that_is_told_is_a_failed_evaluation(problem):
    campaign = Campaign(problem, RandomSearcher(2), seed=0)
    batch = campaign.ask(2)
    campaign.tell(batch.with_responses([np.nan, 1.0]))
    first, second = campaign.history().evaluations
    assert first.status == "failed"
    assert "no finite value" in first.error
    assert second.status == "done"


def told_nothing(campaign):
    return all(e.status == "pending" for e in campaign.history().evaluations)


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (lambda f: f.assign(evaluation=[1, 9]), UnknownEvaluationError, r"evaluation 9 is not waiting .*waiting: 1, 2"),
        (lambda f: f.assign(**{"a (%)": 1.0}), UnknownEvaluationError, "evaluation 1 was run otherwise than asked: a"),
        (lambda f: f.drop(columns="evaluation").assign(**{"a (%)": 1.0}), UnknownEvaluationError, "was never asked"),
        (lambda f: f[["value"]], UnknownEvaluationError, "the table names no conditions"),
        (lambda f: f.drop(columns="value"), ResponseError, "no column 'value'"),
    ],
)
def test_results_that_belong_to_nothing_are_refused_whole(problem, spoil, error, message):
    campaign = Campaign(problem, RandomSearcher(2), seed=0)
    batch = campaign.ask(2)
    with pytest.raises(error, match=message):
        campaign.tell(spoil(batch.to_frame().assign(value=[1.0, 2.0])))
    assert told_nothing(campaign)


@pytest.mark.parametrize("cell", ["0,4", "n.d."])
def test_text_in_a_table_is_a_mistake_not_a_failure(problem, cell):
    campaign = Campaign(problem, RandomSearcher(2), seed=0)
    frame = campaign.ask(2).to_frame()
    with pytest.raises(ResponseError, match=f"row [23], column .*{cell}"):
        campaign.tell(frame.assign(value=[cell, "0.4"]))
    with pytest.raises(UnknownEvaluationError, match="give the numbers that ask"):
        campaign.tell(frame.assign(value=1.0, evaluation=[1.7, 2]))
    assert told_nothing(campaign)


@pytest.mark.parametrize("told", [{1: 0.1, 2: 0.2}, pd.DataFrame({"value": [1, 2]})])
def test_containers_whose_order_is_not_the_batchs_are_refused(problem, told):
    campaign = Campaign(problem, RandomSearcher(2), seed=0)
    batch = campaign.ask(2)
    with pytest.raises(ResponseError, match="responses came as a"):
        batch.with_responses(told)
    with pytest.raises(ResponseError, match="results came as a list"):
        campaign.tell([1.0, 2.0])


def test_stopped_by_is_true_of_the_present(problem):
    campaign = Campaign(problem, RandomSearcher(3), seed=0)
    assert campaign.stopped_by is None
    for _ in range(2):
        campaign.run(3)
    assert campaign.stopped_by == "budget"
    campaign.ask(2)
    assert campaign.stopped_by is None
    campaign.run(6)
    assert [e.message for e in campaign.ledger.events()] == [
        "the budget is spent: 3 evaluations",
        "the budget is spent: 6 evaluations",
    ]


def test_batches_with_wrong_results_are_refused(problem):
    campaign = Campaign(problem, RandomSearcher(2), seed=0)
    batch = campaign.ask(2)
    with pytest.raises(ResponseError, match="3 responses were given for 2 conditions"):
        batch.with_responses([1, 2, 3])
    with pytest.raises(ResponseError, match="the batch carries no responses"):
        campaign.tell(batch)
    with pytest.raises(UnknownEvaluationError, match="evaluation 7 is not waiting"):
        campaign.tell(Batch(problem.space, (7,), batch.points[:1]).with_responses([1.0]))
    campaign.tell(batch.with_responses([1.0, 2.0]))
    with pytest.raises(UnknownEvaluationError, match="evaluation 2 is done already, with other results"):
        campaign.tell(batch.with_responses([1.0, 2.5]))


def test_results_that_are_told_again_change_nothing(problem):
    campaign = Campaign(problem, RandomSearcher(3), seed=0)
    batch = campaign.ask(3)
    table = batch.to_frame().assign(value=[1.0, 2.0, "failed"])
    campaign.tell(table)
    before = campaign.ledger.evaluations()
    campaign.tell(table)
    campaign.tell(batch.with_responses([1.0, 2.0, np.nan]))
    after = campaign.ledger.evaluations()
    assert [(e.status, e.finished_at) for e in after] == [(e.status, e.finished_at) for e in before]
    assert [e.status for e in after] == ["done", "done", "failed"]


def test_another_problem_is_refused(problem, box, tmp_path):
    Campaign(problem, RandomSearcher(5), tmp_path / "c.db").run(5)
    other = RecipeProblem(box.widen("a"), Counting(), name="other")
    with pytest.raises(LedgerMismatchError, match="belongs to another problem: it holds 'bowl', this is 'other'"):
        Campaign(other, RandomSearcher(5), tmp_path / "c.db")
    assert other.oracle.points == []


def test_two_campaigns_at_once_are_refused(problem, tmp_path):
    first = Campaign(problem, RandomSearcher(5), tmp_path / "c.db")
    second = Campaign(problem, RandomSearcher(5), tmp_path / "c.db")
    with first.ledger.locked(), pytest.raises(LedgerBusyError, match="another process is at work"):
        second.run(5)
    assert problem.oracle.points == []


def test_nothing_measured_yet(problem):
    campaign = Campaign(problem, RandomSearcher(5))
    with pytest.raises(UnknownEvaluationError, match="no evaluation has a value yet"):
        _ = campaign.best
    assert campaign.to_frame().empty
    assert campaign.summary()["best_value"] is None


@pytest.mark.parametrize("bad", [-1, 1.5])
def test_bad_seeds_and_counts_are_refused(problem, bad):
    with pytest.raises(ValueError, match=f"seed={bad}"):
        Campaign(problem, RandomSearcher(5), seed=bad)
    with pytest.raises(ValueError, match=f"n={bad}"):
        Campaign(problem, RandomSearcher(5)).ask(bad)


def test_summary_and_files(problem, tmp_path):
    campaign = Campaign(problem, BayesianSearcher(5), tmp_path / "ledger.db", seed=4).run(15)
    page = campaign.write(tmp_path)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary == json.loads(json.dumps(campaign.summary()))
    assert summary["problem"] == "bowl"
    assert summary["searcher"] == "bayesian"
    assert summary["seed"] == 4
    assert summary["evaluations"] == 15
    assert summary["stopped_by"] == "budget"
    assert len(summary["seconds_asking"]) == 3
    assert summary["wall_seconds"] > 0
    assert list(summary["best_point"]) == list(problem.space.labels)
    assert summary["success"] is (summary["best_value"] < 0.05)
    trace = pd.read_csv(tmp_path / "trace.csv")
    assert list(trace.columns) == ["evaluation", "value", "best_value", "iteration", "searcher"]
    assert len(trace) == 15
    assert trace["best_value"].iloc[-1] == summary["best_value"] == campaign.best.value
    np.testing.assert_array_equal(trace["best_value"], trace["value"].cummin())
    assert page.is_file()
    assert list((tmp_path / "figures").glob("*.png"))


def test_import_is_light():
    script = (
        "import sys, time; start = time.perf_counter(); import matseek; "
        "print(time.perf_counter() - start, 'torch' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    seconds, has_torch = out.split()
    assert has_torch == "False"
    assert float(seconds) < 1


def test_what_is_changed_by_hand_is_what_searchers_and_summaries_see(box):
    campaign = Campaign(RecipeProblem(box), LatinHypercube(batch_size=4), stop=[LossLevel(below=0.05)])
    batch = campaign.ask()
    campaign.tell(batch.with_responses([0.01, 0.2, 0.3, 0.4]))
    assert campaign.stopped_by == "loss_level"
    campaign.tell(campaign.logbook.correction(1, response=[0.31], reason="typing error"))
    assert campaign.stopped_by is None
    assert campaign.best.number == 2
    campaign.tell(campaign.logbook.withdrawal([2]))
    history = campaign.history()
    assert campaign.best.number == 3
    assert [e.number for e in history.done] == [1, 3, 4]
    assert len(history.tried) == 3
    summary = campaign.summary()
    assert (summary["evaluations"], summary["withdrawn"], summary["changes"]) == (3, 1, 2)
    assert any("typing error" in sentence for sentence in summary["events"])
