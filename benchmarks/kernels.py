"""The test suite under the BLAS kernels of several processors.

OpenBLAS picks its kernels by the processor; OPENBLAS_CORETYPE picks those of another one, as far as this processor has
their instructions. Results differ in the last bits between kernels, and no test may depend on them.

    .venv/bin/python -m benchmarks.kernels [--kernels Haswell SkylakeX Prescott] [--workers 2]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time

from tests.kernels import KERNELS, runs_here

from benchmarks.results_io import ROOT, write


def outcome(kernel: str, workers: int) -> dict[str, object]:
    """Run the suite with a kernel; gives the counts of pytest's closing line and the failed tests."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--numprocesses", str(workers), "--dist", "worksteal"],
        env={**os.environ, "OPENBLAS_CORETYPE": kernel},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines() or [""]
    counts = {word: int(count) for count, word in re.findall(r"(\d+) (passed|failed|errors?|skipped)", lines[-1])}
    return {
        "kernel": kernel,
        **counts,
        "exit_code": done.returncode,
        "minutes": round((time.perf_counter() - began) / 60, 1),
        "failures": [line for line in lines if line.startswith(("FAILED", "ERROR"))],
    }


def main() -> None:
    """Run, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernels", nargs="+", default=["Haswell", "SkylakeX", "Prescott"], choices=KERNELS)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    rows = []
    for kernel in arguments.kernels:
        if runs_here(kernel):
            rows.append(outcome(kernel, arguments.workers))
            print(json.dumps(rows[-1], indent=1), flush=True)
    report = {
        "command": ".venv/bin/python -m benchmarks.kernels",
        "goal": "the whole suite passes under three kernels",
        "rows": rows,
    }
    print(write("kernels", report))


if __name__ == "__main__":
    main()
