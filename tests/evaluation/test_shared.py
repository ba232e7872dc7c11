"""Calls shared by processes that train together; tests/godiff/test_searcher.py runs them in two."""

import numpy as np
import pytest
from ase.build import fcc111

from matseek.core.problem import Measurement
from matseek.errors import OracleError
from matseek.evaluation import BatchExecutor
from matseek.evaluation.executors import Call, shared
from matseek.evaluation.executors.shared import helpers, serve, served
from matseek.potentials import BatchedEMT
from matseek.problems import StructureProblem
from matseek.spaces import Adlayer

PROBLEM = StructureProblem(Adlayer(fcc111("Pt", (2, 2, 2), vacuum=6), "Pt", z=(1.0, 4.0)), BatchedEMT)


class Group:
    """A group of two as the process of a rank sees it; the other hands back what it is told to."""

    def __init__(self, rank, other, asked=()):
        self.rank, self.other, self.asked, self.sent = rank, other, list(asked), []

    def get_world_size(self):
        return 2

    def get_rank(self):
        return self.rank

    def broadcast_object_list(self, given, src):
        assert src == 0
        if self.rank:
            given[0] = self.asked.pop(0)
        self.sent.append(given[0])

    def all_gather_object(self, parts, own):
        parts[self.rank], parts[1 - self.rank] = own, self.other(self.sent[-1][1 - self.rank :: 2])


def answered(points):
    return [answer for together in PROBLEM.answers(points) for answer in together]


def calls(count):
    points = PROBLEM.space.sample_uniform(count, np.random.default_rng(0))
    return [Call(PROBLEM, k, point, 0) for k, point in enumerate(points)]


def values(outcomes):
    return {index: outcome.value for index, outcome in outcomes}


def test_each_process_makes_its_part(monkeypatch):
    alone = values(BatchExecutor(2).outcomes(calls(7)))
    group = Group(0, answered)
    monkeypatch.setattr(shared, "_group", lambda: group)
    assert helpers() == 1, "nobody serves"
    with served():
        assert helpers() == 2
        together = values(BatchExecutor(2).outcomes(calls(7)))
    assert helpers() == 1
    assert [len(points) for points in group.sent[:-1]] == [4, 3], "two for each process"
    assert group.sent[-1] is None, "the others go on"
    assert together == pytest.approx(alone)


def test_the_others_go_on_when_the_first_fails(monkeypatch):
    group = Group(0, answered)
    monkeypatch.setattr(shared, "_group", lambda: group)
    with pytest.raises(KeyboardInterrupt), served():
        raise KeyboardInterrupt
    assert group.sent == [None]


def test_who_serves_answers_until_it_is_needed_no_more(monkeypatch):
    points = np.array([call.point for call in calls(3)])
    given = []
    group = Group(1, lambda other: given.append(len(other)) or answered(other), asked=[points, points[:1], None])
    monkeypatch.setattr(shared, "_group", lambda: group)
    serve(PROBLEM)
    assert group.asked == []
    assert given == [2, 1]


def test_errors_travel_also_those_that_cannot_be_pickled(monkeypatch):
    class LocalError(Exception):
        pass

    class Failing(StructureProblem):
        def answers(self, points):
            yield [LocalError("no convergence") for _ in points]

    group = Group(0, lambda points: [OracleError("there")] * len(points))
    monkeypatch.setattr(shared, "_group", lambda: group)
    problem = Failing(PROBLEM.space, BatchedEMT)
    part = [Call(problem, k, call.point, 0) for k, call in enumerate(calls(3))]
    with served():
        outcomes = [outcome for _, outcome in BatchExecutor(4).outcomes(part)]
    assert not any(isinstance(outcome, Measurement) for outcome in outcomes)
    local = "LocalError: no convergence"
    assert [str(outcome) for outcome in outcomes] == [local, "there", local]


def test_alone_there_is_nothing_to_share():
    serve(PROBLEM)
    with served():
        assert helpers() == 1
