import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matseek import Campaign
from matseek.core.wavelengths import require_wavelengths, resample
from matseek.errors import ResponseError
from matseek.problems import RecipeProblem, SpectralMatch
from matseek.searchers import LatinHypercube

AT = np.linspace(380, 800, 43)
FINE = np.linspace(370, 810, 221)
TARGET = np.exp(-0.5 * ((AT - 640) / 40) ** 2)


def band(wavelengths, centre):
    return np.exp(-0.5 * ((wavelengths - centre) / 60) ** 2)


@given(st.floats(-3, 3), st.floats(-3, 3))
def test_straight_lines_stay_straight(slope, offset):
    lines = slope * (FINE - 500) / 100 + offset
    np.testing.assert_allclose(resample(lines, FINE, AT), slope * (AT - 500) / 100 + offset, atol=1e-9)


def test_the_same_wavelengths_change_nothing_also_beside_nan():
    spectra = np.array([band(AT, 500), band(AT, 600)])
    spectra[1, 5] = np.nan
    np.testing.assert_array_equal(resample(spectra, AT, AT), spectra)


def test_a_missing_absorbance_is_missing_after_resampling():
    spectrum = band(FINE, 500)
    spectrum[100] = np.nan
    lost = np.isnan(resample(spectrum, FINE, AT))
    near = (FINE[99] < AT) & (FINE[101] > AT)
    np.testing.assert_array_equal(lost, near)


@pytest.mark.parametrize(
    ("spectra", "at", "message"),
    [
        (np.ones(43), AT[:-1], "measured at 42 wavelengths"),
        (np.ones(41), AT[1:-1], "nothing is extrapolated"),
        (np.float64(1.0), AT, "give one absorbance per wavelength"),
    ],
)
def test_nothing_is_made_up(spectra, at, message):
    with pytest.raises(ResponseError, match=message):
        resample(spectra, at, AT)


@pytest.mark.parametrize("grid", [[500.0], [500.0, 400.0], [400.0, 400.0], [400.0, np.nan], [[1.0, 2.0]]])
def test_wavelengths_rise(grid):
    with pytest.raises(ValueError, match="strictly increasing"):
        require_wavelengths(grid)


def test_an_oracle_on_other_wavelengths_is_resampled_only_when_asked(box):
    def lab(points):
        return band(FINE, 560 + 10 * points[:, :1])

    objective = SpectralMatch(AT, TARGET)
    asked = RecipeProblem(box, lab, objective, measured_at=FINE)
    campaign = Campaign(asked, LatinHypercube(3)).run(3)
    for e in campaign.history().done:
        np.testing.assert_allclose(e.response, band(AT, 560 + 10 * e.point[0]), atol=2e-3)
    with pytest.raises(ResponseError, match="221 absorbances each, but the target has 43"):
        Campaign(RecipeProblem(box, lab, objective), LatinHypercube(3)).run(3)
    assert asked.describe() != RecipeProblem(box, lab, objective).describe()


def test_a_told_table_on_other_wavelengths_is_resampled_only_when_asked(box):
    campaign = Campaign(RecipeProblem(box, None, SpectralMatch(AT, TARGET)), LatinHypercube(2))
    batch = campaign.ask(2)
    other = np.round(np.linspace(FINE[0], FINE[-1], 200), 3)
    told = pd.DataFrame(np.array([band(other, 500), band(other, 640)]), columns=[f"{w:.3f}" for w in other])
    table = pd.concat([batch.to_frame(), told], axis=1)
    with pytest.raises(ResponseError, match=r"ask for resampling: matseek tell --resample"):
        campaign.tell(table)
    assert campaign.summary()["pending"] == 2, "nothing was taken in"
    campaign.tell(table, resampling=True)
    done = campaign.history().done
    np.testing.assert_allclose(done[1].response[0], band(AT, 640), atol=2e-3)
    assert done[1].value < done[0].value


def test_measured_at_needs_spectra(box):
    with pytest.raises(ValueError, match="measured_at needs an objective"):
        RecipeProblem(box, measured_at=AT)
    with pytest.raises(ValueError, match="strictly increasing"):
        RecipeProblem(box, None, SpectralMatch(AT, TARGET), measured_at=AT[::-1])


@pytest.mark.parametrize("axes", [("a", "a"), ("a", "nothing"), ("a",)])
def test_axes_name_two_variables(box, axes):
    with pytest.raises(ValueError, match="must name two variables of the space|must be a list of exactly 2"):
        RecipeProblem(box, axes=axes)
