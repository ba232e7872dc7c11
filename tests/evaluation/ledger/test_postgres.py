"""On a real server, which the tests start, restart and stop themselves."""

import logging
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

from matseek import Campaign
from matseek.core.problem import Measurement
from matseek.core.records import Event, Proposal
from matseek.errors import LedgerBusyError, LedgerError
from matseek.evaluation import Evaluator, Ledger, LedgerReader
from matseek.evaluation.ledger import schema
from matseek.problems import RecipeProblem
from matseek.searchers import RandomSearcher
from matseek.spaces import Box, Variable
from tests.postgres import Postgres

pytestmark = pytest.mark.timeout(120)

PROBLEM = {"name": "p", "space": [1, 2]}
HOLDER = """
    SELECT pid FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
    WHERE locktype = 'advisory' AND datname = '{}'
"""


@pytest.fixture(scope="module")
def server():
    server = Postgres()
    yield server
    server.close()


@pytest.fixture
def database(server):
    return server.database()


def opened(url, seed=0):
    ledger = Ledger(url)
    ledger.claim(PROBLEM, "lhs", seed)
    return ledger


def batch(n=2, events=()):
    return Proposal(np.arange(2.0 * n).reshape(n, 2), ("lhs",) * n, events)


def cut(server, database):
    """End the connection that holds the lock."""
    ((pid,),) = server.sql(HOLDER.format(database))
    server.sql(f"SELECT pg_terminate_backend({pid}, 5000)")


def test_what_a_database_would_refuse_is_stored_and_read_back(server, database):
    ledger = opened(server.url(database), seed=2**63 - 1)
    data = {"energy": np.nan, "of": [1, None, np.inf], "k\0": np.float64("-inf"), "n": np.int64(3), "a/~": np.nan}
    ledger.write_down(Proposal(np.zeros((1, 2)), ("who\0\ud800",), (Event("kind\0", "why\ud800", data),)), 0.0)
    ledger.record([(1, Measurement.failed("pump\0stopped \ud8ff"))])
    reader = LedgerReader(server.url(database))
    (event,) = reader.events()
    assert (event.kind, event.message) == ("kind\\x00", "why\\ud800")
    expected = {"energy": np.nan, "of": [1, None, np.inf], "k\\x00": -np.inf, "n": 3, "a/~": np.nan, "iteration": 1}
    np.testing.assert_equal(dict(event.data), expected)
    (evaluation,) = reader.evaluations()
    assert (evaluation.proposer, evaluation.error) == ("who\\x00\\ud800", "pump\\x00stopped \\ud8ff")
    assert reader.identity.seed == 2**63 - 1
    opened(server.url(database), seed=2**63 - 1)
    with pytest.raises(LedgerError, match="read-only transaction; make it writable"):
        reader._store.write(lambda c: c.exec_driver_sql("DELETE FROM events"))


def test_every_spelling_of_a_server_has_one_lock(server, database):
    ledger = opened(server.url(database))
    others = [server.url(database, host="localhost"), server.url(database, driver="postgresql")]
    script = textwrap.dedent("""
        import sys
        from matseek.evaluation.ledger import Ledger, LedgerReader
        from matseek.errors import LedgerBusyError
        for url in sys.argv[1:]:
            assert LedgerReader(url).count() == 2
            try:
                Ledger(url)
            except LedgerBusyError as error:
                assert "none" not in str(error), error
            else:
                sys.exit(3)
    """)
    with ledger.locked():
        ledger.write_down(batch(), 0.0)
        subprocess.run([sys.executable, "-c", script, *others], check=True)
    with Ledger(others[0]).locked():
        pass


def test_two_schemas_of_a_database_are_two_ledgers(server, database):
    server.sql("CREATE SCHEMA other", database)
    with opened(server.url(database)).locked(), opened(server.url(database, options="-csearch_path=other")).locked():
        pass


def test_a_schema_that_does_not_exist_is_told(server, database):
    with pytest.raises(LedgerError, match=r"names a schema .* does not have; make it with CREATE SCHEMA") as caught:
        Ledger(server.url(database, options="-csearch_path=nowhere"))
    assert not isinstance(caught.value, LedgerBusyError)


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_server_that_is_restarted_under_an_idle_ledger(server, database, mode):
    ledger = opened(server.url(database))
    with ledger.locked():
        ledger.write_down(batch(), 0.0)
        server.restart(mode)
        ledger.confirm()
        assert server.sql(HOLDER.format(database))
        ledger.record([(1, Measurement(1.0, np.ones(1)))])
        server.restart(mode)
        assert [e.status for e in ledger.evaluations()] == ["done", "pending"]
        ledger.note(Event("noted", "still there"))
    assert [e.message for e in ledger.events()] == ["still there"]


def test_a_server_that_is_away_is_waited_for_and_told_once(server, database, caplog):
    ledger = opened(server.url(database))
    with ledger.locked():
        ledger.write_down(batch(), 0.0)
        server.stop()
        back = threading.Timer(1.0, server.start)
        back.start()
        ledger.record([(1, Measurement(1.0, np.ones(1)))])
        back.join()
    assert len([r for r in caplog.records if "does not answer" in r.message]) == 1
    assert ledger.evaluation(1).status == "done"


