"""Reading is free: a campaign is looked at while it runs, without its lock and without changing its folder."""

import threading
import time

import pytest
from typer.testing import CliRunner

from matseek.campaign import Campaign
from matseek.cli import app
from matseek.errors import LedgerError
from matseek.evaluation import Ledger, LedgerReader
from matseek.logs import LOG
from matseek.problems import RecipeProblem
from matseek.run_folder import RunFolder
from matseek.searchers import LatinHypercube
from matseek.standing import Standing
from matseek.watching import watch

SMALL = ["problem=silver", "problem.droplets=2", "searcher=lhs", "searcher.batch_size=3", "budget=6", "stop=none"]


@pytest.fixture
def invoke(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def told(*arguments):
        result = CliRunner().invoke(app, list(arguments))
        return result.exit_code, " ".join(result.output.split())

    return told


def _content(folder):
    return {p.relative_to(folder): (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()}


def test_a_running_campaign_is_read_without_its_lock_and_its_folder_left_alone(invoke, tmp_path):
    code, output = invoke("run", *SMALL, "run_dir=out")
    assert code == 0, output
    folder = tmp_path / "out"
    told = {}
    with Ledger(folder / "ledger.db").locked():
        before = _content(folder)
        for verb, *options in (["status"], ["report", "-o", "elsewhere"], ["watch", "--once", "-o", "watched"]):
            code, told[verb] = invoke(verb, "out", *options)
            assert code == 0, told[verb]
        assert invoke("tell", "out", "results.csv")[0] == 2, "writing needs the lock"
        after = _content(folder)
    changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    assert {name.name for name in changed} <= {"ledger.db-shm", "ledger.db-wal", LOG}
    assert "silver, lhs: 6 measured (0 failed), 0 to be measured" in told["status"]
    assert "QAgNO3" in told["status"]
    assert "The goal, a" in told["status"]
    assert "6 measured (0 failed), 0 to be measured; ended by budget" in told["watch"]
    assert "open" in told["watch"].split(), "on a line of its own"
    assert (tmp_path / "elsewhere" / "report.html").is_file()
    assert {p.name for p in (tmp_path / "watched").iterdir()} == {"report.html", "figures"}


def test_a_page_that_cannot_be_written_may_go_elsewhere(invoke, tmp_path):
    assert invoke("run", *SMALL, "run_dir=out")[0] == 0
    (tmp_path / "file").write_text("no folder")
    code, output = invoke("report", "out", "-o", "file")
    assert code == 2
    assert "cannot be written to file" in output
    assert "--output" in output


@pytest.mark.parametrize("damage", [b"", b'{"evaluations": 6, "st', b"\xff", b"[]", b"{}"])
def test_a_damaged_summary_is_written_anew_by_the_same_command(invoke, tmp_path, damage):
    assert invoke("run", *SMALL, "run_dir=out")[0] == 0
    summary, config = tmp_path / "out" / "summary.json", tmp_path / "out" / "config.yaml"
    whole = summary.read_bytes(), config.read_bytes()
    summary.write_bytes(damage)
    config.write_bytes(damage)
    (tmp_path / "out" / "report.html").touch()
    code, output = invoke("run", *SMALL, "run_dir=out")
    assert code == 0, output
    assert (summary.read_bytes(), config.read_bytes()) == whole


def test_what_is_told_is_what_the_campaign_knows(tmp_path, problem):
    campaign = Campaign(problem, LatinHypercube(batch_size=4), ledger=tmp_path / "l.db", seed=3).run(8)
    now = Standing.of(LedgerReader(tmp_path / "l.db"), count=2)
    assert (now.problem, now.searcher, now.batches, now.complete, now.stopped_by) == ("bowl", "lhs", 2, 2, "budget")
    assert now.variables == problem.space.labels
    assert now.best[0].number == campaign.best.number
    best = campaign.best  # without replicates its upper bound is its value
    assert next(iter(now.rows())) == pytest.approx(
        (best.number, *best.point, best.value, float("nan"), best.value), nan_ok=True
    )
    campaign.report.write_record(RunFolder(tmp_path))
    assert now.outcome(tmp_path / "summary.json") == tuple(campaign.summary()["outcome"])
    assert now.outcome(tmp_path / "missing.json") == ()


@pytest.mark.timeout(60)
def test_a_watched_campaign_is_drawn_after_its_batches_until_it_ends(tmp_path, box, counting):
    def slow(points):
        time.sleep(0.05)
        return counting(points)

    campaign = Campaign(RecipeProblem(box, slow, name="bowl"), LatinHypercube(batch_size=4), ledger=tmp_path / "l.db")
    drawn = []

    def draw():
        drawn.append(Standing.of(LedgerReader(tmp_path / "l.db")).complete)
        return tmp_path / "report.html"

    running = threading.Thread(target=campaign.run, args=(16,))
    running.start()
    page = watch(tmp_path / "l.db", 0.02, draw)
    running.join()
    assert page == tmp_path / "report.html"
    assert drawn[-1] == 4
    assert len(drawn) > 1
    assert drawn == sorted(set(drawn)), "each batch is drawn once"


def test_watching_nothing_is_refused(tmp_path):
    with pytest.raises(ValueError, match="interval=0 must be a positive number of seconds"):
        watch(tmp_path / "l.db", 0, lambda: tmp_path)
    with pytest.raises(LedgerError):
        watch(tmp_path / "l.db", 1, lambda: tmp_path)


@pytest.mark.parametrize("debug", [False, True])
def test_an_unexpected_error_is_told_in_short_and_kept_in_the_log(invoke, monkeypatch, tmp_path, debug):
    def broken(*arguments, **settings):
        raise KeyError("nobody expects this")

    monkeypatch.setattr(Campaign, "run", broken)
    code, output = invoke("run", *SMALL, "run_dir=out", *(["--debug"] * debug))
    assert code == 1
    assert "unexpected error: KeyError: 'nobody expects this'; its traceback is in out/matseek.log" in output
    assert ("Traceback (most recent call last)" in output) == debug
    log = (tmp_path / "out" / LOG).read_text()
    assert "Traceback (most recent call last)" in log
    assert "in broken" in log


def test_an_error_before_there_is_a_folder_keeps_its_traceback(invoke, monkeypatch, tmp_path):
    def broken(*arguments, **settings):
        raise KeyError("nobody expects this")

    monkeypatch.setattr("matseek.configuration.compose", broken)
    code, output = invoke("run", "run_dir=out")
    assert code == 1
    assert "Traceback (most recent call last)" in output
    assert not (tmp_path / "out").exists()
    assert invoke("status", ".")[0] == 2
    assert list(tmp_path.iterdir()) == [], "a folder without a campaign is left alone"
