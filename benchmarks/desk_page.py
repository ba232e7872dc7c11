"""From a drag of a slider on the desk's page to the predicted spectrum, in a headless Chromium.

    python -W ignore -m benchmarks.desk_page

A campaign of silver droplets with some measured conditions is shown by ``matseek desk``; a slider is dragged in small
moves, and in the browser the time is taken from each move to the frame after the curve has changed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from playwright.sync_api import Page, sync_playwright

from benchmarks.results_io import write
from matseek.configuration import run_settings
from matseek.library.silver_problems import silver
from matseek.runs import keep_config, open_campaign

CONDITIONS = (45,)
MOVES = 60
GOAL = 0.150
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]

WATCH = """() => {
  window.taken = []; let begun = null;
  const moved = () => { if (window.armed && begun === null) begun = performance.now(); };
  document.addEventListener('mousemove', moved, true);
  new MutationObserver(() => {
    if (begun === null) return;
    const from = begun; begun = null; window.armed = false;
    requestAnimationFrame(() => window.taken.push(performance.now() - from));
  }).observe(document.querySelector('.explore .chart'), {subtree: true, childList: true, attributes: true});
}"""


def make_campaign(folder: Path, conditions: int) -> None:
    """A campaign of spectra with measured conditions of a Latin hypercube."""
    problem = silver()
    target = folder / "target.csv"
    objective = problem.objective
    assert objective is not None
    pd.DataFrame({"wavelength": objective.wavelengths, "absorbance": objective.target_spectrum}).to_csv(
        target, index=False
    )
    overrides = ["problem=laboratory", f"data='{target}'", f"run_dir='{folder / 'lab'}'"]
    settings = run_settings(overrides)
    campaign = open_campaign(settings)
    keep_config(settings)
    batch, rng = campaign.ask(conditions), np.random.default_rng(0)
    assert problem.oracle is not None
    campaign.tell(batch.with_responses([np.asarray(problem.oracle(p[None], rng=rng))[0] for p in batch.points]))


@contextmanager
def page_of(folder: Path) -> Iterator[str]:
    """``matseek desk`` in a process of its own; gives the address."""
    command = [sys.executable, "-c", "from matseek.cli import app; app()", "desk", str(folder), "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"COLUMNS": "300"})
    try:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        yield next(found.group(0) for line in lines if (found := re.search(r"http://127\S+token=\S+", line)))
    finally:
        process.terminate()
        process.wait(30)


def drag(page: Page) -> list[float]:
    """Seconds from each move of a dragged slider to the changed spectrum."""
    page.get_by_role("tab", name="Explore").click()
    slider = page.locator(".knobs .slider").first
    slider.wait_for(timeout=120_000)
    page.evaluate(WATCH)
    box = slider.bounding_box()
    assert box is not None
    x, y = box["x"] + 0.5 * box["width"], box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.wait_for_timeout(500)
    for k in range(1, MOVES + 1):
        page.evaluate("window.armed = true")
        page.mouse.move(x + 0.45 * box["width"] * k / MOVES, y)
        page.wait_for_function("k => window.taken.length >= k", arg=k, timeout=20_000)
        page.wait_for_timeout(60)
    page.mouse.up()
    taken: list[float] = page.evaluate("window.taken")
    return [t / 1000 for t in taken]


def measure(conditions: int) -> dict[str, float]:
    """Quantiles of the times with a campaign of a size."""
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    with TemporaryDirectory() as place, sync_playwright() as runner:
        make_campaign(Path(place), conditions)
        with page_of(Path(place) / "lab") as address:
            browser = runner.chromium.launch(executable_path=browser_path, args=FLAGS)
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.set_default_timeout(120_000)
            page.goto(address)
            times = drag(page)
            browser.close()
    low, median, high = np.quantile(times, [0.05, 0.5, 0.95])
    return {"conditions": conditions, "moves": len(times), "p5": low, "median": median, "p95": high}


def main() -> None:
    """Measure, print and write the result."""
    rows = [measure(conditions) for conditions in CONDITIONS]
    for row in rows:
        print(row, "reached" if row["median"] < GOAL else "missed", f"goal {GOAL} s")
    write("desk_page", {"goal_seconds": GOAL, "rows": rows, "load_average": os.getloadavg()[0]})


if __name__ == "__main__":
    main()
