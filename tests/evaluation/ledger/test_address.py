import sqlite3

import pytest

from matseek.errors import LedgerBusyError, LedgerError
from matseek.evaluation import Ledger
from matseek.evaluation.ledger import sqlite_path
from matseek.evaluation.ledger.address import Address


def test_every_spelling_of_a_file_is_one_path_and_one_lock(tmp_path, monkeypatch):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    path = tmp_path / "real" / "c.db"
    sqlite3.connect(path).close()
    (tmp_path / "file.db").symlink_to(path)
    monkeypatch.chdir(tmp_path)
    spellings = [
        path,
        str(path),
        "real/c.db",
        "./real/../link/c.db",
        "file.db",
        "sqlite:///real/c.db",
        f"sqlite:///{path}",
        f"sqlite+pysqlite:///{tmp_path}/file.db",
        f"sqlite:///file:{tmp_path}/link/c.db?uri=true",
        f"sqlite:///file:///{str(path).lstrip('/')}?uri=true",
    ]
    assert {sqlite_path(s) for s in spellings} == {path}
    with Ledger(path).locked():
        for spelling in spellings[1:]:
            with pytest.raises(LedgerBusyError, match="another process is at work"):
                Ledger(spelling)


@pytest.mark.parametrize("location", [None, "sqlite://", "sqlite:///:memory:"])
def test_memory_has_no_path(location):
    assert sqlite_path(location) is None
    assert not Address.of(location).shared


@pytest.mark.parametrize("location", [5, 1.5, True, b"x", "", "  ", ["a.db"]])
def test_what_is_no_place_is_refused_and_makes_no_file(location, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LedgerError, match="is no path and no URL; give one of them"):
        Ledger(location)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("postgresql+asyncpg://u:SECRET@h/db", r"asynchronous driver, asyncpg; pip install 'matseek\[postgres\]'"),
        ("sqlite+aiosqlite:///SECRETLESS.db", "asynchronous driver, aiosqlite"),
        ("postgresql+nosuch://u:SECRET@h/db", "give a path, or a URL whose driver is installed"),
        ("nosuch://u:SECRET@h/db", "give a path, or a URL whose driver is installed"),
        ("postgresql://u:SE@C:RET@h:port/db", "write driver://user:password@host:port/database"),
        ("postgresql+psycopg://u:SEC RET@h:x/db", "write driver://user:password@host:port/database"),
        ("postgresql+psycopg://u@127.0.0.1:1/db?password=SECRET", "cannot be opened"),
        ("postgresql+psycopg://u:SECRET@127.0.0.1:1/db", "check that the server runs"),
        ("postgresql+psycopg://u:SECRET@127.0.0.1:1/db?patience=soon", r"patience='soon' in .* must be seconds, 0 or"),
    ],
)
def test_no_message_tells_a_password(url, remedy, caplog):
    with pytest.raises(LedgerError, match=remedy) as raised:
        Ledger(url)
    error = raised.value
    while error is not None:
        assert "SE" not in str(error).replace("SECRETLESS", "").replace("SELECT", "")
        assert "RET" not in str(error).replace("SECRETLESS", "")
        error = error.__cause__
    assert "SECRET" not in caplog.text


def test_a_password_is_hidden_wherever_it_stands():
    address = Address.of("postgresql+psycopg://u:p%40ss@h/db?sslpassword=other&sslmode=require")
    assert str(address) == "postgresql+psycopg://u:***@h/db?sslmode=require&sslpassword=***"
    assert address.discreet("p@ss, p%40ss and other") == "***, *** and ***"
