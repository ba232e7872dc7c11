import numpy as np
import pytest

from matseek.core.problem import Problem
from matseek.errors import ResponseError
from matseek.problems import RecipeProblem, SpectralMatch

RNG = np.random.default_rng(0)
WAVELENGTHS = np.linspace(400, 700, 7)
TARGET = np.array([0, 1, 2, 4, 2, 1, 0.0]) / 4


def measure(box, oracle, objective=None):
    return RecipeProblem(box, oracle, objective).measure(np.array([1.0, 0.5, 300.0]), np.random.default_rng(3))


def test_is_a_problem(problem):
    assert isinstance(problem, Problem)


def test_single_value(box):
    m = measure(box, lambda X: X[:, 0] * 2)
    assert m.value == 2
    assert m.error is None
    assert m.response is None


def test_median_of_replicates(box):
    m = measure(box, lambda X: [[3.0, 1.0, np.nan, 2.0]])
    assert m.value == 2
    np.testing.assert_array_equal(m.replicates, [3, 1, np.nan, 2])


def test_spectra_are_reduced_by_the_objective(box):
    match = SpectralMatch(WAVELENGTHS, TARGET)
    spectra = np.stack([TARGET, 0.35 * TARGET, 0.7 * TARGET, np.full(7, np.nan)])
    m = measure(box, lambda X: spectra[None], match)
    np.testing.assert_allclose(m.replicates, [0, 0.5, 0, np.nan], atol=1e-12)
    assert m.value == pytest.approx(0, abs=1e-12)
    np.testing.assert_array_equal(m.response, spectra)
    single = measure(box, lambda X: TARGET[None] / 2, match)
    assert single.value == pytest.approx(1 - 0.5 / 0.7)
    assert single.response.shape == (7,)


@pytest.mark.parametrize("answer", [[np.nan], [[np.nan, np.inf]]])
def test_no_finite_value_is_a_failed_measurement(box, answer):
    m = measure(box, lambda X: answer)
    assert "no finite value" in m.error
    assert np.isnan(m.value)


def test_what_is_masked_was_not_measured(box):
    assert "no finite value" in measure(box, lambda X: np.ma.masked_array([1.0], mask=[True])).error
    m = measure(box, lambda X: np.ma.masked_array([[1.0, 2.0, 9.0]], mask=[[False, False, True]]))
    np.testing.assert_array_equal(m.replicates, [1, 2, np.nan])


@pytest.mark.parametrize("answer", [1.0, np.ones((2, 3)), np.ones((1, 2, 3)), "text", [["a"]], None, [[1, 2], [3]]])
def test_other_shapes_are_refused(box, answer):
    with pytest.raises(ResponseError):
        measure(box, lambda X: answer)


def test_a_refused_response_is_kept(box):
    with pytest.raises(ResponseError, match="8 absorbances each, but the target has 7") as caught:
        measure(box, lambda X: np.ones((1, 8)), SpectralMatch(WAVELENGTHS, TARGET))
    assert caught.value.response.shape == (1, 8)


def test_an_oracle_may_take_the_generator(box):
    m = measure(box, lambda X, rng: rng.random(len(X)))
    assert m.value == np.random.default_rng(3).random(1)[0]


def test_the_oracle_gets_a_float64_row_in_units(box):
    seen = []
    measure(box, lambda X: seen.append(X) or X[:, 0])
    assert seen[0].shape == (1, 3)
    assert seen[0].dtype == np.float64
    np.testing.assert_array_equal(seen[0], [[1.0, 0.5, 300.0]])


def test_success_level(box):
    assert RecipeProblem(box, len).succeeded(np.zeros(3), 0.1) is None
    assert not RecipeProblem(box, len).has_success
    problem = RecipeProblem(box, len, success_below=0.2)
    assert problem.has_success
    assert problem.succeeded(np.zeros(3), 0.1) is True
    assert problem.succeeded(np.zeros(3), 0.2) is False


def test_descriptions_differ_where_problems_do(box):
    match = SpectralMatch(WAVELENGTHS, TARGET)
    base = RecipeProblem(box, len, match).describe()
    assert base == RecipeProblem(box, len, SpectralMatch(WAVELENGTHS, TARGET)).describe()
    assert base != RecipeProblem(box, len, SpectralMatch(WAVELENGTHS, TARGET**2)).describe()
    assert base != RecipeProblem(box.widen("a"), sum, match).describe()


def test_bad_arguments_are_refused(box):
    with pytest.raises(ValueError, match="space=.* must be a Box"):
        RecipeProblem([(0, 1)], len)
    with pytest.raises(ValueError, match="oracle=.* must be callable"):
        RecipeProblem(box, 3)
