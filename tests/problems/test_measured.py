"""What a config says about spectra; the examples are those of docs/howto/goals.md."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from matseek.problems import BandRatio, ColourMatch, NarrowPeak, PeakAt, SpectralMatch
from matseek.problems.laboratory import laboratory

VARIABLES = {"x": {"low": 0, "high": 1}}
PAGE = (Path(__file__).parents[2] / "docs/howto/goals.md").read_text(encoding="utf-8")
EXAMPLES = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
KINDS = [None, SpectralMatch, ColourMatch, PeakAt, NarrowPeak, BandRatio]
GRID = {"low": 400, "high": 700, "step": 5}


@pytest.fixture
def target(tmp_path):
    path = tmp_path / "target.csv"
    at = np.arange(400, 801, 5)
    path.write_text("wavelength,absorbance\n" + "".join(f"{w},{np.exp(-(((w - 600) / 50) ** 2))}\n" for w in at))
    return path


@pytest.mark.parametrize(("example", "kind"), list(zip(EXAMPLES, KINDS, strict=True)))
def test_the_examples_of_the_page(example, kind, target):
    problem = laboratory("mine", VARIABLES, **(example | ({"target": target} if "target" in example else {})))
    if kind is None:
        assert (problem.objective, problem.value_unit, problem.maximize) == (None, "%", True)
        return
    assert type(problem.objective) is kind
    at = problem.objective.wavelengths
    wanted = example["wavelengths"]
    assert (at[0], at[-1], at[1] - at[0]) == (wanted["low"], wanted["high"], wanted["step"])
    value = problem.reduce(np.exp(-(((at - 600) / 50) ** 2))).value
    assert 0 <= value <= 2


def test_settings_reach_the_objective(target):
    problem = laboratory("mine", VARIABLES, target=target, objective={"kind": "spectrum", "gate": [0.3, 2]})
    assert problem.objective.gate == (0.3, 2.0)
    assert problem.objective.response_size == 81
    plain = laboratory("mine", VARIABLES, target=target)
    assert plain.describe()["objective"] == SpectralMatch(*map(np.asarray, _read(target))).describe()
    own = PeakAt(np.arange(400.0, 500), 450)
    assert laboratory("mine", VARIABLES, objective=own).objective is own


def _read(path):
    return np.loadtxt(path, delimiter=",", skiprows=1).T


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"objective": {"kind": "clour"}}, r"kind='clour' is none of \['colour', 'peak_position'"),
        (
            {"objective": {"kind": "peak_position", "at": 650}},
            r"needs the wavelengths .* \{low: 400, high: 800",
        ),
        ({"objective": {"kind": "peak_position"}, "wavelengths": GRID}, r"kind peak_position: missing 1 setting: 'at'"),
        ({"objective": {"kind": "peak_position", "at": "6,5"}, "wavelengths": GRID}, r"kind peak_position: at='6,5'"),
        ({"objective": {"kind": "peak_width", "width": 3}, "wavelengths": GRID}, "there is no setting 'width'"),
        ({"objective": {"kind": "spectrum", "gate": [0.7]}, "target": "t"}, "gate=.* a list of exactly 2"),
        ({"objective": {"kind": "spectrum"}}, "needs the wanted spectrum: data=TARGET.csv"),
        ({"objective": {"kind": "colour", "color": "#b08090"}, "target": "t"}, "a colour needs no target; leave data"),
        ({"objective": {"kind": "colour", "color": "red"}, "wavelengths": GRID}, "'red' is not a colour"),
        ({"objective": {"kind": "peak_width"}, "wavelengths": GRID, "maximize": True}, "maximize=True is for"),
        ({"objective": "colour"}, r"objective='colour' .* a kind, one of"),
        ({"wavelengths": GRID}, r"neither a target nor an objective; give data=TARGET.csv"),
        ({"target": "t", "wavelengths": {"low": 400, "high": 700}}, "give low, high and step in nm"),
        ({"target": "t", "wavelengths": {"low": 400, "high": 700, "step": 7}}, "42.8571 steps of 7 nm"),
        ({"target": "t", "wavelengths": {"low": 300, "high": 700, "step": 10}}, "does not reach as far as wavelengths"),
    ],
)
def test_wrong_choices_are_refused_with_a_remedy(settings, message, target):
    given = settings | ({"target": target} if "target" in settings else {})
    with pytest.raises(ValueError, match=message):
        laboratory("mine", VARIABLES, **given)
