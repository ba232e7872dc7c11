import numpy as np
import pytest

from matseek import Campaign
from matseek.insight.stopping import Accuracy, LossLevel, MapStability
from matseek.problems import ColourMatch, RecipeProblem
from matseek.searchers import BayesianSearcher, LatinHypercube
from tests.conftest import WAVELENGTHS, bands
from tests.report.test_accessibility import MOST_BYTES

WATCH = (LossLevel(), MapStability("spectra"), MapStability("network", at_least=0.5, batches=1), Accuracy())
UNDERSTOOD = {
    "loss_maps",
    "loss_level",
    "stability",
    "accuracy",
    "attribution",
    "spectrum_attribution",
    "predicted_against_measured",
    "palette",
}


@pytest.fixture
def campaign(spectral_problem, quick_two_step):
    return Campaign(spectral_problem, quick_two_step, stop=WATCH[:1] + WATCH[3:]).run(18)


def test_a_page_tells_what_was_understood(campaign, tmp_path):
    page = campaign.write(tmp_path).read_text()
    assert {p.stem for p in (tmp_path / "figures").iterdir()} >= UNDERSTOOD - {"stability"}
    for title in (
        "What was tried",
        "What is best",
        "What to run next",
        "How far the models can be trusted",
        "When to stop",
    ):
        assert f"<h2>{title}</h2>" in page
    assert page.index("What to run next") < page.index("What was tried")
    assert "http" not in page.replace("http-equiv", "")
    assert len(page.encode()) < MOST_BYTES, "with every figure that there is of recipes"


def test_the_next_recipes_are_those_that_asking_gives(campaign):
    outlook = campaign.outlook()
    told = outlook.next_recipes()
    batch = campaign.ask(6)
    assert len(told["rows"]) == 6
    assert [float(row[0]) for row in told["rows"]] == pytest.approx(batch.points[:, 0], rel=1e-3)
    assert told["heads"][-3:] == ["Gaussian processes of spectra expects", "network expects", "Proposed by"]
    assert campaign.outlook().next_recipes()["rows"] == [], "what is asked waits for results first"


def test_trust_counts_the_batches_and_names_the_better_one(campaign):
    (sentence, trust, agreement) = campaign.outlook().model_trust()
    frame = campaign.to_frame()
    shared = frame[frame["iteration"] > 1]
    least = shared.pivot_table(index="iteration", columns="proposer", values="value", aggfunc="min")
    won = int((least["network"] < least["bayesian"]).sum())
    assert f"Bayesian {2 - won}, network {won} of 2" in sentence
    medians = shared.groupby("proposer")["value"].median()
    better = "network" if medians["network"] < medians["bayesian"] else "Bayesian"
    assert f"the typical proposal is best from {better}" in sentence
    assert f"{campaign.judgements()['accuracy'][3]['cosine']:.4f}" in trust
    assert "loss maps" in agreement


def test_stopping_is_told_criterion_by_criterion(spectral_problem, quick_two_step):
    campaign = Campaign(spectral_problem, quick_two_step, stop=WATCH).run(60)
    assert campaign.stopped_by == "network_stability"
    rows = {row[0]: row[-1] for row in campaign.outlook().when_to_stop()["rows"]}
    assert rows["Stability of the network's map"] == "reached"
    assert rows["Best value"] == "only recorded"
    assert set(campaign.outlook().figures()) == UNDERSTOOD


def test_a_searcher_without_models_has_no_outlook(problem, tmp_path):
    campaign = Campaign(problem, LatinHypercube(4)).run(4)
    assert campaign.outlook() is None
    assert "How far the models can be trusted" not in campaign.write(tmp_path).read_text()


def test_values_without_spectra_are_mapped_and_explained(problem, tmp_path):
    campaign = Campaign(problem, BayesianSearcher(5), stop=(LossLevel(), MapStability("gp"))).run(10)
    assert set(campaign.outlook().figures()) == {"loss_maps", "loss_level", "stability", "attribution"}


def test_a_wanted_colour_is_shown_beside_those_within_reach(spectral_problem, quick_two_step):
    objective = ColourMatch(WAVELENGTHS, "#c080a0")
    campaign = Campaign(RecipeProblem(spectral_problem.space, bands, objective), quick_two_step).run(12)
    texts = [t.get_text() for ax in campaign.outlook().figures()["palette"].axes for t in ax.texts]
    assert any(text.startswith("target #c080a0") for text in texts)


def test_spectra_that_leave_out_visible_light_have_no_palette(spectral_problem, quick_two_step):
    from matseek.problems import SpectralMatch

    objective = SpectralMatch(WAVELENGTHS[20:], bands([[0.7, 0.9, 0.0]])[0, 20:])
    problem = RecipeProblem(spectral_problem.space, lambda X: bands(X)[:, 20:], objective)
    figures = Campaign(problem, quick_two_step).run(12).outlook().figures()
    assert "palette" not in figures
    assert "spectrum_attribution" in figures


def test_everything_failed_has_no_outlook(box, tmp_path):
    campaign = Campaign(RecipeProblem(box, lambda X: np.full(len(X), np.nan)), BayesianSearcher(3)).run(6)
    assert campaign.outlook() is None
    assert campaign.write(tmp_path).is_file()
