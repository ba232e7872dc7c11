import io

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.collections import PathCollection, QuadMesh
from matplotlib.figure import Figure

from matseek.insight.attribution import shapley_values
from matseek.insight.loss_map import loss_map
from matseek.insight.palette import colour_map, reachable_palette, transmitted_colours
from matseek.report.figures import (
    attribution,
    loss_maps,
    palette,
    predicted_against_measured,
    spectrum_attribution,
    stability,
)
from matseek.report.page import CAPTIONS
from matseek.spaces import Box, LinearConstraint, Variable

WAVELENGTHS = np.linspace(380.0, 800.0, 43)
NAMES = ("Qseed", "QAgNO3", "Qtot")
SPACE = Box(
    [Variable("Qseed", 0, 10, unit="%"), Variable("QAgNO3", 0, 20, unit="%"), Variable("Qtot", 200, 1000, unit="uL")],
    [LinearConstraint({"Qseed": 1, "QAgNO3": 1}, upper=20)],
)
POINTS = SPACE.sample_uniform(9, np.random.default_rng(0))


def spectra(points):
    """A band whose strength follows silver and whose place follows the seeds."""
    strength, center = points[:, 1:2] / 15, 600 - 15 * points[:, :1]
    return strength * np.exp(-(((WAVELENGTHS - center) / 60) ** 2))


def bowl(points):
    return (((points - [4, 8, 600]) / [10, 20, 800]) ** 2).sum(axis=1)


def tilted(points):
    return 0.2 + points[:, 0] / 10


def draw(figure):
    """Both ways in which figures leave; a warning on the way is an error."""
    assert isinstance(figure, Figure)
    figure.savefig(io.BytesIO(), format="svg")
    figure.savefig(io.BytesIO(), format="png", dpi=60)
    return figure


def dots(ax):
    return {c.get_label(): np.asarray(c.get_offsets()) for c in ax.collections if isinstance(c, PathCollection)}


def mesh(ax):
    return next(c for c in ax.collections if isinstance(c, QuadMesh))


def labels_of(figure):
    return [t.get_text() for legend in figure.legends for t in legend.get_texts()]


MAPS = {
    "Gaussian process": loss_map(bowl, SPACE, "Qseed", "QAgNO3", resolution=6),
    "network": loss_map(tilted, SPACE, "Qseed", "QAgNO3", resolution=6),
}


def test_loss_maps_share_a_scale_and_star_the_optimum():
    figure = draw(loss_maps(MAPS, SPACE, POINTS))
    gp, network, bar = figure.axes
    assert [ax.get_title() for ax in (gp, network)] == ["Gaussian process", "network"]
    assert mesh(gp).norm is mesh(network).norm
    everything = np.concatenate([m.losses[np.isfinite(m.losses)] for m in MAPS.values()])
    assert (mesh(gp).norm.vmin, mesh(gp).norm.vmax) == (everything.min(), everything.max())
    for ax, drawn in zip((gp, network), MAPS.values(), strict=True):
        np.testing.assert_allclose(mesh(ax).get_array().filled(np.nan).reshape(6, 6), drawn.losses)
        np.testing.assert_allclose(dots(ax)["measured"], POINTS[:, :2])
        np.testing.assert_allclose(dots(ax)["optimum"], drawn.optimum[None, :2])
        assert f"optimum {drawn.least:.3f}" in ax.texts[0].get_text()
        assert "Qtot" in ax.texts[0].get_text()
    assert np.isnan(MAPS["Gaussian process"].losses).any(), "the infeasible corner"
    assert (gp.get_xlabel().strip(), gp.get_ylabel()) == ("Qseed (%)", "QAgNO3 (%)")
    assert "least over the other variables" in bar.get_ylabel()


def test_loss_maps_of_one_model_without_points_and_of_nothing_known():
    unknown = loss_map(lambda X: np.full(len(X), np.nan), SPACE, "Qseed", "QAgNO3", resolution=4)
    figure = draw(loss_maps({"mine": unknown}, SPACE))
    assert figure.axes[0].get_title() == "mine"
    assert figure.axes[0].texts[0].get_text() == "no feasible recipe"
    assert dots(figure.axes[0]) == {}
    with pytest.raises(ValueError, match="at least one"):
        loss_maps({}, SPACE)


def test_stability_by_run_and_model():
    plain = {"Gaussian process": {3: 0.98, 2: 0.9, 4: np.nan}, "network": {4: 0.95}}
    centred = {"Gaussian process": {3: 0.7, 2: 0.1}, "network": {4: -0.2}}
    figure = draw(stability(plain, centred, level=0.97))
    lines = {str(x.get_label()): x for x in figure.axes[0].lines}
    assert list(lines["Gaussian process"].get_xdata()) == [2, 3]
    assert list(lines["Gaussian process"].get_ydata()) == [0.9, 0.98]
    assert list(lines["network"].get_ydata()) == [0.95]
    assert "stable from 0.97" in labels_of(figure)
    assert [list(x.get_ydata()) for x in figure.axes[1].lines] == [[0.1, 0.7], [-0.2]]


@pytest.mark.parametrize("nothing", [{}, {"gp": {}}, {"gp": {2: np.nan}}])
def test_stability_of_nothing_says_so(nothing):
    texts = [[t.get_text() for t in ax.texts] for ax in draw(stability(nothing, nothing)).axes]
    assert texts == [["no two maps to compare yet"]] * 2


def attributions():
    background = SPACE.sample_uniform(5, np.random.default_rng(1))
    return {
        name: shapley_values(f, POINTS, background, names=NAMES)
        for name, f in (("Gaussian process", bowl), ("network", tilted))
    }


