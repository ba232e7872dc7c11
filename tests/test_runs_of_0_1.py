"""What version 0.1.0 has stored: configs of its runs, word for word, are read for good."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from matseek.comparison import Cell
from matseek.configuration import recorded_settings, run_settings
from matseek.run_folder import RunFolder

FOLDER = Path(__file__).with_name("runs_of_0_1")
TODAY = {
    "two_step": ["problem=silver", "searcher=two_step", "budget=40", "opening=0"],
    "network": ["problem=silver", "searcher=network", "budget=24", "stop=none", "opening=15"],
    "bayesian": ["problem=silver", "searcher=bayesian", "budget=24", "stop=none", "opening=15"],
    "godiff": ["problem=platinum_adatom", "searcher=godiff", "budget=48", "stop=none", "opening=15"],
    "rss": ["problem=platinum_heptamer", "searcher=rss", "budget=300"],
}


@pytest.mark.parametrize("name", TODAY)
def test_a_stored_run_is_what_it_was(name):
    earlier, today = recorded_settings(FOLDER / name), run_settings(TODAY[name])
    assert earlier.searcher == today.searcher
    assert earlier.problem.describe() == today.problem.describe()
    assert (earlier.budget, earlier.opening, earlier.stop) == (today.budget, today.opening, today.stop)


@pytest.mark.parametrize("name", TODAY)
def test_a_comparison_goes_on_with_a_stored_cell(name):
    today = run_settings(TODAY[name])
    Cell(name, 0, (), RunFolder(FOLDER / name), today.config).require_same()
    assert "matseek.models" in (FOLDER / name / "config.yaml").read_text(), "written by the earlier version"
    assert OmegaConf.is_config(today.config)
