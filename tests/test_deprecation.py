"""Earlier names: kept for a minor version in code, and for good in what is stored."""

import dataclasses
import re

import pytest
from omegaconf import OmegaConf

from matseek.acquisition import QEI
from matseek.comparison import Cell
from matseek.configuration import recorded_settings, run_settings
from matseek.deprecation import renamed_settings
from matseek.errors import ConfigurationError
from matseek.parts import with_current_names
from matseek.run_folder import RunFolder
from matseek.searchers import BayesianSearcher, TwoStepSearcher


@renamed_settings(colour="color")
@dataclasses.dataclass(frozen=True)
class Paint:
    color: str = "red"
    layers: int = 1


def test_a_setting_is_taken_and_read_by_its_earlier_name():
    with pytest.warns(DeprecationWarning, match="colour of Paint is now color; .* next minor version") as told:
        paint = Paint(colour="blue")
    assert told[0].filename == __file__
    assert paint == Paint("blue") != Paint()
    assert dataclasses.replace(paint, layers=2) == Paint("blue", 2)
    with pytest.warns(DeprecationWarning, match="is now color"):
        assert paint.colour == "blue"
    refused = pytest.raises(TypeError, match="takes color or colour, its earlier name")
    with pytest.warns(DeprecationWarning, match="is now color"), refused:
        Paint(color="red", colour="blue")


def test_a_strategy_is_an_acquisition():
    with pytest.warns(DeprecationWarning, match="strategy of BayesianSearcher is now acquisition"):
        assert BayesianSearcher(strategy="qei") == BayesianSearcher(acquisition="qei")


@pytest.mark.parametrize("key", ["searcher.strategy", "+searcher.strategy"])
def test_overrides_have_their_earlier_keys(key):
    with pytest.warns(DeprecationWarning, match="the setting searcher.strategy is now searcher.acquisition"):
        settings = run_settings([f"{key}=qei"])
    assert settings.searcher == BayesianSearcher(acquisition="qei")


def stored(folder, overrides):
    """The config of an earlier version: ``strategy`` in the place of ``acquisition``."""
    settings = run_settings(overrides)
    text = OmegaConf.to_yaml(settings.config)
    assert "acquisition:" in text
    folder.mkdir(exist_ok=True)
    # Searches of structures, which have an acquisition of their own, are younger.
    RunFolder(folder).config.write_text(re.sub(r"(?m)^( {2,4})acquisition: ", r"\1strategy: ", text))
    return settings


@pytest.mark.parametrize("searcher", [["searcher=bayesian_qei"], ["experiment=two_step_paper"]], ids=str)
def test_stored_settings_are_read_for_good(tmp_path, searcher):
    settings = stored(tmp_path / "a", searcher)
    assert recorded_settings(tmp_path / "a").searcher == settings.searcher


def test_a_stored_comparison_goes_on(tmp_path):
    now = stored(tmp_path / "a", ["searcher=bayesian_qei", "opening=0"]).config
    Cell("bayesian_qei", 0, (), RunFolder(tmp_path / "a"), now).require_same()
    other = run_settings(["searcher=bayesian_qlogei", "opening=0"]).config
    with pytest.raises(ConfigurationError, match=r"searcher.acquisition=qlogei \(there: qei\)"):
        Cell("bayesian_qei", 0, (), RunFolder(tmp_path / "a"), other).require_same()


def test_only_settings_of_what_was_renamed_are():
    config = {"a": [{"_target_": "matseek.searchers.BayesianSearcher", "strategy": "qei"}], "strategy": "ddp"}
    added = {"structures": None, "model": "loss", "log": False, "several": "qlognehvi", "device": "cpu"}
    assert with_current_names(config) == {
        "a": [{"_target_": "matseek.searchers.BayesianSearcher", "acquisition": "qei"} | added],
        "strategy": "ddp",
    }
    assert BayesianSearcher(acquisition=QEI()).acquisition == QEI()
    assert TwoStepSearcher().bayesian == BayesianSearcher()
