import threading
import time
from typing import ClassVar

import numpy as np
import pytest
from ase.build import fcc111
from ase.calculators.emt import EMT

from matseek.evaluation import BatchExecutor, DaskExecutor, ProcessExecutor, SerialExecutor, ThreadExecutor
from matseek.evaluation.executors import Call, always
from matseek.potentials import BatchedEMT
from matseek.problems import Measurement, RecipeProblem, StructureProblem
from matseek.spaces import Adlayer, Box, Variable

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
    with pytest.raises(ValueError, match="timeout_s=.* must be a number in|workers=.* must be a whole number"):
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


class Batched(BatchedEMT):
    """Counts its calls; a structure whose free atom lies high cannot be calculated."""

    sizes: ClassVar[list[int]] = []

    def compute_many(self, structures):
        Batched.sizes.append(len(structures))
        return super().compute_many(structures)

    def _compute(self, atoms):
        if atoms.positions[-1, 2] > 9.6:
            raise RuntimeError("too high")
        return super()._compute(atoms)


def adatoms(calculator, high=False):
    slab = fcc111("Pt", (2, 2, 2), vacuum=6)
    problem = StructureProblem(Adlayer(slab, "Pt", z=(1.0, 4.0)), calculator)
    points = np.array([[1.0, 1.0, 9.3], [2.0, 1.0, 9.4], [0.5, 1.0, 9.9 if high else 9.2], [0.1, 0.2, 9.5]])
    return problem, [Call(problem, n, p, 0) for n, p in enumerate(points)]


def test_a_batch_gives_what_one_by_one_gives():
    Batched.sizes.clear()
    _, calls = adatoms(Batched)
    together = dict(BatchExecutor(size=3).outcomes(calls))
    alone = dict(SerialExecutor().outcomes(adatoms(EMT)[1]))
    assert Batched.sizes == [3, 1]
    assert list(together) == list(alone) == [0, 1, 2, 3]
    for place, measured in together.items():
        assert measured.value == pytest.approx(alone[place].value, abs=1e-9)
        np.testing.assert_allclose(measured.response, alone[place].response, atol=1e-9)


def test_a_structure_that_fails_in_a_batch_fails_alone():
    outcomes = dict(BatchExecutor(size=4).outcomes(adatoms(Batched, high=True)[1]))
    assert [isinstance(outcomes[k], Exception) for k in range(4)] == [False, False, True, False]


def test_a_calculator_that_takes_one_at_a_time_is_called_so():
    assert len(dict(BatchExecutor(size=4).outcomes(adatoms(EMT)[1]))) == 4


def test_recipes_are_no_batch(problem):
    with pytest.raises(ValueError, match="evaluator=batched needs structures.*take evaluator=serial"):
        list(BatchExecutor().outcomes([Call(problem, 1, problem.space.lower, 0)]))
    with pytest.raises(ValueError, match="size=0"):
        BatchExecutor(size=0)
