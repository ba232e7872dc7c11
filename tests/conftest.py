import os
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

from matseek import plugins
from matseek.problems import RecipeProblem, SpectralMatch
from matseek.searchers import NetworkSearcher, Stage, TwoStepSearcher
from matseek.spaces import Box, LinearConstraint, Variable
from matseek.surrogates.training import Training

# Timings vary on a busy machine; the properties themselves are what counts.
settings.register_profile("matseek", deadline=None, max_examples=25)
settings.load_profile("matseek")
torch.set_num_threads(1)
os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the processes that tests begin: threads would wait for each other

ROOT = Path(__file__).resolve().parents[1]

LONG = {"test_notebooks.py", "test_readme.py", "test_comparison.py", "test_campaign.py", "test_tracking.py"}


def pytest_collection_modifyitems(items):
    """Long tests first, or else one worker is left with them when the others have ended."""
    items.sort(key=lambda item: item.path.name not in LONG)


@pytest.fixture(scope="session")
def droplets_csv():
    """The measured droplets, where they are at hand."""
    folder = Path(os.environ.get("MATSEEK_DATA", ROOT.parent / "shared" / "data"))
    path = folder / "agnp_droplets.csv"
    if not path.is_file():
        pytest.skip(f"no measured droplets at {path}; set MATSEEK_DATA to their folder")
    return path


@pytest.fixture
def offer(monkeypatch):
    """Offer a part as an installed package would: ``offer(group, name, value)``, for the time of a test."""
    added = []

    def entry_points(*, group):
        return [*installed(group=group), *(point for point in added if point.group == group)]

    def add(group, name, value):
        added.append(EntryPoint(name, value, group))
        plugins.offered.cache_clear()

    installed = plugins.entry_points
    monkeypatch.setattr(plugins, "entry_points", entry_points)
    yield add
    monkeypatch.undo()
    plugins.offered.cache_clear()


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


WAVELENGTHS = np.linspace(380.0, 800.0, 43)
QUICK = Training(members=2, hidden=(32,), epochs=60, learning_rate=1e-2, holdout=0.0)


def bands(points):
    """One band per recipe: its place by x, its height by y; z does nothing."""
    x, y = np.asarray(points)[:, :1], np.asarray(points)[:, 1:2]
    return (0.3 + 0.6 * y) * np.exp(-0.5 * ((WAVELENGTHS - 450 - 250 * x) / 60) ** 2)


@pytest.fixture
def spectral_problem():
    space = Box([Variable("x", 0, 1, unit="%"), Variable("y", 0, 1, unit="%"), Variable("z", 0, 1, unit="%")])
    return RecipeProblem(space, bands, SpectralMatch(WAVELENGTHS, bands([[0.7, 0.9, 0.0]])[0]), name="bands")


@pytest.fixture
def quick_two_step():
    network = NetworkSearcher(training=QUICK, starts=8, least=4)
    schedule = (Stage(1, ("lhs",)), Stage(2, ("bayesian", "network")))
    return TwoStepSearcher(batch_size=6, schedule=schedule, network=network)
