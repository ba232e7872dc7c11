"""The project's own searchers are certified, and a searcher that breaks any one rule is not."""

from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pytest
from ase.build import fcc111

from matseek.core.records import Proposal
from matseek.core.searcher import BatchSearcher, Searcher
from matseek.godiff.searcher import GODiffSearcher
from matseek.potentials import BatchedEMT
from matseek.problems import RecipeProblem, SpectralMatch, StructureProblem
from matseek.searchers import (
    BasinHopping,
    BayesianSearcher,
    LatinHypercube,
    MinimaHopping,
    NetworkSearcher,
    RandomSearcher,
    RandomStructureSearch,
    Stage,
    TwoStepSearcher,
)
from matseek.spaces import Adlayer, Box, LinearConstraint, Variable
from matseek.testing import ConformanceError, check_searcher
from tests.conftest import QUICK as TRAINING
from tests.conftest import WAVELENGTHS, bands
from tests.godiff.test_searcher import QUICK as DIFFUSION
from tests.testing.test_spaces import Quick

CONSTRAINED = Box([Variable("x", 0, 1), Variable("y", 0, 1)], [LinearConstraint({"x": 1, "y": 1}, upper=1.5)])
PLAIN = Quick([Variable("x", 0, 1), Variable("y", 0, 1)])


def valley(points):
    return ((np.asarray(points) - [0.3, 0.6]) ** 2).sum(axis=1)


RECIPES = RecipeProblem(CONSTRAINED, valley)
SPECTRA = RecipeProblem(PLAIN, bands, SpectralMatch(WAVELENGTHS, bands([[0.7, 0.9]])[0]))
ADATOM = StructureProblem(Adlayer(fcc111("Pt", (2, 2, 2), vacuum=6), "Pt", z=(1.0, 4.0)), BatchedEMT)
DIMER = StructureProblem(Adlayer(fcc111("Pt", (2, 2, 2), vacuum=6), "Pt2", z=(1.0, 4.0)), BatchedEMT)
NETWORK = NetworkSearcher(4, training=TRAINING, starts=4, least=4)

SEARCHERS = {
    "random": (partial(RandomSearcher, 5), RECIPES),
    "random structures": (partial(RandomSearcher, 5), DIMER),
    "lhs": (partial(LatinHypercube, 5), RECIPES),
    "bayesian": (partial(BayesianSearcher, 5), RECIPES),
    "bayesian adatom": (partial(BayesianSearcher, 8, widening=None), ADATOM),
    "network": (lambda: NETWORK, SPECTRA),
    "two_step": (
        partial(TwoStepSearcher, 4, (Stage(1, ("lhs",)), Stage(2, ("bayesian", "network"))), network=NETWORK),
        SPECTRA,
    ),
    "rss": (partial(RandomStructureSearch, concurrent=3), DIMER),
    "basin_hopping": (partial(BasinHopping, concurrent=2), DIMER),
    "minima_hopping": (partial(MinimaHopping, concurrent=2), DIMER),
    "godiff": (partial(GODiffSearcher, **{**DIFFUSION, "samples": 4, "steps": 4}), DIMER),
    "godiff recipes": (partial(GODiffSearcher, **{**DIFFUSION, "samples": 4, "steps": 4}), RECIPES),
}


@pytest.mark.parametrize(("make", "problem"), SEARCHERS.values(), ids=SEARCHERS)
def test_the_projects_own_searchers_are_certified(make, problem):
    check_searcher(make, problem, budget=9)


@dataclass(frozen=True)
class Correct(BatchSearcher):
    """What the mutants are made of."""

    name = "correct"
    label = "correct"
    batch_size: int = 4

    def ask(self, n, history):
        return Proposal(self.points(n, history), (self.name,) * n)

    def points(self, n, history):
        return history.domain.sample_uniform(n, history.rng())


def test_the_mutants_are_made_of_what_is_correct():
    check_searcher(Correct, RecipeProblem(PLAIN, valley))


