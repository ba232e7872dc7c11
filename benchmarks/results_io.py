"""Where benchmarks put their figures."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
DATA = Path(os.environ.get("MATSEEK_DATA", ROOT.parent / "shared" / "data"))
DROPLETS = DATA / "agnp_droplets.csv"


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
