"""What every page is made of: templates, and figures that need no file beside the page."""

from __future__ import annotations

import base64
import io

import matplotlib as mpl
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup
from matplotlib.figure import Figure

from matseek.secrets import masked


def template(name: str) -> Template:
    """A template of this package; what it is given is escaped and without secrets, and must be all that it names."""
    environment = Environment(
        loader=PackageLoader("matseek", "report"),
        autoescape=True,
        finalize=_without_secrets,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def _without_secrets(value: object) -> object:
    """A text as a page tells it; what is HTML already is left as it is."""
    return masked(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def svg(figure: Figure) -> bytes:
    """The figure as SVG with its letters as outlines: it looks the same everywhere, and every time it is written."""
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": "matseek"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def picture(figure: Figure) -> str:
    """The figure as an address: as SVG, or as PNG where thousands of shapes would make an SVG of megabytes."""
    drawing = svg(figure)
    if len(drawing) <= _MOST_BYTES:
        return data_uri("image/svg+xml", drawing)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=180, metadata={"Software": None})
    return data_uri("image/png", buffer.getvalue())


_MOST_BYTES = 150_000
"""Of an SVG."""


def data_uri(kind: str, data: bytes) -> str:
    """Data as an address, for a page that stands alone."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