def test_attribution_bars_with_errors_strongest_first():
    found = attributions()
    figure = draw(attribution(found, SPACE))
    ax = figure.axes[0]
    order = [NAMES.index(name) for name in found["Gaussian process"].ranking]
    assert [t.get_text() for t in ax.get_yticklabels()] == [SPACE.labels[k] for k in order]
    assert ax.yaxis_inverted()
    bars = [c for c in ax.containers if hasattr(c, "patches")]
    for container, a in zip(bars, found.values(), strict=True):
        np.testing.assert_allclose([b.get_width() for b in container.patches], a.mean_absolute[order])
        segments = np.array(container.errorbar.lines[2][0].get_segments())
        np.testing.assert_allclose(np.diff(segments[:, :, 0])[:, 0], 2 * a.standard_error[order], atol=1e-12)
    assert labels_of(figure) == ["Gaussian process", "network"]


def test_attribution_of_one_point_draws_no_error():
    found = shapley_values(bowl, POINTS[:1], POINTS[1:], names=NAMES)
    draw(attribution({"gp": found}, SPACE))


def test_spectrum_attribution_shows_how_much_and_which_way():
    found = shapley_values(spectra, POINTS, POINTS[:4] + 0.1, names=NAMES)
    figure = draw(spectrum_attribution(found, SPACE, WAVELENGTHS))
    top, much, way = figure.axes[:3]
    np.testing.assert_allclose(top.lines[0].get_ydata(), found.reference)
    np.testing.assert_allclose(mesh(much).get_array().reshape(3, 43), found.mean_absolute)
    signed = mesh(way).get_array().reshape(3, 43)
    np.testing.assert_allclose(signed, found.mean_absolute * found.direction)
    assert signed[1].max() > 0.1, "more silver absorbs more"
    assert mesh(way).norm.vmin == -mesh(way).norm.vmax
    assert [t.get_text() for t in way.get_yticklabels()] == list(SPACE.labels)
    assert way.get_xlabel() == "Wavelength (nm)"


def test_attributions_of_the_other_kind_are_refused():
    whole = shapley_values(spectra, POINTS, POINTS[:4], names=NAMES)
    with pytest.raises(ValueError, match="spectrum_attribution"):
        attribution({"network": whole}, SPACE)
    with pytest.raises(ValueError, match="42 wavelengths"):
        spectrum_attribution(whole, SPACE, WAVELENGTHS[1:])
    with pytest.raises(ValueError, match="43 wavelengths"):
        spectrum_attribution(attributions()["Gaussian process"], SPACE, WAVELENGTHS)


def test_a_spectrum_that_nothing_changes_is_drawn():
    found = shapley_values(lambda X: np.zeros((len(X), 43)), POINTS, POINTS[:2], names=NAMES)
    draw(spectrum_attribution(found, SPACE, WAVELENGTHS))


@pytest.mark.parametrize(("n", "panels"), [(1, 1), (4, 4), (6, 6), (15, 15), (40, 24)])
def test_predicted_against_measured(n, panels):
    points = SPACE.sample_uniform(n, np.random.default_rng(2))
    measured = spectra(points) + 0.01
    figure = draw(predicted_against_measured(WAVELENGTHS, 2 * measured, measured, deviation=0.8 * measured))
    assert len(figure.axes) == panels
    black, ours = figure.axes[0].lines
    np.testing.assert_allclose(black.get_ydata(), measured[0])
    np.testing.assert_allclose(ours.get_ydata(), 2 * measured[0])
    assert figure.axes[0].get_title() == "condition 1: 1.000"
    band = "its 80 % band, which holds 100% of what was measured"
    assert labels_of(figure) == ["measured", "predicted beforehand", band]
    narrow = predicted_against_measured(WAVELENGTHS, 2 * measured, measured, deviation=0.7 * measured)
    assert labels_of(narrow)[-1] == band.replace("100%", "0%")


def test_the_cosine_is_that_of_the_spectra():
    a, b = np.zeros((2, 1, 43))
    a[0, :10], b[0, 5:15] = 1, 1
    figure = draw(predicted_against_measured(WAVELENGTHS, a, b, names=["no 7"]))
    assert figure.axes[0].get_title() == "no 7: 0.500"
    with pytest.raises(ValueError, match="one row per condition"):
        predicted_against_measured(WAVELENGTHS, a, b[:, :40])


def test_palette_shows_map_chips_and_target():
    over = colour_map(spectra, WAVELENGTHS, SPACE, [4, 8, 600], "Qseed", "QAgNO3", resolution=6)
    chips = reachable_palette(spectra, WAVELENGTHS, SPACE, chips=7, samples=60)
    target = transmitted_colours(WAVELENGTHS, spectra(POINTS)[0])
    left, right = draw(palette(over, SPACE, chips, target)).axes
    image = left.images[0].get_array()
    known = np.isfinite(over.colours.rgb).all(axis=-1)
    np.testing.assert_allclose(image[known][:, :3], over.colours.rgb[known])
    np.testing.assert_array_equal(image[..., 3], known)
    assert not known.all()
    np.testing.assert_allclose(dots(left)["recipe that lends the other variables"], [[4, 8]])
    faces = [p.get_facecolor()[:3] for p in right.patches]
    np.testing.assert_allclose(faces, [target.rgb, *chips.colours.rgb])
    assert left.get_title() == "At Qtot 600"
    assert len(draw(palette(over, SPACE)).axes) == 1
    draw(palette(over, SPACE, target=target))


def test_figures_leave_matplotlib_as_it_was():
    before = dict(mpl.rcParams)
    draw(loss_maps(MAPS, SPACE))
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize(
    "make", [loss_maps, stability, attribution, spectrum_attribution, predicted_against_measured, palette]
)
def test_every_figure_has_a_caption(make):
    title, caption = CAPTIONS[make.__name__]
    assert title
    assert len(caption) > 80
