import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from matseek.diffusion import GeometricSchedule, LinearSchedule

SCHEDULES = [LinearSchedule, GeometricSchedule]


@pytest.mark.parametrize("kind", SCHEDULES)
@given(low=st.floats(1e-4, 1), ratio=st.floats(1.01, 1e4))
def test_noise_grows_from_low_to_high_and_its_rate_is_its_derivative(kind, low, ratio):
    schedule = kind(low, low * ratio)
    t = torch.linspace(0, 1, 11, dtype=torch.float64, requires_grad=True)
    sigma = schedule.sigma(t)
    assert sigma[0].item() == pytest.approx(low)
    assert sigma[-1].item() == pytest.approx(low * ratio)
    (slope,) = torch.autograd.grad((sigma**2).sum(), t)
    torch.testing.assert_close(2 * schedule.sigma(t) * schedule.sigma_rate(t), slope)


def test_the_default_is_the_authors():
    assert (LinearSchedule().low, LinearSchedule().high) == (0.01, 1.0)
    assert LinearSchedule().times(500)[[0, -1]].tolist() == [1, 0]


@given(st.integers(1, 64), st.integers(0, 2**31))
def test_training_times_are_spread_over_a_batch(batch, seed):
    times = LinearSchedule().sample_times(batch, torch.Generator().manual_seed(seed), dtype=torch.float64)
    assert ((times >= 0) & (times < 1)).all()
    assert (times.sort().values * batch).floor().tolist() == list(range(batch))


@pytest.mark.parametrize(("low", "high"), [(0, 1), (1, 1), (2, 1), (0.1, float("inf")), (float("nan"), 1)])
def test_widths_the_wrong_way_round_are_refused(low, high):
    with pytest.raises(ValueError, match="low=|high=inf"):
        LinearSchedule(low, high)
