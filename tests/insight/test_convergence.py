import numpy as np
import pytest

from matseek.insight.convergence import best_so_far, evaluations_to_success


def test_best_so_far_skips_failures():
    np.testing.assert_array_equal(best_so_far([np.nan, 3, np.nan, 4, 1]), [np.nan, 3, 3, 3, 1])
    assert best_so_far([]).shape == (0,)


@pytest.mark.parametrize(("successes", "expected"), [([], None), ([False, None], None), ([False, True, True], 2)])
def test_first_success(successes, expected):
    assert evaluations_to_success(successes) == expected
