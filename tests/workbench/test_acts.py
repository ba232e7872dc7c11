import io

import pandas as pd
import pytest

from matseek.errors import ConfigurationError, UnknownEvaluationError
from matseek.workbench import acts
from matseek.workbench.view import CampaignView, Glance


def test_a_batch_goes_out_and_its_results_come_back(begin):
    folder, _ = begin("lab")
    view = CampaignView(folder)
    now = view.snapshot()
    assert len(now.pending) == 4
    sheet = pd.read_excel(io.BytesIO(acts.waiting_table(now, ".xlsx", replicates=2)), engine="openpyxl")
    assert list(sheet["evaluation"]) == [1, 2, 3, 4]
    assert list(sheet.columns[-2:]) == ["yield 1 (%)", "yield 2 (%)"]
    sheet["yield 1 (%)"], sheet["yield 2 (%)"] = [5.0, 7.0, "failed", None], [5.5, 7.5, "failed", None]
    file = io.BytesIO()
    sheet.to_excel(file, index=False)
    found = acts.preview(folder, "results.xlsx", file.getvalue(), acts.Reading())
    assert [(number, m.error is not None) for number, m in found.results] == [(1, False), (2, False), (3, True)]
    assert "1 left open" in found.summary
    assert view.snapshot() is now, "a preview writes nothing"
    acts.take(folder, found)
    later = view.snapshot()
    assert [e.number for e in later.pending] == [4]
    assert later.best.value == pytest.approx(5.25)
    assert acts.ask(folder, 2) == 2
    assert [e.number for e in view.snapshot().pending] == [4, 5, 6]


def test_cells_may_be_pasted(begin):
    folder, _ = begin("lab")
    found = acts.preview_pasted(folder, "evaluation\tyield (%)\n2\t3,5\n1\t2,5\n", acts.Reading())
    assert [(number, m.value) for number, m in found.results] == [(1, 2.5), (2, 3.5)]


def test_what_was_told_elsewhere_meanwhile_is_not_overwritten(begin):
    folder, campaign = begin("lab")
    found = acts.preview_pasted(folder, "evaluation\tyield (%)\n1\t2.5\n", acts.Reading())
    campaign.tell(campaign.waiting().to_frame().assign(**{"yield": 9.0}))
    with pytest.raises(UnknownEvaluationError, match="never changed|another|already"):
        acts.take(folder, found)
    assert CampaignView(folder).snapshot().best.value == 9.0


def test_a_snapshot_is_read_again_only_after_a_change(begin):
    folder, campaign = begin("lab")
    view = CampaignView(folder)
    first = view.snapshot()
    assert view.snapshot() is first
    campaign.tell(campaign.waiting().to_frame().assign(**{"yield": [4.0, 3.0, 2.0, 1.0]}))
    assert view.snapshot().best.value == 1.0


def test_what_a_folder_names_is_not_run(foreign):
    with pytest.raises(ConfigurationError, match="os.system"):
        CampaignView(foreign).snapshot()


def test_a_glance_needs_no_problem(begin):
    folder, campaign = begin(
        "lab", "problem=laboratory", "problem.maximize=true", "searcher=lhs", "searcher.batch_size=4"
    )
    campaign.tell(campaign.waiting().to_frame().assign(value=[1.0, 3.0, 2.0, 2.5]))
    glance = Glance.at(folder)
    assert (glance.best, glance.standing.settled) == (3.0, 4)


def test_nothing_waits(begin):
    folder, _ = begin("lab", asked=0)
    with pytest.raises(ValueError, match="no recipe waits"):
        acts.waiting_table(CampaignView(folder).snapshot(), ".csv")


def test_what_is_wrong_is_corrected_withdrawn_and_skipped(begin):
    folder, campaign = begin("lab")
    campaign.tell(campaign.waiting().to_frame().assign(**{"yield": [4.0, 3.0, None, None]}))
    view = CampaignView(folder)
    wrong = acts.correction(folder, 1, "1.5 2,5", "Qtot=500", "typing error")
    assert view.snapshot().best.number == 2, "a preview writes nothing"
    acts.take(folder, wrong)
    best = view.snapshot().best
    assert (best.number, best.value) == (1, 2.0)
    assert dict(zip(campaign.problem.space.names, best.point, strict=True))["Qtot"] == 500
    acts.take(folder, acts.withdrawal(folder, [1], "the pump leaked", again=True))
    acts.take(folder, acts.skipping(folder, [3], "no seed left"))
    later = view.snapshot()
    assert (later.best.number, [e.number for e in later.pending]) == (2, [1, 4])
    with pytest.raises(ValueError, match="NAME=VALUE"):
        acts.correction(folder, 2, "", "Qtot", "")
