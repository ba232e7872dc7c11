"""A package of one file that offers a part of every kind: installed by pip, certified, run, compared and reported."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from copy import deepcopy
from importlib import import_module, invalidate_caches
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from ase.build import fcc111
from hydra.core.config_store import ConfigStore

from matseek import plugins
from matseek.candidates import StructureSearch
from matseek.configuration import recorded_settings, run_settings
from matseek.godiff.domains import NetworkSettings
from matseek.godiff.searcher import GODiffSearcher
from matseek.problems import StructureProblem
from matseek.searchers import BayesianSearcher
from matseek.spaces import Adlayer
from matseek.testing import (
    check_acquisition,
    check_generator,
    check_potential,
    check_problem,
    check_score_network,
    check_searcher,
    check_space,
    check_surrogate,
    measured,
)
from tests.conftest import ROOT
from tests.godiff.test_searcher import QUICK
from tests.testing.test_potentials import structures

SOURCE = Path(__file__).parent
MODULE = SOURCE / "matseek_toy.py"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder into which pip has installed the package."""
    folder = tmp_path_factory.mktemp("toy")
    package = folder / "package"
    package.mkdir()
    for name in ("pyproject.toml", MODULE.name):
        shutil.copy(SOURCE / name, package)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    found = subprocess.run([*pip, "--target", folder / "site", package], capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stderr
    return folder / "site"


@pytest.fixture
def parts(installed, monkeypatch):
    """What plugins.part gives, with the package on the path of this process."""
    monkeypatch.syspath_prepend(installed)
    invalidate_caches()
    plugins.offered.cache_clear()
    monkeypatch.setattr(ConfigStore.instance(), "repo", deepcopy(ConfigStore.instance().repo))
    yield plugins.part
    plugins.offered.cache_clear()


def matseek(installed, *arguments, cwd):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(installed)])}
    command = [sys.executable, "-c", "from matseek.cli import app; app()", *arguments]
    found = subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, timeout=200)
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


def test_each_part_takes_one_entry_point_and_all_of_them_one_file(installed):
    offered = tomllib.loads((SOURCE / "pyproject.toml").read_text())["project"]["entry-points"]
    kinds = set(plugins.GROUPS) - {plugins.CONFIGS}
    assert set(offered) == kinds
    assert all(len(points) == 1 for points in offered.values())
    assert [p.name for p in installed.glob("*.py")] == [MODULE.name]
    text = MODULE.read_text()
    (start,) = [i for i, line in enumerate(text.splitlines()) if line.startswith("class QPI(")]
    lines = text.splitlines()[start - 1 :]
    acquisition = lines[: next(i for i, line in enumerate(lines) if line.startswith("# A generator"))]
    assert sum(bool(line.strip()) for line in acquisition) < 15


def test_the_space_the_problem_and_the_surrogate_are_certified(parts):
    check_space(parts(plugins.SPACES, "toy_annulus")())
    problem = parts(plugins.PROBLEMS, "toy")()
    check_problem(problem)
    check_surrogate(parts(plugins.SURROGATES, "toy_weights")(), measured(problem, 20), order_tolerance=1e-6)


def test_the_searcher_and_the_acquisition_are_certified(parts):
    problem = parts(plugins.PROBLEMS, "toy")()
    check_searcher(parts(plugins.SEARCHERS, "toy_searcher"), problem)
    check_acquisition(parts(plugins.ACQUISITIONS, "toy_qpi")(), measured(problem, 12))
    BayesianSearcher(5, acquisition="toy_qpi")


def test_the_generator_is_certified_and_known_by_name(parts):
    layer = Adlayer(fcc111("Pt", (3, 3, 2), vacuum=8), "Pt3", z=(1.0, 4.0))
    check_generator(parts(plugins.GENERATORS, "toy_line")(), layer)
    assert StructureSearch(generators=["toy_line"]).generators[0].label == "line"


def test_the_potential_and_the_score_network_are_certified(parts):
    check_potential(parts(plugins.POTENTIALS, "toy_repulsion"), structures())
    check_score_network(parts(plugins.SCORE_NETWORKS, "toy_score"))


def test_go_diff_trains_with_the_network_and_its_model_is_read_again(parts, tmp_path):
    from matseek import Campaign
    from matseek.godiff.model import DiffusionModel

    layer = Adlayer(fcc111("Pt", (2, 2, 2), vacuum=6), "Pt", z=(1.0, 4.0))
    problem = StructureProblem(layer, parts(plugins.POTENTIALS, "toy_repulsion"))
    settings = NetworkSettings("toy_score", blocks=1, features=8, cutoff=4.0)
    Campaign(problem, GODiffSearcher(**{**QUICK, "network": settings}), tmp_path / "c.db").run(12)
    model = DiffusionModel.load(tmp_path / "c.safetensors")
    assert model.settings.representation == "toy_score"
    assert len(model.sample(problem, 2)) == 2
    kind = import_module("matseek_toy").ToyScore
    assert torch.equal(kind(seed=1).centres, kind(seed=2).centres)


def test_run_shows_the_packages_model_on_the_page(installed, parts, tmp_path):
    arguments = ["problem=toy", "searcher=toy_searcher", "searcher.batch_size=4", "budget=16", "run_dir=run"]
    matseek(installed, "run", *arguments, cwd=tmp_path)
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["problem"], summary["searcher"], summary["evaluations"]) == ("toy", "toy_searcher", 16)
    page = (tmp_path / "run" / "report.html").read_text()
    assert "inverse distance expects" in page, "the next points, with what the package's surrogate expects"
    assert "toy search" in page
    assert {"loss_maps.png", "attribution.png", "recipes.png"} <= {
        p.name for p in (tmp_path / "run" / "figures").iterdir()
    }
    read = recorded_settings(tmp_path / "run")
    assert read.searcher == parts(plugins.SEARCHERS, "toy_searcher")(batch_size=4), "a stored config may name it"


def test_parts_go_together_with_those_that_ship(parts):
    made = run_settings(["problem=toy", "problem.x=0.7", "searcher=bayesian", "searcher.acquisition=toy_qpi"])
    assert made.problem.x == 0.7
    assert made.searcher.title == "Bayesian, qPI"
    made = run_settings(["problem=platinum_adatom", "calculator=toy_repulsion", "searcher=toy_searcher"])
    assert type(made.problem.calculator()).__name__ == "Repulsion"
    network = ["searcher=godiff", "searcher.network.representation=toy_score"]
    assert run_settings(["problem=platinum_adatom", *network]).searcher.network.representation == "toy_score"


def test_compare_has_a_row_and_the_label(installed, tmp_path):
    arguments = ["problem=toy", "searchers=[random,toy_searcher]", "seeds=2", "budget=15", "opening=5", "run_dir=cmp"]
    matseek(installed, "compare", *arguments, cwd=tmp_path)
    table = pd.read_csv(tmp_path / "cmp" / "table.csv").set_index("searcher")
    assert set(table.index) == {"random", "toy_searcher"}
    assert np.isfinite(table.loc["toy_searcher", "median_best_value"])
    assert table.loc["toy_searcher", "median_best_value"] < table.loc["random", "median_best_value"]
    assert "toy search" in (tmp_path / "cmp" / "report.html").read_text()
