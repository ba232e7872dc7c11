"""The project's own surrogates are certified, and a surrogate that breaks any one rule is not."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from matseek.core.surrogate import FittedSurrogate, Surrogate
from matseek.problems import RecipeProblem, SpectralMatch
from matseek.spaces import Box, Variable
from matseek.surrogates import Network, SpectraGP, ValueGP
from matseek.testing import ConformanceError, check_surrogate, measured
from tests.conftest import QUICK, WAVELENGTHS, bands

SPACE = Box([Variable("x", 0, 1), Variable("y", 0, 1)])


def valley(points):
    return ((np.asarray(points) - [0.3, 0.6]) ** 2).sum(axis=1)


@pytest.fixture(scope="module")
def history():
    return measured(RecipeProblem(SPACE, valley), 16)


@pytest.fixture(scope="module")
def spectra():
    return measured(RecipeProblem(SPACE, bands, SpectralMatch(WAVELENGTHS, bands([[0.7, 0.9]])[0])), 16)


@pytest.mark.parametrize("kernel", ["ard", "isotropic"])
def test_the_gaussian_process_is_certified(history, kernel):
    check_surrogate(ValueGP(kernel), history, order_tolerance=1e-3)


def test_the_network_is_certified_on_values_and_spectra(history, spectra):
    for known in (history, spectra):
        check_surrogate(Network(QUICK), known)


def test_the_gaussian_processes_of_spectra_are_certified(spectra):
    check_surrogate(SpectraGP(), spectra)


class Nearest(FittedSurrogate):
    def __init__(self, points, values):
        self.points, self.values = points, values

    def mean(self, points):
        return self.values[((self.points - np.asarray(points)[:, None]) ** 2).sum(axis=-1).argmin(axis=1)]


@dataclass(frozen=True)
class Correct(Surrogate):
    """What the mutants are made of."""

    name = "nearest"
    label = "nearest neighbour"

    def fit(self, history):
        return self.model(history.points, history.values)

    def model(self, points, values):
        return Nearest(points, values)


def test_the_mutants_are_made_of_what_is_correct(history):
    check_surrogate(Correct(), history, order_tolerance=1e-9)


class Broken:
    """Mutants: each breaks the rule that its message names."""

    @dataclass(frozen=True)
    class Random(Correct):
        """same history gives the same model"""

        def model(self, points, values):
            return Nearest(points, values + 0.01 * np.random.rand())  # noqa: NPY002

    @dataclass(frozen=True)
    class Last(Correct):
        """order of the evaluations does not matter"""

        def model(self, points, values):
            return Nearest(points, values + values[-1])

    @dataclass(frozen=True)
    class Column(Correct):
        """mean\\(points\\) has shape"""

        def model(self, points, values):
            return Nearest(points, values[:, None])

    @dataclass(frozen=True)
    class Undefined(Correct):
        """finite numbers"""

        def model(self, points, values):
            return Nearest(points, values * np.nan)

    @dataclass(frozen=True)
    class Upside(Correct):
        """better than by their mean"""

        def model(self, points, values):
            return Nearest(points, -values)

    @dataclass(frozen=True)
    class Eager(Correct):
        """of an empty history is a text"""

        def reason_to_wait(self, history):
            return None

    @dataclass(frozen=True)
    class Waiting(Correct):
        """of the given history is None"""

        def reason_to_wait(self, history):
            return "later"

    @dataclass(frozen=True)
    class Promising(Correct):
        """agree on predicts_responses"""

        @property
        def predicts_responses(self):
            return True

    @dataclass(frozen=True)
    class Negative(Correct):
        """deviations are not negative"""

        def model(self, points, values):
            found = Nearest(points, values)
            found.deviation = lambda points: -np.ones(len(points))
            return found

    @dataclass(frozen=True)
    class Batched(Correct):
        """does not depend on the others"""

        def model(self, points, values):
            found = Nearest(points, values)
            found.mean = lambda x: Nearest.mean(found, x) + len(x)
            return found

    @dataclass(frozen=True)
    class Flat(Correct):
        """shape \\(members, n, m\\)"""

        predicts_responses = True

        def model(self, points, values):
            class Responding(Nearest):
                predicts_responses = True

                def responses(self, points):
                    return self.mean(points)

            return Responding(points, values)

    @dataclass(frozen=True)
    class Unsaved(Correct):
        """save\\(path\\) writes a file"""

        def model(self, points, values):
            class Forgetful(Nearest):
                suffix = ".npz"

                def save(self, path):
                    return

            return Forgetful(points, values)

    @dataclass
    class Loose(Correct.__base__):
        """frozen dataclass"""

        name = label = "loose"

        def fit(self, history):
            return Nearest(history.points, history.values)

    @dataclass(frozen=True)
    class Local(Correct):
        """can be pickled"""

        rule: object = field(default_factory=lambda: lambda x: x)


@pytest.mark.parametrize(
    "kind", [k for k in vars(Broken).values() if isinstance(k, type)], ids=lambda kind: kind.__name__
)
def test_a_surrogate_that_breaks_a_rule_is_refused(history, kind):
    with pytest.raises(ConformanceError, match=kind.__doc__):
        check_surrogate(kind(), history)
