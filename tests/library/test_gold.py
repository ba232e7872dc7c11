import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matseek.library.droplets import WAVELENGTHS
from matseek.library.gold import (
    COLUMNS,
    GoldKinetics,
    GoldLaboratory,
    acid_per_gold,
    gold_supply,
    gold_target,
    silver_per_gold,
)
from matseek.library.gold_problems import gold_nanorods, gold_space
from matseek.problems.gate import GATE_HIGH, GATE_LOW

GOOD = np.array([[17.0, 10.0, 7.3, 12.0, 43.0, 25.0]])
FOUND = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "best_possible.json"
MATCH = gold_nanorods().objective


def changed(name, values):
    """Good recipes that differ in one number."""
    points = np.repeat(GOOD, len(values), axis=0)
    points[:, COLUMNS.index(name)] = values
    return points


def loss(points):
    return MATCH(GoldLaboratory().spectra(points))


@st.composite
def recipes(draw):
    """A recipe within the windows, fractions summing to at most 90 %."""
    space = gold_space()
    unit = [draw(st.floats(0.0, 1.0)) for _ in space.names]
    return space.unnormalize(space.unit_polytope.project(np.array([unit])))[0]


def test_target_has_the_band_of_rods():
    target = gold_target()
    assert target.shape == WAVELENGTHS.shape
    assert target.max() == 1.0
    assert 680 <= WAVELENGTHS[target.argmax()] <= 720
    transversal = target[(WAVELENGTHS > 500) & (WAVELENGTHS < 540)]
    assert 0.1 < transversal.max() < 0.3


@given(st.lists(recipes(), min_size=1, max_size=5))
def test_gold_is_conserved(points):
    points = np.array(points)
    kinetics = GoldKinetics()
    held = kinetics.population(points).metal_fraction.sum(axis=1)
    seeds = kinetics.seed_density * 1e12 * points[:, 3] / 100 * kinetics.seed_volume * 1e-21
    np.testing.assert_allclose(held, seeds + gold_supply(points) * kinetics.conversion(points), rtol=1e-9)


def test_gold_supply_of_the_pure_stock_is_its_metal():
    # 10 mmol/L of gold, 10.21 cm3/mol: 1e-5 mol/cm3 * 10.21 cm3/mol.
    assert gold_supply(np.array([[100.0, 0, 0, 0, 0, 25.0]]))[0] == pytest.approx(1.021e-4)


@settings(deadline=None)
@given(st.lists(recipes(), min_size=1, max_size=5))
def test_defined_everywhere_in_the_space(points):
    spectra = GoldLaboratory().spectra(points)
    assert spectra.shape == (len(points), 421)
    assert np.all(np.isfinite(spectra))
    assert np.all(spectra >= 0)


def test_defined_at_the_corners_of_the_window():
    space = gold_space()
    corners = np.array(np.meshgrid(*zip(space.lower, space.upper, strict=True))).reshape(6, -1).T
    assert np.all(np.isfinite(GoldLaboratory(droplets=2)(corners, np.random.default_rng(0))))
    assert np.all(np.isfinite(GoldLaboratory().spectra([[0.0, 0.0, 0.0, 0.0, 0.0, 1.0]])))


def test_no_metal_below_one_acid_for_each_gold_and_all_of_it_from_one_and_a_half_on():
    points = changed("Qaa", GOOD[0, 0] / 3.0 * np.array([0.5, 0.9, 1.25, 1.6, 3.0]))
    np.testing.assert_allclose(acid_per_gold(points), [0.5, 0.9, 1.25, 1.6, 3.0])
    np.testing.assert_allclose(GoldKinetics().reducible(points), [0, 0, 0.5, 1, 1], atol=0.01)
    assert np.all(loss(points[:2]) > 0.9)


def test_warmth_and_time_convert_more():
    warmer = GoldKinetics().conversion(changed("T", [25.0, 40.0, 60.0]))
    assert np.all(np.diff(warmer) > 0)
    longer = GoldKinetics().conversion(np.repeat(GOOD, 3, axis=0), [0.5, 1.0, 2.0])
    assert np.all(np.diff(longer) > 0)


def test_silver_lengthens_rods_until_it_is_too_much():
    points = changed("QAgNO3", [0.5, 2.0, 5.0, 10.0, 20.0, 60.0])
    aspects = GoldKinetics().aspect(points)
    assert np.all(np.diff(aspects[:4]) > 0)
    assert aspects[-1] < aspects[3]
    assert 0.15 < silver_per_gold(points)[aspects.argmax()] < 0.5


@pytest.mark.parametrize(("name", "values"), [("T", [25.0, 40.0, 60.0]), ("Qaa", [7.0, 10.0, 20.0])])
def test_warmth_and_excess_acid_shorten_rods(name, values):
    assert np.all(np.diff(GoldKinetics().aspect(changed(name, values))) < 0)


def test_silver_and_ctab_make_rods_and_excess_acid_spheres():
    kinetics = GoldKinetics()
    assert np.all(np.diff(kinetics.rod_share(changed("QAgNO3", [0.0, 1.0, 5.0, 20.0]))) > 0)
    assert np.all(np.diff(kinetics.rod_share(changed("Qctab", [1.0, 10.0, 30.0, 60.0]))) > 0)
    assert np.all(np.diff(kinetics.rod_share(changed("Qaa", [6.0, 8.0, 12.0, 20.0]))) < 0)
    assert np.all(kinetics.rod_share(changed("Qctab", [0.0, 1e6])) <= kinetics.best_share)


