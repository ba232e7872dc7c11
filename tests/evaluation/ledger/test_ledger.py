import sqlite3
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matseek.core.problem import Measurement
from matseek.core.records import Event, Proposal
from matseek.errors import LedgerBusyError, LedgerError, LedgerMismatchError, UnknownEvaluationError
from matseek.evaluation import Ledger
from matseek.evaluation.ledger import rescue

PROBLEM = {"name": "p", "space": [1, 2]}


def opened(path):
    ledger = Ledger(path)
    ledger.claim(PROBLEM, "lhs", 0)
    return ledger


def batch(n=3, events=()):
    return Proposal(np.arange(2.0 * n).reshape(n, 2), ("lhs",) * n, events)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "campaign.db"


def test_a_batch_is_on_disk_before_it_is_evaluated(path):
    ledger = opened(path)
    ledger.write_down(batch(events=(Event("noted", "why", {"x": 1}),)), 0.25)
    again = opened(path)
    evaluations = again.evaluations()
    assert [e.number for e in evaluations] == [1, 2, 3]
    assert {e.status for e in evaluations} == {"pending"}
    np.testing.assert_array_equal(evaluations[1].point, [2, 3])
    assert again.seconds_asking() == [0.25]
    assert again.events()[0].data == {"x": 1, "iteration": 1}


@given(st.lists(st.floats(allow_nan=True, allow_infinity=False), min_size=1, max_size=5), st.booleans())
def test_measurements_survive_exactly(replicates, with_response):
    ledger = opened(None)
    ledger.write_down(batch(1), 0.0)
    response = np.random.default_rng(0).random((2, 4)) if with_response else None
    values = np.array(replicates)
    ledger.record([(1, Measurement(0.1 + 0.2, values, response))])
    (evaluation,) = ledger.evaluations()
    assert evaluation.status == "done"
    assert evaluation.value == 0.1 + 0.2
    np.testing.assert_array_equal(evaluation.replicates, values)
    if with_response:
        np.testing.assert_array_equal(evaluation.response, response)
    else:
        assert evaluation.response is None


def test_failures_are_recorded_with_their_reason_and_response(path):
    ledger = opened(path)
    ledger.write_down(batch(1), 0.0)
    ledger.record([(1, Measurement.failed("the pump stopped", np.ones(3)))])
    (evaluation,) = opened(path).evaluations()
    assert (evaluation.status, evaluation.error) == ("failed", "the pump stopped")
    assert np.isnan(evaluation.value)
    np.testing.assert_array_equal(evaluation.response, np.ones(3))


def test_results_are_never_changed_and_go_in_together_or_not_at_all(path):
    ledger = opened(path)
    ledger.write_down(batch(2), 0.0)
    ledger.record([(1, Measurement(1.0, np.ones(1)))])
    with pytest.raises(UnknownEvaluationError, match="evaluation 1 is done already"):
        ledger.record([(2, Measurement(2.0, np.ones(1))), (1, Measurement(3.0, np.ones(1)))])
    assert [e.status for e in ledger.evaluations()] == ["done", "pending"]
    with pytest.raises(UnknownEvaluationError, match="evaluation 9 was never asked"):
        ledger.record([(9, Measurement(1.0, np.ones(1)))])


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        (({"name": "q", "space": [1, 2]}, "lhs", 0), r"belongs to another problem: it holds 'p', this is 'q'"),
        (({"name": "p", "space": [1, 3]}, "lhs", 0), r"They differ in space: \[1, 2\] there, \[1, 3\] here"),
        ((PROBLEM, "bayesian", 0), "holds the campaign searcher='lhs' seed=0"),
        ((PROBLEM, "lhs", 1), "this is searcher='lhs' seed=1.*name another ledger"),
    ],
)
def test_a_ledger_holds_one_campaign(path, claim, message):
    opened(path)
    with pytest.raises(LedgerMismatchError, match=message):
        Ledger(path).claim(*claim)


