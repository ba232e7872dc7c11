"""The project's own problems are certified, and a problem that breaks any one rule is not."""

import os
import random

import numpy as np
import pytest
from ase.build import fcc111
from ase.calculators.emt import EMT

from matseek.core.problem import Measurement
from matseek.library.platinum import platinum_adatom
from matseek.library.silver_problems import silver
from matseek.potentials import BatchedEMT
from matseek.problems import RecipeProblem, SpectralMatch, StructureProblem
from matseek.spaces import Adlayer, Variable
from matseek.testing import ConformanceError, check_problem
from tests.conftest import WAVELENGTHS, bands
from tests.testing.test_spaces import Quick

SPACE = Quick([Variable("a", 0, 1), Variable("b", 0, 1), Variable("c", 0, 1)])
LAYER = Adlayer(fcc111("Pt", (2, 2, 2), vacuum=6), "Cu2", z=(1.0, 5.0))
TARGET = bands([[0.7, 0.9, 0.0]])[0]


def noisy(points, rng):
    return np.sum(points, axis=1)[:, None] + rng.normal(size=(len(points), 3))


def sometimes(points):
    return np.where(points[:, 0] > 0.5, np.nan, points.sum(axis=1))


def few(atoms, energy):
    return energy < 5


PROBLEMS = {
    "silver": silver,
    "platinum_adatom": platinum_adatom,
    "noisy": lambda: RecipeProblem(SPACE, noisy, success_below=0.3),
    "failing": lambda: RecipeProblem(SPACE, sometimes),
    "spectra": lambda: RecipeProblem(SPACE, bands, SpectralMatch(WAVELENGTHS, TARGET)),
    "emt": lambda: StructureProblem(LAYER, EMT, success=few),
    "batched_emt": lambda: StructureProblem(LAYER, BatchedEMT),
}


@pytest.mark.parametrize("make", PROBLEMS.values(), ids=PROBLEMS)
def test_the_projects_own_problems_are_certified(make):
    check_problem(make())


def total(points):
    return points.sum(axis=1)


class Broken:
    """Mutants: each breaks the rule that its message names."""

    class Global(RecipeProblem):
        """same point and generator give the same value"""

        def measure(self, point, rng):
            value = float(random.random())
            return Measurement(value, np.array([value]))

    class Endless(RecipeProblem):
        """finite value, or has failed"""

        def measure(self, point, rng):
            return Measurement(np.inf, np.array([np.inf]))

    class Bare(RecipeProblem):
        """gives a Measurement"""

        def measure(self, point, rng):
            return 1.0

    class Writing(RecipeProblem):
        """leaves its point as it is"""

        def measure(self, point, rng):
            found = super().measure(point, rng)
            point += 1
            return found

    class Failed(RecipeProblem):
        """a failed measurement has no value"""

        def measure(self, point, rng):
            return Measurement(1.0, np.empty(0), error="broken")

    class Apart(RecipeProblem):
        """lies among its replicates"""

        def measure(self, point, rng):
            return Measurement(1.0, np.array([2.0, 3.0]))

    class Nameless(RecipeProblem):
        """the problem's "name\""""

        def describe(self):
            return {"space": self.space.describe()}

    class Fresh(RecipeProblem):
        """says the same each time"""

        def describe(self):
            return {"name": self.name, "key": os.urandom(4).hex()}

    class Packed(RecipeProblem):
        """can be written as JSON"""

        def describe(self):
            return {"name": self.name, "space": self.space}

    class Unlabelled(RecipeProblem):
        """value_label is a text"""

        @property
        def value_label(self):
            return None

    class Numpy(RecipeProblem):
        """True, False or None"""

        def succeeded(self, point, value):
            return np.bool_(True)

    class Halfway(RecipeProblem):
        """exactly where has_success does"""

        def succeeded(self, point, value):
            return True

    class Elsewhere(RecipeProblem):
        """axes name two coordinates"""

        def __post_init__(self):
            object.__setattr__(self, "axes", ("x", "y"))


@pytest.mark.parametrize(
    "kind", [k for k in vars(Broken).values() if isinstance(k, type)], ids=lambda kind: kind.__name__
)
def test_a_recipe_problem_that_breaks_a_rule_is_refused(kind):
    with pytest.raises(ConformanceError, match=kind.__doc__):
        check_problem(kind(SPACE, total))


def test_a_space_that_breaks_its_contract_is_refused():
    class Stray(Quick):
        def sample_uniform(self, m, rng):
            return rng.random((m, self.dim)) + 0.5

    with pytest.raises(ConformanceError, match="the space Stray breaks"):
        check_problem(RecipeProblem(Stray(SPACE.variables), total))


def test_an_objective_of_another_response_is_refused():
    class Other(RecipeProblem):
        def measure(self, point, rng):
            found = super().measure(point, rng)
            return Measurement(found.value, found.replicates, found.response[::-1].copy())

    with pytest.raises(ConformanceError, match="replicates are the objective of the response"):
        check_problem(Other(SPACE, bands, SpectralMatch(WAVELENGTHS, TARGET)))


class Mixed(BatchedEMT):
    def compute_many(self, structures):
        return super().compute_many(structures)[::-1]


def test_answers_of_many_in_another_order_are_refused():
    with pytest.raises(ConformanceError, match=r"answers\(points\) are measure\(point\)"):
        check_problem(StructureProblem(LAYER, Mixed))
