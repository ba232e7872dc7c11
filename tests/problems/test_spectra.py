import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from matseek.errors import ResponseError
from matseek.problems import SpectralMatch

WAVELENGTHS = np.linspace(380, 800, 43)
TARGET = np.exp(-(((WAVELENGTHS - 645) / 60) ** 2))
MATCH = SpectralMatch(WAVELENGTHS, TARGET)


def by_hand(spectrum):
    """The loss as DESIGN and the paper word it, written once more without vectors."""
    peak = max(spectrum)
    gate = peak / 0.7 if peak < 0.7 else (1.0 if peak <= 1.2 else 0.0)
    s = (spectrum - min(spectrum)) / (max(spectrum) - min(spectrum))
    t = (TARGET - min(TARGET)) / (max(TARGET) - min(TARGET))
    return 1 - gate * float(np.dot(s, t) / np.sqrt(np.dot(s, s) * np.dot(t, t)))


@pytest.mark.parametrize("peak", [0.1, 0.69, 0.7, 1.0, 1.2, 1.21, 3.0])
def test_agrees_with_the_formula(peak):
    spectrum = peak * np.exp(-(((WAVELENGTHS - 560) / 90) ** 2)) + 0.01
    spectrum *= peak / spectrum.max()
    assert MATCH(spectrum) == pytest.approx(by_hand(spectrum), abs=1e-12)


def test_known_values():
    assert MATCH(TARGET) == pytest.approx(0, abs=1e-12)
    assert MATCH(0.35 * TARGET / TARGET.max()) == pytest.approx(0.5, abs=1e-12)
    assert MATCH(1.3 * TARGET / TARGET.max()) == 1
    assert SpectralMatch(WAVELENGTHS, 7 * TARGET + 3)(TARGET) == pytest.approx(0, abs=1e-12), "scale-free target"


@pytest.mark.parametrize("spectrum", [0.0, -1.0, 0.9])
def test_flat_spectra_match_nothing(spectrum):
    assert MATCH(np.full(43, spectrum)) == 1


def test_negative_absorbance_counts_as_dark():
    assert MATCH(TARGET - 5) == 1


def test_nan_and_infinite_spectra_are_nan_and_leave_others_alone():
    spectra = np.stack([TARGET, TARGET, TARGET])
    spectra[1, 3], spectra[2, 5] = np.nan, np.inf
    np.testing.assert_allclose(MATCH(spectra), [0, np.nan, np.nan], atol=1e-12)


def barely(height):
    """Spectra of one band that is ``height`` high, and else dark."""
    return np.eye(3, 43) * height


@given(arrays(np.float64, (3, 43), elements=st.floats(-1e6, 1e6)))
@example(barely(5e-324))
@example(barely(1e-300))
@example(barely(1e-150))
def test_always_in_the_unit_interval_with_finite_gradient(spectra):
    tensor = torch.tensor(spectra, requires_grad=True)
    loss = MATCH(tensor)
    assert ((loss >= -1e-12) & (loss <= 1 + 1e-12)).all()
    (gradient,) = torch.autograd.grad(loss.sum(), tensor)
    assert torch.isfinite(gradient).all()
    np.testing.assert_array_equal(MATCH(spectra), loss.detach().numpy())


def test_gradient_by_differences():
    spectrum = torch.tensor(0.9 * np.exp(-(((WAVELENGTHS - 600) / 70) ** 2)), requires_grad=True)
    assert torch.autograd.gradcheck(MATCH, (spectrum,))


def test_batches_equal_single_spectra():
    spectra = np.random.default_rng(0).random((4, 5, 43))
    batched = MATCH(spectra)
    assert batched.shape == (4, 5)
    assert batched[2, 3] == pytest.approx(MATCH(spectra[2, 3]), abs=1e-14)


def test_float32_stays_float32():
    loss = MATCH(torch.tensor(TARGET, dtype=torch.float32))
    assert loss.dtype == torch.float32


def test_wrong_length_says_what_and_what_to_do():
    with pytest.raises(ResponseError, match=r"40 absorbances each, but the target has 43 \(380-800 nm\); measure on"):
        MATCH(np.ones(40))


@pytest.mark.parametrize(
    ("wavelengths", "target", "message"),
    [
        ([500, 400], [0, 1], "strictly increasing"),
        ([400, 500], [0, 1, 2], r"target has shape \(3,\)"),
        ([400, 500], [1, 1], "target is flat"),
        ([400, 500], [1, np.nan], "must be finite"),
    ],
)
def test_bad_targets_are_refused(wavelengths, target, message):
    with pytest.raises(ValueError, match=message):
        SpectralMatch(np.array(wavelengths), np.array(target))
