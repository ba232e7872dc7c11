"""kill -9 at random moments of the desk's verbs: all or nothing, and the same command again is not refused.

Each life begins from the same run folder, is killed at a random moment of an uninterrupted life's length, and is given
again until it ends. A life that is killed has its ledger as it was, or as it is to be.

    .venv/bin/python -W ignore -m benchmarks.killing_desk [--verbs ask tell ...] [--kills 30]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.killing import PATIENCE, begin, command, ended, with_row
from benchmarks.results_io import write
from matseek.configuration import run_settings
from matseek.evaluation import LedgerReader
from matseek.runs import keep_config, open_campaign

VERBS: dict[str, list[str]] = {
    "ask": ["-n", "5", "-o", "{lab}/batch-x.csv"],
    "tell": ["{lab}/told.csv", "--yes"],
    "correct": ["2", "--value", "0.7", "--set", "Qtot=700", "--yes"],
    "withdraw": ["1", "2", "--yes"],
    "amend": ["+problem.variables.pH={low: 4, high: 10}", "--past", "pH=7", "--yes"],
}
"""What follows the run folder, by verb."""

_HIDDEN = {"handing", "handed"}


def state(lab: Path) -> tuple[Any, Any, Any]:
    """Evaluations, events and config of a folder, times left out."""
    reader = LedgerReader(lab / "ledger.db")
    rows = [
        (e.number, e.iteration, e.status, e.point.tolist(), repr(e.value), e.replicates.tolist(), e.changes)
        for e in reader.evaluations()
    ]
    events = [(e.kind, e.message) for e in reader.events() if e.kind not in _HIDDEN]
    return rows, events, (lab / "config.yaml").read_text(encoding="utf-8")


def prepared(lab: Path) -> None:
    """A campaign with five measured recipes, three that wait, and a table with their results."""
    settings = run_settings(["problem=laboratory", "searcher=lhs", "searcher.batch_size=8", f"run_dir={lab}"])
    campaign = open_campaign(settings)
    keep_config(settings)
    frame = campaign.ask().to_frame()
    campaign.tell(frame.head(5).assign(value=[0.4, 0.1, 0.2, 0.3, 0.5]))
    frame.tail(3).assign(value=[0.6, 0.7, 0.8]).to_csv(lab / "told.csv", index=False)


def attack(verb: str, kills: int, base: Path, rng: np.random.Generator) -> dict[str, Any]:
    """Kill a verb at random moments."""
    lab, pristine = base / "lab", base / "pristine"
    # In a process of its own: this one must not hold the ledger of which it reads what others have written.
    if ended(begin(lambda: prepared(lab), base), PATIENCE) != 0:
        raise SystemExit(f"no campaign could be made: {base / 'log.txt'}")
    shutil.copytree(lab, pristine)
    before = state(lab)
    work = command(verb, str(lab), *(part.replace("{lab}", str(lab)) for part in VERBS[verb]))
    began = time.monotonic()
    if ended(begin(work, base), PATIENCE) != 0:
        raise SystemExit(f"{verb} failed: {base / 'log.txt'}")
    seconds, whole = time.monotonic() - began, state(lab)
    tally: dict[str, Any] = {
        "kind": verb,
        "kills": 0,
        "half_done": 0,
        "refused_again": 0,
        "not_as_uninterrupted": 0,
        "too_late": 0,
    }
    while tally["kills"] < kills:
        shutil.rmtree(lab)
        shutil.copytree(pristine, lab)
        pid = begin(work, base)
        if ended(pid, float(rng.uniform(0, seconds))) is not None:
            tally["too_late"] += 1
            continue
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        tally["kills"] += 1
        tally["half_done"] += state(lab)[:2] not in (before[:2], whole[:2])
        # A batch whose table is there and that the ledger has as handed out is done: asked again, it is another one.
        done = verb == "ask" and any(e.kind == "handed" for e in LedgerReader(lab / "ledger.db").events())
        if not done:
            tally["refused_again"] += ended(begin(work, base), PATIENCE) != 0
        tally["not_as_uninterrupted"] += state(lab) != whole
    print(json.dumps(tally), flush=True)
    return {**tally, "seconds": seconds, "goal_met": not (tally["half_done"] or tally["refused_again"])}


def main() -> None:
    """Kill, compare and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--verbs", nargs="+", default=list(VERBS), choices=list(VERBS))
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for verb in arguments.verbs:
        with tempfile.TemporaryDirectory(prefix="matseek-desk-") as folder:
            rng = np.random.default_rng([arguments.seed, list(VERBS).index(verb)])
            row = attack(verb, arguments.kills, Path(folder), rng)
        report = {
            "command": ".venv/bin/python -W ignore -m benchmarks.killing_desk",
            "goal": "0 half done, 0 refused when given again, in every verb",
            "rows": with_row("killing_desk", row),
        }
        print(write("killing_desk", report))


if __name__ == "__main__":
    main()
