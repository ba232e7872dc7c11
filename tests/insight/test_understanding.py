from dataclasses import replace

import numpy as np
import pytest

from matseek import Campaign
from matseek.searchers import BayesianSearcher, LatinHypercube
from matseek.spaces import Box


def test_the_models_are_those_of_the_history_until_the_run(spectral_problem, quick_two_step):
    campaign = Campaign(spectral_problem, quick_two_step).run(18)
    early, late = campaign.understanding(1), campaign.understanding()
    assert (early.run, late.run) == (1, 3)
    assert len(early.history.done) == 6
    assert campaign.understanding(3) is late, "models are trained once"
    points = spectral_problem.space.sample_uniform(5, np.random.default_rng(0))
    np.testing.assert_allclose(late.loss("gp")(points), late.gp.mean(points))
    assert late.spectra(points).shape == (5, 43)
    assert np.isfinite(late.loss("network")(points)).all()
    for model in ("gp", "network"):
        found = late.map(model)
        assert (found.x.name, found.y.name) == ("x", "y")
        assert late.map(model) is found


def test_without_a_model_there_is_none(problem):
    understood = Campaign(problem, LatinHypercube(4)).run(4).understanding()
    assert understood.gp is None
    assert understood.network is None
    assert understood.loss("gp") is understood.loss("network") is understood.map("gp") is None
    with pytest.raises(ValueError, match="no network"):
        understood.spectra(problem.space.sample_uniform(2, np.random.default_rng(0)))


def test_too_little_to_learn_from_is_no_model(box):
    from matseek.problems import RecipeProblem

    campaign = Campaign(RecipeProblem(box, lambda X: np.ones(len(X))), BayesianSearcher(3)).run(6)
    assert campaign.understanding().gp is None


def test_maps_of_two_runs_lie_over_the_same_window(problem):
    campaign = Campaign(problem, BayesianSearcher(5)).run(10)
    a, *others = problem.space.variables
    wide = Box([replace(a, high=12.0), *others], problem.space.constraints)
    assert campaign.understanding().map("gp", wide).x_values[-1] == 12.0
