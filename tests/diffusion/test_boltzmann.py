import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from matseek.diffusion import (
    AdaptiveKT,
    ExponentialKT,
    SpreadKT,
    boltzmann_log_weights,
    draw,
    effective_sample_size,
    gumbel_top_k,
)

ENERGIES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40).map(lambda e: torch.tensor(e, dtype=torch.float64))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@given(ENERGIES, st.floats(1e-3, 10), st.integers(-(10**5), 10**5))
def test_weights_sum_to_one_and_know_no_offset(energies, kt, shift):
    logs = boltzmann_log_weights(energies, kt)
    assert not logs.isnan().any()
    assert float(logs.exp().sum()) == pytest.approx(1)
    moved = boltzmann_log_weights(energies + shift, kt)
    torch.testing.assert_close(moved.exp(), logs.exp(), atol=1e-6, rtol=1e-6)
    assert 1 - 1e-9 <= effective_sample_size(logs) <= len(energies) + 1e-6
    order = energies.argsort()
    assert (logs[order].diff() <= 1e-9).all(), "the lower the energy, the more weight"


def test_two_levels_have_the_ratio_of_boltzmann():
    logs = boltzmann_log_weights(torch.tensor([24.9875, 25.2], dtype=torch.float64), 0.05)
    assert float(logs[0] - logs[1]) == pytest.approx(0.2125 / 0.05, rel=1e-6)
    assert effective_sample_size(torch.zeros(7)) == pytest.approx(7)
    assert effective_sample_size(torch.tensor([0.0, -1e9])) == pytest.approx(1)


@given(ENERGIES, st.floats(1e-3, 10), st.integers(1, 50), st.integers(0, 2**31))
def test_top_k_draws_different_rows_and_stays_finite(energies, kt, k, seed):
    rows, logs = gumbel_top_k(boltzmann_log_weights(energies, kt), k, generator(seed))
    assert len(rows) == min(k, len(energies))
    assert len(set(rows.tolist())) == len(rows)
    assert torch.isfinite(logs).all()
    assert torch.equal(gumbel_top_k(boltzmann_log_weights(energies, kt), k, generator(seed)).rows, rows)


def test_at_low_kt_the_lowest_are_kept_beside_outliers():
    energies = torch.tensor([1e6, 25.2, 24.99, 27.5, -3.0, 26.0, 1e6])
    rows, _ = gumbel_top_k(boltzmann_log_weights(energies, 0.001), 4, generator())
    assert rows.tolist() == [4, 2, 1, 5]


def test_top_k_draws_one_after_the_other_in_proportion():
    weights = torch.tensor([0.5, 0.25, 0.15, 0.1], dtype=torch.float64)
    source, n = generator(1), 6000
    counts = np.zeros((4, 4))
    for _ in range(n):
        first, second = gumbel_top_k(weights.log(), 2, source).rows.tolist()
        counts[first, second] += 1
    w = weights.numpy()
    expected = n * w[:, None] * w[None, :] / (1 - w[:, None])
    off = ~np.eye(4, dtype=bool)
    assert counts[~off].sum() == 0
    assert stats.chisquare(counts[off], expected[off]).pvalue > 1e-3


def test_selected_rows_stand_for_their_weight_once():
    energies = torch.linspace(0, 3, 12, dtype=torch.float64)
    logs = boltzmann_log_weights(energies, 0.7)
    source, n = generator(2), 8000
    total, square = torch.zeros(12, dtype=torch.float64), torch.zeros(12, dtype=torch.float64)
    for _ in range(n):
        rows, chosen = gumbel_top_k(logs, 5, source)
        total[rows] += chosen.exp()
        square[rows] += (2 * chosen).exp()
    error = (square / n - (total / n) ** 2).clamp(min=0).sqrt() / n**0.5
    assert ((total / n - logs.exp()).abs() < 4.5 * error + 1e-3).all()


def test_draws_have_the_frequencies_of_the_weights():
    energies = torch.tensor([0.0, 0.3, 0.1, 1.0, math.inf])
    logs = boltzmann_log_weights(energies, 0.4)
    counts = torch.bincount(draw(logs, 20_000, generator(3)), minlength=5)
    assert counts[4] == 0
    assert stats.chisquare(counts[:4].numpy(), 20_000 * logs.exp()[:4].numpy()).pvalue > 1e-3
    assert len(gumbel_top_k(logs, 9, generator()).rows) == 4, "what has no weight is never kept"


