"""Results that a ledger could not take, kept in a file until it can."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from matseek.evaluation.ledger.address import Address
from matseek.evaluation.ledger.values import pack, unpack
from matseek.problems.base import Measurement

logger = logging.getLogger(__name__)


def rescue_path(address: Address, created_at: str) -> Path:
    """Where results go that the ledger could not take: a file of this ledger's and this campaign's own."""
    place = hashlib.sha256(str(address).encode()).hexdigest()[:16]
    born = hashlib.sha256(created_at.encode()).hexdigest()[:8]
    return Path(tempfile.gettempdir()) / f"matseek-rescue-{place}-{born}.jsonl"


def save(path: Path, results: Sequence[tuple[int, Measurement]]) -> str:
    """Save results; says where they are."""
    numbers = [number for number, _ in results]
    try:
        with path.open("a") as file:
            file.write("\n")  # an earlier line that was cut short must not swallow this one
            for number, m in results:
                packed = None if m.response is None else base64.b64encode(pack(m.response)).decode()
                entry = [number, m.value, [float(v) for v in m.replicates], packed, m.error]
                file.write(json.dumps(entry) + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        logger.error("results of evaluations %s could not be saved anywhere: %s", numbers, results)
        return f"The results of evaluations {numbers} could not be saved elsewhere either ({error}): see the log"
    return f"The results of evaluations {numbers} are safe in {path} and will be taken in when the campaign goes on"


def saved(path: Path) -> dict[int, Measurement]:
    """Results in a file, by their evaluations' numbers; lines that were cut short are left out."""
    found: dict[int, Measurement] = {}
    for line in filter(None, path.read_text().splitlines()):
        try:
            number, value, replicates, packed, error = json.loads(line)
        except ValueError:
            logger.warning("a line of %s was cut short and is left out: %s", path, line[:80])
            continue
        response = None if packed is None else unpack(base64.b64decode(packed))
        found.setdefault(number, Measurement(value, np.array(replicates), response, error))
    return found
