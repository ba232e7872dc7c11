"""kill -9 at random moments: nothing recorded is lost, nothing is paid twice, and the end is as if nobody had killed.

Campaigns of several searchers, a comparison, and the laboratory's tell are begun again with the same command after each
kill, until they end; then the next one follows, until there were enough kills. The oracle keeps a file of its own
calls (benchmarks/witness.py), so that what was paid for is not taken from the ledger's word. A call that is under way
when its process is killed has no result anywhere and is made again: at most one for each process that evaluates.

With --server the ledgers are on a PostgreSQL server, which is itself restarted in mid-run; comparisons keep their
ledgers in their folders, and are left out.

    .venv/bin/python -W ignore -m benchmarks.killing [--kinds bayesian tell ...] [--kills 50] [--server]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import sqlalchemy

from benchmarks import witness
from benchmarks.results_io import RESULTS, write
from matseek.campaign import Campaign  # imported here, since lives are forked from this process
from matseek.cli import app
from matseek.configuration import run_settings

Rows = dict[str, tuple[str, float | None, str]]
"""Point, value and time of every evaluation that has its result, by ledger and number."""

PATIENCE = 600.0
"""Seconds after which a life that nobody kills counts as hung."""

OUTLIVED = 20.0
"""Seconds in which workers must end after their parent."""

_SILVER = ["problem._target_=benchmarks.witness.silver"]
_ADATOM = ["problem=platinum_adatom", "problem._target_=benchmarks.witness.platinum_adatom"]

CAMPAIGNS: dict[str, list[str]] = {
    "bayesian": [*_SILVER, "searcher=bayesian", "searcher.batch_size=5", "budget=40"],
    "two_step": [
        *_SILVER,
        "searcher=two_step",
        "searcher.batch_size=5",
        "searcher.schedule.2.first_batch=3",
        "searcher.network.training.epochs=20",
        "searcher.network.training.members=2",
        "stop=none",
        "budget=30",
    ],
    "godiff": [
        *_ADATOM,
        "searcher=godiff",
        "searcher.steps=20",
        "searcher.samples=8",
        "searcher.draw=8",
        "searcher.sampler.steps=20",
        "budget=64",
    ],
    "rss": [*_ADATOM, "searcher=rss", "budget=300"],
}
"""Overrides of the command that is killed, by the kind's name."""

TOLD = ["problem=laboratory", "searcher.batch_size=12"]
"""Overrides of the campaign that is asked and told."""

# Without common first points: calls are told apart by their points.
COMPARED = [*_SILVER, "searchers=[random,bayesian]", "seeds=2", "workers=2", "budget=20", "stop=none", "opening=0"]
WORKERS = {"compare": 2}
"""Processes that evaluate at once, where there are several."""


@dataclass
class Tally:
    """What was seen of one kind.

    Args:
        kind: Its name.
        in_flight_at_most: Calls that a kill may repeat.
    """

    kind: str
    in_flight_at_most: int = 1
    kills: int = 0
    campaigns: int = 0
    evaluations: int = 0
    oracle_calls: int = 0
    repeated_in_flight: int = 0
    lost: int = 0
    changed: int = 0
    paid_twice: int = 0
    not_as_uninterrupted: int = 0
    hung_or_failed: int = 0
    server_restarts: int = 0
    refused_at_start: int = 0
    messages: list[str] = field(default_factory=list)

    @property
    def met(self) -> bool:
        """Whether nothing went wrong."""
        return not (self.lost or self.changed or self.paid_twice or self.not_as_uninterrupted or self.hung_or_failed)

    def complain(self, counter: str, message: str, count: int = 1) -> None:
        """Count something that went wrong."""
        if count:
            setattr(self, counter, getattr(self, counter) + count)
            self.messages.append(f"{counter}: {message}")


