import base64
import html
import json
import re

import numpy as np
import pytest

from matseek.library.platinum import platinum_adatom
from matseek.report import structure_view


@pytest.fixture(scope="module")
def bundle():
    problem = platinum_adatom()
    point = problem.space.sample_uniform(1, np.random.default_rng(0))[0]
    atoms = problem.space.atoms(point)
    return atoms, structure_view(atoms, "an <adatom>")._repr_mimebundle_()


def test_every_front_end_has_something(bundle):
    _, found = bundle
    assert set(found) == {"text/plain", "text/html", "image/png"}
    assert base64.b64decode(found["image/png"]).startswith(b"\x89PNG")
    assert f"data:image/png;base64,{found['image/png']}" in found["text/html"], "the picture stays without scripts"


def test_nothing_is_loaded_and_nothing_escapes(bundle):
    _, found = bundle
    page = re.sub("base64,[A-Za-z0-9+/=]+", "", found["text/html"])
    assert "http" not in page
    assert "<adatom>" not in page


def test_spheres_are_the_atoms(bundle):
    atoms, found = bundle
    spheres = json.loads(html.unescape(re.search('data-atoms="([^"]*)"', found["text/html"])[1]))
    apart = np.array(spheres["centres"]) - spheres["centres"][0]
    np.testing.assert_allclose(apart, atoms.positions - atoms.positions[0], atol=2e-3)
    greys = [len({*color}) == 1 or max(color) - min(color) < 20 for color in spheres["colors"]]
    assert greys == [True] * (len(atoms) - 1) + [False], "only the free atom is coloured"


def test_the_same_twice(bundle):
    atoms, found = bundle
    assert structure_view(atoms, "an <adatom>")._repr_mimebundle_() == found
