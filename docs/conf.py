"""How Sphinx builds the site: make docs."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from sphinx.application import Sphinx

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path.insert(0, str(ROOT))

from scripts.configuration_page import page  # noqa: E402

project = "matseek"
author = "The matseek developers"
project_copyright = "the matseek developers"

extensions = [
    "myst_nb",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "autoapi.extension",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["_build", "**.ipynb_checkpoints"]
html_theme = "furo"
html_title = "matseek"
html_show_sphinx = False
html_static_path = ["_static"]
html_js_files = ["scrollable.js"]

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 4
# Outputs are those that are stored: the tests execute the notebooks.
nb_execution_mode = "off"

autoapi_dirs = [str(ROOT / "src" / "matseek")]
autoapi_root = "reference/api"
autoapi_add_toctree_entry = False
autoapi_keep_files = False
autoapi_member_order = "bysource"
autoapi_options = ["members", "imported-members", "show-inheritance", "show-module-summary"]
# Names that a room re-exports lazily are found in its stub, where autoapi resolves them; the rest are no public names.
suppress_warnings = ["autoapi.python_import_resolution"]

PUBLIC = re.findall(r"`(matseek[.\w]*)`", (DOCS / "deprecation.md").read_text().partition("## How")[0])
"""What docs/deprecation.md calls public: its pages make the reference."""


def setup(app: Sphinx) -> None:
    """Leave modules out that are not public."""
    if "autoapi.extension" in app.extensions:
        app.connect("autoapi-skip-member", _skipped)


def _skipped(_app: Sphinx, kind: str, name: str, _object: object, skip: bool, _options: object) -> bool:
    return skip or (kind in ("module", "package") and not any(p == name or p.startswith(f"{name}.") for p in PUBLIC))


(DOCS / "reference" / "configuration.md").write_text(page(ROOT / "configs"))
