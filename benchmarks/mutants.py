"""Whether the tests notice a wrong line: hand-made mutants of the package, and the tests that should fail on each.

The source tree is copied once. For each mutant one line of the copy is changed, the named tests run against the copy,
and the line is put back. A mutant is killed if a test fails; it has survived if all pass. Anything else, such as an
import that fails, counts as neither.

    .venv/bin/python -m benchmarks.mutants [--only NAME ...]
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.mutant_table import MUTANTS, Mutant
from benchmarks.results_io import ROOT, write

COPIED = ("src", "tests", "configs", "benchmarks", "notebooks", "scripts", "docs", "README.md", "pyproject.toml")
"""What the tests of the table read."""

LIMIT_S = 240.0
"""Seconds of wall time for the tests of one mutant; the slowest take half a minute of processor time."""

BASELINE_LIMIT_S = 1800.0
"""The same for all named tests at once on the unchanged source."""

_FAILED, _PASSED = 1, 0
"""Exit codes of pytest: a test has failed, all have passed. Others mean that tests could not be collected or found."""


class MutantError(ValueError):
    """A mutant that cannot be made: its original text is not in its file exactly once."""


def mutated(text: str, mutant: Mutant) -> str:
    """The text of a file with one mutant in it.

    Args:
        text: The file's text.
        mutant: The mutant.

    Raises:
        MutantError: If the original text is not found exactly once, or the replacement is the same.
    """
    found = text.count(mutant.original)
    if found != 1 or mutant.original == mutant.replacement:
        raise MutantError(
            f"mutant {mutant.name!r}: {mutant.original!r} is found {found} times in {mutant.file}, and must be found "
            "once and differ from its replacement; correct benchmarks/mutant_table.py"
        )
    return text.replace(mutant.original, mutant.replacement)


@contextmanager
def applied(copy: Path, mutant: Mutant) -> Iterator[None]:
    """A mutant in the copy, for the time of its tests.

    Args:
        copy: Root of the copied tree.
        mutant: The mutant.
    """
    path = copy / mutant.file
    original = path.read_text(encoding="utf-8")
    path.write_text(mutated(original, mutant), encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(original, encoding="utf-8")


def copy_source(target: Path) -> None:
    """Copy what the tests need, without compiled files."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        elif source.exists():
            shutil.copy2(source, target / name)


def run_tests(copy: Path, tests: Iterable[str], limit_s: float) -> tuple[int | None, str, float]:
    """Run tests against the copy.

    Args:
        copy: Root of the copied tree.
        tests: Files or node ids.
        limit_s: Seconds after which they are stopped.

    Returns:
        Exit code (None if they were stopped), what they printed, and CPU seconds.
    """
    # Compiled files are told from stale ones by seconds and size, which a mutant may share with its original.
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(copy / "src"), str(copy))),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", *tests]
    before = _cpu_seconds()
    try:
        done = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True, check=False, timeout=limit_s
        )
    except subprocess.TimeoutExpired as stopped:
        output = stopped.stdout or b""
        return None, output.decode(errors="replace") if isinstance(output, bytes) else output, _cpu_seconds() - before
    return done.returncode, done.stdout + done.stderr, _cpu_seconds() - before


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def outcome(code: int | None, *, timeout_kills: bool) -> str:
    """``killed``, ``survived``, ``timed out`` or ``error``, of pytest's exit code (None if it was stopped)."""
    if code is None:
        return "killed" if timeout_kills else "timed out"
    return {_FAILED: "killed", _PASSED: "survived"}.get(code, "error")


def by(output: str) -> str | None:
    """The test that failed, by pytest's summary; None if none did."""
    found = re.search(r"^(?:FAILED|ERROR) (\S+)", output, re.MULTILINE)
    return found[1] if found else None


def examine(copy: Path, mutant: Mutant) -> dict[str, Any]:
    """Run a mutant's tests, and give a row of the report."""
    with applied(copy, mutant):
        code, output, seconds = run_tests(copy, mutant.tests, LIMIT_S)
    result = outcome(code, timeout_kills=mutant.timeout_kills)
    if result == "error":
        print(output[-3000:], flush=True)
    return {
        "mutant": mutant.name,
        "file": mutant.file.removeprefix("src/matseek/"),
        "outcome": result,
        "by": by(output) if result == "killed" else None,
        "cpu_seconds": round(seconds, 1),
    }


def main() -> None:
    """Run the unchanged tests, then every mutant; print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=[m.name for m in MUTANTS], help="these alone; writes no results")
    arguments = parser.parse_args()
    chosen = [m for m in MUTANTS if not arguments.only or m.name in arguments.only]
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = Path(folder)
        copy_source(copy)
        for mutant in chosen:
            mutated((copy / mutant.file).read_text(encoding="utf-8"), mutant)  # refused before anything runs
        code, output, baseline = run_tests(copy, sorted({t for m in chosen for t in m.tests}), BASELINE_LIMIT_S)
        if code != _PASSED:
            sys.exit(f"the tests do not pass on the unchanged source:\n{output[-5000:]}")
        print(f"unchanged: passed, {baseline:.0f} CPU s", flush=True)
        rows = []
        for mutant in chosen:
            rows.append(examine(copy, mutant))
            print(f"{rows[-1]['outcome']:9} {mutant.name} ({rows[-1]['cpu_seconds']} CPU s)", flush=True)
    killed = sum(row["outcome"] == "killed" for row in rows)
    print(f"{killed} of {len(rows)} killed")
    if not arguments.only:
        report = {
            "command": ".venv/bin/python -m benchmarks.mutants",
            "goal": f"{len(rows)} of {len(rows)} mutants killed",
            "killed": killed,
            "mutants": len(rows),
            "survived": [row["mutant"] for row in rows if row["outcome"] != "killed"],
            "baseline_cpu_seconds": round(baseline, 1),
            "cpu_seconds": round(baseline + sum(row["cpu_seconds"] for row in rows), 1),
            "wall_minutes": round((time.perf_counter() - began) / 60, 1),
            "rows": rows,
        }
        print(write("mutants", report))
    sys.exit(killed < len(rows))


if __name__ == "__main__":
    main()
