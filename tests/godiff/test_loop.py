"""The loop's own steps, without training between them."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from matseek.core.problem import Measurement
from matseek.core.records import ITERATED, REFUSED, Proposal
from matseek.diffusion import (
    EulerMaruyama,
    ExponentialKT,
    Guidance,
    LinearSchedule,
    boltzmann_log_weights,
    effective_sample_size,
)
from matseek.errors import CheckpointError
from matseek.evaluation import Evaluator, Ledger
from matseek.godiff.domains import domain_of
from matseek.godiff.loop import Iterations
from matseek.godiff.replay import ReplayBuffer
from matseek.godiff.score_matching import ScoreMatching
from matseek.godiff.searcher import GODiffSearcher
from matseek.godiff.sizes import EffectiveSizes
from matseek.godiff.steering import Renoising
from matseek.problems import RecipeProblem
from matseek.spaces import Box, LinearConstraint, Variable
from tests.conftest import Counting

SPACE = Box([Variable("a", 0, 10), Variable("b", -1, 1)])
SETTINGS = {
    "samples": 6,
    "draw": 4,
    "buffer": 8,
    "kt": ExponentialKT(2.0, 0.5),
    "sampler": EulerMaruyama(LinearSchedule(0.05, 1.0), steps=5),
}


def valley(points):
    """Fails beyond a = 8."""
    if points[0, 0] > 8:
        raise RuntimeError("blocked")
    return points[:, 0] + points[:, 1] ** 2


class Loop:
    """A loop over recipes, in this process, and what Lightning would give it."""

    def __init__(self, budget=18, ledger=None, space=SPACE, judge=None, oracle=valley, earlier=(), **settings):
        self.oracle = Counting(oracle)
        self.problem = RecipeProblem(space, self.oracle)
        self.settings = GODiffSearcher(**(SETTINGS | settings))
        self.evaluator = Evaluator(self.problem, ledger or Ledger(None), budget, seed=3, judge=judge, earlier=earlier)
        self.domain = domain_of(self.problem, self.settings.sampler.schedule, self.settings.network, 3)
        self.buffer = ReplayBuffer(self.settings.buffer, seed=3)
        self.module = ScoreMatching(self.domain.network, force_weight=0.0)
        self.module.log = lambda *_, **__: None
        self.loop = Iterations(self.settings, self.evaluator, self.domain, self.buffer, 3)
        self.trainer = SimpleNamespace(
            is_global_zero=True,
            world_size=1,
            global_rank=0,
            current_epoch=0,
            should_stop=False,
            strategy=SimpleNamespace(broadcast=lambda value, src: value),
        )

    def iterate(self, epochs):
        for epoch in epochs:
            self.trainer.current_epoch = epoch
            self.loop.on_train_epoch_start(self.trainer, self.module)
        return self

    def sample(self, iteration, draw):
        return self.loop._sample(self.trainer, self.module, iteration, draw)

    def events(self, kind):
        return [e for e in self.evaluator.ledger.events() if e.kind == kind]


def test_an_iteration_pays_for_its_samples_and_lowers_kt():
    loop = Loop().iterate(range(3))
    evaluations = loop.evaluator.evaluations()
    assert [e.iteration for e in evaluations] == [1] * 6 + [2] * 6 + [3] * 6
    assert len(loop.oracle.points) == 18
    kts = [e.data["figures"]["kt"] for e in loop.events(ITERATED)]
    assert kts == pytest.approx([2.0, 1.0, 0.5])
    assert loop.buffer.refills == 3


def test_what_failed_is_paid_for_and_teaches_nothing():
    loop = Loop().iterate([0])
    status = [e.status for e in loop.evaluator.evaluations()]
    assert 0 < status.count("failed") < 6, "both must be among the cases"
    done = loop.evaluator.evaluations(status="done")
    assert loop.buffer.evaluations.tolist() == [e.number for e in done]
    assert loop.buffer.energies.tolist() == [e.value for e in done]
    box = loop.problem.space
    np.testing.assert_allclose(box.unnormalize(loop.buffer.positions.numpy()), [e.point for e in done])


def test_an_iteration_of_failures_alone_leaves_the_buffer_empty(caplog):
    def never(points):
        raise RuntimeError(f"{points[0, 0]:g} is blocked")

    loop = Loop(oracle=never).iterate([0])
    assert (len(loop.buffer), loop.buffer.refills) == (0, 0)
    assert "iteration 1: nothing to learn from" in caplog.text
    assert loop.events(ITERATED) == []


def test_the_last_iteration_keeps_to_the_budget():
    loop = Loop(budget=8)
    loop.iterate([0])
    loop.loop.on_train_epoch_end(loop.trainer, loop.module)
    assert not loop.trainer.should_stop
    loop.iterate([1])
    assert [e.iteration for e in loop.evaluator.evaluations()] == [1] * 6 + [2] * 2
    loop.loop.on_train_epoch_end(loop.trainer, loop.module)
    assert loop.trainer.should_stop


def test_a_campaign_that_has_what_it_was_after_ends():
    loop = Loop(judge=lambda history: len(history.evaluations) >= 6).iterate([0])
    loop.loop.on_train_epoch_end(loop.trainer, loop.module)
    assert loop.trainer.should_stop


def test_what_the_ledger_holds_is_taken_from_there_and_told_once():
    ledger = Ledger(None)
    first = Loop(ledger=ledger).iterate([0, 1])
    again = Loop(ledger=ledger).iterate([0, 1])
    assert again.oracle.points == []
    assert torch.equal(again.buffer.energies, first.buffer.energies)
    assert torch.equal(again.buffer.rows, first.buffer.rows)
    assert len(again.events(ITERATED)) == 2
    again.iterate([2])
    assert len(again.oracle.points) == 6


def test_training_goes_on_or_ends_where_a_checkpoint_left_it():
    ledger = Ledger(None)
    Loop(ledger=ledger).iterate([0, 1, 2])
    for trained, over in ((0, False), (2, False), (3, True)):
        loop = Loop(ledger=ledger)
        loop.trainer.current_epoch = trained
        loop.loop.on_train_start(loop.trainer, loop.module)
        assert loop.trainer.should_stop is over
    more = Loop(ledger=ledger, budget=24)
    more.trainer.current_epoch = 3
    more.loop.on_train_start(more.trainer, more.module)
    assert not more.trainer.should_stop


def test_a_checkpoint_of_other_evaluations_is_refused():
    ledger = Ledger(None)
    loop = Loop(ledger=ledger).iterate([0])
    loop.loop.on_train_start(loop.trainer, loop.module)
    loop.buffer.energies[0] += 1e-9
    with pytest.raises(CheckpointError, match="does not go with the ledger"):
        loop.loop.on_train_start(loop.trainer, loop.module)


def test_a_draw_depends_on_seed_iteration_and_number_alone():
    loop = Loop().iterate([0])
    one = loop.sample(1, 2)
    loop.sample(1, 0)
    assert torch.equal(loop.sample(1, 2), one)
    for other in ((1, 3), (2, 2)):
        assert not torch.equal(loop.sample(*other), one)
    assert one.shape == (4, 2)
    assert ((one >= 0) & (one <= 1)).all()


def test_first_samples_are_uniform_whatever_the_network_says():
    loop = Loop(draw=2000)
    drawn = loop.sample(0, 0)
    np.testing.assert_allclose(drawn.mean(dim=0), [0.5, 0.5], atol=0.03)
    np.testing.assert_allclose(drawn.std(dim=0), [12**-0.5] * 2, atol=0.03)


def test_samples_that_begin_at_the_best_stay_near_them():
    """With hardly any noise put on, the share of the buffer's points comes back."""
    fine = EulerMaruyama(LinearSchedule(0.005, 1.0), steps=200)
    loop = Loop(draw=8, sampler=fine, renoising=Renoising(share=0.5, time=0.005)).iterate([0])
    drawn = loop.sample(1, 0).double()
    distance = torch.cdist(drawn, loop.buffer.positions).min(dim=1).values
    assert (distance < 0.05).sum() >= 4


