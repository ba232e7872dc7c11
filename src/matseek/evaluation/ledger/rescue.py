"""Results that a ledger could not take, kept in a file until it can.

A line of the file is one evaluation as JSON; it can also be typed or pasted there by hand.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from matseek.core.problem import Measurement
from matseek.evaluation.ledger.address import Address
from matseek.evaluation.ledger.values import pack_named, unpack, unpack_named

logger = logging.getLogger(__name__)


def rescue_path(address: Address, created_at: str) -> Path:
    """Where results go that the ledger could not take: a file of this ledger's and this campaign's own."""
    place = "server" if address.path is None else hashlib.sha256(str(address).encode()).hexdigest()[:16]
    born = hashlib.sha256(created_at.encode()).hexdigest()[: 8 if address.path else 16]
    return Path(tempfile.gettempdir()) / f"matseek-rescue-{place}-{born}.jsonl"


def save(path: Path, results: Sequence[tuple[int, Measurement]]) -> str:
    """Save results; says where they are, and where they cannot be saved either, what they are."""
    numbers = [number for number, _ in results]
    lines = "".join(f"{json.dumps(_entry(number, m))}\n" for number, m in results)
    try:
        with path.open("a") as file:
            # An earlier line that was cut short must not swallow this one.
            file.write(f"\n{lines}")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        message = (
            f"The results of evaluations {numbers} could not be saved in {path} either ({error}), and are lost unless "
            f"these lines are written there before the campaign goes on:\n{lines}"
        )
        logger.error("%s", message)
        return message
    return f"The results of evaluations {numbers} are safe in {path} and will be taken in when the campaign goes on"


def saved(path: Path) -> dict[int, Measurement]:
    """Results in a file, by their evaluations' numbers; lines that were cut short are left out."""
    result: dict[int, Measurement] = {}
    for line in filter(None, path.read_text(errors="replace").splitlines()):
        try:
            entry = json.loads(line)
            number, measurement = _of_version_1(*entry) if isinstance(entry, list) else _measurement(**entry)
        except (ValueError, TypeError):
            logger.warning("a line of %s was cut short and is left out: %s", path, line[:80])
            continue
        result.setdefault(number, measurement)
    return result


def _entry(number: int, m: Measurement) -> dict[str, Any]:
    values = {"evaluation": number, "value": float(m.value), "replicates": [float(v) for v in m.replicates]}
    if m.response is not None:
        values |= {"response": m.response.tolist(), "dtype": str(m.response.dtype), "shape": m.response.shape}
    if m.properties:
        values["properties"] = base64.b64encode(pack_named(m.properties)).decode()
    return values | {"error": m.error}


def _measurement(
    evaluation: int,
    value: float,
    replicates: list[float],
    error: str | None,
    response: list[Any] | None = None,
    dtype: str = "float64",
    shape: Sequence[int] = (-1,),
    properties: str = "",
) -> tuple[int, Measurement]:
    array = None if response is None else np.array(response, dtype=dtype).reshape(shape)
    kept = unpack_named(base64.b64decode(properties)) if properties else {}
    return evaluation, Measurement(value, np.array(replicates, dtype=np.float64), array, error, properties=kept)


def _of_version_1(
    number: int, value: float, replicates: list[float], packed: str | None, error: str | None
) -> tuple[int, Measurement]:
    response = None if packed is None else unpack(base64.b64decode(packed))
    return number, Measurement(value, np.array(replicates, dtype=np.float64), response, error)
