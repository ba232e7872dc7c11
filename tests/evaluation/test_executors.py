import threading
import time

import numpy as np
import pytest

from matseek.evaluation import DaskExecutor, ProcessExecutor, SerialExecutor, ThreadExecutor
from matseek.evaluation.executors import Call, always
from matseek.problems import Measurement, RecipeProblem
from matseek.spaces import Box, Variable

SPACE = Box([Variable("x", 0, 10)])


def oracle(points, rng):
    """Fails at 3, takes long at 7, else the point plus noise."""
    x = points[0, 0]
    if x == 3:
        raise RuntimeError("out of silver")
    if x == 7:
        time.sleep(20)
    return points[:, 0] + rng.random(1)


def calls(*xs):
    problem = RecipeProblem(SPACE, oracle)
    return [Call(problem, i + 1, np.array([float(x)]), seed=5) for i, x in enumerate(xs)]


EXECUTORS = [
    SerialExecutor(),
    SerialExecutor(timeout_s=10),
    ThreadExecutor(workers=3),
    ProcessExecutor(workers=2),
    DaskExecutor(workers=1),
]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("executor", EXECUTORS, ids=repr)
def test_every_call_has_its_outcome_and_its_own_noise(executor):
    outcomes = dict(executor.outcomes(calls(1, 3, 5), always))
    assert sorted(outcomes) == [0, 1, 2]
    assert isinstance(outcomes[1], RuntimeError)
    assert "out of silver" in str(outcomes[1])
    # The noise depends on seed and number alone, whoever makes the call.
    for i, x in ((0, 1), (2, 5)):
        assert isinstance(outcomes[i], Measurement)
        assert outcomes[i].value == x + np.random.default_rng([1, 5, i + 1]).random()


@pytest.mark.parametrize(
    "executor",
    [SerialExecutor(timeout_s=0.5), ThreadExecutor(2, timeout_s=0.5), ProcessExecutor(2, timeout_s=6)],
    ids=repr,
)
def test_a_late_call_fails_alone(executor):
    start = time.monotonic()
    outcomes = dict(executor.outcomes(calls(7, 1), always))
    assert time.monotonic() - start < 19
    assert isinstance(outcomes[0], TimeoutError)
    assert f"timeout_s={executor.timeout_s:g}" in str(outcomes[0])
    assert isinstance(outcomes[1], Measurement)


def test_serial_calls_stay_in_this_thread():
    threads = []
    problem = RecipeProblem(SPACE, lambda X: threads.append(threading.current_thread()) or X[:, 0])
    list(SerialExecutor().outcomes([Call(problem, 1, np.array([1.0]), 0)], always))
    assert threads == [threading.main_thread()]


def test_threads_work_at_once():
    barrier = threading.Barrier(3, timeout=10)
    problem = RecipeProblem(SPACE, lambda X: [float(barrier.wait() >= 0)])
    outcomes = dict(ThreadExecutor(3).outcomes([Call(problem, i, np.array([1.0]), 0) for i in range(3)], always))
    assert all(isinstance(o, Measurement) for o in outcomes.values())


@pytest.mark.parametrize("make", [lambda: SerialExecutor(timeout_s=0), lambda: ThreadExecutor(workers=0)])
def test_bad_settings_are_refused(make):
    with pytest.raises(ValueError, match="must be a positive number"):
        make()


@pytest.mark.parametrize("executor", [SerialExecutor(timeout_s=10), ThreadExecutor(2), SerialExecutor()], ids=repr)
def test_an_oracle_that_gives_up_has_failed(executor):
    def quits(points):
        raise SystemExit(3)

    ((_, outcome),) = executor.outcomes([Call(RecipeProblem(SPACE, quits), 1, np.array([1.0]), 0)], always)
    assert isinstance(outcome, SystemExit)


@pytest.mark.parametrize("executor", [SerialExecutor(), ThreadExecutor(2)], ids=repr)
def test_nothing_is_begun_once_it_is_to_stop(executor):
    seen = []
    for index, _ in executor.outcomes(calls(*[1] * 10), lambda: len(seen) < 2):
        seen.append(index)
    assert len(seen) <= 3, "those under way are finished, no other is begun"


def test_a_problem_that_cannot_travel_is_refused_before_it_is_paid_for():
    problem = RecipeProblem(SPACE, lambda X: X[:, 0])
    with pytest.raises(ValueError, match="cannot be sent to another process"):
        list(ProcessExecutor(2).outcomes([Call(problem, 1, np.array([1.0]), 0)], always))
