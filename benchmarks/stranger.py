"""How long a stranger waits for the first figure: README's lines in fresh processes, in an empty folder, no caches.

The installation itself is not counted: it is the downloads'. A figure is there when its file is. The load of the
machine stands beside the seconds.

    .venv/bin/python -m benchmarks.stranger [--repeats 3]
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.results_io import ROOT, write

GOALS_S = {"recipes": 180.0, "structures": 300.0}

WRITES = {"recipes": "", "structures": 'campaign.write("runs/structure")\n'}
"""What is added to README's lines, so that there is a figure."""


def lines(readme: str) -> dict[str, str]:
    """README's Python by what it is about; the lines on structures need the imports of those on recipes."""
    recipe, structure = re.findall(r"^```python\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)[:2]
    imports = "".join(line for line in recipe.splitlines(keepends=True) if line.startswith(("from ", "import ")))
    return {"recipes": recipe, "structures": imports + structure}


def seconds_to_figure(code: str, folder: Path) -> tuple[float, float]:
    """Wall seconds until the first figure is there, and the processor's seconds of the whole.

    Raises:
        RuntimeError: If the lines fail, or draw nothing.
    """
    caches = {name: str(folder / "cache") for name in ("XDG_CACHE_HOME", "MPLCONFIGDIR", "NUMBA_CACHE_DIR")}
    begun, first, spent = time.monotonic(), None, os.times()
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=folder,
        env={**os.environ, **caches},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None:
        if first is None and any(folder.glob("runs/*/figures/*.png")):
            first = time.monotonic() - begun
        time.sleep(0.1)
    ended, now = time.monotonic() - begun, os.times()
    if process.returncode or not any(folder.glob("runs/*/figures/*.png")):
        raise RuntimeError(process.stderr.read() if process.stderr else "")
    cpu = now.children_user + now.children_system - spent.children_user - spent.children_system
    return (ended if first is None else first), cpu


def main() -> None:
    """Time both paths, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    rows = []
    for about, code in lines((ROOT / "README.md").read_text(encoding="utf-8")).items():
        for _ in range(repeats):
            with tempfile.TemporaryDirectory() as folder:
                first, cpu = seconds_to_figure(code + WRITES[about], Path(folder))
            load = os.getloadavg()[0]
            rows.append(
                {
                    "about": about,
                    "seconds_to_figure": round(first, 1),
                    "cpu_seconds_to_page": round(cpu, 1),
                    "goal_seconds": GOALS_S[about],
                    "load_average": round(load, 2),
                }
            )
            print(rows[-1], flush=True)
    content = {
        "command": f".venv/bin/python -m benchmarks.stranger --repeats {repeats}",
        "goal": "the first figure within 3 minutes (recipes) and 5 minutes (structures) on two cores",
        "rows": rows,
    }
    print(write("stranger", content))


if __name__ == "__main__":
    main()
