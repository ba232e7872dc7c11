"""What version 0.1.0 has stored: configs of its runs, word for word, are read for good."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from matseek.comparison import Cell
from matseek.configuration import recorded_settings, run_settings
from matseek.errors import ConfigurationError
from matseek.run_folder import RunFolder

FOLDER = Path(__file__).with_name("runs_of_0_1")
TODAY = {
    "two_step": ["problem=silver", "searcher=two_step", "budget=40", "opening=0"],
    "network": ["problem=silver", "searcher=network", "budget=24", "stop=none", "opening=15"],
    "bayesian": ["problem=silver", "searcher=bayesian", "budget=24", "stop=none", "opening=15"],
    "godiff": ["problem=platinum_adatom", "searcher=godiff", "budget=48", "stop=none", "opening=15"],
    "rss": ["problem=platinum_heptamer", "searcher=rss", "budget=300"],
}
BOXES = {
    "two_step": ["searcher.bayesian", "searcher.network", "searcher"],
    "network": ["searcher"],
    "bayesian": ["searcher"],
}
"""Settings of what searched boxes alone, in batches of 15."""

OF_THE_LOSS = {"two_step": "searcher.bayesian", "bayesian": "searcher"}
"""Settings of the Bayesian searcher, whose Gaussian process was of the loss."""


def of_the_loss(name):
    key = OF_THE_LOSS.get(name)
    return [] if key is None else [f"{key}.model=loss", f"{key}.log=false", f"{key}.acquisition=local_penalization"]


@pytest.mark.parametrize("name", TODAY)
def test_a_stored_run_is_what_it_was(name):
    own = [f"{key}.batch_size=15" for key in BOXES.get(name, [])]
    own += [f"{key}.structures=null" for key in BOXES.get(name, []) if (name, key) != ("two_step", "searcher")]
    earlier, today = recorded_settings(FOLDER / name), run_settings([*TODAY[name], *own, *of_the_loss(name)])
    assert earlier.searcher == today.searcher
    assert earlier.problem.describe() == today.problem.describe()
    assert (earlier.budget, earlier.opening) == (today.budget, today.opening)
    assert {c.name for c in earlier.stop} <= {c.name for c in today.stop}
    assert [c for c in earlier.stop if c.level] == [c for c in today.stop if c.level]


@pytest.mark.parametrize("name", TODAY)
def test_a_comparison_goes_on_with_a_stored_cell(name):
    today = run_settings([*TODAY[name], *of_the_loss(name)])
    Cell(name, 0, (), RunFolder(FOLDER / name), today.config).require_same()
    assert "matseek.models" in (FOLDER / name / "config.yaml").read_text(), "written by the earlier version"
    assert OmegaConf.is_config(today.config)


def test_a_comparison_of_structures_does_not_go_on_with_another_search(tmp_path):
    """Version 0.1 searched the adatom as a box; that is bayesian_box now."""
    adatom = ["problem=platinum_adatom", "opening=15"]
    box = run_settings([*adatom, "searcher=bayesian_box", "searcher.batch_size=15"])
    config = OmegaConf.to_container(box.config)
    del config["searcher"]["structures"]
    OmegaConf.save(OmegaConf.create(config), tmp_path / "config.yaml")
    Cell("bayesian_box", 0, (), RunFolder(tmp_path), box.config).require_same()
    today = run_settings([*adatom, "searcher=bayesian"])
    with pytest.raises(ConfigurationError, match="holds another campaign: .*structures"):
        Cell("bayesian", 0, (), RunFolder(tmp_path), today.config).require_same()
