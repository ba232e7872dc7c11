import os
import sys
import threading
import time
from concurrent.futures import Future
from typing import ClassVar

import numpy as np
import psutil
import pytest
from ase.build import fcc111
from ase.calculators.emt import EMT

from matseek.core.problem import Measurement
from matseek.core.records import Event
from matseek.errors import ExecutorError, ResponseError
from matseek.evaluation import BatchExecutor, DaskExecutor, ProcessExecutor, SerialExecutor, ThreadExecutor
from matseek.evaluation.executors import Call, always
from matseek.evaluation.executors.base import kept_busy
from matseek.evaluation.executors.cluster import ASKED_AGAIN
from matseek.potentials import BatchedEMT
from matseek.problems import RecipeProblem, StructureProblem
from matseek.spaces import Adlayer, Box, Variable
from tests.evaluation.clusters import Cluster
from tests.evaluation.oracles import CRASH, EXIT, HANG, ODD, QUIT, RAISE, VALUE, WAIT, Slow, begun, calls_of, problem_in

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
    [SerialExecutor(timeout_s=0.5), ThreadExecutor(2, timeout_s=0.5)],
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


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), True, "2"])
@pytest.mark.parametrize("kind", [SerialExecutor, ThreadExecutor, ProcessExecutor, DaskExecutor])
def test_a_time_out_that_is_none_is_refused(kind, value):
    with pytest.raises(ValueError, match="timeout_s="):
        kind(timeout_s=value)


@pytest.mark.parametrize("value", [0, 1.5, float("nan"), float("inf"), True, "2", None])
@pytest.mark.parametrize("kind", [ThreadExecutor, ProcessExecutor, DaskExecutor, BatchExecutor])
def test_a_number_of_workers_that_is_none_is_refused(kind, value):
    name = "size" if kind is BatchExecutor else "workers"
    with pytest.raises(ValueError, match=f"{name}="):
        kind(**{name: value})


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


class Failing(EMT):
    """Counts its calls, and fails at the third."""

    calls = 0

    def calculate(self, *args, **kwargs):
        Failing.calls += 1
        if Failing.calls == 3:
            raise RuntimeError("did not converge")
        super().calculate(*args, **kwargs)


def test_a_calculator_that_takes_one_at_a_time_is_called_so_and_never_twice():
    Failing.calls = 0
    seen = []
    for place, outcome in BatchExecutor(size=4).outcomes(adatoms(Failing)[1]):
        seen.append((place, Failing.calls, isinstance(outcome, RuntimeError)))
    assert seen == [(0, 1, False), (1, 2, False), (2, 3, True), (3, 4, False)]


class Emptying(BatchedEMT):
    """Takes the structures out of the list that it is given."""

    def compute_many(self, structures):
        found = list(super().compute_many(structures))
        structures.clear()
        return found


def test_a_calculator_may_change_the_list_that_it_is_given():
    _, calls = adatoms(Emptying)
    outcomes = dict(BatchExecutor(size=4).outcomes(calls))
    assert [outcomes[k].value for k in range(4)] == pytest.approx([call().value for call in calls])


class Pairs(BatchedEMT):
    """Gives pairs."""

    def compute_many(self, structures):
        return [(found.energy, found.forces) for found in super().compute_many(structures)]


def test_results_of_another_kind_are_told_at_once():
    for _, outcome in BatchExecutor(size=4).outcomes(adatoms(Pairs)[1]):
        assert isinstance(outcome, ResponseError)
        assert "must give an EnergyAndForces" in str(outcome)


class Miscounting(BatchedEMT):
    """Gives one result too few or too many."""

    surplus = 0

    def compute_many(self, structures):
        found = super().compute_many(structures)
        return found[: len(found) + self.surplus] + found[: max(self.surplus, 0)]


@pytest.mark.parametrize(("surplus", "some"), [(-1, "3 results"), (1, "more results"), (-4, "0 results")])
def test_results_that_are_too_few_or_too_many_are_nobodys(monkeypatch, surplus, some):
    monkeypatch.setattr(Miscounting, "surplus", surplus)
    outcomes = dict(BatchExecutor(size=4).outcomes(adatoms(Miscounting)[1]))
    assert sorted(outcomes) == [0, 1, 2, 3]
    for outcome in outcomes.values():
        assert isinstance(outcome, ResponseError)
        assert f"compute_many gave {some} for 4 structures" in str(outcome)


def test_processes_are_kept_from_batch_to_batch_and_a_calculators_making_is_not_timed():
    slab = fcc111("Pt", (2, 2, 2), vacuum=6)
    problem = StructureProblem(Adlayer(slab, "Pt", z=(1.0, 4.0)), Slow)
    calls = [Call(problem, n, np.array([1.0, 1.0, 9.3]), 0) for n in range(2)]
    with ProcessExecutor(1, timeout_s=1.5).opened() as caller:
        outcomes = [outcome for _ in range(2) for _, outcome in caller.outcomes(calls, always)]
    assert [isinstance(o, Measurement) for o in outcomes] == [True] * 4
    (process,) = {o.value for o in outcomes}
    assert process != os.getpid()
    assert not psutil.pid_exists(int(process))


