"""Where benchmarks put their figures."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from matseek.insight.success import SuccessRate

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
DATA = Path(os.environ.get("MATSEEK_DATA", ROOT.parent / "shared" / "data"))
DROPLETS = DATA / "agnp_droplets.csv"


def successes(firsts: Sequence[int | None]) -> dict[str, Any]:
    """How many runs succeed, with Wilson's interval of 95 %, and how many evaluations those need on average.

    Args:
        firsts: For each run, the evaluation that first succeeded; None where none did.
    """
    rate = SuccessRate(firsts)
    low, high = rate.interval()
    return {
        "seeds": rate.runs,
        "successes": rate.successes,
        "success_low": round(low, 3),
        "success_high": round(high, 3),
        "mean_evaluations_to_success": round(rate.mean_of_successes, 1) if rate.successes else None,
    }


def write(name: str, content: dict[str, Any]) -> Path:
    """Write a benchmark's figures with the command and the machine that made them."""
    import botorch
    import torch

    made = {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "botorch": botorch.__version__,
    }
    path = RESULTS / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**content, "made": made}, indent=1) + "\n")
    return path
