import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
from ase.calculators.emt import EMT

from matseek import comparison as module
from matseek.comparison import Comparison
from matseek.configuration import run_settings
from matseek.errors import BudgetError, ConfigurationError
from matseek.evaluation.ledger import Ledger, LedgerReader
from matseek.runs import open_campaign
from tests.conftest import ROOT

QUICK = [
    "problem=silver",
    "searchers=[random,lhs]",
    "seeds=2",
    "budget=12",
    "random.batch_size=6",
    "lhs.batch_size=4",
    "workers=2",
]


def cells_in_this_process(monkeypatch):
    """Processes take seconds to begin; most tests look at something else."""

    class Done:
        def __init__(self, error):
            self.error = error

        def exception(self):
            return self.error

    class Pool:
        def __init__(self, workers, **settings):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *about):
            return False

        def stop(self):
            pass

        def schedule(self, function, args):
            try:
                function(*args)
            except Exception as error:
                return Done(error)
            return Done(None)

    class Waited:
        def __init__(self, running):
            self.done = list(running)

    monkeypatch.setattr(module, "worker_pool", Pool)
    monkeypatch.setattr(module, "wait", lambda running, return_when: Waited(running))


def compared(folder, *overrides):
    comparison = Comparison([*QUICK, f"run_dir='{folder}'", *overrides])
    assert comparison.run() == {}
    comparison.write()
    return comparison


def test_a_second_run_computes_nothing_and_gives_the_same_table(tmp_path, monkeypatch):
    cells_in_this_process(monkeypatch)
    compared(tmp_path)
    gc.collect()  # a ledger that is still open writes when it is closed
    table, ledgers = (tmp_path / "table.csv").read_bytes(), sorted(tmp_path.rglob("ledger.db"))
    touched = [path.stat().st_mtime_ns for path in ledgers]
    again = Comparison([*QUICK, f"run_dir='{tmp_path}'"])
    assert again.missing == ()
    compared(tmp_path)
    assert (tmp_path / "table.csv").read_bytes() == table
    assert [path.stat().st_mtime_ns for path in ledgers] == touched
    frame = pd.read_csv(tmp_path / "table.csv")
    assert frame["searcher"].tolist() == ["random", "lhs"]
    assert frame["seeds"].tolist() == [2, 2]
    assert frame["evaluations"].tolist() == [24, 24]
    assert (tmp_path / "report.html").read_text().startswith("<!DOCTYPE html>")


def test_records_of_earlier_versions_have_no_seconds_of_thinking(tmp_path, monkeypatch):
    cells_in_this_process(monkeypatch)
    compared(tmp_path)
    for path in tmp_path.rglob("summary.json"):
        summary = json.loads(path.read_text())
        del summary["overhead_seconds"]
        path.write_text(json.dumps(summary))
    comparison = compared(tmp_path)
    assert comparison.table()["seconds_thinking_per_evaluation"].isna().all()
    page = (tmp_path / "report.html").read_text()
    assert "With 2 paired seeds no paired test can give a p-value below 0.5" in page
    pairs = pd.read_csv(tmp_path / "pairs.csv")
    assert pairs["measure"].tolist() == ["best_value", "area", "success", "evaluations_to_success"]
    assert (pairs["p_holm"].dropna() >= pairs["p"].dropna()).all()


def test_more_seeds_and_a_larger_budget_go_on_with_what_is_there(tmp_path, monkeypatch):
    cells_in_this_process(monkeypatch)
    compared(tmp_path)
    more = Comparison([*QUICK, f"run_dir='{tmp_path}'", "seeds=3", "budget=16"])
    assert len(more.missing) == 6
    more = compared(tmp_path, "seeds=3", "budget=16")
    assert more.table()["evaluations"].tolist() == [48, 48]
    assert [len(traces) for traces in more.record().traces.values()] == [3, 3]


def test_another_campaign_in_a_cells_folder_is_refused_by_what_differs(tmp_path, monkeypatch):
    cells_in_this_process(monkeypatch)
    compared(tmp_path)
    with pytest.raises(ConfigurationError, match=r"problem.droplets=7 \(there: 20\).*name another run_dir"):
        Comparison([*QUICK, f"run_dir='{tmp_path}'", "problem.droplets=7"])
    Comparison([*QUICK, f"run_dir='{tmp_path}'", "evaluator=threads"])  # how the truth is called changes nothing


def test_a_failing_cell_is_told_and_the_others_go_on(tmp_path, monkeypatch):
    cells_in_this_process(monkeypatch)
    comparison = Comparison([*QUICK, f"run_dir='{tmp_path}'"])
    broken = comparison.cells[1]
    original = module.run_cell
    monkeypatch.setattr(module, "run_cell", lambda o, g: 1 / 0 if o == broken.overrides else original(o, g))
    failures = comparison.run()
    assert list(failures) == [broken.name]
    assert "ZeroDivisionError" in failures[broken.name]
    assert comparison.missing == (broken,)
    assert comparison.table()["seeds"].sum() == 3
    monkeypatch.setattr(module, "run_cell", original)
    assert comparison.run() == {}
    assert comparison.missing == ()


