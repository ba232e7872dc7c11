import io
from datetime import UTC, datetime
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

import matseek.report
from matseek.core.records import Evaluation
from matseek.problems import RecipeProblem, SpectralMatch
from matseek.report import batches, convergence, recipe_figures, recipes, spectra
from matseek.report.figures import problem_figures
from matseek.report.figures.house import looks_of
from matseek.spaces import Box, Variable

WAVELENGTHS = np.linspace(380.0, 800.0, 43)
TARGET = np.exp(-0.5 * ((WAVELENGTHS - 640) / 40) ** 2)


def band(peak, center=640.0):
    return peak * np.exp(-0.5 * ((WAVELENGTHS - center) / 40) ** 2)


def problem_of(d=2, spectral=False, **more):
    variables = [Variable(f"Q{j}", 0.0, 10.0, unit="%", hardware=(0.0, 40.0)) for j in range(d)]
    return RecipeProblem(Box(variables), len, SpectralMatch(WAVELENGTHS, TARGET) if spectral else None, **more)


def evaluation(
    number, value=np.nan, *, batch=1, proposer="lhs", point=(1.0, 2.0), status=None, replicates=None, response=None
):
    status = status or ("done" if np.isfinite(value) else "failed")
    replicates = [value] if replicates is None else replicates
    return Evaluation(
        number=number,
        iteration=batch,
        proposer=proposer,
        point=np.array(point, dtype=float),
        status=status,
        value=value,
        replicates=np.array(replicates if status == "done" else [], dtype=float),
        error="pump stopped" if status == "failed" else None,
        asked_at=datetime(2026, 3, 1, tzinfo=UTC),
        finished_at=None if status == "pending" else datetime(2026, 3, 2, tzinfo=UTC),
        load_response=lambda: response,
    )


def campaign(d=2):
    """Three batches: a hypercube with a failure, two proposers side by side, and one that waits."""
    rng = np.random.default_rng(0)

    def point():
        return rng.uniform(0, 10, d)

    values = [0.9, 0.7, np.nan, 0.8]
    first = [
        evaluation(n, v, point=point(), replicates=v + 0.01 * rng.normal(size=20)) for n, v in enumerate(values, 1)
    ]
    second = [
        evaluation(n, v, batch=2, proposer=p, point=point(), replicates=v + 0.01 * rng.normal(size=20))
        for n, (v, p) in enumerate([(0.5, "bayesian"), (0.75, "bayesian"), (0.3, "network"), (0.6, "network")], 5)
    ]
    third = [evaluation(n, batch=3, proposer="bayesian", point=point(), status="pending") for n in (9, 10)]
    return [*first, *second, *third]


def dots(ax):
    """Shown points by legend label."""
    return {c.get_label(): np.asarray(c.get_offsets()) for c in ax.collections if isinstance(c, PathCollection)}


def line(ax, label):
    return next(x for x in ax.lines if str(x.get_label()).startswith(label))


def labels_of(figure):
    return [t.get_text() for legend in figure.legends for t in legend.get_texts()]


def draw(figure):
    assert isinstance(figure, Figure)
    figure.savefig(io.BytesIO(), format="svg")
    return figure


def test_convergence_shows_each_value_by_proposer_and_the_best_so_far():
    figure = draw(convergence(problem_of(success_below=0.4), campaign()))
    ax = figure.axes[0]
    shown = dots(ax)
    assert {k: len(v) for k, v in shown.items()} == {"Latin hypercube": 3, "Bayesian": 2, "network": 2}
    np.testing.assert_allclose(shown["network"], [(7, 0.3), (8, 0.6)])
    best = line(ax, "best so far")
    np.testing.assert_allclose(best.get_xdata(), np.arange(1, 9))  # what is to be measured does not prolong it
    np.testing.assert_allclose(best.get_ydata(), [0.9, 0.7, 0.7, 0.7, 0.5, 0.5, 0.3, 0.3])
    assert best.get_drawstyle() == "steps-post"
    np.testing.assert_allclose(line(ax, "success below").get_ydata(), 0.4)


