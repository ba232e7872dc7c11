"""What is promised to be equal on every machine is equal under the BLAS kernels of several processors."""

import json
from functools import cache

import numpy as np
import pytest

from tests.kernels import output_under, runs_here


@cache
def results(kernel):
    return json.loads(output_under(kernel, "tests.machine_results").splitlines()[-1])


@pytest.mark.timeout(240)
@pytest.mark.parametrize("kernel", ["SkylakeX", "Prescott"])
def test_samples_energies_and_losses_are_equal(kernel):
    if not (runs_here(kernel) and runs_here("Haswell")):
        pytest.skip(f"this processor cannot run the kernels of {kernel} and Haswell")
    expected, found = results("Haswell"), results(kernel)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-9, atol=1e-9, err_msg=name)
