from dataclasses import replace

import numpy as np
import pytest

from matseek.errors import ConfigurationError
from matseek.workbench.redefine import Definition, Limits, Rule, redefined
from matseek.workbench.set_up import Ingredient
from matseek.workbench.view import CampaignView
from tests.workbench.lab import WAVELENGTHS, measured


@pytest.fixture
def told(begin):
    folder, campaign = begin("lab")
    campaign.tell(campaign.waiting().to_frame().assign(**{"yield": [4.0, 3.0, 2.0, 1.0]}))
    return folder


def shown(folder):
    known = Definition.of(folder)
    return {name: limits for name in known.variables if (limits := known.limits(name))}, list(known.rules)


def test_the_page_shows_what_holds_and_changes_nothing_by_looking(told):
    limits, rules = shown(told)
    assert limits["QAgNO3"] == Limits("4", "45", "0.5", "80")
    assert limits["Qpva"] == Limits("10", "40")
    assert rules == [Rule("QAgNO3=1; Qpva=1; Qtsc=1; Qseed=1", "", "90")]
    assert redefined(told, limits, rules).differences == ()


def test_limits_rules_and_a_variable_more(told):
    limits, rules = shown(told)
    limits["Qtot"] = replace(limits["Qtot"], high="900")
    limits["QAgNO3"] = replace(limits["QAgNO3"], hard=True)
    rules = [replace(rules[0], factors="QAgNO3=1; Qpva=0,5; Qtsc=1; Qseed=1", upper="80")]
    change = redefined(told, limits, rules, Ingredient("pH", "4", "10"), "7")
    assert "Qtot (uL/min): 200 to 900 instead of 200 to 1000" in change.summary
    assert "limits 0.5 to 80, never widened" in change.summary
    assert "new constraint: QAgNO3 + 0.5*Qpva" in change.summary.replace(" 0.5 ", " 0.5*")
    assert "new variable pH: 4 to 10; so far it was 7" in change.summary
    assert CampaignView(told).snapshot().problem.space.dim == 5, "a look writes nothing"
    change.write()
    now = CampaignView(told).snapshot()
    assert now.problem.space.names[-1] == "pH"
    assert {e.point[-1] for e in now.evaluations} == {7.0}
    assert shown(told)[0]["Qtot"].high == "900"


def test_another_target_scores_everything_anew(tmp_path):
    folder = measured(tmp_path, "bands", conditions=4, waiting=1)
    text = "wavelength,absorbance\n" + "".join(f"{w:g},{np.exp(-(((w - 480) / 60) ** 2))}\n" for w in WAVELENGTHS)
    before = CampaignView(folder).snapshot().best.value
    change = redefined(folder, *shown(folder), target=("blue.csv", text.encode()))
    assert "everything measured is scored anew" in change.summary
    change.write()
    assert (folder.path / "blue.csv").is_file()
    assert CampaignView(folder).snapshot().best.value != before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda limits, rules: limits.update(Qtot=Limits("200", "x")), "the upper limit of 'Qtot' is 'x'"),
        (lambda limits, rules: limits.update(Qtot=Limits("900", "200")), "must not exceed"),
        (lambda limits, rules: rules.append(Rule("")), "names no variables; write NAME=FACTOR"),
        (lambda limits, rules: rules.append(Rule("Qtot=a", "1")), "the factor of 'Qtot' is 'a'"),
        (lambda limits, rules: rules.append(Rule("nobody=1", "1")), "nobody"),
    ],
)
def test_what_cannot_be_is_refused(told, change, message):
    limits, rules = shown(told)
    change(limits, rules)
    with pytest.raises((ValueError, ConfigurationError), match=message):
        redefined(told, limits, rules)