def recorded(folder: Path) -> Rows:
    """What the SQLite ledgers below a folder hold, read without the package."""
    found: Rows = {}
    for path in sorted(folder.rglob("ledger.db")):
        with closing(sqlite3.connect(path, timeout=30)) as connection, suppress(sqlite3.OperationalError):
            query = "SELECT number, point, value, finished_at FROM evaluations WHERE status IN ('done', 'failed')"
            for number, point, value, at in connection.execute(query):
                found[f"{path.parent.relative_to(folder)}/{number}"] = (point, value, at)
    return found


def command(*arguments: str) -> Callable[[], None]:
    """The work of a matseek command."""

    def work() -> None:
        app(list(arguments), standalone_mode=True)

    return work


def begin(work: Callable[[], None], folder: Path) -> int:
    """Begin a life in a folder, with its output in log.txt and the oracle's calls in calls.txt; gives its process.

    It is forked from this process, which has everything imported, so that a life begins within milliseconds.
    """
    pid = os.fork()
    if pid:
        return pid
    code = 99
    try:
        os.environ[witness.VARIABLE] = str(folder / "calls.txt")
        log = os.open(folder / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        work()
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)


def ended(pid: int, seconds: float, enough: Callable[[], bool] | None = None) -> int | None:
    """Wait for a life; gives its exit code, or None if it goes on after some seconds, or when it has done enough."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not (enough is not None and enough()):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    return None


@dataclass(frozen=True)
class Attack:
    """Kills the lives of one kind.

    Args:
        tally: What is seen.
        work: Makes the work of a life for a folder.
        prepare: What comes before the first life, in the folder; None for nothing.
        read: What is recorded below a folder.
        disturb: Called at a random moment of every other life, such as a server's restart; None for never.
    """

    tally: Tally
    work: Callable[[Path], Callable[[], None]]
    prepare: Callable[[Path], None] | None = None
    read: Callable[[Path], Rows] = recorded
    disturb: Callable[[], None] | None = None

    def run(self, base: Path, kills: int, rng: np.random.Generator) -> Tally:
        """Kill until there were enough kills; every campaign is brought to its end.

        Args:
            base: Folder for everything.
            kills: How many.
            rng: Of the moments.
        """
        whole = self._made(base / "whole")
        began = time.monotonic()
        code = ended(begin(self.work(whole), whole), PATIENCE)
        seconds = time.monotonic() - began
        if code != 0:
            raise SystemExit(
                f"{self.tally.kind}: the uninterrupted run ended with exit code {code}: {whole / 'log.txt'}"
            )
        reference = self.read(whole)
        while self.tally.kills < kills:
            folder = self._made(base / f"killed-{self.tally.campaigns}")
            self.tally.campaigns += 1
            while self._life(folder, seconds, kills, rng):
                pass
            self._compare(folder, reference)
            print(json.dumps(vars(self.tally)), flush=True)
        return self.tally

    def _made(self, folder: Path) -> Path:
        folder.mkdir(parents=True)
        if self.prepare is not None:
            self.prepare(folder)
        return folder

    def _life(self, folder: Path, seconds: float, kills: int, rng: np.random.Generator) -> bool:
        """One life, from its begin to its kill or its end; whether another one must follow."""
        tally = self.tally
        before, known = self.read(folder), len(witness.calls(folder / "calls.txt"))
        mortal = tally.kills < kills
        pid = begin(self.work(folder), folder)
        code, disturbed = None, False
        if self.disturb is not None and tally.server_restarts < kills / 5 and rng.random() < 0.5:
            code = ended(pid, float(rng.uniform(0, seconds / 3)))
            if code is None:
                self.disturb()
                disturbed = True
                tally.server_restarts += 1
        longest = seconds / 4
        if tally.kind == "tell":
            longest = seconds  # it makes no calls
        elif code is None and mortal and rng.random() < 2 / 3:
            # Most kills come after the first call of a life: where there is something to lose.
            calls = folder / "calls.txt"
            size = calls.stat().st_size if calls.is_file() else 0
            code = ended(pid, longest, lambda: calls.is_file() and calls.stat().st_size > size)
        if code is None:
            code = ended(pid, float(rng.uniform(0, longest)) if mortal else PATIENCE)
        if code is None:
            self._kill(pid, folder)
            tally.kills += mortal
            tally.complain("hung_or_failed", f"{folder.name}: a life hung", not mortal)
        after = self.read(folder)
        # A server that has not answered yet is not waited for: the command says so, and is given again.
        refused = disturbed and code not in (None, 0) and after == before
        tally.refused_at_start += refused
        if code not in (None, 0) and not refused:
            tally.complain("hung_or_failed", f"{folder.name}: a life ended with exit code {code}")
        tally.complain("lost", f"{folder.name}: {before.keys() - after.keys()}", len(before.keys() - after.keys()))
        changed = sum(after[n] != before[n] for n in before.keys() & after.keys())
        tally.complain("changed", folder.name, changed)
        self._count(folder, known, before, after, killed=code is None)
        return refused or (code is None and mortal)

    def _kill(self, pid: int, folder: Path) -> None:
        """Kill a life; the processes that it has started must end with it."""
        workers = []
        with suppress(psutil.NoSuchProcess):
            workers = psutil.Process(pid).children(recursive=True)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        # Workers that are still importing this module end when they are through with it.
        psutil.wait_procs(workers, timeout=OUTLIVED)
        # A process that has ended and waits to be reaped by init does nothing any more.
        left = [w for w in workers if w.is_running() and w.status() != psutil.STATUS_ZOMBIE]
        for process in left:
            process.kill()
        message = f"{folder.name}: workers outlived their parent by {OUTLIVED:g} s"
        self.tally.complain("hung_or_failed", message, len(left))

    def _count(self, folder: Path, known: int, before: Rows, after: Rows, *, killed: bool) -> None:
        """Compare the oracle's own calls of a life with what the ledgers hold."""
        begun = [key for word, key, _ in witness.calls(folder / "calls.txt")[known:] if word == "begin"]
        self.tally.oracle_calls += len(begun)
        paid = {witness.key_of(json.loads(point)) for point, _, _ in before.values()}
        held = {witness.key_of(json.loads(point)) for point, _, _ in after.values()}
        again = sum(key in paid for key in begun)
        unsettled = sum(key not in held for key in begun)
        allowed = self.tally.in_flight_at_most if killed else 0
        self.tally.repeated_in_flight += unsettled
        self.tally.complain("paid_twice", f"{folder.name}: {again} paid again after their record", again)
        surplus = max(unsettled - allowed, 0)
        self.tally.complain("paid_twice", f"{folder.name}: {unsettled} calls were not recorded", surplus)
        self.tally.evaluations += len(after) - len(before)

    def _compare(self, folder: Path, reference: Rows) -> None:
        """Hold the end of a campaign against the one that nobody killed."""
        found = self.read(folder)
        same = {n: row[:2] for n, row in found.items()} == {n: row[:2] for n, row in reference.items()}
        self.tally.complain("not_as_uninterrupted", folder.name, not same)
        if same and self.tally.met:
            shutil.rmtree(folder)