@pytest.mark.parametrize(
    ("overrides", "error", "message"),
    [
        (["seeds=0"], ConfigurationError, "seeds=0 must be a whole number of at least 1"),
        (["searchers=[random,random]"], ConfigurationError, "must name each searcher once"),
        (["searchers=[]"], ConfigurationError, "must name each searcher once"),
        (["searcher=lhs"], ConfigurationError, "leave searcher= and seed= out"),
        (["workers=x"], ConfigurationError, "workers='x' must be a whole number"),
        (["searchers=[random,lhs,nobody]"], ConfigurationError, "nobody"),
        (["lhs.batch_size=40"], BudgetError, "budget=12"),
        (["problem=[a"], ConfigurationError, "a"),
        (
            [
                "searchers=[random,lhs,godiff]",
                "budget=64",
                "trainer=ddp",
                "trainer.accelerator=cpu",
                "trainer.devices=2",
            ],
            ConfigurationError,
            "searcher=godiff trains with 2 processes in every cell.*take trainer=cpu or trainer=gpu",
        ),
    ],
)
def test_bad_settings_are_refused_before_anything_is_run(overrides, error, message, tmp_path):
    with pytest.raises(error, match=message):
        Comparison([*QUICK, *overrides, f"run_dir='{tmp_path / 'runs'}'"])
    assert not (tmp_path / "runs").exists()


class CountedEMT(EMT):
    """Counts its calls."""

    calls = 0

    def calculate(self, *args, **kwargs):
        CountedEMT.calls += 1
        super().calculate(*args, **kwargs)


def test_every_call_of_the_calculator_is_an_evaluation_or_an_observers(tmp_path, monkeypatch):
    cells_in_this_process(monkeypatch)
    CountedEMT.calls = 0
    comparison = Comparison(
        [
            "problem=platinum_heptamer",
            "searchers=[rss,godiff]",
            "calculator._target_=tests.test_comparison.CountedEMT",
            "seeds=1",
            "budget=4",
            "godiff.samples=2",
            "godiff.steps=2",
            "godiff.sampler.steps=4",
            f"run_dir='{tmp_path}'",
        ]
    )
    assert comparison.run() == {}
    table = comparison.table().set_index("searcher")
    assert table["evaluations"].tolist() == [4, 4]
    assert table.loc["godiff", "relaxation_calls"] > 4
    assert CountedEMT.calls == table["evaluations"].sum() + table["relaxation_calls"].sum()
    assert table["successes"].tolist() == [0, 0]
    assert table["published_successes"].tolist() == [1, 5]
    assert "5 of 8" in comparison.write().read_text()
    summary = json.loads((tmp_path / "godiff" / "0" / "summary.json").read_text())
    assert summary["relaxed_success"] is False
    assert summary["cpu_seconds"] > 0
    with Ledger(tmp_path / "godiff" / "0" / "ledger.db").locked():
        pass  # nobody holds it any more


def test_a_killed_comparison_goes_on_from_its_ledgers(tmp_path):
    command = [sys.executable, "-W", "ignore", "-c", "from matseek.cli import app; app()"]
    arguments = [
        "compare",
        "problem=silver",
        "searchers=[lhs]",
        "seeds=1",
        "budget=40",
        "lhs.batch_size=2",
        f"run_dir='{tmp_path}'",
    ]
    process = subprocess.Popen(
        [*command, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ}
    )
    ledger = tmp_path / "lhs" / "0" / "ledger.db"
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and (not ledger.exists() or not _settled(ledger)):
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) != 0
    kept = _settled(ledger)
    assert kept > 0
    done = subprocess.run([*command, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert pd.read_csv(tmp_path / "table.csv")["evaluations"].tolist() == [40]


def _settled(path):
    try:
        return sum(e.status == "done" for e in Ledger(path).evaluations())
    except Exception:
        return 0


def test_every_cell_begins_with_the_same_copy_of_a_history(tmp_path, monkeypatch):
    cells_in_this_process(monkeypatch)
    first = tmp_path / "first"
    source = open_campaign(
        run_settings(["problem=silver", "searcher=lhs", "searcher.batch_size=5", f"run_dir={first}", "budget=5"])
    )
    source.run(5)
    own = ["problem=silver_colour", "searchers=[random,lhs]", "seeds=1", "budget=3", "lhs.batch_size=3"]
    given = [*own, "random.batch_size=3", f"history={first}", f"run_dir={tmp_path / 'both'}"]
    comparison = Comparison(given)
    source.run(8)
    assert not comparison.run()
    taken = []
    for cell in comparison.cells:
        ledger = LedgerReader(cell.folder.ledger)
        assert ledger.count() == cell.summary()["evaluations"] == 3
        assert "opening" not in {e.proposer for e in ledger.evaluations()}
        taken += [o.digest for o in ledger.origins()]
        assert [len(o.evaluations) for o in ledger.origins()] == [5]
    assert len(taken) == 2
    assert len({*taken}) == 1
    shutil.rmtree(first)
    assert not Comparison(given).missing
    with pytest.raises(ConfigurationError, match=r"history=None \(there: .*history\.db\)"):
        Comparison([o for o in given if not o.startswith("history")] + ["opening=0"])