def test_convergence_marks_failures_those_to_be_measured_and_batches():
    ax = draw(convergence(problem_of(), campaign())).axes[0]
    failed, waiting = line(ax, "failed"), line(ax, "to be measured")
    assert (list(failed.get_xdata()), failed.get_label()) == ([3.0], "failed (1)")
    assert list(waiting.get_xdata()) == [9.0, 10.0]
    assert min(*failed.get_ydata(), *waiting.get_ydata()) > 0.9  # along the top, in fractions of the axes
    edges = next(c for c in ax.collections if c.get_label() == "_batches")
    np.testing.assert_allclose(sorted(s[0, 0] for s in edges.get_segments()), [4.5, 8.5])


def test_order_of_the_evaluations_does_not_matter():
    ax = draw(convergence(problem_of(), campaign()[::-1])).axes[0]
    np.testing.assert_allclose(line(ax, "best so far").get_ydata(), [0.9, 0.7, 0.7, 0.7, 0.5, 0.5, 0.3, 0.3])


def test_no_success_level_no_line():
    assert not [text for text in labels_of(convergence(problem_of(), campaign())) if "success" in text]


@pytest.mark.parametrize(("values", "scale"), [([0.9, 0.5], "linear"), ([0.9, 0.01], "log"), ([0.9, -0.01], "linear")])
def test_late_progress_stays_visible(values, scale):
    evaluations = [evaluation(n, v) for n, v in enumerate(values, 1)]
    for make in (convergence, batches, recipes):
        ax = draw(make(problem_of(), evaluations)).axes[0]
        assert ax.get_yscale() == scale
        assert ("log" in ax.get_ylabel()) == (scale == "log")


def test_batches_set_proposers_side_by_side_and_box_the_replicates():
    evaluations = campaign()
    ax = draw(batches(problem_of(), evaluations)).axes[0]
    shown = dots(ax)
    assert {k: len(v) for k, v in shown.items()} == {"Latin hypercube": 3, "Bayesian": 2, "network": 2}
    assert shown["Bayesian"][:, 0].max() < 2 < shown["network"][:, 0].min()
    np.testing.assert_allclose(shown["network"][:, 1], [0.3, 0.6])
    assert len(ax.patches) == 3  # a box for each proposer of each batch
    pooled = np.concatenate([e.replicates for e in evaluations if e.proposer == "network"])
    bodies = [p.get_path().vertices[:, 1] for p in ax.patches]
    assert any(np.allclose([b.min(), b.max()], np.percentile(pooled, (25, 75))) for b in bodies)


def test_one_value_is_a_dot_without_a_box():
    ax = draw(batches(problem_of(), [evaluation(1, 0.4)])).axes[0]
    assert len(dots(ax)["Latin hypercube"]) == 1
    assert not ax.patches


def spectral_campaign():
    rng = np.random.default_rng(1)
    peaks = {1: 0.4, 2: 0.9, 3: 0.6, 4: 0.5, 5: 0.3, 6: 0.2}
    values = {1: 0.5, 2: 0.1, 3: 0.2, 4: 0.3, 5: 0.6, 6: 0.7}
    out = []
    for n, peak in peaks.items():
        response = band(peak) * (1 + 0.05 * rng.normal(size=(20, 1)))
        if n == 2:
            response[3] = np.nan  # a droplet that was lost
        out.append(evaluation(n, values[n], response=response))
    return out


