"""A campaign's definition changed on the way: told first, kept in the ledger, followed by everybody."""

import numpy as np
import pandas as pd
import pytest

from matseek.configuration import recorded_settings
from matseek.desk import amendment, open_logbook
from matseek.errors import ConfigurationError, LedgerMismatchError
from matseek.files import write_text
from matseek.runs import open_campaign
from tests.desk.lab import made

AT = np.linspace(400, 700, 31)


@pytest.fixture
def lab(tmp_path):
    """A run folder with four measured recipes and one that waits."""
    return made(tmp_path / "lab", [0.4, 0.1, 0.2, 0.3, None])


def test_a_bound_is_changed_and_only_that_is_told(lab):
    change = amendment(lab, ["problem.variables.Qtot.high=600"])
    assert change.differences == ("Qtot (uL/min): 200 to 600 instead of 200 to 1000",)
    assert "measured recipes lie outside" in change.summary or "wait for results" in change.summary
    change.write()
    campaign = open_campaign(recorded_settings(lab))
    assert campaign.history().window.variables[4].high == 600
    assert campaign.ask(3).points[:, 4].max() <= 600
    event = next(e for e in campaign.ledger.events() if e.kind == "amended")
    assert event.data["problem_before"]["space"]["variables"][4]["high"] == 1000
    assert amendment(lab, ["problem.variables.Qtot.high=600"]).summary == "nothing changes"


def test_a_new_variable_has_a_past(lab):
    new = ["+problem.variables.pH={low: 4, high: 10}"]
    with pytest.raises(ConfigurationError, match="--past pH=VALUE"):
        amendment(lab, new)
    change = amendment(lab, new, {"pH": 7})
    assert "new variable pH: 4 to 10; so far it was 7" in change.summary
    change.write()
    book = open_logbook(lab)
    assert [e.point[5] for e in book.ledger.evaluations()] == [7.0] * 5
    assert [e.value for e in book.ledger.evaluations(status="done")] == [0.4, 0.1, 0.2, 0.3]
    assert book.waiting().to_frame()["pH"].tolist() == [7.0]
    book.tell(book.waiting().with_responses([0.25]))
    campaign = open_campaign(recorded_settings(lab))
    assert campaign.best.number == 2
    assert campaign.ask(4).points[:, 5].std() > 0


def test_a_constraint_comes_and_goes(lab):
    rule = "{coefficients: {QAgNO3: 1, Qseed: 1}, upper: 20}"
    change = amendment(lab, [f"problem.constraints=[{rule}]"])
    assert any(text.startswith("constraint dropped") for text in change.differences)
    assert any(text.startswith("new constraint: QAgNO3 + Qseed <= 20") for text in change.differences)
    change.write()
    points = open_campaign(recorded_settings(lab)).ask(5).points
    assert (points[:, 0] + points[:, 3]).max() <= 20 + 1e-9


def test_another_target_scores_everything_anew(tmp_path):
    for name, peak in (("blue", 450.0), ("red", 640.0)):
        target = pd.DataFrame({"wavelength": AT, "absorbance": band(peak)})
        (tmp_path / name).mkdir()
        target.to_csv(tmp_path / name / "target.csv", index=False)
    lab = made(tmp_path / "lab", [band(450.0), band(550.0), band(640.0)], f"data={tmp_path}/blue/target.csv")
    assert open_campaign(recorded_settings(lab)).best.number == 1
    change = amendment(lab, [f"data={tmp_path}/red/target.csv"])
    assert "another target or objective: everything measured is scored anew" in change.summary
    assert "the best recipe is evaluation 3" in change.summary
    assert "before it was evaluation 1" in change.summary
    change.write()
    campaign = open_campaign(recorded_settings(lab))
    assert campaign.best.number == 3
    assert campaign.best.before.value > 0.1
    assert {p.name for p in lab.glob("target*.csv")} == {"target.csv", "target-2.csv"}


def test_who_was_cut_off_between_ledger_and_config_has_amended(lab):
    before = (lab / "config.yaml").read_text()
    amendment(lab, ["problem.variables.Qtot.high=600"]).write()
    after = (lab / "config.yaml").read_text()
    write_text(lab / "config.yaml", before)
    assert open_campaign(recorded_settings(lab)).history().window.variables[4].high == 600
    again = amendment(lab, ["problem.variables.Qtot.high=600"])
    assert again.summary == "nothing changes"
    again.write()
    assert (lab / "config.yaml").read_text() == after


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["~problem.variables.Qtot"], "cannot be left out"),
        (["problem.variables.Qtot.unit=mL/min"], "another unit"),
        (["problem.maximize=true"], "maximize cannot change"),
        (["budget=7"], "amend changes the problem"),
        (["problem.variables.Qtot.high=100"], "low=200 must not exceed high=100"),
        (["~problem.variables.nothing"], "there is no such setting"),
    ],
)
def test_what_one_ledger_cannot_hold_is_refused(lab, overrides, message):
    text = (lab / "config.yaml").read_text()
    with pytest.raises(ConfigurationError, match=message):
        amendment(lab, overrides)
    assert (lab / "config.yaml").read_text() == text


def test_another_definition_is_refused_with_what_differs_alone(lab):
    text = (lab / "config.yaml").read_text()
    write_text(lab / "config.yaml", text.replace("high: 1000", "high: 900"))
    with pytest.raises(
        LedgerMismatchError, match=r"differ in space\.variables\.Qtot\.high: 1000\.0 there, 900"
    ) as told:
        open_campaign(recorded_settings(lab))
    assert "Qseed" not in str(told.value)


def test_a_tab_in_a_config_is_explained(lab):
    text = (lab / "config.yaml").read_text()
    write_text(lab / "config.yaml", text.replace("\n  name:", "\n\tname:", 1))
    with pytest.raises(ConfigurationError, match="YAML takes no tabs"):
        open_logbook(lab)


def band(peak):
    return np.exp(-(((AT - peak) / 60) ** 2))
