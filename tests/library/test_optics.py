import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matseek.library import optics

WAVELENGTHS = np.arange(350.0, 901.0)


@pytest.mark.parametrize(
    ("wavelength", "n", "k"),
    # Tabulated n and k of the same model: refractiveindex.info, Ag, Rakić-LD (CC0).
    [
        (405.35, 0.15377, 1.8860),
        (503.21, 0.13208, 2.7927),
        (600.60, 0.13943, 3.5650),
        (806.58, 0.17457, 5.0710),
    ],
)
def test_silver_agrees_with_the_tabulated_lorentz_drude_values(wavelength, n, k):
    index = np.sqrt(optics.SILVER.permittivity([wavelength]))[0]
    assert index.real == pytest.approx(n, rel=2e-3)
    assert index.imag == pytest.approx(k, rel=1e-3)


@pytest.mark.parametrize(
    ("wavelength", "n", "k"),
    # Measured: Yang et al., Phys. Rev. B 91, 235137 (2015), from refractiveindex.info (CC0).
    [(449.9, 0.05271, 2.609), (499.9, 0.05180, 3.062), (549.9, 0.05326, 3.484), (599.9, 0.05632, 3.889)],
)
def test_silver_is_near_a_recent_measurement(wavelength, n, k):
    # The Lorentz-Drude fit to older films is up to a fifth less negative.
    assert optics.SILVER.permittivity([wavelength])[0].real == pytest.approx(n**2 - k**2, rel=0.22)


def test_surface_scattering_adds_damping_and_vanishes_for_large_particles():
    bulk = optics.SILVER.permittivity([600.0])
    small = optics.SILVER.permittivity([600.0], [5.0, 1e9])
    assert small.shape == (2, 1)
    assert small[0, 0].imag > 2 * bulk[0].imag
    assert small[1, 0] == pytest.approx(bulk[0], rel=1e-6)
    np.testing.assert_allclose(optics.SILVER.permittivity([600.0], 5.0, scattering=0.0), bulk)


@pytest.mark.parametrize(
    ("wavelength", "n", "k"),
    # Measured: Johnson & Christy, Phys. Rev. B 6, 4370 (1972), gold.
    [(548.6, 0.43, 2.455), (616.8, 0.21, 3.272), (704.5, 0.13, 4.103)],
)
def test_gold_is_near_a_measurement(wavelength, n, k):
    # The Lorentz-Drude fit to other films is up to a sixth less negative.
    assert optics.GOLD.permittivity([wavelength])[0].real == pytest.approx(n**2 - k**2, rel=0.18)


@pytest.mark.parametrize(("wavelength", "index"), [(404.7, 1.3427), (589.3, 1.3330), (706.5, 1.3300)])
def test_water(wavelength, index):
    assert optics.water_refractive_index(wavelength) == pytest.approx(index, abs=5e-4)


@given(st.floats(1.0, 1e4))
def test_depolarisation_factors_sum_to_one(aspect):
    axial, equatorial = optics.oblate_depolarisation(aspect)
    assert axial + 2 * equatorial == pytest.approx(1.0, abs=1e-12)
    assert 1 / 3 - 1e-9 <= axial < 1.0


@given(st.floats(1.0, 1e4))
def test_prolate_depolarisation_factors_sum_to_one(aspect):
    axial, equatorial = optics.prolate_depolarisation(aspect)
    assert axial + 2 * equatorial == pytest.approx(1.0, abs=1e-12)
    assert 0.0 < axial <= 1 / 3 + 1e-9


def test_prolate_depolarisation_limits():
    np.testing.assert_allclose(optics.prolate_depolarisation(1.0), (1 / 3, 1 / 3))
    # Osborn, Phys. Rev. 67, 351 (1945)
    assert optics.prolate_depolarisation(2.0)[0] == pytest.approx(0.1736, abs=1e-4)
    assert optics.prolate_depolarisation(1e5)[0] == pytest.approx(0.0, abs=1e-4)


def test_depolarisation_limits():
    np.testing.assert_allclose(optics.oblate_depolarisation(1.0), (1 / 3, 1 / 3))
    assert optics.oblate_depolarisation(2.0)[0] == pytest.approx(0.5272, abs=1e-4)  # Osborn, Phys. Rev. 67, 351 (1945)
    assert optics.oblate_depolarisation(1e5)[0] == pytest.approx(1.0, abs=1e-4)


def test_depolarisation_is_continuous_where_the_series_takes_over():
    aspects = np.array([1.0, 1.00004, 1.00005, 1.00006, 1.0001])
    assert np.all(np.diff(optics.oblate_depolarisation(aspects)[0]) > 0)
    assert np.all(np.diff(optics.prolate_depolarisation(aspects)[0]) < 0)


@pytest.mark.parametrize("aspect", [0.5, math.nan, math.inf])
def test_what_is_not_oblate_is_refused(aspect):
    with pytest.raises(ValueError, match="aspect ratio"):
        optics.oblate_depolarisation(aspect)


