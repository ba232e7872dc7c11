import math

import numpy as np
import pytest

from matseek import Campaign
from matseek.insight.holdout import holdout_predictions
from matseek.insight.loss_map import map_correlation, map_similarity
from matseek.insight.stopping import Accuracy, LossLevel, MapStability, Solved
from matseek.searchers import BayesianSearcher, LatinHypercube
from matseek.surrogates.learning import Network
from tests.conftest import QUICK

ALL = (LossLevel(), MapStability("spectra"), MapStability("network"), Accuracy())


def test_every_run_is_measured_by_every_criterion(spectral_problem, quick_two_step):
    campaign = Campaign(spectral_problem, quick_two_step, stop=ALL).run(18)
    found = campaign.judgements()
    assert {name: sorted(runs) for name, runs in found.items()} == {c.name: [1, 2, 3] for c in ALL}
    assert campaign.stopped_by == "budget"
    frame = campaign.to_frame()
    for run in (1, 2, 3):
        assert found["loss_level"][run]["best"] == frame[frame["iteration"] <= run]["value"].min()
        assert found["loss_level"][run]["best_of_run"] == frame[frame["iteration"] == run]["value"].min()
    for model in ("spectra", "network"):
        assert math.isnan(found[f"{model}_stability"][1]["similarity"]), "the first run has no map before it"
        maps = [campaign.models(run).map(model) for run in (2, 3)]
        assert found[f"{model}_stability"][3]["similarity"] == pytest.approx(map_similarity(*maps), abs=1e-6)
        assert found[f"{model}_stability"][3]["centred"] == pytest.approx(map_correlation(*maps), abs=1e-6)
    assert math.isnan(found["accuracy"][1]["cosine"])
    assert campaign.summary()["criteria"]["accuracy"][1]["cosine"] is None
    assert len(campaign.summary()["events"]) == 1, "measurements are no events that people must read"


def test_accuracy_is_that_of_a_network_that_was_not_taught_the_run(spectral_problem, quick_two_step):
    campaign = Campaign(spectral_problem, quick_two_step, stop=[Accuracy(model="network")]).run(18)
    history = campaign.history()
    ignorant = Network(QUICK).fit(history.until(2))
    mine = [e for e in history.done if e.iteration == 3]
    assert campaign.judgements()["accuracy"][3] == {
        "cosine": pytest.approx(np.median(holdout_predictions(ignorant, mine).cosines)),
        "least_cosine": pytest.approx(holdout_predictions(ignorant, mine).cosines.min()),
        "mse": pytest.approx(np.median(holdout_predictions(ignorant, mine).squared_errors)),
        "conditions": 6,
    }
    taught = Network(QUICK).fit(history)
    assert (
        holdout_predictions(taught, mine).squared_errors.mean()
        < holdout_predictions(ignorant, mine).squared_errors.mean()
    )


@pytest.mark.parametrize(
    ("criterion", "name"),
    [
        (LossLevel(below=0.9), "loss_level"),
        (MapStability("spectra", at_least=0.1, batches=1), "spectra_stability"),
        (MapStability("network", at_least=0.1, batches=1), "network_stability"),
        (Accuracy(cosine=0.05), "accuracy"),
        (Accuracy(mse=100.0), "accuracy"),
    ],
)
def test_the_criterion_that_is_met_ends_the_campaign_and_is_named(spectral_problem, quick_two_step, criterion, name):
    campaign = Campaign(spectral_problem, quick_two_step, stop=[criterion]).run(60)
    assert campaign.stopped_by == name
    assert campaign.summary()["evaluations"] < 60
    assert criterion.level in campaign.summary()["events"][-1]
    before = campaign.summary()["evaluations"]
    campaign.run(60)
    assert campaign.summary()["evaluations"] == before, "run again, it stays ended"


def test_a_campaign_goes_on_without_the_level_and_measures_nothing_twice(spectral_problem, tmp_path):
    path = tmp_path / "c.db"
    searcher = BayesianSearcher(6)
    Campaign(spectral_problem, searcher, path, stop=[LossLevel(below=0.99), MapStability("spectra")]).run(60)
    campaign = Campaign(spectral_problem, searcher, path, stop=[LossLevel(), MapStability("spectra")]).run(12)
    assert campaign.stopped_by == "budget"
    assert campaign.summary()["evaluations"] == 12
    judged = [e for e in campaign.ledger.events() if e.kind == "judged"]
    assert len({(e.data["criterion"], e.data["run"]) for e in judged}) == len(judged) == 4


def test_a_run_that_is_cut_off_is_judged_as_one_that_is_not(spectral_problem, quick_two_step, tmp_path):
    whole = Campaign(spectral_problem, quick_two_step, stop=ALL).run(18).judgements()
    for budget in (6, 12, 18):
        parts = Campaign(spectral_problem, quick_two_step, tmp_path / "c.db", stop=ALL).run(budget).judgements()
    for name, runs in whole.items():
        for run, figures in runs.items():
            assert parts[name][run] == pytest.approx(figures, nan_ok=True, abs=1e-6)


