import json
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from matseek.core.problem import Measurement
from matseek.core.records import Proposal
from matseek.errors import LedgerError
from matseek.evaluation import Ledger, LedgerReader
from matseek.evaluation.ledger import schema

PROBLEM = {"name": "p", "space": [1, 2], "limit": float("inf")}


def script(path, text):
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(text)
    return path


@pytest.fixture
def old(tmp_path):
    """A ledger as version 1 wrote it."""
    return script(tmp_path / "ledger.db", Path(__file__).with_name("version_1.sql").read_text())


def raw(path, query):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def test_a_new_ledger_has_the_version(tmp_path):
    Ledger(tmp_path / "new.db")
    assert raw(tmp_path / "new.db", "SELECT version FROM matseek_ledger") == [(schema.VERSION,)]
    assert not list(tmp_path.glob("*version*"))


def test_an_older_ledger_is_brought_up_to_date_after_a_copy(old, caplog):
    before = raw(old, "SELECT * FROM evaluations")
    ledger = Ledger(old)
    copy = old.with_name("ledger.version-1.db")
    assert f"had version 1 and now has version {schema.VERSION}; {copy} is a copy of it as it was" in caplog.text
    assert raw(copy, "SELECT * FROM evaluations") == before == raw(old, "SELECT * FROM evaluations")
    assert not raw(copy, "SELECT name FROM sqlite_master WHERE name = 'matseek_ledger'")
    ledger.claim(PROBLEM, "rss", 7)
    assert np.isnan(ledger.events()[1].data["energy"])
    for (data,) in raw(old, "SELECT data FROM events UNION ALL SELECT problem FROM campaign"):
        json.loads(data, parse_constant=pytest.fail)
    # The campaign goes on.
    with ledger.locked():
        ledger.begin_session()
        assert [e.number for e in ledger.evaluations(status="pending")] == [3, 4]
    assert [e.number for e in LedgerReader(copy).evaluations(status="pending")] == [3, 4]


def test_an_update_that_is_cut_short_leaves_the_older_ledger(old, monkeypatch):
    def broken(connection):
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(schema, "_STEPS", (broken,))
        with pytest.raises(LedgerError, match=r"No space left on device; free some space"):
            Ledger(old)
    assert not raw(old, "SELECT name FROM sqlite_master WHERE name = 'matseek_ledger'")
    assert Ledger(old).count() == 4


@pytest.mark.parametrize("opened", [Ledger, LedgerReader])
def test_a_newer_ledger_is_refused_with_its_version(tmp_path, opened):
    path = tmp_path / "new.db"
    Ledger(path)
    script(path, "UPDATE matseek_ledger SET version = 9")
    with pytest.raises(LedgerError, match=r"new\.db has version 9, and this matseek knows .* up to 5; update matseek"):
        opened(path)


def test_some_other_programs_database(tmp_path):
    path = script(tmp_path / "other.db", "CREATE TABLE events (id INTEGER PRIMARY KEY, title TEXT)")
    with pytest.raises(LedgerError, match=r"some other program's: its table events has no column data"):
        Ledger(path)
    assert not raw(path, "SELECT name FROM sqlite_master WHERE name = 'campaign'")


def test_version_2_knew_no_earlier_campaigns(tmp_path):
    path = tmp_path / "ledger.db"
    ledger = Ledger(path)
    ledger.claim(PROBLEM, "rss", 7)
    del ledger
    script(path, "UPDATE matseek_ledger SET version = 2; DROP TABLE earlier; DROP TABLE origins; DROP TABLE revisions")
    assert LedgerReader(path).origins() == ()
    ledger = Ledger(path)
    assert raw(path, "SELECT version FROM matseek_ledger") == [(schema.VERSION,)]
    assert ledger.origins() == ()
    with closing(sqlite3.connect(tmp_path / "ledger.version-2.db")) as copy:
        assert copy.execute("SELECT seed FROM campaign").fetchall() == [(7,)]


def test_a_ledger_without_properties_is_read_and_brought_up_to_date(tmp_path):
    path = tmp_path / "third.db"
    ledger = Ledger(path)
    ledger.claim({"name": "p"}, "rss", 0)
    ledger.write_down(Proposal(np.zeros((2, 3)), ("rss",) * 2), 0.0)
    ledger.record([(1, Measurement(1.0, np.ones(1)))])
    script(path, "DROP TABLE properties; UPDATE matseek_ledger SET version = 4")
    reader = LedgerReader(path)
    assert dict(reader.evaluation(1).properties) == {}
    again = Ledger(path)
    again.record([(2, Measurement(1.0, np.ones(1), properties={"stress": np.arange(6.0)}))])
    assert dict(again.evaluation(1).properties) == {}
    np.testing.assert_array_equal(again.evaluation(2).properties["stress"], np.arange(6.0))
    assert path.with_name("third.version-4.db").is_file()
