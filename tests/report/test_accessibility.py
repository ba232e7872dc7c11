"""Pages can be read by everybody: axe-core finds nothing, in light and dark, wide and narrow."""

import pytest

from matseek.report.comparison_page import write_comparison_page
from tests.report.test_comparison_page import record_of, run
from tests.workbench.browser import chromium

MOST_BYTES = 1_000_000


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    runs = {
        name: [run(seed, best + 0.01 * seed, 4 + seed) for seed in range(3)]
        for name, best in (("lhs", 0.1), ("random", 0.2))
    }
    write_comparison_page(path, record_of(runs))
    return path


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 400)])
def test_nothing_stands_in_the_way_of_reading(page, browser, scheme, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed")
    context = browser.new_context(bypass_csp=True, color_scheme=scheme, viewport={"width": width, "height": 900})
    shown = context.new_page()
    shown.goto(page.as_uri())
    found = axe.Axe().run(shown).response["violations"]
    assert [(v["id"], v["impact"], v["nodes"][0]["html"]) for v in found] == []
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    context.close()


def test_a_page_is_small(page):
    assert page.stat().st_size < MOST_BYTES
