import numpy as np
import pytest
import torch

from matseek.acquisition.optimize import maximize
from matseek.spaces import Box, LinearConstraint, Variable


@pytest.mark.parametrize(
    ("peak", "expected"), [((0.3, 0.2), (0.3, 0.2)), ((0.9, 0.9), (0.5, 0.5)), ((2.0, -1.0), (1.0, 0.0))]
)
def test_finds_inner_and_constrained_maxima(peak, expected):
    box = Box([Variable("x", 0, 1), Variable("y", 0, 1)], [LinearConstraint({"x": 1, "y": 1}, upper=1)])
    starts = torch.tensor(box.unit_polytope.sample(6, np.random.default_rng(0)))
    target = torch.tensor(peak, dtype=torch.float64)

    def height(x):
        return -((x - target) ** 2 * torch.tensor([1.0, 3.0])).sum(-1) if peak[0] < 0.5 else -(x - target).norm(dim=-1)

    x, values = maximize(height, box.unit_polytope, starts, steps=200)
    np.testing.assert_allclose(x, np.tile(expected, (6, 1)), atol=1e-3)
    torch.testing.assert_close(values, height(x))


def test_never_gets_worse():
    box = Box([Variable(n, 0, 1) for n in "xyz"])
    starts = torch.tensor(box.unit_polytope.sample(20, np.random.default_rng(0)))

    def wavy(x):
        return torch.sin(20 * x).sum(-1)

    x, values = maximize(wavy, box.unit_polytope, starts, steps=10)
    assert (values >= wavy(starts)).all()
    assert box.contains(x.numpy()).all()
