"""What docs/executors.md promises, against real processes: faults, killed workers, a killed scheduler, Ctrl-C.

Every oracle notes each call in a file of its own before it does anything, and again when it answers.

    .venv/bin/python -m benchmarks.attack_executors [--rounds 10] [--only faults workers scheduler parent interrupts]
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from tests.evaluation.clusters import Cluster

from benchmarks.results_io import ROOT, write
from matseek import Campaign
from matseek.errors import ExecutorError
from matseek.evaluation import DaskExecutor, Ledger, ProcessExecutor, SerialExecutor, ThreadExecutor
from matseek.evaluation.executors import Executor
from matseek.problems import RecipeProblem
from matseek.searchers import RandomSearcher
from matseek.spaces import Box, Variable

SPACE = Box([Variable("x", 0, 1)])
FAULTS = {"raise": 0.1, "exit": 0.2, "quit": 0.3, "crash": 0.4, "hang": 0.45}
"""By kind, the x up to which a call does so; beyond the last it answers."""


def note(folder: Path, word: str, x: float) -> None:
    """Append a line that is on the disk when this returns."""
    with (folder / "calls.txt").open("a") as file:
        file.write(f"{word} {x!r} {os.getpid()}\n")
        file.flush()
        os.fsync(file.fileno())


def noted(folder: Path, word: str) -> list[float]:
    """Points of the lines of one kind."""
    path = folder / "calls.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    return [float(x) for w, x, _ in map(str.split, lines) if w == word]


def oracle(points: np.ndarray, folder: Path, seconds: float, faults: bool) -> np.ndarray:
    """Answers with x after some time, or fails as x says; each call has a child that outlives it if it may."""
    x = float(points[0, 0])
    note(folder, "begun", x)
    kind = next((k for k, limit in FAULTS.items() if x < limit), None) if faults else None
    if kind == "raise":
        raise RuntimeError("out of silver")
    if kind == "exit":
        raise SystemExit(1)
    if kind == "quit":
        os._exit(0)
    if kind == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if kind == "hang":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        note(folder, "child", float(child.pid))
        time.sleep(600)
    time.sleep(seconds)
    note(folder, "answered", x)
    return points[:, 0]


def campaign(folder: Path, executor: Executor, seconds: float = 0.3, faults: bool = False) -> Campaign:
    """Random search in a folder."""
    problem = RecipeProblem(SPACE, partial(oracle, folder=folder, seconds=seconds, faults=faults))
    return Campaign(problem, RandomSearcher(batch_size=6), folder / "ledger.db", executor=executor)


def left_over(folder: Path) -> int:
    """Processes that calls had started and that are still there, a few seconds later."""
    pids = [int(p) for p in noted(folder, "child")]
    for _ in range(100):
        alive = [p for p in pids if psutil.pid_exists(p) and psutil.Process(p).status() != psutil.STATUS_ZOMBIE]
        if not alive:
            return 0
        time.sleep(0.1)
    return len(alive)


def account(folder: Path) -> dict[str, int]:
    """What the ledger says beside what the oracle says."""
    evaluations = Ledger(folder / "ledger.db").evaluations()
    begun, answered = Counter(noted(folder, "begun")), set(noted(folder, "answered"))
    done = {float(e.point[0]) for e in evaluations if e.status == "done"}
    return {
        "evaluations": len(evaluations),
        "failed": sum(e.status == "failed" for e in evaluations),
        "pending": sum(e.status == "pending" for e in evaluations),
        "answered_and_lost": len(answered - done),
        "calls_beyond_the_first": sum(begun.values()) - len(begun),
    }


def faults(folder: Path, place: int) -> dict[str, Any]:
    """Oracles that raise, exit, quit, crash and hang, in processes or on a cluster."""
    cluster = Cluster(folder) if place % 2 else None
    executor = DaskExecutor(2, 3.0, cluster.address) if cluster else ProcessExecutor(2, 3.0)
    try:
        campaign(folder, executor, 0.05, faults=True).run(24)
    finally:
        if cluster is not None:
            cluster.close()
    found = account(folder)
    wrong = sum(x < max(FAULTS.values()) for x in noted(folder, "begun"))
    return found | {"left_over": left_over(folder), "ok": found["failed"] == wrong and not sum_of_wrongs(found)}


def sum_of_wrongs(found: dict[str, int]) -> int:
    """What must be none."""
    return found["pending"] + found["answered_and_lost"] + found["calls_beyond_the_first"]


def workers(folder: Path, place: int) -> dict[str, Any]:
    """A worker of two killed at a random moment, and another begun."""
    cluster, rng = Cluster(folder), np.random.default_rng(place)

    def kill() -> None:
        while not noted(folder, "begun"):
            time.sleep(0.05)
        time.sleep(rng.uniform(0, 2))
        cluster.workers[place % 2].kill()
        cluster.add_worker()

    try:
        threading.Thread(target=kill, daemon=True).start()
        run = campaign(folder, DaskExecutor(2, 30.0, cluster.address)).run(24)
    finally:
        cluster.close()
    found = account(folder)
    again = sum(e.kind == "asked_again" for e in run.ledger.events())
    fair = found["calls_beyond_the_first"] <= again <= 1
    return found | {"asked_again": again, "ok": fair and not found["pending"] + found["answered_and_lost"]}


def scheduler(folder: Path, place: int) -> dict[str, Any]:
    """The scheduler killed at a random moment; the campaign goes on with another one."""
    cluster, rng = Cluster(folder), np.random.default_rng(place)
    killed_at = [0.0]

    def kill() -> None:
        while not noted(folder, "begun"):
            time.sleep(0.05)
        time.sleep(rng.uniform(0, 2))
        cluster.scheduler.kill()
        killed_at[0] = time.monotonic()

    told = False
    try:
        threading.Thread(target=kill, daemon=True).start()
        campaign(folder, DaskExecutor(2, 30.0, cluster.address)).run(24)
    except ExecutorError:
        told = True
    finally:
        seconds = time.monotonic() - killed_at[0]
        cluster.close()
    campaign(folder, SerialExecutor()).run(24)
    found = account(folder)
    return found | {
        "seconds_to_stop": round(seconds, 1),
        "ok": told and seconds < 40 and not found["pending"] and found["calls_beyond_the_first"] <= 2,
    }


SCRIPT = """
import sys
from pathlib import Path
from benchmarks.attack_executors import EXECUTORS, campaign
if __name__ == "__main__":
    kind, folder, faults = sys.argv[1:]
    try:
        campaign(Path(folder), EXECUTORS[kind](), 0.2, faults == "faults").run(36)
    except KeyboardInterrupt:
        raise SystemExit(130)