@pytest.mark.parametrize(
    ("energies", "kt", "message"),
    [
        ([0.0, math.nan], 1.0, r"energies\[1\]=nan"),
        ([-math.inf, 0.0], 1.0, r"energies\[0\]=-inf"),
        ([math.inf], 1.0, "at least one finite"),
        ([], 1.0, "at least one finite"),
        ([0.0], 0.0, "kt=0"),
        ([0.0], math.nan, "kt=nan"),
    ],
)
def test_what_has_no_weight_is_refused(energies, kt, message):
    with pytest.raises(ValueError, match=message):
        boltzmann_log_weights(torch.tensor(energies, dtype=torch.float64), kt)


def test_kt_falls_exponentially_as_in_the_paper():
    kts = [ExponentialKT().kt(i, 10, torch.zeros(1), None) for i in range(10)]
    assert (kts[0], kts[-1]) == (pytest.approx(5), pytest.approx(0.02))
    assert np.ptp(np.diff(np.log(kts))) < 1e-9
    assert ExponentialKT().kt(0, 1, torch.zeros(1), None) == 5


@given(ENERGIES, st.floats(0.05, 0.95), st.one_of(st.none(), st.floats(1e-3, 20)))
def test_adaptive_kt_is_bounded_falls_and_keeps_the_sample(energies, fraction, previous):
    schedule = AdaptiveKT(high=5, low=0.02, fraction=fraction)
    kt = schedule.kt(3, 10, energies, previous)
    assert 0.02 <= kt <= max(min(previous or 5, 5), 0.02)

    def ess(kt):
        return effective_sample_size(boltzmann_log_weights(energies, kt))

    # At the highest kT allowed the sample may be too small already; else it is as large as asked, and no larger.
    if kt < min(previous or 5, 5):
        assert ess(kt) >= fraction * len(energies) * (1 - 1e-9)
        if kt > 0.02:
            assert ess(kt * 0.998) <= fraction * len(energies) * (1 + 1e-9)


@given(ENERGIES, st.floats(1e-3, 1e3), st.floats(-1e3, 1e3), st.one_of(st.none(), st.floats(0.01, 20)))
def test_kt_from_the_spread_knows_no_unit_and_no_offset(energies, scale, offset, previous):
    kt = SpreadKT().kt(3, 10, energies, previous)
    moved = SpreadKT().kt(3, 10, scale * energies + offset, None if previous is None else scale * previous)
    assert moved == pytest.approx(scale * kt, rel=1e-6, abs=1e-9)
    if previous is not None:
        assert kt in (previous, pytest.approx(0.9 * previous), pytest.approx(0.7 * previous))


def test_kt_begins_at_the_spread_whatever_atoms_that_nearly_overlap_have():
    energies = torch.randn(4000, dtype=torch.float64, generator=generator(0))
    assert SpreadKT(start=2.0).kt(0, 10, 0.01 * energies, None) == pytest.approx(0.02, rel=0.05)
    energies[energies > 0.5] = 1e4
    assert SpreadKT().kt(0, 10, energies, None) == pytest.approx(1.0, rel=0.05)
    assert SpreadKT().kt(0, 10, torch.zeros(5), None) > 0


def test_kt_falls_slowly_where_the_heat_capacity_is_above_one_and_stays_where_the_sample_would_be_small():
    energies = torch.linspace(0, 1, 101, dtype=torch.float64)
    assert SpreadKT().kt(1, 10, energies, 0.3) == pytest.approx(0.27)
    assert SpreadKT().kt(1, 10, energies, 0.4) == pytest.approx(0.28)
    low = 0.1  # weights of a fifth of the rows
    assert effective_sample_size(boltzmann_log_weights(energies, 0.9 * low)) < 0.3 * len(energies)
    assert SpreadKT().kt(1, 10, energies, low) == low


def test_schedules_with_impossible_ends_are_refused():
    for build, message in [
        (lambda: ExponentialKT(high=0.01), "low=0.02"),
        (lambda: AdaptiveKT(low=0), "low=0"),
        (lambda: AdaptiveKT(fraction=1), "fraction=1"),
        (lambda: SpreadKT(start=0), "kt.start=0"),
        (lambda: SpreadKT(slow=1.0), "kt.slow=1.0"),
        (lambda: SpreadKT(slow=0.5, fast=0.8), "kt.slow=0.5 must be at least kt.fast=0.8"),
    ]:
        with pytest.raises(ValueError, match=message):
            build()
