import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matseek.errors import BudgetError, ResponseError
from matseek.evaluation import Evaluator, Ledger, Proposal, ThreadExecutor
from matseek.problems import RecipeProblem, SpectralMatch
from matseek.spaces import Box, Variable
from tests.conftest import Counting

SPACE = Box([Variable("x", 0, 1), Variable("y", 0, 1)])


def evaluator(oracle, budget=10, objective=None, **options):
    problem = RecipeProblem(SPACE, oracle, objective)
    ledger = Ledger(None)
    ledger.claim(problem.describe(), "t", 0)
    return Evaluator(problem, ledger, budget, **options)


def uniform(n):
    return lambda history: Proposal(history.window.sample_uniform(n, history.rng()), ("t",) * n)


@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.lists(st.booleans(), min_size=1, max_size=7))
def test_the_ledger_counts_what_the_oracle_counts(batches, failures):
    """Evaluations in the ledger = calls of the oracle, whatever fails."""

    def sometimes(points):
        if failures[len(oracle.points) % len(failures)]:
            raise OSError("no connection")
        return points.sum(axis=1)

    oracle = Counting(sometimes)
    e = evaluator(oracle, budget=sum(batches))
    for n in batches:
        e.ask(uniform(n))
        e.evaluate_pending()
    evaluations = e.ledger.evaluations()
    assert len(evaluations) == len(oracle.points) == sum(batches)
    assert e.remaining == 0
    np.testing.assert_array_equal([v.point for v in evaluations], oracle.points)
    for v in evaluations:
        assert (v.status == "failed") == (v.error is not None and "no connection" in v.error)


def test_nan_is_a_failure_and_the_rest_goes_on(caplog):
    e = evaluator(lambda X: np.where(X[:, 0] > 0.5, np.nan, 1.0))
    e.ask(lambda h: Proposal(np.array([[0.6, 0], [0.4, 0]]), ("t", "t")))
    first, second = e.evaluate_pending()
    assert (first.status, second.status) == ("failed", "done")
    assert "no finite value" in first.error
    assert "evaluation 1 failed" in caplog.text


def test_a_batch_must_fit_the_budget_and_the_space():
    e = evaluator(Counting(), budget=2)
    with pytest.raises(BudgetError, match="3 points are proposed but the budget leaves 2"):
        e.ask(uniform(3))
    with pytest.raises(ValueError, match=r"point \[2.0, 0.0\] lies outside the window"):
        e.ask(lambda h: Proposal(np.array([[2.0, 0.0]]), ("t",)))
    assert e.ledger.evaluations() == ()
    assert e.problem.oracle.points == []


def test_a_response_that_nothing_can_read_stops_and_is_kept():
    match = SpectralMatch(np.array([400.0, 500, 600]), np.array([0.0, 1, 0]))
    e = evaluator(lambda X: np.arange(4.0)[None], objective=match)
    e.ask(uniform(2))
    with pytest.raises(ResponseError, match="evaluation 1: spectra have 4 absorbances each, but the target has 3"):
        e.evaluate_pending()
    first, second = e.ledger.evaluations()
    assert (first.status, second.status) == ("failed", "pending")
    np.testing.assert_array_equal(first.response, np.arange(4.0)[None])


def test_each_result_is_told_once_it_is_written_down():
    told = []
    e = evaluator(lambda X: X[:, 0], on_evaluation=lambda v: told.append((v.number, v.status)))
    e.ask(uniform(3))
    e.evaluate_pending()
    assert told == [(1, "done"), (2, "done"), (3, "done")]


def test_what_is_under_way_is_written_down_when_another_answer_cannot_be_read():
    calls = []

    def oracle(points):
        calls.append(points)
        first = points is calls[0]
        time.sleep(0.05 if first else 0.2)
        return np.ones((1, 2, 2)) if first else points[:, 0]

    e = evaluator(oracle, executor=ThreadExecutor(workers=3))
    e.ask(uniform(8))
    with pytest.raises(ResponseError, match="it must give"):
        e.evaluate_pending()
    assert sum(v.status != "pending" for v in e.ledger.evaluations()) == len(calls) < 8


def test_the_budget_also_binds_what_was_asked_before():
    oracle = Counting(lambda X: X[:, 0])
    e = evaluator(oracle, budget=9)
    e.ask(uniform(9))
    lower = Evaluator(e.problem, e.ledger, 4)
    lower.evaluate_pending()
    assert len(oracle.points) == 4
    assert lower.evaluate_pending() == []
