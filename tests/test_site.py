"""The site builds without a warning, so that no link within it is dead. `make docs` adds the Python interface."""

import subprocess
import sys

import pytest
from scripts.configuration_page import page
from scripts.links import dead_links

from tests.conftest import ROOT

pytest.importorskip("myst_nb")

PARTS = "myst_nb,sphinx.ext.mathjax,sphinx_copybutton,sphinx_design"


def test_the_site_builds(tmp_path):
    """Without the Python interface, which takes a minute or two."""
    how = ["-q", "-E", "-b", "html", "-D", f"extensions={PARTS}", "-d", str(tmp_path / "trees")]
    result = subprocess.run(
        [sys.executable, "-m", "sphinx", *how, str(ROOT / "docs"), str(tmp_path / "html")],
        capture_output=True,
        text=True,
        check=False,
    )
    said = [line for line in result.stderr.splitlines() if "WARNING" in line and "reference/api" not in line]
    assert result.returncode == 0, result.stderr
    assert not said
    for name in ("index", "tutorials", "howto/laboratory", "reference/configuration", "notebooks/03_bo_dnn_godiff"):
        assert (tmp_path / "html" / f"{name}.html").is_file()
    assert [link for link in dead_links(tmp_path / "html") if "reference/api" not in link] == []
    assert "<img" in (tmp_path / "html" / "notebooks" / "02_godiff_adatom.html").read_text()


def test_every_choice_has_its_settings_on_the_page():
    text = page(ROOT / "configs")
    for file in (ROOT / "configs").glob("*/*.yaml"):
        assert f"### `{file.parent.name}={file.stem}`" in text


def test_a_link_that_leads_nowhere_is_told(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.html").write_text(
        '<h1 id="top">A</h1><a href="sub/b.html#there">1</a><a href="sub/b.html#gone">2</a><a href="c.html">3</a>'
        '<a href="#top">4</a><a href="#bottom">5</a><a href="https://elsewhere.org/x">6</a><img src="no.png">'
    )
    (tmp_path / "sub" / "b.html").write_text('<p id="there"><a href="../a.html">back</a></p>')
    assert dead_links(tmp_path) == ["a.html: sub/b.html#gone", "a.html: c.html", "a.html: #bottom", "a.html: no.png"]
