import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from matseek.problems import BandRatio, NarrowPeak, PeakAt, SpectralMatch

AT = np.arange(400.0, 801.0, 2.0)


def band(centre, width=30.0, height=1.0):
    return height * np.exp(-0.5 * ((AT - centre) / width) ** 2)


OBJECTIVES = [PeakAt(AT, 650), NarrowPeak(AT), BandRatio(AT, of=(600, 700), to=450.5), BandRatio(AT, 650, 450, ratio=2)]


@given(st.floats(500, 760))
def test_the_peak_is_found_between_wavelengths(centre):
    assert PeakAt(AT, at=600)(band(centre)) == pytest.approx(abs(centre - 600) / 100, abs=2e-3)


def test_the_peak_is_looked_for_in_its_range():
    spectrum = band(450) + band(640, height=0.5)
    assert PeakAt(AT, 650)(spectrum) == pytest.approx(2.0, abs=0.01)
    assert PeakAt(AT, 650, between=(550, 800))(spectrum) == pytest.approx(0.1, abs=0.01)


@given(st.floats(12, 60))
def test_width_at_half_maximum(width):
    assert NarrowPeak(AT, scale=50)(band(600, width)) == pytest.approx(2.3548 * width / 50, rel=0.03)


def test_a_flat_spectrum_is_as_wide_as_the_range():
    assert NarrowPeak(AT, between=(500, 600))(np.ones(AT.size)) == pytest.approx(1.0)


def test_the_ratio_of_two_bands():
    spectrum = band(450, height=0.4) + band(650, height=0.8)
    assert BandRatio(AT, of=(600, 700), to=450)(spectrum) == pytest.approx(1 / 3, abs=1e-6)
    assert BandRatio(AT, of=650, to=450, ratio=2)(spectrum) == pytest.approx(0, abs=1e-6)
    assert BandRatio(AT, of=650, to=450)(-spectrum) == 1, "negative absorbances count as zero"


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: o.label)
def test_what_cannot_be_read_is_as_bad_as_any(objective):
    assert objective(np.zeros(AT.size)) == pytest.approx(objective.worst)
    assert objective(band(650, height=5)) == pytest.approx(objective.worst), "saturated"
    spectra = np.array([band(c, height=h) for c in (410, 500, 650, 790) for h in (0.05, 0.5, 1.9)])
    assert (objective(spectra) <= objective.worst + 1e-12).all()
    assert np.isnan(objective(np.full(AT.size, np.nan)))
    assert sum(map(sum, objective.faults(spectra).values())) == 4


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: o.label)
def test_gradients_are_those_of_small_steps(objective):
    spectra = torch.tensor(band(618.3, 40) + 0.6 * band(455, 35), requires_grad=True)
    assert torch.autograd.gradcheck(objective, (spectra,), eps=1e-7, atol=1e-4)


def test_objectives_differ_where_their_settings_do():
    names = {
        o.describe()
        for o in (*OBJECTIVES, PeakAt(AT, 651), PeakAt(AT, 650, gate=(0.1, 3)), PeakAt(AT, 650, (500, 700)))
    }
    assert len(names) == 7
    target = band(600)
    assert SpectralMatch(AT, target).describe() == SpectralMatch(AT, target, (0.7, 1.2)).describe()
    assert SpectralMatch(AT, target).describe() != SpectralMatch(AT, target, (0.7, 1.3)).describe()


def test_the_gate_of_a_match_is_chosen():
    target = band(600)
    assert SpectralMatch(AT, target)(0.35 * target) == pytest.approx(0.5)
    assert SpectralMatch(AT, target, (0.1, 2))(0.35 * target) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PeakAt(AT, 300), "at=300 nm is not among the wavelengths looked at, 400 to 800 nm"),
        (lambda: PeakAt(AT, 650, between=(700, 600)), r"between=\[700, 600\] nm holds 0 of the wavelengths"),
        (lambda: NarrowPeak(AT, scale=0), "scale=0"),
        (lambda: BandRatio(AT, of=(600, 900), to=450), r"of=\(600, 900\) nm must lie within the wavelengths"),
        (lambda: BandRatio(AT, of=600, to=450, gate=(2, 1)), "lower end above the upper one; swap them"),
        (lambda: SpectralMatch(AT, band(600), (0.7,)), r"gate=.* a list of exactly 2"),
    ],
)
def test_settings_that_make_no_sense(make, message):
    with pytest.raises(ValueError, match=message):
        make()