def test_spectra_show_the_best_median_its_band_and_the_target_at_the_same_peak():
    evaluations = spectral_campaign()
    figure = draw(spectra(problem_of(spectral=True), evaluations))
    ax = figure.axes[0]
    measured = evaluations[1].response[np.isfinite(evaluations[1].response).all(axis=1)]
    best, target = line(ax, "best"), line(ax, "target")
    assert "evaluation 2 (loss 0.100)" in best.get_label()
    np.testing.assert_allclose(best.get_xdata(), WAVELENGTHS)
    np.testing.assert_allclose(best.get_ydata(), np.median(measured, axis=0))
    assert target.get_ydata().max() == pytest.approx(best.get_ydata().max())
    assert target.get_linestyle() != "-"
    shade = next(c for c in ax.collections if str(c.get_label()).startswith("10 to 90 %"))
    assert "19 replicates" in shade.get_label()
    edges = shade.get_paths()[0].vertices
    at_peak = edges[edges[:, 0] == 640.0][:, 1]
    np.testing.assert_allclose(
        [at_peak.min(), at_peak.max()], np.percentile(measured[:, WAVELENGTHS == 640.0], (10, 90)), rtol=1e-9
    )
    assert [t.split(" (")[0] for t in labels_of(figure) if t.startswith("evaluation")] == [
        "evaluation 3",
        "evaluation 4",
        "evaluation 1",
    ]


def test_spectra_shade_the_gate():
    ax = draw(spectra(problem_of(spectral=True), spectral_campaign())).axes[0]
    gate = next(p for p in ax.patches if "peak wanted" in str(p.get_label()))
    assert (gate.get_y(), gate.get_y() + gate.get_height()) == pytest.approx((0.7, 1.2))
    assert ax.get_ylim()[1] > 1.2
    assert "nm" in ax.get_xlabel()


def test_a_single_spectrum_has_no_band():
    figure = draw(spectra(problem_of(spectral=True), [evaluation(1, 0.2, response=band(0.8).astype(np.float32))]))
    assert not [text for text in labels_of(figure) if "%" in text]


def test_a_dark_best_spectrum_still_shows_the_target():
    dark = evaluation(1, 1.0, response=np.zeros((3, 43)))
    ax = draw(spectra(problem_of(spectral=True), [dark])).axes[0]
    assert np.ptp(line(ax, "target").get_ydata()) == pytest.approx(1.0)


def test_spectra_need_a_spectral_objective():
    with pytest.raises(ValueError, match="does not match spectra"):
        spectra(problem_of(), campaign())


def test_recipes_show_all_points_by_batch_with_the_best_starred():
    evaluations = campaign()
    figure = draw(recipes(problem_of(), evaluations))
    for j, ax in enumerate(figure.axes[:2]):
        assert ax.get_xlabel() == f"Q{j} (%)"
        points, star = (c for c in ax.collections if isinstance(c, PathCollection))
        done = [e for e in evaluations if e.status == "done"]
        np.testing.assert_allclose(points.get_offsets(), [(e.point[j], e.value) for e in done])
        np.testing.assert_allclose(points.get_array(), [1, 1, 1, 2, 2, 2, 2])
        np.testing.assert_allclose(star.get_offsets(), [(evaluations[6].point[j], 0.3)])
        low, high = ax.get_xlim()
        assert low == pytest.approx(-0.3)
        assert high == pytest.approx(10.3)
        assert not ax.patches


def test_recipes_shade_the_window_where_points_lie_beyond_it():
    figure = draw(recipes(problem_of(), [*campaign(), evaluation(11, 0.4, batch=4, point=(13.0, 5.0))]))
    widened, kept = figure.axes[:2]
    window = widened.patches[0]
    assert (window.get_x(), window.get_x() + window.get_width()) == pytest.approx((0.0, 10.0))
    assert 13.0 < widened.get_xlim()[1] < 14.0
    assert not kept.patches
    assert "window at the start" in labels_of(figure)


@pytest.mark.parametrize("d", [1, 2, 3, 4, 5, 7, 12])
def test_a_panel_per_variable(d):
    evaluations = campaign(d)
    figure = draw(recipes(problem_of(d), evaluations))
    panels = [ax for ax in figure.axes if ax.get_xlabel()]
    assert [ax.get_xlabel() for ax in panels] == [f"Q{j} (%)" for j in range(d)]
    assert len(figure.axes) == d + 1  # and the colour bar


