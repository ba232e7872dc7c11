import io

import numpy as np
import pandas as pd
import pytest

from matseek.configuration import recorded_settings
from matseek.errors import MatseekError
from matseek.workbench import CampaignsFolder
from matseek.workbench.set_up import Design, Ingredient, Sum, begin, read_target
from matseek.workbench.view import CampaignView

TARGET = "Wellenlänge;Absorption\n400;0,1\n500;0,4\n600;0,9\n700;0,2\n".encode("latin-1")
FLOWS = (Ingredient("Q [Ag]", "4", "45", "%", "0,5"), Ingredient("Q{seed}", "0.5", "20.5", "%"))
RULE = Sum(("Q [Ag]", "Q{seed}"), "at most", "50")


@pytest.fixture
def folder(tmp_path):
    return CampaignsFolder(tmp_path)


def test_a_campaign_of_spectra_is_made_and_asked(folder):
    solvent = Ingredient("solvent", choices="water, NO, ethanol")
    design = Design("prisms 1", (*FLOWS, solvent), (RULE,), ("Ziel.csv", TARGET), batch_size=5)
    run = begin(folder, design)
    now = CampaignView(run).snapshot()
    assert [e.number for e in now.pending] == [1, 2, 3, 4, 5]
    points = np.array([e.point for e in now.pending])
    assert (points[:, 0] % 0.5 == 0).all()
    assert (points[:, :2].sum(axis=1) <= 50 + 1e-9).all()
    assert now.problem.space.variables[2].values == ("water", "NO", "ethanol")
    np.testing.assert_allclose(now.problem.objective.target, [0.1, 0.4, 0.9, 0.2])
    assert recorded_settings(run.path).run_dir == run.path


def test_a_campaign_of_a_value(folder):
    run = begin(folder, Design("lab", FLOWS, quantity="yield", unit="%", maximize=True, batch_size=3))
    problem = CampaignView(run).snapshot().problem
    assert (problem.quantity, problem.unit, problem.maximize) == ("yield", "%", True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "../outside"}, "cannot be that of a folder"),
        ({"variables": ()}, "no variable is named"),
        ({"variables": (FLOWS[0], FLOWS[0])}, "entered twice"),
        ({"variables": (Ingredient("a", "", "3"),)}, "the lower limit of 'a' is ''"),
        ({"variables": (Ingredient("a", "5", "3"),)}, "must not exceed"),
        ({"variables": (Ingredient("a", "1", "3", step="x"),)}, "the step of 'a' is 'x'"),
        ({"variables": (Ingredient("a", "1", "3", most="2"),)}, "must lie within the hardware limits"),
        ({"variables": (Ingredient("a", "1", "3", least="?"),)}, "the least that the apparatus can do of 'a' is"),
        ({"variables": (Ingredient("${oc.env:HOME}", "1", "3"),)}, "may not contain"),
        ({"sums": (Sum((), "at most", "3"),)}, "names no variables"),
        ({"sums": (Sum(("Q [Ag]", "Q{seed}"), "at most", "1"),)}, "leaves no room"),
        ({"target": ("t.csv", b"hello\nworld\n")}, "no spectrum was found"),
        ({"batch_size": 0}, "at least 1"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(folder, change, message):
    design = Design(**{"name": "lab", "variables": FLOWS, **change})
    with pytest.raises((ValueError, MatseekError), match=message.replace("(", r"\(").replace("${", r"\$\{")):
        begin(folder, design)
    assert list(folder.path.iterdir()) == []


def test_targets_come_in_any_order_and_kind():
    frame = pd.DataFrame({"nm": [700.0, 600.0, 500.0], "A": [0.2, 0.9, 0.4], "note": ["", "peak", ""]})
    file = io.BytesIO()
    frame.to_excel(file, index=False)
    found = read_target("target.xlsx", file.getvalue())
    assert found["wavelength"].tolist() == [500, 600, 700]
    assert found["absorbance"].tolist() == [0.4, 0.9, 0.2]
    with pytest.raises(ValueError, match="stands in it twice"):
        read_target("t.csv", b"400,1\n400,2\n500,3\n")