def asked(folder: Path) -> None:
    """A laboratory's campaign that has asked for a batch, and a table with its results."""
    ask = command("ask", str(folder / "run"), *TOLD, "--count", "12")
    if ended(begin(ask, folder), PATIENCE) != 0:
        raise SystemExit(f"ask failed: {folder / 'log.txt'}")
    table = pd.read_csv(folder / "run" / "batch-1.csv")
    table["value"] = [0.1 * row for row in range(len(table))]
    table.to_csv(folder / "results.csv", index=False)


def attack(kind: str) -> Attack:
    """The attack on a kind, with SQLite ledgers."""
    tally = Tally(kind, WORKERS.get(kind, 1))
    if kind == "tell":
        return Attack(tally, lambda f: command("tell", str(f / "run"), str(f / "results.csv")), prepare=asked)
    verb, overrides = ("compare", COMPARED) if kind == "compare" else ("run", [*CAMPAIGNS[kind], "seed=0"])
    return Attack(tally, lambda f: command(verb, *overrides, f"run_dir={f / 'run'}"))


class Server:
    """Ledgers on a PostgreSQL server, a database for each folder."""

    def __init__(self) -> None:
        from tests.postgres import Postgres

        self.postgres = Postgres()
        self._databases: dict[Path, str] = {}

    def url(self, folder: Path) -> str:
        """Where the ledger of a folder is."""
        if folder not in self._databases:
            self._databases[folder] = self.postgres.database()
        return str(self.postgres.url(self._databases[folder]))

    def recorded(self, folder: Path) -> Rows:
        """What the ledger of a folder holds, read without the package."""
        engine = sqlalchemy.create_engine(self.url(folder), poolclass=sqlalchemy.pool.NullPool)
        if not sqlalchemy.inspect(engine).has_table("evaluations"):
            return {}
        query = "SELECT number, point, value, finished_at FROM evaluations WHERE status IN ('done', 'failed')"
        with engine.connect() as connection:
            rows = connection.execute(sqlalchemy.text(query)).all()
        return {str(number): (json.dumps(point), value, str(at)) for number, point, value, at in rows}

    def campaign(self, folder: Path, overrides: list[str]) -> tuple[Campaign, int]:
        """The campaign of a folder, and its budget."""
        settings = run_settings([*overrides, "seed=0", f"run_dir={folder / 'run'}"])
        return Campaign(settings.problem, settings.searcher, self.url(folder), seed=0), settings.budget

    def attack(self, kind: str) -> Attack:
        """The attack on a kind, in the course of which the server is restarted."""
        tally = Tally(kind)

        def run(folder: Path) -> Callable[[], None]:
            def work() -> None:
                campaign, budget = self.campaign(folder, CAMPAIGNS[kind])
                campaign.run(budget)

            return work

        def tell(folder: Path) -> Callable[[], None]:
            def work() -> None:
                self.campaign(folder, TOLD)[0].tell(pd.read_csv(folder / "results.csv"))

            return work

        def prepare(folder: Path) -> None:
            self.url(folder)
            if kind == "tell":
                batch = self.campaign(folder, TOLD)[0].ask(12).to_frame()
                batch.assign(value=[0.1 * row for row in range(len(batch))]).to_csv(folder / "results.csv", index=False)

        return Attack(tally, tell if kind == "tell" else run, prepare, self.recorded, self.postgres.restart)


