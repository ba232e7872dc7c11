import numpy as np
import pytest
import torch
from botorch.acquisition.risk_measures import CVaR as BoTorchCVaR

from matseek import Campaign
from matseek.problems import CVaR, Quantile, RecipeProblem
from matseek.searchers import BayesianSearcher, NetworkSearcher
from matseek.spaces import Box, Variable
from matseek.testing import check_problem

SAMPLE = np.random.default_rng(0).gamma(2.0, size=20)


def test_by_hand():
    x = np.arange(1.0, 11.0)
    assert Quantile(0.5).of(x) == np.median(x)
    assert Quantile(0.9).of(x) == pytest.approx(9.1)
    assert CVaR(0.8).of(x) == pytest.approx(9.5)
    # The worst quarter of ten is 9, 10 and half of 8.
    assert CVaR(0.75).of(x) == pytest.approx((10 + 9 + 8 / 2) / 2.5)
    assert Quantile(0.9).of(x[:1]) == CVaR(0.9).of(x[:1]) == 1.0
    assert CVaR(1e-9).of(x) == pytest.approx(x.mean())


def test_agrees_with_botorch_where_the_worst_share_is_a_whole_number():
    # BoTorch maximises, and counts the quantile itself as one of the worst.
    theirs = BoTorchCVaR(alpha=0.85, n_w=20)(-torch.tensor(SAMPLE)[:, None]).item()
    assert CVaR(0.8).of(SAMPLE) == pytest.approx(-theirs)


@pytest.mark.parametrize("risk", [Quantile(0.5), Quantile(0.8), CVaR(0.5), CVaR(0.8)])
def test_the_variance_is_that_of_repeated_measurements(risk):
    rng = np.random.default_rng(1)
    repeated = rng.gamma(2.0, size=(2000, 40))
    scatter = np.var([risk.of(row) for row in repeated])
    told = np.mean([risk.variance(row) for row in repeated[:200]])
    assert 0.7 < told / scatter < 1.5
    assert np.isnan(risk.variance(SAMPLE[:1]))
    assert risk.variance(np.full(5, 2.0)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("level", [0, 1, "much", None])
@pytest.mark.parametrize("kind", [Quantile, CVaR])
def test_levels_are_shares(kind, level):
    with pytest.raises(ValueError, match="level="):
        kind(level)


def risky(X, rng):
    """The lowest median at 0.2, but a quarter of the replicates fails there; all is well at 0.8."""
    median = np.where(X < 0.5, 0.1 + (X - 0.2) ** 2, 0.2 + (X - 0.8) ** 2)
    fails = (rng.random((len(X), 20)) < np.where(X < 0.5, 0.25, 0.0)).astype(float)
    return median + 0.01 * rng.standard_normal((len(X), 20)) + fails


def campaign_of(risk=None):
    problem = RecipeProblem(Box([Variable("x", 0, 1)]), risky, risk=risk)
    return Campaign(problem, BayesianSearcher(batch_size=5), seed=0).run(15)


def test_a_campaign_minimises_the_risk():
    plain, careful = campaign_of(), campaign_of(CVaR(0.8))
    assert plain.lowest.point[0] < 0.5 < plain.best.point[0]  # the best is trusted, whatever is minimised
    assert careful.lowest.point[0] > 0.5
    found = careful.history()
    for e, variance in zip(found.done, found.variances, strict=True):
        assert e.value == pytest.approx(CVaR(0.8).of(e.replicates))
        assert variance == pytest.approx(CVaR(0.8).variance(e.replicates))
    check_problem(careful.problem)
    assert careful.problem.describe()["risk"] == "CVaR(0.8)"
    assert careful.problem.value_label == "Value, mean of the worst 20 %"


def test_models_of_typical_responses_are_refused():
    problem = RecipeProblem(Box([Variable("x", 0, 1)]), risky, risk=Quantile(0.9))
    with pytest.raises(ValueError, match=r"90 % quantile; take searcher=bayesian"):
        Campaign(problem, NetworkSearcher(batch_size=5), seed=0).run(10)
