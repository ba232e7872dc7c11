"""Regions: what is inside, where what is outside is put, and that samples are uniform."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import fcc111
from hypothesis import given, settings
from hypothesis import strategies as st

from matseek.library.platinum import stepped_platinum
from matseek.spaces.regions import Cuboid, HeightField, Layer, Periodic, Region, Sphere

PLANE = ((8.0, 0.0), (3.0, 7.0))
REGIONS: dict[str, Region] = {
    "layer": Layer(1.0, 4.0, PLANE),
    "cuboid": Cuboid((0.0, 1.0, 2.0), (3.0, 4.0, 6.0)),
    "sphere": Sphere((1.0, 2.0, 3.0), 2.5),
    "height field": HeightField(np.array([[0.0, 1.0, 2.0], [3.0, 1.0, 0.5]]), -0.5, 2.0, PLANE),
    "periodic sphere": Periodic(Sphere((7.5, 6.5, 3.0), 2.5), PLANE),
    "periodic cuboid": Periodic(Cuboid((-1.0, -1.0, 0.0), (2.0, 9.0, 3.0)), PLANE),
}
seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(params=list(REGIONS))
def region(request: pytest.FixtureRequest) -> Region:
    return REGIONS[request.param]


@given(seed=seeds)
@settings(max_examples=20, deadline=None)
@pytest.mark.parametrize("name", list(REGIONS))
def test_what_is_outside_is_put_onto_the_wall_and_nothing_else_moves(name: str, seed: int) -> None:
    region = REGIONS[name]
    x = np.random.default_rng(seed).normal(2, 6, (50, 3))
    inside = region.contains(x)
    clipped = region.clip(x)
    assert region.contains(clipped).all()
    np.testing.assert_allclose(clipped[inside], x[inside], atol=1e-12)
    np.testing.assert_allclose(region.depth(clipped[~inside]), 0, atol=1e-8)
    # The wall is as far away as the depth says (straight up or down for a height field).
    np.testing.assert_allclose(np.linalg.norm(clipped - x, axis=1)[~inside], -region.depth(x)[~inside], atol=1e-8)
    mirrored = region.reflect(x)
    assert region.contains(mirrored).all()
    np.testing.assert_allclose(mirrored[inside], x[inside], atol=1e-12)


def test_samples_are_uniform(region: Region) -> None:
    """As many of the samples lie in a part of the region as it has of the volume, by Monte Carlo over a box."""
    rng = np.random.default_rng(0)
    samples = region.sample(8_000, rng)
    assert samples.shape == (8_000, 3)
    assert region.contains(samples).all()
    low, high = samples.min(axis=0), samples.max(axis=0)
    everywhere = rng.uniform(low, high, (60_000, 3))
    expected = everywhere[_one_image(region, everywhere)]
    for axis in range(3):
        middle = np.median(expected[:, axis])
        assert abs((samples[:, axis] < middle).mean() - 0.5) < 0.03, axis


def _one_image(region: Region, x: np.ndarray) -> np.ndarray:
    """Places of one cell or one image: the footprint that the samples come from."""
    if isinstance(region, Periodic):
        inside = region.region.contains(x)
        images = [region.region.contains(x + np.array([*shift, 0.0])) for shift in region._shifts]
        # A place with several images is as likely as the others, not more.
        weight = 1 / np.maximum(np.sum(images, axis=0), 1)
        return np.asarray(inside & (np.random.default_rng(1).random(len(x)) < weight))
    if isinstance(region, (Layer, HeightField)):
        fractions = x[:, :2] @ np.linalg.inv(PLANE)
        return np.asarray(region.contains(x) & (fractions >= 0).all(axis=1) & (fractions < 1).all(axis=1))
    return np.asarray(region.contains(x))


def test_no_wall_yields(region: Region) -> None:
    """A step of what is left of a push leads out of no wall by more than its curvature."""
    rng = np.random.default_rng(0)
    wall = region.clip(rng.normal(2, 8, (400, 3)))
    wall = wall[np.abs(region.depth(wall)) < 1e-9]
    push = rng.normal(0, 1, wall.shape)
    left = region.slide(wall, push, reach=1e-6)
    assert (np.linalg.norm(left, axis=1) <= np.linalg.norm(push, axis=1) + 1e-12).all()
    step = 1e-4
    vertical = left * (0, 0, 1) if isinstance(region, HeightField) else left
    assert region.depth(wall + step * vertical).min() > -(step**2) * 10
    inner = region.sample(200, rng)
    inner = inner[region.depth(inner) > 0.1]
    np.testing.assert_array_equal(region.slide(inner, np.ones_like(inner)), 1.0)


def test_a_volume_is_that_of_the_samples_box_where_inside() -> None:
    rng = np.random.default_rng(0)
    for region in (REGIONS["sphere"], REGIONS["cuboid"]):
        low, high = region.bounds
        share = region.contains(rng.uniform(low, high, (40_000, 3))).mean()
        assert region.volume() == pytest.approx(share * np.prod(high - low), rel=0.03)
        assert region.volume(1.0) > region.volume()


def test_periodic_regions_agree_in_all_images() -> None:
    region = REGIONS["periodic sphere"]
    x = np.random.default_rng(0).normal(0, 5, (100, 3))
    for i, j in ((1, 0), (0, 1), (-2, 3)):
        shifted = x + np.array([*(np.array([i, j]) @ PLANE), 0.0])
        np.testing.assert_allclose(region.depth(shifted), region.depth(x), atol=1e-9)
    # Across the face of the cell: the sphere's centre is at its corner.
    assert region.contains(np.array([7.5, 6.5, 3.0]) - [11.0, 7.0, 0.0])


def test_a_height_field_follows_the_template() -> None:
    slab = fcc111("Pt", (6, 6, 3), vacuum=8)
    top = slab.positions[:, 2].max()
    pit = slab[[a.index for a in slab if not (a.tag == 1 and np.linalg.norm(a.position[:2] - (8.3, 4.8)) < 3)]]
    field = HeightField.above(pit, 0.0, 2.0)
    assert len(pit) < len(slab)
    floor = field.surface([[8.3, 4.8], [0.0, 0.0]])
    assert floor[1] == pytest.approx(top)
    assert floor[0] < top - 1.5
    # A cell further away is the same surface.
    np.testing.assert_allclose(field.surface(np.array([[8.3, 4.8]]) + np.array(field.plane[0])), floor[:1], atol=1e-9)
    steps = HeightField.above(stepped_platinum(), 0.0, 1.0)
    assert np.ptp(steps.heights) > 1.0


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Layer(2.0, 1.0, PLANE), "low=2 must be below high=1"),
        (lambda: Layer(0.0, 1.0, ((1.0, 0.0), (2.0, 0.0))), "span a plane"),
        (lambda: Cuboid((0, 0, 0), (1, 1, 0)), "below high"),
        (lambda: Sphere((0, 0, 0), 0.0), "radius=0.0"),
        (lambda: Sphere((0, 0), 1.0), "centre"),
        (lambda: HeightField(np.zeros(3), 0.0, 1.0, PLANE), "table of heights"),
        (lambda: HeightField(np.full((2, 2), np.nan), 0.0, 1.0, PLANE), "finite heights"),
        (lambda: HeightField(np.zeros((2, 2)), 1.0, 1.0, PLANE), "must be below"),
        (lambda: Periodic(Layer(0.0, 1.0, PLANE), PLANE), "periodic by itself"),
    ],
)
def test_bad_settings_are_refused(make: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()  # type: ignore[operator]


def test_nothing_that_is_not_finite_is_inside(region: Region) -> None:
    assert not region.contains([[np.nan, 0.0, 2.0], [0.0, np.inf, 2.0]]).any()


def test_descriptions_tell_regions_apart() -> None:
    told = [str(region.describe()) for region in REGIONS.values()]
    assert len(set(told)) == len(told)
