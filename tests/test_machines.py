"""What is promised to be equal on every machine is equal under the BLAS kernels of several processors."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tests.kernels import runs_here

ROOT = Path(__file__).resolve().parents[1]


@cache
def results(kernel):
    done = subprocess.run(
        [sys.executable, "-m", "tests.machine_results"],
        env={**os.environ, "OPENBLAS_CORETYPE": kernel},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.timeout(240)
@pytest.mark.parametrize("kernel", ["SkylakeX", "Prescott"])
def test_samples_energies_and_losses_are_equal(kernel):
    if not (runs_here(kernel) and runs_here("Haswell")):
        pytest.skip(f"this processor cannot run the kernels of {kernel} and Haswell")
    expected, found = results("Haswell"), results(kernel)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-9, atol=1e-9, err_msg=name)