CASES = {
    "one": [evaluation(1, 0.5, response=band(0.5))],
    "one failed": [evaluation(1)],
    "all failed": [evaluation(n, batch=n // 3 + 1) for n in range(1, 8)],
    "all to be measured": [evaluation(n, status="pending") for n in range(1, 4)],
    "no replicates": [evaluation(n, 1 / n, batch=n, response=band(0.1 * n)) for n in range(1, 6)],
    "the same value": [evaluation(n, 0.5, response=band(0.5)) for n in range(1, 5)],
    "zero": [evaluation(n, 0.0, replicates=[0.0] * 5, response=band(0.5)) for n in range(1, 5)],
    "hundred batches": [evaluation(n, 1 / n, batch=n, proposer=f"p{n % 7}", response=band(0.5)) for n in range(1, 101)],
    "names": [evaluation(n, 0.5, proposer="$x_1$ <b>", response=band(0.5)) for n in range(1, 4)],
    "many proposers": [evaluation(n, 0.5 + n, proposer=f"proposer {n}", response=band(0.5)) for n in range(1, 7)],
}


@pytest.mark.parametrize("spectral", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_every_campaign_can_be_drawn(case, spectral):
    problem = problem_of(spectral=spectral, success_below=0.2)
    drawn = recipe_figures(problem, CASES[case])
    assert list(drawn) == ["convergence", "batches", *(["spectra"] if spectral else []), "recipes"]
    for figure in drawn.values():
        draw(figure)
    if "failed" in case:
        assert "best so far" not in labels_of(drawn["convergence"])
        assert f"failed ({len(CASES[case])})" in labels_of(drawn["convergence"])
        assert "no evaluation has a value yet" in [t.get_text() for t in drawn["recipes"].axes[0].texts]


def test_nothing_to_draw():
    assert problem_figures(problem_of(), []) == {}


def test_long_names_and_a_dollar_are_drawn_as_they_are():
    name = "total flow of everything that enters the reactor for $5 and $6"
    space = Box([Variable(name, 0, 1, unit="µL/min"), Variable("b", 0, 1)])
    figure = draw(recipes(RecipeProblem(space, len), [evaluation(1, 0.3, point=(0.5, 0.5))]))
    assert figure.axes[0].get_xlabel().replace("\n", " ") == f"{name} (µL/min)"
    renderer = FigureCanvasAgg(figure).get_renderer()
    first, second = (ax.xaxis.label.get_window_extent(renderer) for ax in figure.axes[:2])
    assert not first.overlaps(second)


def test_a_proposer_looks_the_same_in_every_figure():
    evaluations = campaign()
    assert looks_of(evaluations) == {"lhs": ("#8c8c8c", "o"), "bayesian": ("#0072B2", "s"), "network": ("#D55E00", "^")}
    for make in (convergence, batches):
        ax = make(problem_of(), evaluations).axes[0]
        marks = next(c for c in ax.collections if c.get_label() == "network")
        np.testing.assert_allclose(marks.get_facecolor()[0, :3], to_rgba("#D55E00")[:3])


def test_figures_change_no_global_state():
    before = dict(mpl.rcParams)
    with mpl.rc_context({"font.size": 3.0, "figure.facecolor": "black"}):
        figure = convergence(problem_of(), campaign())
        assert mpl.rcParams["font.size"] == 3.0
    assert dict(mpl.rcParams) == before
    assert figure.get_facecolor() == (1.0, 1.0, 1.0, 1.0)
    assert figure.axes[0].yaxis.label.get_size() == 10.0


def test_report_does_not_use_pyplot():
    folder = Path(matseek.report.__file__).parent
    assert [p.name for p in folder.rglob("*.py") if "pyplot" in p.read_text().replace("without pyplot", "")] == []
