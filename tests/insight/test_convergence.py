import numpy as np

from matseek.insight.convergence import best_so_far


def test_best_so_far_skips_failures():
    np.testing.assert_array_equal(best_so_far([np.nan, 3, np.nan, 4, 1]), [np.nan, 3, 3, 3, 1])
    assert best_so_far([]).shape == (0,)
