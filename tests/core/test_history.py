import math
from datetime import UTC, datetime

import numpy as np
import pytest

from matseek.core.history import History
from matseek.core.records import WINDOW_WIDENED, Evaluation, Event, Proposal
from matseek.spaces import Box, Variable

WHEN = datetime(2026, 1, 1, tzinfo=UTC)


def evaluation(number, iteration, status="done"):
    return Evaluation(
        number=number,
        iteration=iteration,
        proposer="lhs",
        point=np.array([float(number)]),
        status=status,
        value=0.1 * number if status == "done" else math.nan,
        replicates=np.array([0.1, 0.3]) * number if status == "done" else np.empty(0),
        error="pump" if status == "failed" else None,
        asked_at=WHEN,
        finished_at=WHEN,
        load_response=lambda: None,
    )


@pytest.fixture
def history():
    space = Box([Variable("a", 0, 10, hardware=(0, 20))])
    evaluations = (evaluation(1, 1), evaluation(2, 1, "failed"), evaluation(3, 2), evaluation(4, 3, "pending"))
    widened = Event(WINDOW_WIDENED, "", {"variable": "a", "side": "high", "to": 15.0, "iteration": 2})
    return History(space, 7, 4, evaluations, (Event("begun", ""), widened))


def test_until_a_run_is_all_that_was_known_when_it_had_ended(history):
    numbers = {run: [e.number for e in history.until(run).evaluations] for run in range(5)}
    assert numbers == {0: [], 1: [1, 2], 2: [1, 2, 3], 3: [1, 2, 3, 4], 4: [1, 2, 3, 4]}
    assert [len(history.until(run).events) for run in (0, 1, 2)] == [1, 1, 2]
    assert history.until(1).iteration == 2
    assert (history.until(1).window.upper, history.until(2).window.upper) == (10, 15)


def test_points_and_values_are_of_what_has_one(history):
    assert history.points.tolist() == [[1.0], [3.0]]
    assert history.values == pytest.approx([0.1, 0.3])
    assert history.tried.tolist() == [[1.0], [2.0], [3.0], [4.0]]
    # pi/2 s^2/r of replicates 0.1 and 0.3: s^2 = 0.02, r = 2.
    assert history.variances[0] == pytest.approx(np.pi / 2 * 0.01)


def test_what_is_proposed_is_pending_to_the_next(history):
    proposal = Proposal(np.array([[5.0], [6.0]]), ("bayesian", "network"), (Event("told", ""),))
    seen = history.with_pending(proposal)
    assert [(e.number, e.proposer, e.status, e.iteration) for e in seen.evaluations[4:]] == [
        (5, "bayesian", "pending", 4),
        (6, "network", "pending", 4),
    ]
    assert seen.values.tolist() == history.values.tolist()
    assert len(seen.events) == 3
    assert len(history.evaluations) == 4


def test_a_seed_and_an_iteration_have_their_own_draws(history):
    first = history.rng().random(3)
    assert np.array_equal(first, history.rng().random(3))
    assert not np.array_equal(first, history.until(1).rng().random(3))
