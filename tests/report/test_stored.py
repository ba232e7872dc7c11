import json
from pathlib import Path

from matseek.report import stored_result

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"


def test_what_is_stored_is_found():
    assert stored_result("heptamer") == json.loads((RESULTS / "heptamer.json").read_text())


def test_what_has_not_been_run_is_none():
    assert stored_result("never_run") is None
