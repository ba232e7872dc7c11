import importlib
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from matseek import Campaign
from matseek.core.problem import Objective
from matseek.errors import ResponseError
from matseek.insight.palette import transmitted_colours
from matseek.library.silver import WAVELENGTHS, SilverLaboratory
from matseek.library.silver_problems import silver_colour, silver_space
from matseek.problems import ColourMatch, RecipeProblem, SpectralMatch
from matseek.problems.colour import lab_from_hex, lab_from_xyz, tristimulus_weights, xyz_from_lab
from matseek.searchers import NetworkSearcher
from matseek.surrogates.training import Training

COARSE = np.linspace(380, 800, 43)


def band(center, peak=1.0, width=40.0, at=COARSE):
    return peak * np.exp(-(((at - center) / width) ** 2))


MATCH = ColourMatch(COARSE, "#3a5fcd")


def test_is_an_objective_as_the_spectral_match_is():
    assert isinstance(MATCH, Objective)
    assert isinstance(SpectralMatch(COARSE, band(600)), Objective)
    assert MATCH.response_size == 43


def test_clear_is_white_and_opaque_is_black():
    white, black = ColourMatch(COARSE, (100, 0, 0)), ColourMatch(COARSE, (0, 0, 0))
    assert white(np.zeros(43)) == pytest.approx(0, abs=1e-9)
    assert black(np.full(43, 12.0)) == pytest.approx(0, abs=1e-6)
    assert black(np.zeros(43)) == pytest.approx(1)
    assert ColourMatch(COARSE, (0, 0, 0), scale=50)(np.zeros(43)) == pytest.approx(2)


def test_grey_filters_have_the_lightness_of_the_definition():
    for absorbance in (0.1, 0.5, 1.0, 3.0):
        y = 10**-absorbance
        lightness = 116 * y ** (1 / 3) - 16 if y > (6 / 29) ** 3 else 116 * (y / (3 * (6 / 29) ** 2) + 4 / 29) - 16
        assert ColourMatch(COARSE, (lightness, 0, 0))(np.full(43, absorbance)) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("color", ["#ffffff", "#000000", "#ff0000", "#3A5FCD", "#0a0a0a"])
