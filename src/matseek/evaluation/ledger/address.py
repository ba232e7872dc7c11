"""Where a ledger lies: a file, a server or memory, and how that is told without a password."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote, unquote

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from matseek import checks
from matseek.errors import LedgerError

PATIENCE = 60.0
"""Seconds for which a lost server is waited for, unless the URL says otherwise."""

_MEMORY = (None, "", ":memory:")
_SECRET = re.compile(r"(?i)(pass|pwd|secret|token|key)")
_POSTGRES = "pip install 'matseek[postgres]' and write postgresql+psycopg://"


@dataclass(frozen=True)
class Address:
    """Where a ledger lies.

    Args:
        url: What SQLAlchemy connects to.
        path: The SQLite file, absolute and without symbolic links; None in memory and on a server.
        patience: Seconds for which a lost server is waited for.
    """

    url: URL
    path: Path | None
    patience: float = PATIENCE

    @classmethod
    def of(cls, location: str | Path | None) -> Address:
        """The address of a path, a URL, or None for memory.

        A URL may end in ``?patience=SECONDS``.

        Raises:
            LedgerError: If it is neither, or its driver is missing or asynchronous.
        """
        if location is None:
            return cls(make_url("sqlite://"), None)
        text = str(location)
        try:
            (checks.text if isinstance(location, str) and "://" in text else checks.path)("ledger", location)
        except ValueError as error:
            message = checks.shown(location)
            raise LedgerError(f"ledger={message} is no path and no URL; give one of them") from error
        if "://" not in text:
            return cls._of_file(URL.create("sqlite", database=text))
        url, patience = _with_patience(_parsed(text), text)
        return cls._of_file(url, patience) if url.get_backend_name() == "sqlite" else cls(url, None, patience)

    @classmethod
    def _of_file(cls, url: URL, patience: float = PATIENCE) -> Address:
        """SQLite: every spelling of a file becomes the same path."""
        database = url.database
        if database in _MEMORY:
            return cls(url, None, patience)
        assert database is not None
        if database.startswith("file:"):
            database, _, _ = unquote(database.removeprefix("file:")).partition("?")
            database = re.sub("^//(localhost)?(?=/)", "", database)
            if database in _MEMORY or url.query.get("mode") == "memory":
                return cls(url, None, patience)
        path = Path(database).resolve()
        # The answer stays the same if the program changes its folder.
        result = url if url.database != database else url.set(database=str(path))
        return cls(result, path, patience)

    @property
    def shared(self) -> bool:
        """Whether another process can open it, too."""
        return self.path is not None or self.url.get_backend_name() != "sqlite"

    def __str__(self) -> str:
        if self.path is not None:
            return str(self.path)
        return _discreet_url(self.url.render_as_string(hide_password=True))

    def discreet(self, text: str) -> str:
        """A text, for example a driver's message, without the password."""
        secrets = [value for key, value in self.url.query.items() if _SECRET.search(key)]
        for secret in (self.url.password, *secrets):
            for spelling in {str(secret), quote(str(secret))} if secret else ():
                text = text.replace(spelling, "***")
        return text


def address_text(location: str | Path | None) -> str:
    """Where a ledger lies, the same for every spelling of a path or a URL and without a password."""
    return str(Address.of(location))


def sqlite_path(location: str | Path | None) -> Path | None:
    """The file of a ledger that is named by a path or a URL; None in memory and on a server."""
    return Address.of(location).path


def _parsed(text: str) -> URL:
    shown = _discreet_url(text)
    remedy = _POSTGRES if text.startswith("postgres") else "install it, or name another"
    try:
        url = make_url(text)
        if url.drivername in ("postgres", "postgresql") and find_spec("psycopg") is not None:
            url = url.set(drivername="postgresql+psycopg")
        dialect = url.get_dialect()
        if not dialect.is_async:
            dialect.import_dbapi()
            return url
    except (ImportError, NoSuchModuleError) as error:
        # What these errors say may hold a part of the password.
        message = f"ledger={shown!r} cannot be used ({type(error).__name__})"
        raise LedgerError(f"{message}; give a path, or a URL whose driver is installed: {remedy}") from None
    except (ArgumentError, ValueError) as error:
        message = (
            f"ledger={shown!r} is no URL ({type(error).__name__}); write driver://user:password@host:port/database"
        )
        raise LedgerError(f"{message}, with reserved characters of a password percent-encoded") from None
    raise LedgerError(f"ledger={shown!r} names an asynchronous driver, {url.get_driver_name()}; {remedy}")


def _discreet_url(text: str) -> str:
    """A URL as it was typed, without passwords, also if it cannot be parsed."""
    text = re.sub(r"(://[^:/@?]*:).*@", r"\1***@", text)
    return re.sub(r"([?&][^=&]*(?:pass|pwd|secret|token|key)[^=&]*=)[^&]*", r"\1***", text, flags=re.IGNORECASE)


def _with_patience(url: URL, text: str) -> tuple[URL, float]:
    asked = url.query.get("patience")
    if asked is None:
        return url, PATIENCE
    try:
        patience = float(str(asked))
    except ValueError:
        patience = -1.0
    if not 0 <= patience < float("inf"):
        raise LedgerError(f"patience={asked!r} in ledger={_discreet_url(text)!r} must be seconds, 0 or more")
    return url.difference_update_query(["patience"]), patience