def test_patience_ends_and_results_are_saved_elsewhere(server, database, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ledger = opened(server.url(database, patience=0.3))
    ledger.write_down(batch(), 0.0)
    server.stop()
    try:
        begin = time.monotonic()
        with pytest.raises(LedgerError, match=r"check that the server runs.*evaluations \[1\] are safe in"):
            ledger.record([(1, Measurement(1.0, np.ones(1), np.arange(3.0)))])
        assert time.monotonic() - begin < 10
    finally:
        server.start()
    # By another spelling of the URL, too.
    again = opened(server.url(database, host="localhost"))
    np.testing.assert_array_equal(again.evaluation(1).response, np.arange(3.0))


@pytest.mark.parametrize("landed", [True, False])
def test_a_commit_whose_answer_is_lost_is_not_written_twice(server, database, monkeypatch, landed):
    ledger = opened(server.url(database))
    ledger.write_down(batch(), 0.0)
    dialect = ledger._store.engine.dialect
    lost = []

    def cut_off(connection):
        driver = connection.dbapi_connection
        if not lost:
            lost.append(1)
            if landed:
                driver.commit()
            driver.close()
        driver.commit()

    monkeypatch.setattr(dialect, "do_commit", cut_off)
    ledger.note(Event("noted", "once"))
    assert lost
    assert [e.message for e in ledger.events()] == ["once"]


def test_a_lock_that_was_lost_is_taken_again(server, database):
    ledger = opened(server.url(database))
    with ledger.locked():
        cut(server, database)
        assert not server.sql(HOLDER.format(database))
        ledger.confirm()
        with pytest.raises(LedgerBusyError):
            Ledger(server.url(database))


@pytest.mark.parametrize("gone", [True, False], ids=["it has ended", "it is at work"])
def test_a_lock_that_somebody_else_had_ends_the_campaign_before_the_next_call(server, database, gone):
    space = Box([Variable("a", 0, 1)])
    paid = []
    other = opened(server.url(database, patience=0.3))

    def oracle(points):
        paid.append(len(points))
        if len(paid) == 3:
            cut(server, database)
            holding = other.locked()
            holding.__enter__()
            if gone:
                holding.__exit__(None, None, None)
            else:
                held.append(holding)
        return points.sum(axis=1)

    held = []
    ledger = opened(server.url(database, patience=0.3))
    evaluator = Evaluator(RecipeProblem(space, oracle, name="p"), ledger, 6)
    try:
        with ledger.locked(), pytest.raises(LedgerBusyError, match="was lost, and another process has taken"):
            evaluator.evaluate(Proposal(np.linspace(0.1, 0.6, 6)[:, None], ("lhs",) * 6))
    finally:
        for holding in held:
            holding.__exit__(None, None, None)
    assert len(paid) == 3
    # Result 3 had been paid for: it was kept aside, and is taken in by the next process.
    after = opened(server.url(database))
    assert [e.status for e in after.evaluations()] == ["done"] * 3 + ["pending"] * 3


def test_a_campaign_pays_once_for_each_point_while_the_server_is_restarted(server, database):
    calls = []

    def oracle(points):
        calls.append(points.copy())
        if len(calls) % 3 == 0:
            server.restart("immediate" if len(calls) % 2 else "fast")
        return ((points - 0.3) ** 2).sum(axis=1)

    problem = RecipeProblem(Box([Variable("a", 0, 1), Variable("b", 0, 1)]), oracle, name="bowl")
    campaign = Campaign(problem, RandomSearcher(batch_size=2), server.url(database)).run(12)
    expected = Campaign(problem_without_restarts(), RandomSearcher(batch_size=2)).run(12)
    assert len(calls) == 12
    found, wanted = campaign.to_frame(), expected.to_frame()
    np.testing.assert_array_equal(found[["a", "b", "value"]], wanted[["a", "b", "value"]])


def problem_without_restarts():
    space = Box([Variable("a", 0, 1), Variable("b", 0, 1)])
    return RecipeProblem(space, lambda points: ((points - 0.3) ** 2).sum(axis=1), name="bowl")


def test_a_ledger_of_version_1_is_brought_up_to_date(server, database):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "_STEPS", ())
        ledger = opened(server.url(database))
        ledger.write_down(batch(events=(Event("noted", "why"),)), 0.0)
    server.sql("DROP TABLE matseek_ledger", database)
    server.sql("ALTER TABLE campaign ALTER COLUMN seed TYPE INTEGER", database)
    assert LedgerReader(server.url(database)).count() == 2
    again = Ledger(server.url(database))
    kind = "SELECT data_type FROM information_schema.columns WHERE table_name = 'campaign' AND column_name = 'seed'"
    assert server.sql(kind, database) == [("bigint",)]
    assert [e.message for e in again.events()] == ["why"]


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_cannot_hold_every_text_is_refused(server, encoding):
    database = server.database(f"ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(LedgerError, match=rf"holds text as {encoding}.*createdb --encoding=UTF8"):
        Ledger(server.url(database))


def test_a_server_that_never_answered_is_not_waited_for(caplog):
    caplog.set_level(logging.WARNING)
    begin = time.monotonic()
    with pytest.raises(LedgerError, match="check that the server runs"):
        Ledger("postgresql+psycopg://u:SECRET@127.0.0.1:1/db")
    assert time.monotonic() - begin < 5
    assert "SECRET" not in caplog.text


def test_an_earlier_campaign_may_lie_on_a_server_and_so_may_its_copy(server):
    first, second = server.database(), server.database()
    box = Box([Variable("x", 0, 1)])
    problem = RecipeProblem(box, lambda x: x[:, 0], name="line")
    Campaign(problem, RandomSearcher(batch_size=3), server.url(first), seed=1).run(3)
    campaign = Campaign(problem, RandomSearcher(batch_size=2), server.url(second), seed=1, history=server.url(first))
    campaign.run(2)
    assert campaign.ledger.count() == 2
    there = LedgerReader(server.url(first)).evaluations()
    assert [e.value for e in campaign.earlier] == [e.value for e in there]
    assert LedgerReader(server.url(second)).origins()[0].digest == LedgerReader(server.url(first)).as_origin().digest