def test_levels_must_hold_for_as_many_runs_as_are_asked():
    criterion = MapStability("gp", at_least=0.9, batches=2)
    assert not criterion.met([{"similarity": 0.95}])
    assert not criterion.met([{"similarity": 0.95}, {"similarity": 0.8}, {"similarity": 0.95}])
    assert criterion.met([{"similarity": 0.8}, {"similarity": 0.95}, {"similarity": 0.9}])
    assert not criterion.met([{"similarity": math.nan}, {"similarity": math.nan}])
    assert not MapStability("gp").met([{"similarity": 1.0}] * 5), "without a level it never ends a campaign"


def test_told_results_are_judged_too(problem):
    campaign = Campaign(problem, LatinHypercube(4), stop=[LossLevel(below=0.5)])
    batch = campaign.ask(4)
    campaign.tell(batch.with_responses([0.9, 0.8, 0.7, 0.6]))
    assert campaign.stopped_by is None
    campaign.tell(campaign.ask(2).with_responses([0.4, 0.6]))
    assert campaign.stopped_by == "loss_level"
    campaign.ask(2)
    assert campaign.stopped_by is None, "people may go on"


def test_a_level_that_can_never_be_reached_is_refused_before_anything_is_paid(problem, spectral_problem):
    for criterion in (MapStability("network", at_least=0.9), Accuracy(mse=0.1)):
        with pytest.raises(ValueError, match="needs a model that this searcher does not have .*two_step"):
            Campaign(problem, BayesianSearcher(5), stop=[criterion])
    with pytest.raises(ValueError, match="needs a model"):
        Campaign(problem, LatinHypercube(5), stop=[MapStability("gp", at_least=0.9)])
    for criterion in (Accuracy(cosine=0.9, model="network"), MapStability("gp", at_least=0.9)):
        with pytest.raises(ValueError, match=r"needs a model .*\['spectra'\]"):
            Campaign(spectral_problem, BayesianSearcher(5), stop=[criterion])
    with pytest.raises(ValueError, match="give each at most once"):
        Campaign(problem, LatinHypercube(5), stop=[LossLevel(), LossLevel(0.3)])
    assert problem.oracle.points == []
    campaign = Campaign(problem, LatinHypercube(5), stop=ALL).run(10)
    assert set(campaign.judgements()) == {"loss_level"}, "what does not apply is left out"


def test_a_cosine_of_single_values_is_refused(problem, quick_two_step):
    with pytest.raises(ValueError, match="needs spectra"):
        Campaign(problem, quick_two_step, stop=[Accuracy(cosine=0.9)])
    campaign = Campaign(problem, quick_two_step, stop=[Accuracy(mse=1e9)]).run(60)
    assert campaign.stopped_by == "accuracy"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LossLevel(below=math.nan), "loss_level.below=nan must be a finite"),
        (lambda: MapStability(3), "stability.model=3"),
        (lambda: MapStability("gp", at_least=1.5), r"gp_stability.at_least=1.5 must be a number in \(0, 1\]"),
        (lambda: MapStability("gp", batches=0), "gp_stability.batches=0 must be a whole number"),
        (lambda: Accuracy(cosine=0.0), "accuracy.cosine=0.0 must be a number in"),
        (lambda: Accuracy(mse=-1.0), "accuracy.mse=-1.0 must be a finite number above 0"),
    ],
)
def test_bad_settings_name_field_value_and_remedy(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_failed_run_has_nothing_to_measure(box):
    from matseek.problems import RecipeProblem

    watch = (LossLevel(), MapStability("gp"))
    campaign = Campaign(RecipeProblem(box, lambda X: np.full(len(X), np.nan)), BayesianSearcher(3), stop=watch).run(6)
    found = campaign.judgements()
    assert math.isnan(found["loss_level"][2]["best"])
    assert math.isnan(found["gp_stability"][2]["similarity"])
    assert campaign.stopped_by == "budget"
    assert LatinHypercube().surrogates == ()


def test_a_solved_problem_ends_the_campaign_after_the_run_that_solved_it(problem):
    campaign = Campaign(problem, LatinHypercube(8), seed=0, stop=[Solved()]).run(400)
    first = campaign.summary()["evaluations_to_success"]
    assert campaign.stopped_by == "solved"
    assert first is not None
    assert len(campaign.ledger.evaluations()) == -(-first // 8) * 8


def test_without_a_test_of_success_nothing_is_ever_solved(spectral_problem):
    campaign = Campaign(spectral_problem, LatinHypercube(4), seed=0, stop=[Solved()]).run(12)
    assert campaign.stopped_by == "budget"