class Broken:
    """Mutants: each breaks the rule that its message names."""

    @dataclass(frozen=True)
    class Greedy(Correct):
        """the points of ask\\(2, history\\) has shape"""

        def ask(self, n, history):
            return super().ask(n + 1, history)

    @dataclass(frozen=True)
    class Frugal(Correct):
        """budget is spent exactly"""

        def search(self, evaluator):
            while evaluator.remaining > 4:
                evaluator.ask(lambda history: self.choose(4, history))
                evaluator.evaluate_pending()

    @dataclass(frozen=True)
    class Unwritten(Correct):
        """budget is spent exactly"""

        def search(self, evaluator):
            evaluator.problem.measure(np.array([0.5, 0.5]), np.random.default_rng(0))
            super().search(evaluator)

    @dataclass(frozen=True)
    class Stray(Correct):
        """ends without an error"""

        def points(self, n, history):
            return super().points(n, history) + 1

    @dataclass(frozen=True)
    class Global(Correct):
        """same seed gives the same campaign"""

        def points(self, n, history):
            return np.random.rand(n, 2)  # noqa: NPY002

    @dataclass(frozen=True)
    class Seeded(Correct):
        """another seed gives another campaign"""

        def points(self, n, history):
            return history.domain.sample_uniform(n, np.random.default_rng(history.iteration))

    @dataclass(frozen=True)
    class Remembering(Correct):
        """cut off at evaluation"""

        seen: list = field(default_factory=list)

        def points(self, n, history):
            self.seen.append(n)
            return history.domain.sample_uniform(n, np.random.default_rng([history.seed, len(self.seen)]))

    @dataclass(frozen=True)
    class Restless(Correct):
        """goes on with a larger budget"""

        def search(self, evaluator):
            super().search(evaluator)
            if evaluator.budget > 10:
                evaluator.problem.measure(np.array([0.5, 0.5]), np.random.default_rng(0))

    @dataclass(frozen=True)
    class Giving(Correct):
        """goes on to its budget"""

        def search(self, evaluator):
            while evaluator.remaining and not evaluator.evaluations(status="failed"):
                evaluator.ask(lambda history: self.choose(min(4, evaluator.remaining), history))
                evaluator.evaluate_pending()

    @dataclass(frozen=True)
    class Trying(Correct):
        """failed is not proposed again"""

        def points(self, n, history):
            found = super().points(n, history)
            if len(history.failed):
                found[0] = history.failed[0]
            return found

    @dataclass(frozen=True)
    class Swallowing(Correct):
        """ends programs ends the campaign"""

        def search(self, evaluator):
            try:
                super().search(evaluator)
            except BaseException:
                evaluator.evaluate_pending() if False else None

    @dataclass
    class Loose(Searcher):
        """frozen dataclass"""

        name = label = "loose"

        def search(self, evaluator):
            return

    @dataclass(frozen=True)
    class Local(Correct):
        """can be pickled"""

        rule: object = field(default_factory=lambda: lambda x: x)

    @dataclass(frozen=True)
    class Silent(Correct):
        """label is a text"""

        label = None

    @dataclass(frozen=True)
    class Vague(Correct):
        """surrogates are a tuple"""

        @property
        def surrogates(self):
            return ["gp"]

    @dataclass(frozen=True)
    class Moody(Correct):
        """same history gives the same points"""

        def search(self, evaluator):
            evaluator.evaluate_pending()
            while (remaining := evaluator.remaining) > 0:
                evaluator.ask(lambda history: Correct.ask(self, min(4, remaining), history))
                evaluator.evaluate_pending()

        def choose(self, n, history):
            return Proposal(np.random.rand(n, 2), (self.name,) * n)  # noqa: NPY002


@pytest.mark.parametrize(
    "kind", [k for k in vars(Broken).values() if isinstance(k, type)], ids=lambda kind: kind.__name__
)
def test_a_searcher_that_breaks_a_rule_is_refused(kind):
    with pytest.raises(ConformanceError, match=kind.__doc__):
        check_searcher(kind, RecipeProblem(PLAIN, valley), budget=10)
