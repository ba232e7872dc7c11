import ast
import asyncio
import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matseek.core.records import Proposal
from matseek.errors import BudgetError, LedgerMismatchError, OracleError, ResponseError
from matseek.evaluation import Evaluator, Ledger, SerialExecutor, ThreadExecutor
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


FAILURES = st.lists(st.booleans(), min_size=1, max_size=7).filter(lambda failures: not all(failures))


@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), FAILURES)
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


def test_a_password_in_an_error_is_not_written_down():
    def refuses(points):
        raise ConnectionError("postgresql://lab:hunter2@host/db does not answer")

    paying = evaluator(refuses)
    paying.ask(uniform(1))
    assert paying.evaluate_pending()[0].error == "ConnectionError: postgresql://lab:***@host/db does not answer"


def test_a_searcher_that_proposes_nothing_is_refused():
    with pytest.raises(ValueError, match="proposed no point"):
        evaluator(Counting()).ask(lambda history: Proposal(np.empty((0, 2)), ()))


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


class SilentError(Exception):
    def __str__(self):
        raise RuntimeError("no text")


class OutermostError(BaseException):
    pass


FAULTS = [
    (lambda: ValueError("\udcff\x00\x1b[31m"), "ValueError: \\udcff\\x00\\x1b[31m"),
    (lambda: SilentError(), "SilentError: its text cannot be shown (RuntimeError)"),
    (lambda: ValueError("a" * 10**7), "ValueError: " + "a" * 1488 + " ... " + "a" * 500),
    (lambda: SystemExit(3), "SystemExit: 3"),
    (lambda: GeneratorExit("mine"), "GeneratorExit: mine"),
    (lambda: StopIteration("mine"), "StopIteration: mine"),
    (lambda: asyncio.CancelledError("mine"), "CancelledError: mine"),
]


@pytest.mark.parametrize("executor", [SerialExecutor(), ThreadExecutor(2)], ids=repr)
@pytest.mark.parametrize(("fault", "error"), FAULTS)
def test_whatever_an_oracle_raises_is_a_failure_that_can_be_stored_and_told(fault, error, executor, caplog):
    def oracle(points):
        if points[0, 0] > 0.5:
            raise fault()
        return points[:, 0]

    e = evaluator(oracle, executor=executor)
    e.ask(lambda h: Proposal(np.array([[0.6, 0], [0.4, 0]]), ("t", "t")))
    first, second = e.evaluate_pending()
    assert (first.status, second.status) == ("failed", "done")
    assert first.error == error
    caplog.text.encode()


@pytest.mark.parametrize(
    ("executor", "kind"),
    [(SerialExecutor(), OutermostError), (ThreadExecutor(1), OutermostError), (SerialExecutor(), KeyboardInterrupt)],
)
def test_an_exception_that_is_made_to_end_a_program_does(executor, kind):
    def oracle(points):
        calls.append(1)
        if len(calls) == 2:
            raise kind("mine")
        return points[:, 0]

    calls = []
    e = evaluator(oracle, executor=executor)
    e.ask(uniform(4))
    with pytest.raises(kind):
        e.evaluate_pending()
    assert [v.status for v in e.ledger.evaluations()] == ["done", "pending", "pending", "pending"]


def test_an_interrupt_that_a_thread_raises_itself_is_a_failure():
    def oracle(points):
        raise KeyboardInterrupt("mine")

    e = evaluator(oracle, executor=ThreadExecutor(2))
    e.ask(uniform(2))
    assert [v.error for v in e.evaluate_pending()] == ["KeyboardInterrupt: mine"] * 2


def interrupting(points):
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(5)
    return points[:, 0]


def interrupting_and_denying(points):
    try:
        return interrupting(points)
    except KeyboardInterrupt as error:
        raise OSError("the program was ended by a signal") from error


