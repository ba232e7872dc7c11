"""Reads what W&B writes while it is offline, with nothing but W&B's own message definitions."""

import json
import time
from dataclasses import dataclass, field

HEADER, BLOCK, RECORD = 7, 32768, 7
FULL, LAST = 1, 4


def records(path):
    """The records of a ``.wandb`` file: LevelDB's log format (checksum 4, size 2, kind 1) after a header."""
    from wandb.proto import wandb_internal_pb2

    data = path.read_bytes()
    assert data[:4] == b":W&B"
    at, parts = HEADER, b""
    while at + RECORD <= len(data):
        if BLOCK - at % BLOCK < RECORD:
            at += BLOCK - at % BLOCK
            continue
        size, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        if kind == 0:
            break
        parts += data[at + RECORD : at + RECORD + size]
        at += RECORD + size
        if kind in (FULL, LAST):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(parts)
            parts = b""
            yield record


def finished(path, patience=30.0):
    """The records of a run that has ended; W&B's own process may still be writing the last of them."""
    deadline = time.monotonic() + patience
    while True:
        found = list(records(path))
        if any(record.WhichOneof("record_type") == "exit" for record in found):
            return found
        assert time.monotonic() < deadline, f"{path} has no end"
        time.sleep(0.05)


def history(found):
    """The rows of metrics among records."""
    rows = (record.history.item for record in found if record.WhichOneof("record_type") == "history")
    return [{"/".join(i.nested_key) or i.key: json.loads(i.value_json) for i in items} for items in rows]


@dataclass
class Read:
    """What a W&B run holds, over all the processes that have worked on it."""

    ids: set = field(default_factory=set)
    groups: set = field(default_factory=set)
    job_types: set = field(default_factory=set)
    names: set = field(default_factory=set)
    config: dict = field(default_factory=dict)
    history: list = field(default_factory=list)
    axes: dict = field(default_factory=dict)
    artifacts: dict = field(default_factory=dict)
    summary: dict = field(default_factory=dict)
    files: set = field(default_factory=set)
    least: set = field(default_factory=set)
    alerts: set = field(default_factory=set)

    def series(self, name, axis="evaluation"):
        """A metric against its axis, as logged."""
        return [(row[axis], row[name]) for row in self.history if name in row]

    def logged(self, name):
        """All that was logged by a name."""
        return [row[name] for row in self.history if name in row]


def read(run_dir):
    """Everything that the offline runs in a run folder hold."""
    found = Read()
    for path in sorted(run_dir.glob("wandb/offline-run-*/run-*.wandb")):
        for record in finished(path):
            kind = record.WhichOneof("record_type")
            if kind == "run":
                run = record.run
                found.ids.add(run.run_id)
                found.groups.add(run.run_group)
                found.job_types.add(run.job_type)
                found.names.add(run.display_name)
                found.config |= {item.key: json.loads(item.value_json) for item in run.config.update}
            elif kind == "history":
                found.history += history([record])
            elif kind == "metric":
                found.axes[record.metric.name or record.metric.glob_name] = record.metric.step_metric
                found.least |= {record.metric.name} if record.metric.summary.min else set()
            elif kind == "alert":
                found.alerts.add(record.alert.title)
            elif kind == "summary":
                found.summary |= {
                    "/".join(i.nested_key) or i.key: json.loads(i.value_json) for i in record.summary.update
                }
            elif kind == "files":
                found.files |= {f.path for f in record.files.files}
            elif kind == "artifact" and record.artifact.name:
                contents = {entry.path: entry.local_path for entry in record.artifact.manifest.contents}
                found.artifacts.setdefault(record.artifact.type, []).append((record.artifact, contents))
    return found