"""

EXECUTORS: dict[str, Callable[[], Executor]] = {
    "serial": SerialExecutor,
    "threads": lambda: ThreadExecutor(3),
    "processes": lambda: ProcessExecutor(2),
}


def begun_apart(folder: Path, kind: str, faults: str, number: signal.Signals, place: int) -> tuple[int, float]:
    """A campaign in a process of its own that is sent a signal some time; its exit code, and the time it took."""
    (folder / "script.py").write_text(SCRIPT)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    log = (folder / "log.txt").open("w")
    run = subprocess.Popen(
        [sys.executable, "-W", "ignore", folder / "script.py", kind, folder, faults],
        env=environment,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    while not noted(folder, "begun") and run.poll() is None:
        time.sleep(0.05)
    time.sleep(np.random.default_rng(place).uniform(0, 1.5))
    os.killpg(run.pid, number)
    began = time.monotonic()
    return run.wait(timeout=60), time.monotonic() - began


def parent(folder: Path, place: int) -> dict[str, Any]:
    """The campaign's process killed while calls in processes have children of their own."""
    begun_apart(folder, "processes", "faults", signal.SIGKILL, place)
    pids = {int(line.split()[2]) for line in (folder / "calls.txt").read_text().splitlines()}
    time.sleep(2)
    alive = [p for p in pids if psutil.pid_exists(p)]
    return {"workers_left": len(alive), "left_over": left_over(folder), "ok": not alive and not left_over(folder)}


def interrupts(folder: Path, place: int) -> dict[str, Any]:
    """Ctrl-C at a random moment, then the same campaign again."""
    kind = list(EXECUTORS)[place % 3]
    code, seconds = begun_apart(folder, kind, "none", signal.SIGINT, place)
    before = account(folder)
    campaign(folder, SerialExecutor(), 0.2).run(36)
    after = account(folder)
    at_once = {"serial": 1, "threads": 3, "processes": 2}[kind]
    return after | {
        "kind": kind,
        "seconds_to_stop": round(seconds, 1),
        "ok": code == 130
        and not before["failed"] + after["failed"] + after["pending"]
        and after["calls_beyond_the_first"] <= at_once,
    }


ATTACKS = {f.__name__: f for f in (faults, workers, scheduler, parent, interrupts)}


def main() -> None:
    """Run the attacks and write benchmarks/results/attack_executors.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--only", nargs="+", choices=list(ATTACKS), default=list(ATTACKS))
    options = parser.parse_args()
    found: dict[str, Any] = {}
    for name in options.only:
        rows = []
        for place in range(options.rounds):
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                rows.append(ATTACKS[name](Path(folder), place))
            print(name, place, rows[-1], flush=True)
        found[name] = {"rounds": len(rows), "ok": sum(row["ok"] for row in rows), "each": rows}
    head = {
        "command": ".venv/bin/python -W ignore -m benchmarks.attack_executors",
        "goal": "no finished call lost or repeated, nothing left running, in every round",
    }
    print(write("attack_executors", {**head, "attacks": found}))
    if any(part["ok"] < part["rounds"] for part in found.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