def with_row(name: str, row: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a result file with one added, or made anew."""
    path = RESULTS / f"{name}.json"
    rows = json.loads(path.read_text())["rows"] if path.is_file() else []
    return [*(known for known in rows if known["kind"] != row["kind"]), row]


def main() -> None:
    """Kill, compare and write."""
    kinds = [*CAMPAIGNS, "compare", "tell"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="+", default=kinds, choices=kinds)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--server", action="store_true", help="ledgers on a PostgreSQL server that is restarted")
    arguments = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="matseek-killing-"))
    server = Server() if arguments.server else None
    name = "killing_server" if arguments.server else "killing"
    met = True
    for kind in arguments.kinds:
        if server is not None and kind == "compare":
            continue
        attacked = attack(kind) if server is None else server.attack(kind)
        rng = np.random.default_rng([arguments.seed, kinds.index(kind)])
        tally = attacked.run(base / kind, arguments.kills, rng)
        met &= tally.met
        report = {
            "command": f".venv/bin/python -W ignore -m benchmarks.killing{' --server' * arguments.server}",
            "goal": "0 lost, 0 paid twice beyond the calls in flight, the end as without kills, in every kind",
            "rows": with_row(name, {**vars(tally), "goal_met": tally.met}),
        }
        print(write(name, report))
    if server is not None:
        server.postgres.close()
    if met:
        shutil.rmtree(base)
    else:
        print(f"see {base}")


if __name__ == "__main__":
    main()
