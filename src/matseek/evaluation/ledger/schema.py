"""How a ledger's tables are laid out, by versions, and what brings an older ledger up to date.

Version 1 has no table that says so. It wrote NaN and Infinity into its JSON, and seeds of up to 31 bits on a server.
Version 2 has no tables of earlier campaigns, version 3 none of revisions, version 4 none of properties.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, insert, inspect, select, update

from matseek.errors import LedgerError
from matseek.evaluation.ledger.address import Address
from matseek.evaluation.ledger.copies import copy_ledger
from matseek.evaluation.ledger.store import Store
from matseek.evaluation.ledger.tables import CAMPAIGN, EVENTS, LEDGER, METADATA

logger = logging.getLogger(__name__)

VERSION = 5
"""The version that this code writes."""


def version_of(connection: Connection) -> int | None:
    """The version of a ledger; None where there are no tables yet.

    Raises:
        LedgerError: If the tables are some other program's.
    """
    inspector = inspect(connection)
    result = set(inspector.get_table_names()) & METADATA.tables.keys()
    if LEDGER.name in result:
        return connection.scalar(select(LEDGER.c.version))
    for name in result:
        missing = {*METADATA.tables[name].columns.keys()} - {c["name"] for c in inspector.get_columns(name)}
        if missing:
            message = f"its table {name} has no column {', '.join(sorted(missing))}"
            raise LedgerError(f"the database is some other program's: {message}; name another ledger")
    return 1 if result else None


def require_readable(version: int | None, address: Address) -> None:
    """Refuse a ledger that a later matseek has written.

    Raises:
        LedgerError: If it is newer than what this code knows.
    """
    if version is not None and version > VERSION:
        raise LedgerError(
            f"the ledger {address} has version {version}, and this matseek knows versions up to {VERSION}; "
            "update matseek, or name another ledger"
        )


def bring_up_to_date(store: Store) -> None:
    """Make the tables of a new ledger, or bring those of an older one up to date, all in one transaction.

    A file is copied first, beside itself.

    Raises:
        LedgerError: If the ledger is newer than this code, or some other program's.
    """
    version = store.read(version_of, "opened")
    require_readable(version, store.address)
    if version == VERSION:
        return
    copy = None if version is None or store.address.path is None else _copied(store.address.path, version)
    store.write(lambda connection: _brought(connection, version), "brought up to date")
    if version is not None:
        kept = "its tables were changed in place" if copy is None else f"{copy} is a copy of it as it was"
        logger.warning("the ledger %s had version %d and now has version %d; %s", store.address, version, VERSION, kept)


def _brought(connection: Connection, version: int | None) -> None:
    if connection.dialect.name == "sqlite":
        # The driver would commit each table by itself.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    if connection.dialect.name == "postgresql" and version is None:
        encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
        if encoding != "UTF8":
            message = f"the database holds text as {encoding}, and a ledger's text needs UTF8"
            raise LedgerError(f"{message}; make another with createdb --encoding=UTF8 --template=template0")
    METADATA.create_all(connection)
    for step in _STEPS[(version or VERSION) - 1 :]:
        step(connection)
    connection.execute(delete(LEDGER))
    connection.execute(insert(LEDGER).values(id=1, version=VERSION, holder=None))


def _to_2(connection: Connection) -> None:
    """JSON becomes strict, and seeds have 63 bits."""
    if connection.dialect.name != "sqlite":
        kind = {"mysql": "MODIFY seed BIGINT NOT NULL"}.get(connection.dialect.name, "ALTER COLUMN seed TYPE BIGINT")
        connection.exec_driver_sql(f"ALTER TABLE campaign {kind}")
    for table, column in ((CAMPAIGN, CAMPAIGN.c.problem), (EVENTS, EVENTS.c.data)):
        for row, value in connection.execute(select(table.c.id, column)).all():
            if not _strict(value):
                connection.execute(update(table).where(table.c.id == row).values({column: value}))


def _strict(value: Any) -> bool:  # noqa: ANN401
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True


def _to_3(connection: Connection) -> None:
    """The tables of earlier campaigns are new, and made with all that are missing."""


def _to_4(connection: Connection) -> None:
    """The table of revisions is new."""


def _to_5(connection: Connection) -> None:
    """The table of properties is new, and made with all that are missing."""


_STEPS: tuple[Callable[[Connection], None], ...] = (_to_2, _to_3, _to_4, _to_5)
"""From each version to the next."""


def _copied(path: Path, version: int) -> Path:
    target = path.with_name(f"{path.stem}.version-{version}{path.suffix}")
    copy_ledger(path, target)
    return target
