import pytest
import torch

from matseek.surrogates.noise_elsewhere import noise_elsewhere


def correlation(a, b, scale):
    return torch.exp(-(((a[:, None] - b) / scale) ** 2) / 2).unsqueeze(0)


def test_quiet_conditions_stay_quiet_between_loud_ones():
    X = torch.linspace(0, 1, 21, dtype=torch.float64)
    noise = torch.where((X - 0.5).abs() < 0.11, 1e-6, 1e-2).to(X.dtype).unsqueeze(0)
    x = torch.tensor([0.03, 0.51], dtype=torch.float64)
    loud, quiet = noise_elsewhere(correlation(X, X, 0.1), correlation(x, X, 0.1), noise)[0]
    assert float(loud) == pytest.approx(1e-2, rel=0.5)
    assert float(quiet) < 1e-5


def test_far_from_all_conditions_the_noise_is_the_geometric_mean():
    X = torch.linspace(0, 1, 5, dtype=torch.float64)
    noise = torch.tensor([[1e-4, 1e-2, 1e-4, 1e-2, 1e-3], [1.0, 1.0, 1.0, 1.0, 1.0]], dtype=torch.float64)
    far = torch.tensor([50.0], dtype=torch.float64)
    found = noise_elsewhere(correlation(X, X, 0.3), correlation(far, X, 0.3), noise)
    torch.testing.assert_close(found, torch.tensor([[1e-3], [1.0]], dtype=torch.float64))
