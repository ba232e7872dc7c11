import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from matseek.spaces import Box, LinearConstraint, Variable
from matseek.surrogates.gp import GaussianProcess
from matseek.surrogates.periodic import PeriodicMatern, embed
from matseek.surrogates.spectrum_net import SpectrumNet

PERIODIC = torch.tensor([True, False, True])
RING = Box([Variable("a", 0, 1, periodic=True), Variable("z", -2, 5)])


def points(n, seed=0):
    return torch.rand(n, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_both_ends_are_one_place():
    x = points(4)
    moved = x + torch.tensor([1.0, 0.0, -2.0])
    assert torch.allclose(embed(x, PERIODIC), embed(moved, PERIODIC))
    assert embed(x, PERIODIC).shape == (4, 5)
    assert torch.equal(embed(x, torch.zeros(3, dtype=torch.bool)), x)


@settings(max_examples=20, deadline=None)
@given(shift=st.tuples(st.floats(-2, 2), st.floats(-1, 1), st.floats(-2, 2)), seed=st.integers(0, 1000))
def test_the_kernel_is_stationary_periodic_and_positive(shift, seed):
    kernel = PeriodicMatern(PERIODIC, ard_num_dims=3).double()
    kernel.lengthscale = torch.tensor([0.3, 0.7, 1.2])
    x = points(12, seed)
    covariance = kernel(x, x).to_dense()
    assert torch.allclose(kernel(x + torch.tensor(shift), x + torch.tensor(shift)).to_dense(), covariance, atol=1e-8)
    assert torch.allclose(kernel(x + torch.tensor([3.0, 0.0, -1.0]), x).to_dense(), covariance, atol=1e-8)
    assert torch.linalg.eigvalsh(covariance).min() > -1e-9
    assert torch.allclose(kernel(x, x, diag=True), torch.ones(12, dtype=torch.float64))


def test_without_periods_it_is_the_plain_kernel():
    from gpytorch.kernels import MaternKernel

    x = points(6)
    plain, ours = MaternKernel(nu=2.5).double(), PeriodicMatern(torch.zeros(3, dtype=torch.bool)).double()
    assert torch.allclose(plain(x).to_dense(), ours(x).to_dense(), atol=1e-8)


@pytest.mark.parametrize("kernel", ["ard", "isotropic"])
def test_a_gp_learns_across_the_boundary(kernel):
    x = np.array([[0.9, 0.0], [0.95, 1.0], [0.05, 2.0], [0.5, 0.0], [0.3, 3.0], [0.7, -1.0], [0.02, -1.0]])
    values = np.cos(2 * np.pi * x[:, 0]) + 0.1 * x[:, 1]
    gp = GaussianProcess.fit(RING, x, values, np.full(7, np.nan), kernel=kernel)
    ends, deviations = gp.predict([[0.0, 0.5], [1.0, 0.5]])
    assert ends[0] == pytest.approx(ends[1], abs=1e-9)
    assert deviations[0] == pytest.approx(deviations[1], abs=1e-9)
    assert gp.mean([[0.0, 0.5]])[0] == pytest.approx(ends[0], abs=1e-6)
    assert gp.lengthscales.shape == (2,)


def test_a_network_knows_that_both_ends_are_one_place(tmp_path):
    net = SpectrumNet(RING, seed=3)
    assert np.allclose(net.predict([[0.0, 1.0]]), net.predict([[1.0, 1.0]]), atol=1e-6)
    net.save(tmp_path / "net.ckpt")
    again = SpectrumNet.load(tmp_path / "net.ckpt")
    assert np.array_equal(again.predict([[0.3, 1.0]]), net.predict([[0.3, 1.0]]))
    again.require(RING, None)
    with pytest.raises(ValueError, match="another problem"):
        again.require(Box([Variable("a", 0, 1), Variable("z", -2, 5)]), None)


def test_periodic_variables_are_not_bounded_otherwise():
    with pytest.raises(ValueError, match="cannot be widened; leave out hardware"):
        Variable("a", 0, 1, hardware=(0, 2), periodic=True)
    with pytest.raises(ValueError, match="a periodic variable or a category has no order"):
        Box(RING.variables, [LinearConstraint({"a": 1, "z": 1}, upper=1)])
    assert RING.periodic.tolist() == [True, False]
    assert RING.unit_offset([0.95, 0.9], [0.05, 0.1]).tolist() == pytest.approx([-0.1, 0.8])
    assert "periodic" not in RING.describe()["variables"][1]
    assert RING.describe() != Box([Variable("a", 0, 1), Variable("z", -2, 5)]).describe()
