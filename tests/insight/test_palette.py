import colorsys
import importlib
import time
import warnings

import numpy as np
import pytest

from matseek.insight.palette import colour_map, reachable_palette, transmitted_colours
from matseek.library.silver import WAVELENGTHS, SilverLaboratory
from matseek.library.silver_problems import silver_space

SPACE = silver_space()


def band(center, peak=1.5, width=45.0):
    return peak * np.exp(-(((WAVELENGTHS - center) / width) ** 2))


def hue(center):
    """Hue in degrees of what absorbs around a wavelength: 0 red, 60 yellow, 120 green, 240 blue."""
    rgb = transmitted_colours(WAVELENGTHS, band(center)).rgb
    return 360 * colorsys.rgb_to_hsv(*rgb)[0]


def test_clear_is_white():
    clear = transmitted_colours(WAVELENGTHS, np.zeros(421))
    assert clear.hex == "#ffffff"
    np.testing.assert_allclose(clear.lab, [100, 0, 0], atol=1e-9)
    np.testing.assert_allclose(clear.xyz, [95.047, 100, 108.883], atol=1e-2)
    assert not clear.clipped


def test_known_colours():
    assert 30 < hue(450) < 65, "absorbs blue: yellow to orange"
    assert 300 < hue(530) < 360, "absorbs green: magenta"
    assert 180 < hue(650) < 250, "absorbs red: blue"


@pytest.fixture(scope="module")
def colour():
    """colour-science, first imported by the package, which keeps its side effects (print options) from other tests."""
    transmitted_colours(WAVELENGTHS, np.zeros(421))
    return importlib.import_module("colour")


@pytest.mark.parametrize("center", [400, 450, 520, 600, 650, 750])
def test_agrees_with_colour_science(colour, center):
    spectra = np.stack([band(center), band(center, 0.3, 20), band(center) + 0.2])
    ours = transmitted_colours(WAVELENGTHS, spectra)
    observer = colour.MSDS_CMFS["CIE 1931 2 Degree Standard Observer"]
    white = colour.CCS_ILLUMINANTS["CIE 1931 2 Degree Standard Observer"]["D65"]
    for k, spectrum in enumerate(spectra):
        sd = colour.SpectralDistribution(10**-spectrum, WAVELENGTHS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", colour.utilities.ColourRuntimeWarning)  # it aligns tables, and says so
            xyz = colour.sd_to_XYZ(sd, observer, colour.SDS_ILLUMINANTS["D65"], method="Integration") / 100
        np.testing.assert_allclose(ours.xyz[k] / 100, xyz, atol=1e-3)
        np.testing.assert_allclose(ours.rgb[k], np.clip(colour.XYZ_to_sRGB(xyz), 0, 1), atol=5e-3)
        np.testing.assert_allclose(ours.lab[k], colour.XYZ_to_Lab(xyz, white), atol=0.1)


def test_what_no_screen_shows_is_clipped_and_said():
    sharp = 6.0 * ((WAVELENGTHS < 495) | (WAVELENGTHS > 505))
    found = transmitted_colours(WAVELENGTHS, np.stack([sharp, np.full(421, 0.5)]))
    assert found.clipped.tolist() == [True, False]
    assert ((found.rgb >= 0) & (found.rgb <= 1)).all()


def test_nan_spectra_have_no_colour_and_leave_others_alone():
    spectra = np.stack([band(450), band(450), band(450)])
    spectra[1, 7], spectra[2, 0] = np.nan, np.inf
    found = transmitted_colours(WAVELENGTHS, spectra)
    assert np.isnan(found.rgb[1:]).all()
    assert np.isfinite(found.rgb[0]).all()
    assert found.hex[1:].tolist() == ["", ""]
    assert found.hex[0].startswith("#")
    assert not found.clipped[1]


def test_shapes_and_speed_of_many_spectra():
    spectra = np.random.default_rng(0).random((100, 200, 421))
    start = time.process_time()
    found = transmitted_colours(WAVELENGTHS, spectra)
    assert time.process_time() - start < 5
    assert found.xyz.shape == found.lab.shape == found.rgb.shape == (100, 200, 3)
    assert found.clipped.shape == found.hex.shape == (100, 200)
    np.testing.assert_allclose(found.lab[3, 4], transmitted_colours(WAVELENGTHS, spectra[3, 4]).lab, atol=1e-9)


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="421 wavelengths"):
        transmitted_colours(WAVELENGTHS, np.ones(420))


def test_colour_map_holds_the_others_and_leaves_out_the_infeasible():
    laboratory = SilverLaboratory()
    recipe = np.array([20.0, 40.0, 10.0, 5.0, 600.0])
    found = colour_map(laboratory.spectra, WAVELENGTHS, SPACE, recipe, "Qseed", "QAgNO3", resolution=7)
    X, Y = np.meshgrid(found.x_values, found.y_values)
    np.testing.assert_array_equal(np.isfinite(found.colours.rgb).all(axis=-1), X + Y + 50 <= 90 + 1e-9)
    point = recipe.copy()
    point[[3, 0]] = found.x_values[2], found.y_values[1]
    expected = transmitted_colours(WAVELENGTHS, laboratory.spectra(point)[0])
    np.testing.assert_allclose(found.colours.lab[1, 2], expected.lab, atol=1e-6)


def test_the_palette_is_reached_by_its_recipes_and_spread_out():
    laboratory = SilverLaboratory()
    found = reachable_palette(laboratory.spectra, WAVELENGTHS, SPACE, chips=8, samples=200, seed=1)
    assert SPACE.contains(found.recipes).all()
    again = transmitted_colours(WAVELENGTHS, laboratory.spectra(found.recipes))
    np.testing.assert_allclose(again.lab, found.colours.lab, atol=1e-6)
    apart = np.linalg.norm(found.colours.lab[:, None] - found.colours.lab[None], axis=-1)
    least = apart[~np.eye(8, dtype=bool)].min()
    covered = np.linalg.norm(found.reached[:, None] - found.colours.lab[None], axis=-1).min(axis=1).max()
    assert covered <= least + 1e-9, "farthest-point sampling covers as finely as its chips lie apart"
    rng = np.random.default_rng(0)
    random = [found.reached[rng.choice(len(found.reached), 8, replace=False)] for _ in range(20)]
    spread = [np.linalg.norm(r[:, None] - r[None], axis=-1)[~np.eye(8, dtype=bool)].min() for r in random]
    assert least > max(spread)


def test_one_colour_gives_one_chip():
    found = reachable_palette(lambda X: np.zeros((len(X), 421)), WAVELENGTHS, SPACE, chips=5, samples=10)
    assert len(found.recipes) == 1
    with pytest.raises(ValueError, match="chips=0"):
        reachable_palette(lambda X: np.zeros((len(X), 421)), WAVELENGTHS, SPACE, chips=0)
    with pytest.raises(ValueError, match="no recipe has a finite spectrum"):
        reachable_palette(lambda X: np.full((len(X), 421), np.nan), WAVELENGTHS, SPACE, samples=10)
