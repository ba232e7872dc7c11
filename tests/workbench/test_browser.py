"""The page in a headless Chromium, from end to end."""

import io

import pandas as pd
import pytest

from tests.workbench.browser import CONTRASTS, chromium, violations
from tests.workbench.lab import WAVELENGTHS, band, measured, target

TABS = ("Batch", "Results", "Explore", "Models", "When to stop", "Definition")


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def visit(browser, served):
    """Open the page: ``visit(width, scheme)`` gives it, and where the errors of its console go."""
    contexts = []

    def visit(width, scheme="light"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.set_default_navigation_timeout(60_000)
        page.on("request", lambda request: elsewhere.append(request.url) if "127.0.0.1" not in request.url else None)
        page.goto(served[1])
        return page

    elsewhere = []
    yield visit
    for context in contexts:
        context.close()
    assert [url for url in elsewhere if not url.startswith(("data:", "blob:"))] == []


def filled(workbook, conditions):
    """The workbook with the spectra of its recipes."""
    sheets = pd.read_excel(io.BytesIO(workbook), sheet_name=None, engine="openpyxl")
    recipes, spectra = sheets["recipes"], sheets["spectra"]
    assert len(recipes) == conditions
    assert spectra.iloc[:, 0].tolist() == WAVELENGTHS.tolist()
    for number, pair in zip(recipes["evaluation"], band(recipes[["Q", "c (mM)", "pH"]].to_numpy()), strict=True):
        for k, spectrum in enumerate(pair, start=1):
            spectra[f"{number}_{k}"] = spectrum
    file = io.BytesIO()
    with pd.ExcelWriter(file) as writer:
        recipes.to_excel(writer, sheet_name="recipes", index=False)
        spectra.to_excel(writer, sheet_name="spectra", index=False)
    return file.getvalue()


def test_from_an_empty_folder_to_the_second_batch(visit, served):
    """The tutorial of docs/desk.md."""
    page = visit(1280)
    page.get_by_role("link", name="Start a new campaign").click()
    page.get_by_label("Name of the campaign").fill("bands")
    for place, texts in enumerate((("Q", "0", "40", ""), ("c", "0", "30", "mM"), ("pH", "3", "9", "")), start=1):
        for label, text in zip(("Name", "From", "To", "Unit"), texts, strict=True):
            page.get_by_label(f"{label}, variable {place}", exact=True).fill(text)
    page.locator("input[type=file]").set_input_files(
        {"name": "target.csv", "mimeType": "text/csv", "buffer": target().to_csv(index=False).encode()}
    )
    page.get_by_text("16 wavelengths from 400 to 700 nm").wait_for()
    page.get_by_label("Recipes of a batch").fill("6")
    page.get_by_role("button", name="Make the campaign").click()
    page.get_by_text("6 recipes to be measured").wait_for(timeout=240_000)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as workbook").click()
    assert download.value.suggested_filename == "bands-batch-1.xlsx"
    workbook = download.value.path().read_bytes()
    page.locator("input[type=file]").set_input_files(
        {"name": "results.xlsx", "mimeType": "application/octet-stream", "buffer": filled(workbook, 6)}
    )
    page.get_by_text("6 conditions, 2 replicates each").wait_for()
    assert not (served[0] / "bands" / "summary.json").exists(), "a preview writes nothing"
    page.get_by_role("button", name="Take it").click()
    page.get_by_text("Best loss").first.wait_for(timeout=240_000)
    page.get_by_role("button", name="Ask for the next batch").click()
    page.get_by_text("6 recipes to be measured").wait_for(timeout=240_000)
    page.get_by_text("6 recipes measured in 2 batches").wait_for()


def test_a_moved_slider_moves_the_spectrum_and_checks_are_shown(visit, served):
    if not (served[0] / "explored").exists():
        measured(served[0], "explored")
    page = visit(1280)
    page.get_by_role("link", name="explored").click()
    page.get_by_role("tab", name="Explore").click()
    slider = page.get_by_role("slider", name="Q", exact=True)
    slider.wait_for(timeout=240_000)
    curve = page.locator(".explore .chart svg path").evaluate_all
    before = curve("paths => paths.map(p => p.getAttribute('d'))")
    value = page.locator(".knob-value").first.inner_text()
    slider.press("Home")
    page.wait_for_function(
        "before => JSON.stringify([...document.querySelectorAll('.explore .chart svg path')]"
        ".map(p => p.getAttribute('d'))) !== JSON.stringify(before)",
        arg=before,
    )
    assert page.locator(".knob-value").first.inner_text() != value
    page.get_by_role("tab", name="Models").click()
    page.get_by_text("12 measured conditions was predicted from the others").wait_for()
    page.get_by_role("img", name="Predicted against measured").wait_for()


def test_what_is_told_elsewhere_appears(visit, served):
    from matseek.configuration import recorded_settings
    from matseek.runs import open_campaign

    folder = measured(served[0], "live")
    page = visit(390)
    page.get_by_role("link", name="live").click()
    page.get_by_text("2 recipes to be measured").wait_for()
    campaign = open_campaign(recorded_settings(folder.path))
    batch = campaign.waiting()
    campaign.tell(batch.with_responses(band(batch.points)))
    page.get_by_text("No recipe waits for a result.").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_screens_fit_and_can_be_read(visit, served, width, scheme):
    if not (served[0] / "explored").exists():
        measured(served[0], "explored")
    page = visit(width, scheme)
    page.get_by_role("heading", name="Campaigns").wait_for()
    home = page.url.partition("?")[0].rstrip("/")
    for path, tabs in (("/", ()), ("/new", ()), ("/campaign/explored", TABS)):
        page.goto(home + path)
        page.get_by_role("heading", level=1).wait_for()
        for tab in tabs or (None,):
            if tab is not None:
                page.get_by_role("tab", name=tab).click()
                page.locator(".q-tab-panel h2").first.wait_for()
            place = f"{path} {tab or ''} at {width}, {scheme}"
            assert page.evaluate("document.documentElement.scrollWidth") <= width, place
            assert page.evaluate(CONTRASTS) == [], place
            unnamed = page.evaluate(
                "() => [...document.querySelectorAll('input, textarea, button, [role=slider]')].filter(e => "
                "e.checkVisibility() && e.type !== 'file' && !e.textContent.trim() && !e.getAttribute('aria-label') && "
                "!(e.labels && e.labels.length) && !e.closest('[aria-label]')).map(e => e.outerHTML.slice(0, 120))"
            )
            assert unnamed == [], place
            assert violations(page) == [], place