@pytest.mark.parametrize("executor", [SerialExecutor(), SerialExecutor(timeout_s=9), ThreadExecutor(2)], ids=repr)
@pytest.mark.parametrize("last", [interrupting, interrupting_and_denying])
def test_ctrl_c_keeps_what_is_finished_and_leaves_the_rest_waiting(last, executor):
    e = evaluator(lambda X: X[:, 0] if X[0, 0] < 0.5 else last(X), executor=executor)
    e.ask(lambda h: Proposal(np.array([[0.1, 0], [0.2, 0], [0.9, 0], [0.3, 0]]), ("t",) * 4))
    with pytest.raises(KeyboardInterrupt):
        e.evaluate_pending()
    assert [v.status for v in e.ledger.evaluations()[:3]] == ["done", "done", "pending"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("executor", [SerialExecutor(), ThreadExecutor(3)], ids=repr)
def test_ctrl_c_while_a_result_is_written_down_costs_no_result(executor):
    calls = []

    def told(evaluation):
        if evaluation.number == 1:
            time.sleep(0.2)
            os.kill(os.getpid(), signal.SIGINT)

    e = evaluator(lambda X: calls.append(1) or X[:, 0], executor=executor, on_evaluation=told)
    e.ask(uniform(3))
    with pytest.raises(KeyboardInterrupt):
        e.evaluate_pending()
    assert sum(v.status == "done" for v in e.ledger.evaluations()) == len(calls) >= 1


def test_a_callback_that_raises_stops_and_costs_no_result():
    calls = []

    def told(evaluation):
        raise SystemError("the display is gone")

    e = evaluator(lambda X: calls.append(1) or X[:, 0], on_evaluation=told, executor=ThreadExecutor(3))
    e.ask(uniform(9))
    with pytest.raises(SystemError, match="display is gone"):
        e.evaluate_pending()
    assert sum(v.status == "done" for v in e.ledger.evaluations()) == len(calls) < 9


def test_an_oracle_that_never_works_ends_the_run_before_the_budget_is_spent():
    oracle = Counting(lambda X: 1 / 0)
    e = evaluator(oracle, budget=40)
    e.ask(uniform(40))
    with pytest.raises(OracleError, match="failed in the first 10 calls.*ZeroDivisionError: division by zero.*Mend it"):
        e.evaluate_pending()
    assert len(oracle.points) == 10
    # Mended, the same campaign goes on.
    object.__setattr__(e.problem, "oracle", lambda X: X[:, 0])
    assert len(Evaluator(e.problem, e.ledger, 40).evaluate_pending()) == 30


def test_nan_is_an_answer_however_often_it_is_given():
    e = evaluator(lambda X: [np.nan], budget=12)
    e.ask(uniform(12))
    assert [v.status for v in e.evaluate_pending()] == ["failed"] * 12


@pytest.mark.parametrize(
    "errors",
    [[OSError("a")] * 9 + [None], [OSError("a"), ValueError("a")] * 5, [None] + [OSError("a")] * 11],
    ids=["nine", "of two kinds", "after a value"],
)
def test_other_failures_end_no_run(errors):
    def oracle(points):
        error = errors[len(told)]
        if error is not None:
            raise error
        return points[:, 0]

    told = []
    e = evaluator(oracle, budget=40, on_evaluation=told.append)
    e.ask(uniform(len(errors)))
    assert len(e.evaluate_pending()) == len(errors)


def test_an_oracle_that_changes_the_folder_or_its_last_answer_changes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answer = np.zeros((1, 3))

    def oracle(points):
        os.chdir("/")
        answer[:] = points[0, 0]
        points[:] = -1
        return answer

    match = SpectralMatch(np.array([400.0, 500, 600]), np.array([0.0, 1, 0]))
    e = evaluator(oracle, objective=match)
    asked = e.ask(uniform(3))
    found = e.evaluate_pending()
    assert Path.cwd() == tmp_path
    for before, after in zip(asked, found, strict=True):
        np.testing.assert_array_equal(before.point, after.point)
        np.testing.assert_array_equal(after.response, np.full((1, 3), before.point[0])[0])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize(("end", "code"), [(lambda: None, 0), (lambda: sys.exit(7), 1), (lambda: {}["a"], 1)])
def test_a_process_that_an_oracle_forks_does_not_go_on_with_the_campaign(tmp_path, end, code):
    def oracle(points):
        with calls.open("a") as file:
            file.write("call\n")
        child = os.fork()
        if child:
            codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        else:
            end()
        return points[:, 0]

    calls, codes = tmp_path / "calls", []
    e = evaluator(oracle)
    e.ask(uniform(2))
    me = os.getpid()
    try:
        found = e.evaluate_pending()
    finally:
        if os.getpid() != me:
            os._exit(99)
    assert [f.status for f in found] == ["done", "done"]
    assert codes == [code, code]
    assert calls.read_text() == "call\ncall\n"


def test_a_ledger_takes_an_oracle_again_whose_arguments_are_objects():
    def oracle(instrument, function, points):
        return function(points)

    a, b = (RecipeProblem(SPACE, partial(oracle, object(), lambda X: X[:, 0])).describe() for _ in range(2))
    assert a == b


def campaigns(ledger, *factors):
    for factor in factors:
        ledger.claim(RecipeProblem(SPACE, lambda X, factor=factor: factor * X[:, 0]).describe(), "t", 0)


def test_a_ledger_never_mixes_two_oracles_of_one_name(tmp_path):
    problem = RecipeProblem(SPACE, lambda X: X[:, 0])
    ledger = Ledger(tmp_path / "ledger.db")
    campaigns(ledger, 1, 1, 2)  # without a value there is nothing to mix
    e = Evaluator(problem, ledger, 10)
    e.ask(uniform(1))
    e.evaluate_pending()
    campaigns(ledger, 2)
    with pytest.raises(LedgerMismatchError, match=r"fingerprint.*a file that it is given, has changed") as caught:
        campaigns(ledger, 1)
    same = lambda X: X[:, 0]  # noqa: E731 -- what the message says is done to it
    same.describe = lambda: ast.literal_eval(str(caught.value).partition("lambda: ")[2])
    ledger.claim(RecipeProblem(SPACE, same).describe(), "t", 0)
