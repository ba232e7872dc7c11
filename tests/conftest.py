import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

from matseek.problems import RecipeProblem
from matseek.spaces import Box, LinearConstraint, Variable

# Timings vary on a busy machine; the properties themselves are what counts.
settings.register_profile("matseek", deadline=None, max_examples=25)
settings.load_profile("matseek")
torch.set_num_threads(1)

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def droplets_csv():
    """The measured droplets, where they are at hand."""
    folder = Path(os.environ.get("MATSEEK_DATA", ROOT.parent / "shared" / "data"))
    path = folder / "agnp_droplets.csv"
    if not path.is_file():
        pytest.skip(f"no measured droplets at {path}; set MATSEEK_DATA to their folder")
    return path


@pytest.fixture
def box():
    return Box(
        [Variable("a", 0, 10, unit="%"), Variable("b", -1, 1, unit="mL"), Variable("c", 200, 1000, unit="uL/min")],
        [LinearConstraint({"a": 1, "b": 2}, upper=8)],
    )


def bowl(points):
    """A smooth value with its minimum 0 at (3, 0.5, 600)."""
    z = (np.asarray(points) - [3.0, 0.5, 600.0]) / [5.0, 1.0, 400.0]
    return (z**2).sum(axis=1)


class Counting:
    """An oracle that remembers every point it was called with."""

    def __init__(self, function=bowl):
        self.function = function
        self.points = []

    def __call__(self, points):
        self.points.extend(np.array(points))
        return self.function(points)


@pytest.fixture
def counting():
    return Counting()


@pytest.fixture
def problem(box, counting):
    return RecipeProblem(box, counting, name="bowl", success_below=0.05)