def test_longer_rods_absorb_redder():
    spectra = GoldLaboratory().spectra(changed("T", [50.0, 40.0, 30.0, 25.0]))
    red = WAVELENGTHS > 560
    assert np.all(np.diff(WAVELENGTHS[red][spectra[:, red].argmax(axis=1)]) > 10)


def test_absorbance_is_proportional_to_the_path():
    one, two = (GoldLaboratory(GoldKinetics(path_length=path)).spectra(GOOD) for path in (0.1, 0.2))
    np.testing.assert_allclose(two, 2 * one)


def test_too_few_seeds_nucleate_new_spheres():
    population = GoldKinetics().population(changed("Qseed", [0.5, 12.0]))
    share = population.metal_fraction[:, 2] / population.metal_fraction.sum(axis=1)
    assert share[0] > 3 * share[1]


def test_same_generator_gives_the_same_droplets():
    laboratory = GoldLaboratory(droplets=7)
    first = laboratory(GOOD, np.random.default_rng(3))
    assert first.shape == (1, 7, 421)
    np.testing.assert_array_equal(first, laboratory(GOOD, np.random.default_rng(3)))
    assert np.any(first != laboratory(GOOD, np.random.default_rng(4)))


def test_without_noise_droplets_are_the_spectrum():
    quiet = GoldLaboratory(pump_jitter=0, timing_jitter=0, path_jitter=0, baseline=0, detector_noise=0, droplets=2)
    np.testing.assert_allclose(quiet(GOOD, np.random.default_rng(0))[0, 1], quiet.spectra(GOOD)[0])


def test_droplets_scatter_more_where_some_of_them_saturate():
    laboratory = GoldLaboratory(droplets=100)
    below, beside = GOOD, GOOD * [[1.6, 1, 1.6, 1, 1, 1]]
    assert laboratory.spectra(below).max() < laboratory.spectra(beside).max() < GATE_HIGH
    spread = [MATCH(laboratory(point, np.random.default_rng(0))).std() for point in (below, beside)]
    assert spread[1] > 3 * spread[0]


@pytest.mark.parametrize(
    "points",
    [[[1.0, 2.0]], [[1, 2, 3, 4, 5, np.nan]], [[-1, 2, 3, 4, 5, 30]], [[1, 2, 3, 4, 5, 0]], np.ones((2, 2, 6))],
)
def test_bad_points_are_refused(points):
    with pytest.raises(ValueError, match="points must"):
        GoldLaboratory().spectra(points)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: GoldLaboratory(droplets=0), "droplets"),
        (lambda: GoldLaboratory(kinetics=3), "kinetics"),
        (lambda: GoldKinetics(best_share=1.5), "kinetics.best_share"),
        (lambda: GoldKinetics(path_length=0.0), "kinetics.path_length"),
    ],
)
def test_bad_settings_are_refused(make, name):
    with pytest.raises(ValueError, match=name):
        make()


def test_the_space_has_the_sum_constraint():
    space = gold_space()
    assert space.names == COLUMNS
    assert space.contains(GOOD)[0]
    assert not space.contains(changed("Qctab", [50.0]))[0]


def test_much_of_the_space_is_saturated_or_dilute_and_little_of_it_good():
    points = gold_space().sample_uniform(4000, np.random.default_rng(0))
    peaks = GoldLaboratory().spectra(points).max(axis=1)
    assert 0.15 < np.mean(peaks > GATE_HIGH) < 0.4
    assert 0.3 < np.mean(peaks < GATE_LOW) < 0.6
    assert np.mean(loss(points) < 0.3) < 0.001


def test_the_best_that_brute_force_found_is_reproduced_and_lies_in_a_corner():
    found = json.loads(FOUND.read_text())["problems"]["gold_nanorods"]
    quiet, noisy = found["noise_free"], found["median"]
    assert gold_space().contains([quiet["recipe"], noisy["recipe"]]).all()
    assert loss([quiet["recipe"]])[0] == pytest.approx(quiet["loss"], abs=1e-6)
    droplets = MATCH(GoldLaboratory(droplets=400)([noisy["recipe"]], np.random.default_rng(7))[0])
    error = 1.25 * droplets.std() / np.sqrt(droplets.size)
    assert np.median(droplets) == pytest.approx(noisy["loss"], abs=4 * error)
    assert len(noisy["active"]) >= 2
    assert gold_nanorods().success_below > noisy["loss"]


def test_nothing_beside_the_best_is_better():
    found = json.loads(FOUND.read_text())["problems"]["gold_nanorods"]["noise_free"]
    space, rng = gold_space(), np.random.default_rng(0)
    unit = space.normalize([found["recipe"]]) + rng.normal(size=(3000, 6)) * rng.choice([0.1, 0.01, 0.001], (3000, 1))
    assert loss(space.unnormalize(space.unit_polytope.project(unit))).min() > found["loss"] - 1e-4