def test_screen_colours_as_colour_science_reads_them(color):
    ours = lab_from_hex(color)  # imports colour-science in the package's own way, without its side effects
    colour = importlib.import_module("colour")
    rgb = [int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    white = colour.CCS_ILLUMINANTS["CIE 1931 2 Degree Standard Observer"]["D65"]
    lab = colour.XYZ_to_Lab(colour.sRGB_to_XYZ(rgb), white)
    np.testing.assert_allclose(ours, lab, atol=0.05)


def test_gradient_by_differences():
    spectrum = torch.tensor(band(600, 0.8) + 0.05, requires_grad=True)
    assert torch.autograd.gradcheck(MATCH, (spectrum,))
    # A dark sample, on the straight part of Lab.
    assert torch.autograd.gradcheck(MATCH, (torch.full((43,), 2.5, dtype=torch.float64, requires_grad=True),))


def test_the_gradient_at_the_target_is_zero_instead_of_undefined():
    spectrum = torch.zeros(43, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(ColourMatch(COARSE, (100, 0, 0))(spectrum), spectrum)
    assert torch.isfinite(gradient).all()


@given(arrays(np.float64, (3, 43), elements=st.floats(-1e6, 1e6)))
def test_every_finite_spectrum_has_a_loss_and_a_finite_gradient(spectra):
    tensor = torch.tensor(spectra, requires_grad=True)
    loss = MATCH(tensor)
    assert torch.isfinite(loss).all()
    assert (loss >= 0).all()
    (gradient,) = torch.autograd.grad(loss.sum(), tensor)
    assert torch.isfinite(gradient).all()
    np.testing.assert_array_equal(MATCH(spectra), loss.detach().numpy())


def test_nan_and_infinite_spectra_are_nan_and_leave_others_alone():
    spectra = np.tile(band(600), (3, 1))
    spectra[1, 3], spectra[2, 5] = np.nan, np.inf
    loss = MATCH(spectra)
    assert np.isfinite(loss[0])
    assert np.isnan(loss[1:]).all()


def test_batches_and_single_precision():
    spectra = np.abs(np.random.default_rng(0).normal(size=(4, 5, 43)))
    assert MATCH(spectra).shape == (4, 5)
    assert MATCH(spectra)[2, 3] == pytest.approx(MATCH(spectra[2, 3]), abs=1e-14)
    single = MATCH(torch.tensor(spectra, dtype=torch.float32))
    assert single.dtype == torch.float32
    np.testing.assert_allclose(single, MATCH(spectra), atol=1e-4)


def test_sampling_hardly_matters():
    fine = np.arange(360, 831)
    for center in (420, 500, 600, 700):
        coarse = ColourMatch(COARSE, (50, 0, 0))(band(center))
        assert coarse == pytest.approx(ColourMatch(fine, (50, 0, 0))(band(center, at=fine)), abs=6e-3)


def test_weights_sum_to_the_white_of_d65():
    np.testing.assert_allclose(tristimulus_weights(WAVELENGTHS).sum(axis=0), [95.047, 100, 108.883], atol=1e-2)


def test_descriptions_tell_targets_scales_and_kinds_apart():
    space = silver_space()
    objectives = [
        ColourMatch(COARSE, "#3a5fcd"),
        ColourMatch(COARSE, "#3a5fce"),
        ColourMatch(COARSE, "#3a5fcd", scale=10),
        ColourMatch(np.linspace(380, 780, 43), "#3a5fcd"),
        SpectralMatch(COARSE, band(600)),
        None,
    ]
    found = [RecipeProblem(space, len, o).describe()["objective"] for o in objectives]
    assert len(set(found)) == len(found)
    assert RecipeProblem(space, len, ColourMatch(COARSE, "#3a5fcd")).describe()["objective"] == found[0]


def test_inverse_design_for_a_colour_is_a_recipe_problem():
    space, laboratory = silver_space(), SilverLaboratory(droplets=5)
    secret = np.array([[20.0, 20.0, 10.0, 8.0, 600.0]])
    wanted = ColourMatch(WAVELENGTHS, transmitted_colours(WAVELENGTHS, laboratory.spectra(secret)[0]).lab)
    problem = RecipeProblem(space, laboratory, wanted, name="colour", success_below=0.1)
    there = problem.measure(secret[0], np.random.default_rng(0))
    assert problem.succeeded(secret[0], there.value)
    assert there.replicates.shape == (5,)
    elsewhere = space.sample_latin_hypercube(20, np.random.default_rng(1))
    values = [problem.measure(p, np.random.default_rng(2)).value for p in elsewhere]
    assert np.median(values) > 2 * there.value


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((COARSE, "blue"), "is not a colour"),
        ((COARSE, (50, 0)), "is no colour"),
        ((COARSE, (120, 0, 0)), "L\\* from 0 to 100"),
        ((COARSE, (50, np.nan, 0)), "is no colour"),
        ((np.linspace(450, 800, 10), "#ffffff"), "450 to 800 nm, but a colour needs 400 to 700"),
        ((COARSE[::-1], "#ffffff"), "strictly increasing"),
        ((COARSE, "#ffffff", 0), "scale=0"),
    ],
)
def test_bad_targets_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ColourMatch(*arguments)


def test_wrong_length_says_what_and_what_to_do():
    with pytest.raises(ResponseError, match="40 absorbances each, but the target has 43"):
        MATCH(np.ones(40))


def test_colour_science_leaves_no_trace_and_is_not_loaded_early():
    code = """
import sys, warnings
import numpy as np
import matseek.problems as p
make = p.ColourMatch
assert "colour" not in sys.modules
filters, options = list(warnings.filters), np.get_printoptions()
make(np.linspace(380, 800, 43), "#ffffff")
assert "colour" in sys.modules
assert list(warnings.filters) == filters
assert np.get_printoptions() == options
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


def test_numbers_are_printed_in_full_afterwards():
    # In NumPy's legacy printing, which colour-science turns on, CSV files lose digits.
    MATCH(np.zeros(43))
    assert str(np.float64(1 / 3)) == repr(1 / 3)


def test_xyz_and_lab_are_each_others_inverse():
    white = torch.tensor(tristimulus_weights(WAVELENGTHS).sum(axis=0))
    lab = np.array([[50.0, 20.0, -30.0], [3.0, 1.0, -1.0], [100.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(lab_from_xyz(torch.tensor(xyz_from_lab(lab)), white).numpy(), lab, atol=1e-2)


def test_a_network_finds_a_wanted_colour_of_the_silver_laboratory():
    wanted = silver_colour("#b08090")
    quick = Training(members=2, hidden=(64, 64), epochs=150, learning_rate=1e-2, holdout=0.0)
    searcher = NetworkSearcher(15, training=quick, starts=16)
    campaign = Campaign(wanted, searcher, seed=0).run(45)
    first = campaign.to_frame().query("iteration == 1")["value"]
    assert campaign.best.proposer == "network"
    assert campaign.best.value < 0.7 * first.min()
    with pytest.raises(ValueError, match="'pink' is not a colour"):
        silver_colour("pink")