def test_mean_path_of_a_sphere_and_of_a_disc():
    radius = 7.0
    assert optics.oblate_mean_path(4 / 3 * math.pi * radius**3, 1.0) == pytest.approx(4 / 3 * radius, rel=1e-6)
    axial, _ = optics.oblate_semi_axes(1000.0, 500.0)
    assert optics.oblate_mean_path(1000.0, 500.0) == pytest.approx(8 / 3 * axial, rel=1e-3)


def test_mean_path_of_a_sphere_and_of_a_needle():
    radius = 7.0
    assert optics.prolate_mean_path(4 / 3 * math.pi * radius**3, 1.0) == pytest.approx(4 / 3 * radius, rel=1e-6)
    # A long ellipse of revolution: S = pi² a b, so that 4 V / S = 16 b / (3 pi).
    _, equatorial = optics.prolate_semi_axes(1000.0, 500.0)
    assert optics.prolate_mean_path(1000.0, 500.0) == pytest.approx(16 / (3 * math.pi) * equatorial, rel=1e-3)


def test_prolate_semi_axes_keep_volume_and_aspect():
    axial, equatorial = optics.prolate_semi_axes(1234.0, 3.0)
    assert 4 / 3 * math.pi * axial * equatorial**2 == pytest.approx(1234.0)
    assert axial / equatorial == pytest.approx(3.0)


def test_semi_axes_keep_volume_and_aspect():
    axial, equatorial = optics.oblate_semi_axes(1234.0, 3.0)
    assert 4 / 3 * math.pi * equatorial**2 * axial == pytest.approx(1234.0)
    assert equatorial / axial == pytest.approx(3.0)


def test_polarisability_of_a_small_sphere_is_that_of_clausius_and_mossotti():
    radius, metal, medium = 1e-3, -3.0 + 0.5j, 1.77
    volume = 4 / 3 * math.pi * radius**3
    found = optics.mlwa_polarisability(metal, medium, 0.013, volume, 1 / 3, radius)
    assert found == pytest.approx(radius**3 * (metal - medium) / (metal + 2 * medium), rel=1e-6)


def test_small_spheres_absorb_violet():
    # Metal films measured by Rakić put the band a few nm to the red of colloids (390-400 nm).
    extinction = optics.oblate_extinction(WAVELENGTHS, 4 / 3 * math.pi * 2.5**3, 1.0)
    assert 385 <= WAVELENGTHS[extinction.argmax()] <= 410


def test_small_particles_follow_rayleigh():
    # Far below the wavelength the cross-section is absorption, 4 pi k Im(alpha), proportional to volume.
    twice = optics.oblate_extinction([500.0], [2.0, 1.0], 1.0, scattering=0.0)
    assert twice[0, 0] == pytest.approx(2 * twice[1, 0], rel=1e-3)


def test_the_band_moves_red_with_aspect_ratio():
    aspects = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    peaks = WAVELENGTHS[optics.oblate_extinction(WAVELENGTHS, 10_000.0, aspects).argmax(axis=1)]
    assert np.all(np.diff(peaks) > 20)


def test_small_gold_spheres_absorb_green_and_longer_rods_redder():
    aspects = np.array([1.0, 2.0, 2.5, 3.0, 3.5, 4.0])
    peaks = WAVELENGTHS[optics.prolate_extinction(WAVELENGTHS, 5_000.0, aspects).argmax(axis=1)]
    assert 515 <= peaks[0] <= 530
    assert np.all(np.diff(peaks) > 40)


def test_spheres_are_the_same_whether_oblate_or_prolate():
    for one, other in (
        (optics.oblate_depolarisation, optics.prolate_depolarisation),
        (lambda a: optics.oblate_semi_axes(500.0, a), lambda a: optics.prolate_semi_axes(500.0, a)),
        (lambda a: optics.oblate_mean_path(500.0, a), lambda a: optics.prolate_mean_path(500.0, a)),
    ):
        np.testing.assert_allclose(one(1.0), other(1.0), rtol=1e-6)


def test_the_band_moves_red_and_widens_with_size_by_retardation():
    small, large = optics.oblate_extinction(WAVELENGTHS, [1e3, 1e5], 4.0, scattering=0.0)
    assert WAVELENGTHS[large.argmax()] > WAVELENGTHS[small.argmax()] + 10
    assert np.sum(large > large.max() / 2) > np.sum(small > small.max() / 2)


@given(st.floats(1.0, 1e7), st.floats(1.0, 50.0), st.floats(0.0, 2.0))
def test_cross_sections_are_never_negative(volume, aspect, scattering):
    for section in (optics.oblate_extinction, optics.prolate_extinction):
        extinction = section(WAVELENGTHS[::25], volume, aspect, scattering)
        assert np.all(np.isfinite(extinction))
        assert np.all(extinction > 0)


def test_the_spheroid_of_a_prism_has_its_volume():
    volume, aspect = optics.prism_as_spheroid([50.0, 100.0], 10.0)
    np.testing.assert_allclose(volume, [10825.3, 43301.3], rtol=1e-5)
    np.testing.assert_allclose(aspect, [5.7735, 11.547], rtol=1e-4)


def test_absorbance_of_one_natural_optical_depth():
    assert optics.absorbance(1e14, 2.0, 0.5) == pytest.approx(1 / math.log(10))
