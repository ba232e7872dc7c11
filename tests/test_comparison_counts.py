"""In every cell of a comparison the evaluations are the oracle's own calls, and a second run makes none."""

import warnings

import pandas as pd
import pytest

from matseek import comparison as module
from matseek.comparison import Comparison
from tests.counting import calls
from tests.test_comparison import cells_in_this_process

SMALL = [
    "+problem.failing={failing}",
    "+problem.counter='{counter}'",
    "opening=4",
    "budget=14",
    "seeds={seeds}",
    "workers=1",
]

NETWORK = ["training.members=2", "training.epochs=4", "training.patience=0", "starts=2", "least=6"]

GODIFF = ["samples=4", "steps=2", "sampler.steps=4", "network.blocks=1", "network.features=8", "buffer=8"]

RECIPES = [
    "problem=silver",
    "problem._target_=tests.counting.recipe",
    "searchers=[random,lhs,bayesian,network,two_step,godiff]",
    *(f"{name}.batch_size=5" for name in ("random", "lhs", "bayesian", "network", "two_step")),
    *(f"network.{setting}" for setting in NETWORK),
    *(f"two_step.network.{setting}" for setting in NETWORK),
    "two_step.schedule.2.first_batch=3",
    *(f"godiff.{setting}" for setting in GODIFF),
]

ADATOM = [
    "problem=platinum_adatom",
    "problem._target_=tests.counting.adatom",
    "searchers=[rss,godiff]",
    "rss.concurrent=2",
    "rss.most_steps=5",
    *(f"godiff.{setting}" for setting in GODIFF),
]


@pytest.mark.parametrize("failing", [False, True])
@pytest.mark.parametrize("cells", [RECIPES, ADATOM], ids=["recipes", "adatom"])
def test_every_cell_counts_as_its_oracle_does_and_a_second_run_asks_nothing(cells, failing, tmp_path, monkeypatch):
    cells_in_this_process(monkeypatch)
    counter, folder, counted = tmp_path / "calls", tmp_path / "runs", {}
    small = (s.format(failing=failing, counter=counter, seeds=1 if failing else 2) for s in SMALL)
    arguments = [*cells, *small, f"run_dir='{folder}'"]
    original = module.run_cell

    def run_cell(overrides, gpu):
        before = calls(counter)
        original(overrides, gpu)
        counted[overrides] = calls(counter) - before

    monkeypatch.setattr(module, "run_cell", run_cell)
    first = Comparison(arguments)
    assert first.run() == {}
    first.write()
    assert len(counted) == len(first.cells)
    for cell in first.cells:
        summary = cell.summary()
        assert summary["evaluations"] == counted[cell.overrides] == len(cell.trace()), cell.name
        assert bool(summary["failed"]) == failing
        assert summary["overhead_seconds"] > 0
    table = pd.read_csv(folder / "table.csv").set_index("searcher")
    for searcher, row in table.iterrows():
        called = sum(counted[c.overrides] for c in first.cells if c.searcher == searcher)
        assert row["evaluations"] == called == len(first.seeds) * row["budget"]
        interval = row[["median_best_low", "median_best_value", "median_best_high"]].dropna()  # one seed has none
        assert interval.is_monotonic_increasing
        assert row["median_area"] >= row["median_best_value"]
        assert row["seconds_thinking_per_evaluation"] > 0
    asked = calls(counter)
    assert asked == table["evaluations"].sum()

    # The same arguments again: no cell is run, so that no process is begun, and every file has the same bytes.
    written = {name: (folder / name).read_bytes() for name in ("table.csv", "pairs.csv", "report.html")}
    monkeypatch.setattr(module, "run_cell", lambda *_: pytest.fail("a cell was run again"))
    again = Comparison(arguments)
    assert again.missing == ()
    assert again.run() == {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again.write()
    assert calls(counter) == asked
    assert {name: (folder / name).read_bytes() for name in written} == written
