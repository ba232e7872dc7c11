"""Pictures stay small."""

import base64

import numpy as np
from matplotlib.figure import Figure

from matseek.report.html import picture


def drawing(dots):
    figure = Figure()
    figure.subplots().plot(*np.random.default_rng(0).random((2, dots)), "o")
    return figure


def test_a_drawing_of_thousands_of_shapes_becomes_a_picture():
    few, many = picture(drawing(10)), picture(drawing(5000))
    assert few.startswith("data:image/svg+xml;base64,")
    assert many.startswith("data:image/png;base64,")
    assert base64.b64decode(many.partition(",")[2])[:4] == b"\x89PNG"
    assert len(many) < 200_000