def test_calls_in_processes_fail_alone_whatever_they_do(tmp_path):
    # Those that cost a process come last: another takes seconds to start.
    faults = (VALUE, RAISE, EXIT, ODD, VALUE, CRASH, HANG, QUIT)
    outcomes = dict(ProcessExecutor(2, timeout_s=2).outcomes(calls_of(problem_in(tmp_path), *faults), always))
    assert outcomes[0].value == outcomes[4].value == VALUE
    assert isinstance(outcomes[1], RuntimeError)
    assert isinstance(outcomes[2], SystemExit)
    assert outcomes[3].error == "OddError: odd \\udcff12"
    assert "SIGSEGV" in str(outcomes[5])
    assert isinstance(outcomes[6], TimeoutError)
    assert "timeout_s=2" in str(outcomes[6])
    assert "exit code 0" in str(outcomes[7])
    assert len(begun(tmp_path)) == len(faults)


def absent(points):
    return points[:, 0]


def test_a_problem_that_cannot_be_made_there_stops_before_it_is_paid_for(monkeypatch):
    monkeypatch.setattr(absent, "__module__", "tests.evaluation.absent")
    monkeypatch.setitem(sys.modules, "tests.evaluation.absent", sys.modules[__name__])
    problem = RecipeProblem(SPACE, absent)
    with pytest.raises(ExecutorError, match="cannot be made in another process.*use evaluator=threads"):
        list(ProcessExecutor(1).outcomes(calls_of(problem, 1.0, 2.0), always))


@pytest.mark.timeout(180)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_cluster_that_loses_a_worker_and_then_its_scheduler(tmp_path):
    cluster = Cluster(tmp_path)
    problem = problem_in(tmp_path)
    try:
        with DaskExecutor(workers=2, timeout_s=20, address=cluster.address).opened() as caller:
            # A worker that is lost: its call alone is made once more, and the record is told.
            outcomes = caller.outcomes(calls_of(problem, WAIT, WAIT, VALUE), always)
            killer = threading.Thread(target=kill_first_worker, args=(tmp_path, cluster))
            killer.start()
            found = list(outcomes)
            killer.join()
            events = [o for _, o in found if not isinstance(o, (Measurement, BaseException))]
            assert [e.kind for e in events] == [ASKED_AGAIN]
            assert sorted((i, o.value) for i, o in found if isinstance(o, Measurement)) == [
                (0, WAIT),
                (1, WAIT),
                (2, VALUE),
            ]
            assert sorted(x for _, _, x in begun(tmp_path)) == [VALUE, WAIT, WAIT, WAIT]
            # A scheduler that is lost: what has finished is given, then there is an end.
            (tmp_path / "go").unlink()
            outcomes = caller.outcomes(calls_of(problem, VALUE, WAIT), always)
            assert next(outcomes)[1].value == VALUE
            cluster.scheduler.kill()
            with pytest.raises(ExecutorError, match="connection to the Dask scheduler at tcp://.* is lost"):
                list(outcomes)
    finally:
        cluster.close()


def kill_first_worker(folder, cluster):
    for _ in range(1200):
        if len(calls := begun(folder)) == 2:
            break
        time.sleep(0.05)
    lost = next(worker for worker in cluster.workers if worker.pid == calls[0][1])
    lost.kill()
    lost.wait()
    time.sleep(0.5)
    (folder / "go").touch()


def test_a_scheduler_that_is_not_there_is_told(monkeypatch):
    monkeypatch.setattr("matseek.evaluation.executors.cluster._PATIENCE", 1)
    executor = DaskExecutor(address="tcp://127.0.0.1:1")
    with pytest.raises(ExecutorError, match="address=tcp://127.0.0.1:1 cannot be used.*check that it runs"):
        list(executor.outcomes(calls(1), always))


def test_recipes_are_no_batch(problem):
    with pytest.raises(ValueError, match="evaluator=batched needs structures.*take evaluator=serial"):
        list(BatchExecutor().outcomes([Call(problem, 1, problem.space.lower, 0)]))
    with pytest.raises(ValueError, match="size=0"):
        BatchExecutor(size=0)


def test_a_call_whose_worker_was_lost_is_made_again_first():
    """An event instead of an outcome: the call goes back to the front, and its outcome follows."""
    made = []

    def submit(call):
        made.append(call.number)
        future = Future()
        lost = call.number == 2 and made.count(2) == 1
        future.set_result(
            Event(ASKED_AGAIN, "a worker was lost")
            if lost
            else Measurement(float(call.number), np.array([call.number]))
        )
        return future

    outcomes = list(kept_busy(calls(1, 5, 6), always, 1, submit))
    assert made == [1, 2, 2, 3]
    assert [index for index, _ in outcomes] == [0, 1, 1, 2]
    assert isinstance(outcomes[1][1], Event)
    assert [outcome.value for _, outcome in outcomes if isinstance(outcome, Measurement)] == [1.0, 2.0, 3.0]
