"""Charts as Apache ECharts takes them. Colours are the page's CSS variables, so that dark mode needs no redrawing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from matseek.core.surrogate import LeftOut
from matseek.insight.loss_map import LossMap
from matseek.workbench.understanding import SHARE, Prediction, ends

FloatArray = npt.NDArray[np.float64]
Chart = dict[str, Any]

_VIRIDIS = ["#440154", "#46327e", "#365c8d", "#277f8e", "#1fa187", "#4ac16d", "#a0da39", "#fde725"]
_INK, _SOFT, _LINE, _MARK = "var(--ink)", "var(--soft)", "var(--line)", "var(--mark)"
_DIGITS = 5
_BAND = f"{100 * SHARE:.0f} % interval"


def spectrum(
    prediction: Prediction, target: FloatArray | None, measured: tuple[FloatArray, FloatArray] | None
) -> Chart:
    """A predicted spectrum with its interval, over the target and the best that was measured.

    Args:
        prediction: Has a spectrum.
        target: Absorbances of the target on the prediction's wavelengths, whatever their scale; None without one.
        measured: Wavelengths and absorbances of the best measured spectrum; None without one.
    """
    found = prediction.spectrum
    assert found is not None
    at = found.wavelengths
    lines = [
        _curve("interval_low", [], color="none"),
        _curve(_BAND, [], color="none", areaStyle={"color": _MARK, "opacity": 0.22}),
        _curve("predicted", [], color=_MARK, width=2.5),
    ]
    lines[0]["stack"] = lines[1]["stack"] = "interval"
    lines[1]["stackStrategy"] = "all"
    if target is not None:
        lines.append(_curve("target, scaled to the prediction", [], color="var(--target)", width=2, dash=[7, 5]))
    if measured is not None:
        best = _pairs(*measured)
        lines.append(_curve("best measured", best, color="var(--measured)", width=1.5, dash=[2, 3]))
    legend = _legend([_BAND, *(str(line["name"]) for line in lines[2:])])
    chart = {**_frame("wavelength (nm)", "absorbance", left=52), "legend": legend, "series": lines}
    chart["grid"]["top"] = 64
    chart["xAxis"] |= {"min": float(at[0]), "max": float(at[-1])}
    chart["yAxis"] |= {"min": 0}
    return _merged(chart, spectrum_update(prediction, target))


def spectrum_update(prediction: Prediction, target: FloatArray | None) -> Chart:
    """What changes of :func:`spectrum` while sliders move."""
    found = prediction.spectrum
    assert found is not None
    at = found.wavelengths
    series: list[Chart] = [
        {"data": _pairs(at, found.low)},
        {"data": _pairs(at, found.high - found.low)},
        {"data": _pairs(at, found.expected)},
    ]
    if target is not None:
        low, high = float(found.expected.min()), float(found.expected.max())
        shape = (target - target.min()) / max(float(np.ptp(target)), 1e-12)
        series.append({"data": _pairs(at, low + (high - low) * shape)})
    return {"series": series}


def loss_map(found: LossMap, points: FloatArray, label: str, sign: float, columns: tuple[int, int]) -> Chart:
    """A map of what is expected, with what was measured; dark is good.

    Args:
        found: The map.
        points: What was measured, in coordinates of the map's box, shape ``(n, d)``.
        label: What the colours stand for.
        sign: What turns the map's values into told ones.
        columns: Columns of the map's two variables in the points.
    """
    values = sign * found.losses
    known = values[np.isfinite(values)]
    cells = [
        [i, j, None if not np.isfinite(v) else _rounded(v)] for j, row in enumerate(values) for i, v in enumerate(row)
    ]
    place = [_place(points[:, c], grid) for c, grid in zip(columns, (found.x_values, found.y_values), strict=True)]
    best = np.unravel_index(np.nanargmin(found.losses), found.losses.shape) if len(known) else None
    chart = _frame(found.x.label, found.y.label, left=64)
    for axis, grid in (("xAxis", found.x_values), ("yAxis", found.y_values)):
        chart[axis] |= {"type": "category", "data": [f"{v:.3g}" for v in grid], "splitLine": {"show": False}}
        chart[axis]["axisLabel"] |= {"interval": max(len(grid) // 5 - 1, 0)}
    return chart | {
        "grid": {"left": 64, "right": 16, "top": 12, "bottom": 108},
        "visualMap": {
            "min": _rounded(known.min()) if len(known) else 0,
            "max": _rounded(known.max()) if len(known) else 1,
            "orient": "horizontal",
            "left": "center",
            "bottom": 0,
            "itemHeight": 180,
            "precision": 3,
            "text": [f"{known.max():.3g}" if len(known) else "", f"{label} {known.min():.3g}" if len(known) else ""],
            "textStyle": {"color": _INK},
            "inRange": {"color": _VIRIDIS if sign > 0 else _VIRIDIS[::-1]},
            "seriesIndex": 0,
        },
        "tooltip": {"trigger": "item", "confine": True},
        "series": [
            {"type": "heatmap", "name": label, "data": cells, "emphasis": {"disabled": True}, "progressive": 0},
            _marks("measured", np.column_stack(place).tolist(), "circle", 7, "#ffffff"),
            _marks("best expected", [] if best is None else [[int(best[1]), int(best[0])]], "diamond", 16, "#ffb000"),
        ],
    }


def left_out(found: LeftOut, label: str, sign: float) -> Chart:
    """Predicted against measured, each condition as if it had not been learnt from.

    Args:
        found: The predictions.
        label: What the axes show.
        sign: What turns the values into told ones.
    """
    middle = sign * np.median(found.draws.values, axis=0)
    bounds = sign * np.quantile(found.draws.values, ends(), axis=0)
    values = sign * found.values
    bars: list[list[float] | list[None]] = []
    for x, low, high in zip(values.tolist(), *bounds.tolist(), strict=True):
        bars += [[_rounded(x), _rounded(low)], [_rounded(x), _rounded(high)], [None, None]]
    low, high = float(np.nanmin([values.min(), bounds.min()])), float(np.nanmax([values.max(), bounds.max()]))
    margin = 0.04 * (high - low or 1.0)
    chart = _frame(f"measured: {label}", "predicted without it", left=58)
    for axis in ("xAxis", "yAxis"):
        chart[axis] |= {"min": _rounded(low - margin), "max": _rounded(high + margin)}
        chart[axis]["axisLabel"] |= {"showMinLabel": False, "showMaxLabel": False}
    return chart | {
        "legend": _legend(["predicted", "interval", "as measured"]),
        "series": [
            _curve("as measured", [[low, low], [high, high]], color=_SOFT, width=1, dash=[4, 4]),
            _curve("interval", bars, color=_MARK, width=1),
            _marks("predicted", _pairs(values, middle), "circle", 8, _MARK),
        ],
    }


def _frame(x: str, y: str, left: int) -> Chart:
    def axis(name: str, gap: int) -> Chart:
        return {
            "type": "value",
            "name": name,
            "nameLocation": "middle",
            "nameGap": gap,
            "nameTextStyle": {"color": _INK, "fontSize": 13},
            "axisLabel": {"color": _SOFT, "fontSize": 12, "hideOverlap": True},
            "axisLine": {"lineStyle": {"color": "var(--edge)"}},
            "splitLine": {"lineStyle": {"color": _LINE}},
            "scale": True,
        }

    return {
        "animation": False,
        "textStyle": {"fontFamily": "system-ui, sans-serif"},
        "grid": {"left": left, "right": 16, "top": 40, "bottom": 48},
        "xAxis": axis(x, 28),
        "yAxis": axis(y, left - 14),
    }


def _legend(names: Sequence[str]) -> Chart:
    """A legend in which the band is a box and curves are lines."""
    data = [{"name": n, "icon": "rect", "itemStyle": {"opacity": 0.35}} if n == _BAND else {"name": n} for n in names]
    return {
        "data": data,
        "top": 0,
        "left": 0,
        "itemWidth": 26,
        "itemHeight": 10,
        "textStyle": {"color": _INK, "fontSize": 12},
        "inactiveColor": _SOFT,
    }


def _curve(name: str, data: Sequence[Any], *, color: str, width: float = 0, dash: Any = "solid", **more: Any) -> Chart:  # noqa: ANN401
    return {
        "type": "line",
        "name": name,
        "data": list(data),
        "symbol": "none",
        "silent": True,
        "connectNulls": False,
        "itemStyle": {"color": color if color != "none" else _MARK},
        "lineStyle": {"color": color, "width": width, "type": dash},
        "emphasis": {"disabled": True},
    } | more


def _marks(name: str, data: Sequence[Any], symbol: str, size: int, color: str) -> Chart:
    return {
        "type": "scatter",
        "name": name,
        "data": list(data),
        "symbol": symbol,
        "symbolSize": size,
        "itemStyle": {"color": color, "borderColor": "#20242a", "borderWidth": 1, "opacity": 1},
        "emphasis": {"disabled": True},
    }


def _merged(chart: Chart, update: Chart) -> Chart:
    for line, new in zip(chart["series"], update["series"], strict=False):
        line.update(new)
    return chart


def _pairs(x: FloatArray, y: FloatArray) -> list[list[float]]:
    pairs: list[list[float]] = np.column_stack([np.round(x, 3), np.round(y, _DIGITS)]).tolist()
    return pairs


def _place(values: FloatArray, grid: FloatArray) -> FloatArray:
    """Positions between the cells of a grid."""
    return np.round(np.interp(values, grid, np.arange(len(grid))), 3)


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
