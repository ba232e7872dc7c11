"""The project's own acquisitions are certified, and an acquisition that breaks any one rule is not."""

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from matseek.acquisition import Acquisition, MonteCarlo
from matseek.plugins import ACQUISITIONS, offered, part
from matseek.problems import RecipeProblem
from matseek.spaces import Box, LinearConstraint, Variable
from matseek.testing import ConformanceError, check_acquisition, measured

SPACE = Box([Variable("x", 0, 1), Variable("y", -1, 1)], [LinearConstraint({"x": 1, "y": 1}, upper=1)])


def valley(points):
    return ((np.asarray(points) - [0.3, 0.6]) ** 2).sum(axis=1)


@pytest.fixture(scope="module")
def history():
    return measured(RecipeProblem(SPACE, valley), 6)


SLOW = {"qei", "qucb", "qlogei", "qlogei_joint"}
"""They differ from qlognei in BoTorch's function only, and take as long."""


@pytest.mark.parametrize("name", sorted(offered(ACQUISITIONS).keys() - SLOW))
def test_the_projects_own_acquisitions_are_certified(history, name):
    kind = part(ACQUISITIONS, name)
    check_acquisition(kind(samples=4) if issubclass(kind, MonteCarlo) else kind(), history, n=1)


@dataclass(frozen=True)
class Correct(Acquisition):
    """What the mutants are made of."""

    label = "pool"

    def batch(self, state, n, rng):
        chosen = state.observed[:0]
        for _ in range(n):
            chosen = torch.cat([chosen, state.first_new(state.pool(rng), chosen)])
        return chosen


def test_the_mutants_are_made_of_what_is_correct(history):
    check_acquisition(Correct(), history)


class Broken:
    """Mutants: each breaks the rule that its message names."""

    @dataclass(frozen=True)
    class Many(Correct):
        """has shape"""

        def batch(self, state, n, rng):
            return state.pool(rng)[: n + 1]

    @dataclass(frozen=True)
    class Global(Correct):
        """same generator gives the same batch"""

        def batch(self, state, n, rng):
            return state.pool(np.random.default_rng(np.random.randint(100)))[:n]  # noqa: NPY002

    @dataclass(frozen=True)
    class Stray(Correct):
        """inside the feasible set"""

        def batch(self, state, n, rng):
            return super().batch(state, n, rng) + 1

    @dataclass(frozen=True)
    class Repeating(Correct):
        """repeats neither"""

        def batch(self, state, n, rng):
            return super().batch(state, 1, rng).expand(n, -1) + 0 * torch.ones(n, 1)

    @dataclass(frozen=True)
    class Stubborn(Correct):
        """repeats neither"""

        def batch(self, state, n, rng):
            return state.pool(np.random.default_rng(0))[:n]

    @dataclass(frozen=True)
    class Known(Correct):
        """repeats neither"""

        def batch(self, state, n, rng):
            return state.tried[:n].clone()

    @dataclass(frozen=True)
    class Writing(Correct):
        """leaves the state as it is"""

        def batch(self, state, n, rng):
            state.observed.mul_(0.5)
            return super().batch(state, n, rng)

    @dataclass(frozen=True)
    class Arrays(Correct):
        """gives a tensor"""

        def batch(self, state, n, rng):
            return super().batch(state, n, rng).numpy()

    @dataclass(frozen=True)
    class Unlabelled(Correct):
        """label is a text"""

        label = ""

    @dataclass(frozen=True)
    class Local(Correct):
        """can be pickled"""

        rule: object = field(default_factory=lambda: lambda x: x)


@pytest.mark.parametrize(
    "kind", [k for k in vars(Broken).values() if isinstance(k, type)], ids=lambda kind: kind.__name__
)
def test_an_acquisition_that_breaks_a_rule_is_refused(history, kind):
    with pytest.raises(ConformanceError, match=kind.__doc__):
        check_acquisition(kind(), history)
