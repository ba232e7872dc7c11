"""What is maximised is shown as it was told, not as the record's negatives."""

import re

import numpy as np

from matseek import Box, Campaign, RecipeProblem, Variable
from matseek.evaluation import LedgerReader
from matseek.report.figures import recipe_figures
from matseek.searchers import LatinHypercube
from matseek.standing import Standing

SPACE = Box([Variable("x", 0, 1), Variable("y", 0, 1)])
PROBLEM = RecipeProblem(
    SPACE, lambda X: 60 + 20 * X[:, :1], maximize=True, quantity="yield", unit="%", success_below=-65
)


def texts_of(page):
    visible = re.sub(r"<(svg|style|script).*?</\1>", "", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", visible).split())


def test_page_status_and_figures_show_what_was_told(tmp_path):
    campaign = Campaign(PROBLEM, LatinHypercube(4), ledger=tmp_path / "ledger.db", seed=0).run(4)
    best = -campaign.best.value
    assert best > 60
    page = texts_of(campaign.write(tmp_path).read_text())
    assert f"Best yield {best:.1f}" in page.replace("\xa0", " ")
    assert "higher is better" in page
    assert "The goal, a yield above 65, was reached" in page
    assert not re.search(r"[Nn]egative yield|-[678]\d\.\d", page)
    now = Standing.of(LedgerReader(tmp_path / "ledger.db"))
    assert now.columns[-1] == "lower bound"
    assert next(now.rows())[-3] == best
    for stem, figure in recipe_figures(PROBLEM, campaign.ledger.evaluations()).items():
        figure.draw_without_rendering()
        told = [ax for ax in figure.axes if ax.get_ylabel() == "Yield (%)"]
        assert told, stem
        for ax in told:
            numbers = [float(text.get_text()) for text in ax.get_yticklabels() if text.get_text()]
            assert min(numbers) > 50, stem
            low, high = ax.get_ylim()
            assert np.sign(high - low) == -1, "large values lie above"
