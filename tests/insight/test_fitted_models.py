from dataclasses import replace

import numpy as np
import pytest

from matseek import Campaign
from matseek.insight.fitted_models import FittedModels
from matseek.problems import RecipeProblem
from matseek.searchers import BayesianSearcher, LatinHypercube
from matseek.spaces import Box, Variable


def test_the_models_are_those_of_the_history_until_the_run(spectral_problem, quick_two_step):
    campaign = Campaign(spectral_problem, quick_two_step).run(18)
    early, late = campaign.models(1), campaign.models()
    assert (early.batch, late.batch) == (1, 3)
    assert len(early.history.done) == 6
    assert campaign.models(3) is late, "models are trained once"
    points = spectral_problem.space.sample_uniform(5, np.random.default_rng(0))
    np.testing.assert_allclose(late.loss("spectra")(points), late.fitted("spectra").mean(points))
    assert late.fitted("gp") is None, "the stage of Bayesian optimisation learns spectra"
    assert late.spectra(points).shape == (5, 43)
    assert np.isfinite(late.loss("network")(points)).all()
    for model in ("spectra", "network"):
        found = late.map(model)
        assert (found.x.name, found.y.name) == ("x", "y")
        assert late.map(model) is found


def test_without_a_model_there_is_none(problem):
    models = Campaign(problem, LatinHypercube(4)).run(4).models()
    assert models.fitted("gp") is None
    assert models.predictor is None
    assert models.loss("gp") is models.loss("network") is models.map("gp") is None
    with pytest.raises(ValueError, match="no model"):
        models.spectra(problem.space.sample_uniform(2, np.random.default_rng(0)))


def test_too_little_to_learn_from_is_no_model(box):
    campaign = Campaign(RecipeProblem(box, lambda X: np.ones(len(X))), BayesianSearcher(3)).run(6)
    assert campaign.models().fitted("gp") is None


def test_maps_of_two_batches_lie_over_the_same_window(problem):
    campaign = Campaign(problem, BayesianSearcher(5)).run(10)
    a, *others = problem.space.variables
    later = campaign.models()
    wide = Box([replace(a, high=12.0), *others], problem.space.constraints)
    wider = FittedModels(replace(later.history, space=wide), later.surrogates, replace(problem, axes=("a", "c")))
    drawn = later.map("gp", like=wider)
    assert drawn.x_values[-1] == 12.0
    assert (drawn.x.name, drawn.y.name) == ("a", "c")


def test_maps_are_drawn_over_the_two_variables_that_matter_most():
    space = Box([Variable(name, 0, 1) for name in "pqrs"])
    problem = RecipeProblem(space, lambda X: 3 * (X[:, 3] - 0.4) ** 2 + (X[:, 1] - 0.7) ** 2 + 0.01 * X[:, 0])
    models = Campaign(problem, BayesianSearcher(12)).run(24).models()
    assert models.axes == ("s", "q")
    named = Campaign(replace(problem, axes=("p", "r")), BayesianSearcher(12)).run(12).models()
    assert named.axes == ("p", "r")
