import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import sobol_indices, spearmanr, uniform

from matseek.library import optics
from matseek.library.droplets import Population
from matseek.library.silver import (
    COLUMNS,
    PRISMS,
    WAVELENGTHS,
    SilverKinetics,
    SilverLaboratory,
    silver_supply,
    silver_target,
)
from matseek.problems.spectra import SpectralMatch

DATA = Path(os.environ.get("MATSEEK_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
DROPLETS = DATA / "agnp_droplets.csv"
measured = pytest.mark.skipif(
    not DROPLETS.is_file(), reason=f"{DROPLETS} is not there; set MATSEEK_DATA to the folder that holds it"
)

GOOD = np.array([[32.5, 16.0, 6.5, 4.5, 850.0]])
MATCH = SpectralMatch(WAVELENGTHS, silver_target())


@st.composite
def recipes(draw):
    """A recipe within the hardware limits, fractions summing to at most 90 %."""
    pva = draw(st.floats(10.0, 40.0))
    parts = [draw(st.floats(0.0, 1.0)) for _ in range(3)]
    room = 90.0 - pva - 1.5
    scale = room / max(1.0, sum(parts))
    silver, citrate, seeds = (0.5 + scale * part for part in parts)
    return [silver, pva, citrate, seeds, draw(st.floats(200.0, 1000.0))]


def loss(points):
    return MATCH(SilverLaboratory().spectra(points))


@pytest.fixture(scope="module")
def medians():
    droplets = pd.read_csv(DROPLETS)
    columns = list(droplets.columns[:5])
    grouped = droplets.groupby(columns, as_index=False)["loss"].agg(["median", "std"])
    return grouped[columns].to_numpy(), grouped["median"].to_numpy(), grouped["std"].to_numpy()


def test_target_is_a_nanoprism():
    target = silver_target()
    assert target.shape == (421,)
    assert target.max() == 1.0
    assert WAVELENGTHS[target.argmax()] == pytest.approx(645, abs=10)
    assert target[WAVELENGTHS < 420].max() < 0.1
    assert 40 < np.sum(target > 0.5) < 120


def test_wavelengths():
    assert WAVELENGTHS[0] == 380
    assert WAVELENGTHS[-1] == 800
    np.testing.assert_array_equal(np.diff(WAVELENGTHS), np.ones(420))
    with pytest.raises(ValueError, match="read-only"):
        WAVELENGTHS[0] = 1.0


@given(st.lists(recipes(), min_size=1, max_size=5))
def test_silver_is_conserved(points):
    points = np.array(points)
    kinetics = SilverKinetics()
    held = kinetics.population(points).metal_fraction.sum(axis=1)
    seeds = kinetics.seed_density * 1e12 * points[:, 3] / 100 * kinetics.seed_volume * 1e-21
    np.testing.assert_allclose(held, seeds + silver_supply(points) * kinetics.conversion(points), rtol=1e-9)


def test_silver_supply_of_the_pure_stock_is_its_metal():
    # 6 mmol/L of silver, 10.27 cm3/mol: 6e-6 mol/cm3 * 10.27 cm3/mol.
    assert silver_supply(np.array([[100.0, 0, 0, 0, 500.0]]))[0] == pytest.approx(6.162e-5)


@settings(deadline=None)
@given(st.lists(recipes(), min_size=1, max_size=5))
def test_defined_everywhere_within_the_hardware_limits(points):
    spectra = SilverLaboratory().spectra(points)
    assert spectra.shape == (len(points), 421)
    assert np.all(np.isfinite(spectra))
    assert np.all(spectra >= 0)
    assert np.all(spectra.max(axis=1) < 20)


def test_defined_at_the_corners_of_the_hardware_limits():
    limits = [(0.5, 80), (10, 40), (0.5, 80), (0.5, 80), (200, 1000)]
    corners = np.array(np.meshgrid(*limits)).reshape(5, -1).T.astype(float)
    spectra = SilverLaboratory()(corners, np.random.default_rng(0))
    assert np.all(np.isfinite(spectra))
    assert np.all(np.isfinite(SilverLaboratory().spectra([[0.0, 0.0, 0.0, 0.0, 1.0]])))


def test_quadrature_and_table_agree_with_a_direct_sum():
    population = SilverKinetics().population(GOOD)
    places = np.linspace(-8.0, 8.0, 801)
    weights = np.exp(-(places**2) / 2) / np.exp(-(places**2) / 2).sum()
    direct = np.zeros(WAVELENGTHS.size)
    for kind in range(3):
        mean, width = population.mean_volume[0, kind], population.log_width[0, kind]
        volumes = mean * np.exp(width * places - width**2 / 2)
        aspects = np.clip((volumes / population.round_volume) ** population.exponent[0, kind], 1.0, 13.0)
        sections = optics.oblate_extinction(WAVELENGTHS, volumes, aspects)
        direct += population.number_density[0, kind] * (weights @ sections) * 1e-14
    found = PRISMS(population)[0]
    assert np.abs(found - direct).max() < 0.03 * direct.max()
    assert found @ direct / np.linalg.norm(found) / np.linalg.norm(direct) > 0.999


def test_one_size_of_sphere_is_that_sphere():
    volume = 4000.0
    one = np.array([[1.0, 0.0, 0.0]])
    population = Population(one * 1e12, np.full((1, 3), volume), np.full((1, 3), 1e-6), np.zeros((1, 3)), 200.0)
    expected = optics.oblate_extinction(WAVELENGTHS, volume, 1.0) * 1e-14 * 1e12
    np.testing.assert_allclose(PRISMS(population)[0], expected, rtol=0.03)


def test_more_silver_per_seed_makes_the_band_move_red():
    silver = np.linspace(8.0, 40.0, 9)
    points = np.column_stack([silver, *(np.full(9, value) for value in (25.0, 5.0, 6.0, 800.0))])
    spectra = SilverLaboratory().spectra(points)
    assert np.all(np.diff(WAVELENGTHS[spectra.argmax(axis=1)]) > 0)
    assert np.all(np.diff(spectra.max(axis=1)) > 0)


def test_citrate_holds_silver_back_and_a_slow_flow_makes_up_for_it():
    points = np.array([[30, 25, 1, 5, 800], [30, 25, 20, 5, 800], [30, 25, 20, 5, 200.0]])
    fast, held, slow = SilverKinetics().conversion(points)
    assert held < fast
    assert held < slow
    assert 0 < held < 1


def test_capping_makes_more_and_flatter_prisms():
    points = np.array([[30, 10, 0.5, 5, 800], [30, 40, 20, 5, 800.0]])
    population = SilverKinetics().population(points)
    prisms = population.number_density[:, 0] / population.number_density[:, :2].sum(axis=1)
    assert prisms[1] > prisms[0]
    assert population.exponent[1, 0] > population.exponent[0, 0]


def test_too_few_seeds_nucleate_new_particles_and_little_silver_is_dark():
    population = SilverKinetics().population(np.array([[40, 25, 5, 0.5, 400], [40, 25, 5, 8, 400.0]]))
    share = population.metal_fraction[:, 2] / population.metal_fraction.sum(axis=1)
    assert share[0] > 3 * share[1]
    assert loss([[0.5, 25, 5, 0.5, 800]])[0] > 0.9


def test_same_generator_gives_the_same_droplets():
    laboratory = SilverLaboratory(droplets=7)
    first = laboratory(GOOD, np.random.default_rng(3))
    assert first.shape == (1, 7, 421)
    np.testing.assert_array_equal(first, laboratory(GOOD, np.random.default_rng(3)))
    assert np.any(first != laboratory(GOOD, np.random.default_rng(4)))
    np.testing.assert_array_equal(laboratory.spectra(GOOD), laboratory.spectra(GOOD))


def test_without_noise_droplets_are_the_spectrum():
    quiet = SilverLaboratory(pump_jitter=0, timing_jitter=0, path_jitter=0, baseline=0, detector_noise=0, droplets=2)
    np.testing.assert_allclose(quiet(GOOD, np.random.default_rng(0))[0, 1], quiet.spectra(GOOD)[0])


def test_the_points_are_left_as_they_were():
    points = GOOD.copy()
    SilverLaboratory()(points, np.random.default_rng(0))
    np.testing.assert_array_equal(points, GOOD)


def test_many_points_in_parts_are_the_same_as_one_by_one():
    rng = np.random.default_rng(0)
    points = GOOD * rng.uniform(0.5, 1.5, (1100, 5))
    laboratory = SilverLaboratory()
    spectra = laboratory.spectra(points)
    np.testing.assert_allclose(spectra[[0, 511, 512, 1099]], laboratory.spectra(points[[0, 511, 512, 1099]]))


@pytest.mark.parametrize(
    "points",
    [[[1.0, 2.0]], [[1, 2, 3, 4, np.nan]], [[-1, 2, 3, 4, 500]], [[1, 2, 3, 4, 0]], np.ones((2, 2, 5))],
)
def test_bad_points_are_refused(points):
    with pytest.raises(ValueError, match="points must"):
        SilverLaboratory().spectra(points)


@pytest.mark.parametrize("setting", [{"droplets": 0}, {"pump_jitter": -0.1}, {"baseline": np.nan}])
def test_bad_settings_are_refused(setting):
    with pytest.raises(ValueError, match=next(iter(setting))):
        SilverLaboratory(**setting)


def test_silver_nitrate_and_seeds_dominate_the_search_window():
    # Over the whole box: the fifth of it where the fractions sum to more than 90 % is kept, since Sobol
    # indices need independent variables and the simulator is defined there.
    limits = [(4, 45), (10, 40), (0.5, 30), (0.5, 20), (200, 1000)]
    result = sobol_indices(
        func=lambda x: loss(x.T)[None, :],
        n=512,
        dists=[uniform(low, high - low) for low, high in limits],
        rng=0,
    )
    ranked = np.argsort(-result.total_order.ravel())
    assert {COLUMNS[i] for i in ranked[:2]} == {"QAgNO3", "Qseed"}
    assert result.total_order.ravel()[ranked[1]] > 1.3 * result.total_order.ravel()[ranked[2]]


def test_the_search_window_is_neither_flat_nor_trivial():
    rng = np.random.default_rng(0)
    points = rng.uniform([4, 10, 0.5, 0.5, 200], [45, 40, 30, 20, 1000], (4000, 5))
    losses = loss(points[points[:, :4].sum(axis=1) <= 90])
    assert losses.min() < 0.25
    assert np.quantile(losses, 0.05) > losses.min() + 0.02
    assert np.mean(losses >= 1.0) < 0.1
    assert np.std(losses) > 0.15


@measured
def test_ranks_the_measured_conditions_as_the_laboratory_did(medians):
    points, values, _ = medians
    assert len(points) == 164
    assert spearmanr(loss(points), values).statistic > 0.9


@measured
def test_scatter_between_droplets_is_of_the_measured_size(medians):
    points, _, spread = medians
    simulated = MATCH(SilverLaboratory()(points, np.random.default_rng(0))).std(axis=1, ddof=1)
    assert np.median(simulated) == pytest.approx(np.median(spread), rel=0.3)


@measured
def test_loss_follows_silver_over_seeds_as_measured(medians):
    points, values, _ = medians
    ratio = points[:, 0] / points[:, 3]
    predicted = loss(points)
    for inside in (ratio < 1, (ratio >= 4) & (ratio <= 10), ratio > 15):
        assert predicted[inside].mean() == pytest.approx(values[inside].mean(), abs=0.06)