def test_what_is_refused_is_drawn_again_and_counted():
    space = Box(SPACE.variables, [LinearConstraint({"a": 1, "b": 1}, upper=3)])
    loop = Loop(space=space).iterate([0])
    (event,) = loop.events(REFUSED)
    assert event.data["drawn"] > event.data["accepted"] == 6
    assert event.data["reasons"]["violate a constraint"] >= event.data["drawn"] - 6 - loop.settings.draw
    assert space.contains(np.array(loop.oracle.points)).all()


def test_where_everything_is_refused_uniform_points_are_evaluated():
    space = Box(SPACE.variables, [LinearConstraint({"a": 1, "b": 1}, upper=-0.9999)])
    loop = Loop(space=space, attempts=1).iterate([0])
    (event,) = loop.events(REFUSED)
    assert event.data["accepted"] == 0
    assert "6 uniform ones instead" in event.message
    assert space.contains(np.array(loop.oracle.points)).all()


def test_forces_are_asked_of_a_network_that_has_none():
    loop = Loop(guidance=Guidance()).iterate([0])
    with pytest.raises(ValueError, match="need a network with a force head"):
        loop.sample(1, 0)


def test_pending_evaluations_of_an_iteration_are_no_results():
    loop = Loop()
    loop.evaluator.ledger.write_down(Proposal(np.array([[1.0, 0.0], [2.0, 0.5]]), ("godiff",) * 2), 0.0)
    loop.evaluator.ledger.record([(2, Measurement(0.7, np.array([0.7])))])
    points, values, numbers, forces = loop.loop._results(list(loop.evaluator.evaluations()))
    assert (points.tolist(), values.tolist(), numbers.tolist(), forces) == ([[2.0, 0.5]], [0.7], [2], None)


def test_earlier_evaluations_are_trained_on_from_the_first_iteration_on():
    known = Loop().iterate([0]).evaluator.evaluations(status="done")
    earlier = tuple(replace(e, number=k - 1, value=e.value - 100) for k, e in zip((0, 1), known, strict=False))
    beyond = replace(known[0], number=-2, point=np.array([12.0, 0.0]))
    loop = Loop(earlier=(beyond, *earlier)).iterate([0])
    own = [e.number for e in loop.evaluator.evaluations(status="done")]
    assert loop.buffer.evaluations.tolist() == [-1, 0, *own]
    assert loop.buffer.buffer_energies.min() == min(e.value for e in earlier)
    loop.loop.on_train_start(loop.trainer, loop.module)  # the checkpoint goes with the ledger
    loop.iterate([1])
    assert loop.buffer.evaluations.tolist()[:2] == [-1, 0]


def test_sizes_follow_the_effective_sample_size():
    sizes = EffectiveSizes(target=2.0, least_samples=2, most_samples=5, rows_each=2.0, least_rows=3, most_rows=100)
    loop = Loop(budget=60, sizes=sizes).iterate([0])
    assert len(loop.evaluator.evaluations()) == SETTINGS["samples"]  # nothing is known before
    effective = loop.buffer.effective_sample_size
    everything = effective_sample_size(boltzmann_log_weights(loop.buffer.energies, loop.buffer.kt))
    assert len(loop.buffer.rows) == min(sizes.rows(everything), len(loop.buffer))
    loop.iterate([1])
    assert len(loop.evaluator.evaluations(iteration=2)) == sizes.samples(SETTINGS["samples"], effective)
