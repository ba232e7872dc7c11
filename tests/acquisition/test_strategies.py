import dataclasses

import numpy as np
import pytest
import torch

from matseek.acquisition import STRATEGIES

FAST = ["local_penalization", "local_penalization_ei"]


@pytest.mark.parametrize("name", STRATEGIES)
def test_feasible_new_and_repeatable(surrogate, name):
    n = 8 if name in FAST else 3
    first, second = (STRATEGIES[name](surrogate, n, np.random.default_rng(5)) for _ in range(2))
    assert first.shape == (n, 3)
    assert (first.numpy() @ surrogate.polytope.A.T <= surrogate.polytope.b + 1e-9).all()
    apart = torch.cdist(first, torch.cat([first, surrogate.tried]), p=torch.inf)
    apart[:, :n].fill_diagonal_(1)
    assert apart.min() > 1e-3
    torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_the_first_point_goes_for_the_minimum(surrogate, box):
    point = box.unnormalize(STRATEGIES["local_penalization"](surrogate, 1, np.random.default_rng(0)).numpy())
    assert np.abs((point - [3, 0.5, 600]) / [10, 2, 800]).max() < 0.2


def test_pending_points_are_kept_away_from(surrogate):
    free = STRATEGIES["local_penalization"](surrogate, 1, np.random.default_rng(0))
    waiting = dataclasses.replace(surrogate, pending=free, tried=torch.cat([surrogate.tried, free]))
    other = STRATEGIES["local_penalization"](waiting, 1, np.random.default_rng(0))
    assert ((other - free) / surrogate.lengthscales).norm() > 1e-2