def test_two_processes_on_one_ledger(path):
    ledger = opened(path)
    script = textwrap.dedent(f"""
        import sys
        from matseek.evaluation import Ledger
        from matseek.errors import LedgerBusyError
        try:
            with Ledger({str(path)!r}).locked():
                sys.exit(0)
        except LedgerBusyError as error:
            print(error)
            sys.exit(7)
    """)

    def other():
        return subprocess.run(
            [sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=False
        )

    with ledger.locked():
        refused = other()
    assert refused.returncode == 7
    assert "another process is at work on the ledger" in refused.stdout
    assert other().returncode == 0


def test_entries_written_in_between_are_noticed(path):
    first, second = opened(path), opened(path)
    first.write_down(batch(2), 0.0)
    second.write_down(batch(2), 0.0)
    assert [e.number for e in first.evaluations()] == [1, 2, 3, 4]
    assert issubclass(LedgerBusyError, LedgerError)


def test_a_place_that_cannot_be_written():
    with pytest.raises(LedgerError, match=r"/proc/nowhere/x.db cannot be opened.*;"):
        Ledger("/proc/nowhere/x.db")


def test_a_read_only_file(path):
    opened(path)
    ledger = opened(f"sqlite:///file:{path}?mode=ro&uri=true")
    with pytest.raises(LedgerError, match="readonly database; make it writable or name another ledger"):
        ledger.write_down(batch(), 0.0)


def test_some_other_file(path):
    path.write_text("this is no database, but a long enough text to be taken for a header of one")
    with pytest.raises(LedgerError, match="not a database; it is some other file"):
        Ledger(path)


def fill_up(path):
    """Leave the file no free page: what SQLite then says is what it says on a full disk."""
    with sqlite3.connect(path) as connection:
        return connection.execute("PRAGMA page_count").fetchone()[0]


def test_results_that_a_full_disk_refuses_are_saved_and_taken_in(path, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "elsewhere"))
    (tmp_path / "elsewhere").mkdir()
    ledger = opened(path)
    ledger.write_down(batch(2), 0.0)
    pages = fill_up(path)
    from sqlalchemy import event

    @event.listens_for(ledger._store.engine, "begin")
    def no_more_pages(connection):
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

    ledger._store.engine.dispose()
    spectra = np.random.default_rng(0).random((20, 421))
    with pytest.raises(LedgerError, match=r"full; free some space.*evaluations \[1\] are safe in .*rescue"):
        ledger.record([(1, Measurement(0.5, np.array([0.4, np.nan]), spectra))])
    again = opened(path)
    first, second = again.evaluations()
    assert (first.status, first.value, second.status) == ("done", 0.5, "pending")
    np.testing.assert_array_equal(first.response, spectra)
    np.testing.assert_array_equal(first.replicates, [0.4, np.nan])
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_new_campaign_takes_in_nothing_of_an_old_one(path, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ledger = opened(path)
    rescue.save(ledger.rescue_path, [(1, Measurement(0.5, np.ones(1)))])
    path.unlink()
    fresh = opened(path)
    fresh.write_down(batch(1), 0.0)
    assert opened(path).evaluations()[0].status == "pending"


def test_a_sqlalchemy_url(path):
    ledger = opened(f"sqlite:///{path}")
    ledger.write_down(batch(), 0.0)
    assert len(opened(path).evaluations()) == 3


def test_what_was_rescued_is_taken_in_by_the_same_process_too(path, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ledger = opened(path)
    ledger.write_down(batch(2), 0.0)
    with ledger.rescue_path.open("w") as file:
        file.write("[1, 0.2, [0.2], nul")
    rescue.save(ledger.rescue_path, [(2, Measurement(0.5, np.ones(1)))])
    with ledger.locked():
        pass
    assert [e.status for e in ledger.evaluations()] == ["pending", "done"]
    assert not ledger.rescue_path.exists()


def test_the_ledger_stays_where_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ledger = opened("c.db")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    ledger.write_down(batch(), 0.0)
    assert not list((tmp_path / "other").iterdir())


@pytest.mark.parametrize("url", ["nosuch://x/y", "postgresql+nosuch://x"])
def test_a_url_that_nothing_serves(url):
    with pytest.raises(LedgerError, match="give a path, or a URL whose driver is installed"):
        Ledger(url)


def test_thinking_is_the_time_that_was_not_set_aside_over_all_sessions(path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("matseek.evaluation.ledger.clock.time.perf_counter", lambda: now[0])
    for number in (1, 2):
        ledger = opened(path)
        ledger.begin_session()
        now[0] += 2
        ledger.write_down(batch(1), 0.0)
        with ledger.exclude_from_timing():
            now[0] += 100
            ledger.record([(number, Measurement(1.0, np.array([1.0])))])
            with ledger.exclude_from_timing():
                now[0] += 100
            now[0] += 100
        now[0] += 3
        ledger.end_session()
        now[0] += 1000
        ledger.note(Event("noted", "later", {}))  # no part of the session any more
    assert opened(path).overhead_seconds() == 10.0


def test_ledgers_of_earlier_versions_have_no_record_of_thinking(path):
    assert opened(path).overhead_seconds() is None
    opened(path).begin_session()
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE thinking")
        connection.execute("DROP TABLE matseek_ledger")
    connection.close()
    ledger = opened(path)
    assert ledger.overhead_seconds() is None
    ledger.begin_session()
    ledger.end_session()
    assert ledger.overhead_seconds() is None, "a part is not the whole"
