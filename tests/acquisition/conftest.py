import numpy as np
import pytest
import torch

from matseek.acquisition import SearchState
from matseek.surrogates.gp import GaussianProcess
from tests.conftest import bowl


@pytest.fixture
def state(box):
    points = box.sample_latin_hypercube(25, np.random.default_rng(0))
    gp = GaussianProcess.fit(box, points, bowl(points), np.full(25, 1e-5))
    observed = torch.tensor(box.normalize(points))
    periodic = torch.as_tensor(box.periodic)
    return SearchState(gp.model, gp.lengthscales, box.unit_polytope, observed, observed[:0], observed, periodic, gp)
