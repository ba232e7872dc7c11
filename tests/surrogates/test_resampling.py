import numpy as np
import pytest

from matseek.problems import SpectralMatch
from matseek.surrogates.resampling import resampled, variance

WAVELENGTHS = np.linspace(400.0, 700.0, 31)
BAND = np.exp(-(((WAVELENGTHS - 550) / 60) ** 2))
MATCH = SpectralMatch(WAVELENGTHS, BAND)


def droplets(strengths):
    return np.asarray(strengths)[:, None] * BAND + 0.05


def test_the_variance_of_a_median_is_that_of_repeated_measurements():
    rng = np.random.default_rng(0)
    truth = np.median(rng.normal(0.9, 0.1, size=(4000, 20)), axis=1).var()
    found = [
        variance(resampled(droplets(rng.normal(0.9, 0.1, 20)), MATCH, None, rng).medians, 20)[15] for _ in range(60)
    ]
    assert np.mean(found) == pytest.approx(truth, rel=0.3)


def test_a_few_saturated_replicates_do_not_make_an_offset_unsure():
    spectra = droplets([*np.linspace(0.85, 0.95, 18), 1.4, 1.4])
    values = np.asarray(MATCH(spectra))
    again = resampled(spectra, MATCH, None, np.random.default_rng(0))
    normal = np.pi / 2 * values.var(ddof=1) / 20
    assert np.sqrt(normal) > 0.05
    assert np.sqrt(variance(again.offsets, 20)) < 0.01


def test_a_single_replicate_tells_nothing():
    again = resampled(droplets([0.8]), MATCH, None, np.random.default_rng(0))
    assert np.isnan(variance(again.medians, 1)).all()
    assert np.isnan(variance(again.offsets, 1))


def test_noises_of_the_median_spectrum_and_of_the_offset_cancel_in_part():
    rng, shares = np.random.default_rng(1), []
    for _ in range(20):
        again = resampled(droplets(np.full(20, 0.9)) + 0.05 * rng.standard_normal((20, 31)), MATCH, None, rng)
        of_medians = np.asarray(MATCH(again.medians))
        np.testing.assert_allclose(again.values, of_medians + again.offsets)
        shares.append(again.values.var() / (of_medians.var() + again.offsets.var()))
    assert np.mean(shares) < 0.85
