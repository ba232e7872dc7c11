import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import traceback
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from matseek.core.problem import Measurement
from matseek.core.records import Event, Proposal
from matseek.errors import LedgerError, UnknownEvaluationError
from matseek.evaluation import Ledger, LedgerReader


@pytest.fixture
def path(tmp_path):
    return tmp_path / "here" / "ledger.db"


def written(path, n=2):
    ledger = Ledger(path)
    ledger.claim({"name": "p"}, "lhs", 3)
    ledger.begin_session()
    events = (Event("noted", "why", {"run": 1}),)
    ledger.write_down(Proposal(np.arange(2.0 * n).reshape(n, 2), ("lhs",) * n, events), 0.5)
    ledger.record([(1, Measurement(1.5, np.ones(1), np.arange(4.0)))])
    return ledger


def closed(path):
    written(path)._store.engine.dispose()
    assert not list(path.parent.glob("*-wal"))


def told(reader):
    first, second = reader.evaluations()
    assert reader.count() == 2
    assert reader.iterations() == 1
    assert (first.status, first.value, second.status) == ("done", 1.5, "pending")
    np.testing.assert_array_equal(first.response, np.arange(4.0))
    assert [e.kind for e in reader.events()] == ["noted"]
    assert reader.has_told("noted", 1)
    assert not reader.has_told("noted", 2)
    assert reader.seconds_asking() == [0.5]
    assert reader.wall_seconds() >= 0
    assert reader.cpu_seconds() >= 0
    assert reader.overhead_seconds() >= 0
    assert (reader.identity.problem, reader.identity.searcher, reader.identity.seed) == ({"name": "p"}, "lhs", 3)


def test_reads_beside_a_writer_that_holds_the_ledger_and_sees_what_it_adds(path):
    ledger = written(path)
    with ledger.locked():
        reader = LedgerReader(path)
        told(reader)
        ledger.record([(2, Measurement(0.5, np.ones(1)))])
        ledger.write_down(Proposal(np.zeros((1, 2)), ("lhs",)), 0.0)
        assert [e.status for e in reader.evaluations()] == ["done", "done", "pending"]
        assert [e.number for e in reader.evaluations(iteration=2)] == [3]
        assert [e.number for e in reader.evaluations(status="pending")] == [3]


def test_changes_nothing_in_the_folder(path):
    closed(path)
    before = {p.name: (p.stat().st_mtime_ns, p.stat().st_size) for p in path.parent.iterdir()}
    told(LedgerReader(path))
    assert {p.name: (p.stat().st_mtime_ns, p.stat().st_size) for p in path.parent.iterdir()} == before


def as_nobody(work):
    """Do some work in a child that may write nowhere, also if the tests run as root."""
    child = os.fork()
    if not child:
        status = 1
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setuid(65534)
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("log", ["none", "empty", "full", "with shared memory"])
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_reads_on_a_medium_that_cannot_be_written(path, tmp_path, log):
    ledger = written(path)
    medium = tmp_path / "medium"
    medium.mkdir()
    if log in ("none", "empty"):
        ledger._store.engine.dispose()
    shutil.copy(path, medium)
    if log == "empty":
        (medium / "ledger.db-wal").touch()
    if log in ("full", "with shared memory"):
        shutil.copy(f"{path}-wal", medium)
        assert (medium / "ledger.db-wal").stat().st_size
    if log == "with shared memory":
        shutil.copy(f"{path}-shm", medium)
    for part in (*medium.iterdir(), medium):
        part.chmod(0o555)
    for folder in (tmp_path, *tmp_path.parents):
        if folder == Path(tempfile.gettempdir()):
            break
        folder.chmod(folder.stat().st_mode | 0o055)
    try:
        as_nobody(lambda: told(LedgerReader(medium / "ledger.db")))
    finally:
        medium.chmod(0o755)


def test_a_ledger_that_is_not_there_is_not_made(path):
    with pytest.raises(LedgerError, match=r"there is no ledger .*ledger\.db; check the path"):
        LedgerReader(path)
    assert not path.parent.exists()


def test_some_other_file(tmp_path):
    other = tmp_path / "other.db"
    other.write_text("this is no database, but a long enough text to be taken for a header of one" * 9)
    with pytest.raises(LedgerError, match="not a database; it is some other file"):
        LedgerReader(other)


def test_a_writer_that_comes_and_goes_while_the_file_is_read(path):
    closed(path)
    reader = LedgerReader(path)
    calls = []

    def slow(connection):
        calls.append(1)
        if len(calls) == 1:
            ledger = written_more(path)
            ledger._store.engine.dispose()
        return connection.exec_driver_sql("SELECT count(*) FROM evaluations").scalar()

    assert reader._store.read(slow) == 3
    assert len(calls) == 2


def written_more(path):
    ledger = Ledger(path)
    ledger.write_down(Proposal(np.zeros((1, 2)), ("lhs",)), 0.0)
    return ledger


def test_another_campaign_in_the_same_file_is_read_anew(path):
    reader_of = written(path, 3)
    reader = LedgerReader(path)
    assert reader.count() == 3
    reader_of._store.engine.dispose()
    path.unlink()
    written(path, 2)
    assert reader.count() == 2
    with pytest.raises(UnknownEvaluationError, match="has no evaluation 3"):
        reader.evaluation(3)


def test_importing_it_needs_no_torch_and_is_fast():
    heavy = {"torch", "pandas", "ase", "scipy"}
    script = f"import sys, matseek.evaluation.ledger; print(*{heavy} & {{*sys.modules}})"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []


def test_the_version_1_of_a_ledger_is_read_and_not_changed(tmp_path):
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(Path(__file__).with_name("version_1.sql").read_text())
    before = path.read_bytes()
    reader = LedgerReader(path)
    assert reader.identity.problem == {"name": "p", "space": [1, 2], "limit": float("inf")}
    assert [e.status for e in reader.evaluations()] == ["done", "failed", "pending", "pending"]
    assert np.isnan(reader.events()[1].data["energy"])
    assert reader.overhead_seconds() > 0
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("table", ["thinking", "processor"])
def test_a_ledger_that_lacks_a_later_table(tmp_path, table):
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(Path(__file__).with_name("version_1.sql").read_text())
        connection.execute(f"DROP TABLE {table}")
    reader = LedgerReader(path)
    assert (reader.overhead_seconds() is None) == (table == "thinking")
    assert (reader.cpu_seconds() == 0.0) == (table == "processor")
