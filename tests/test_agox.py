"""``benchmarks/agox.py`` with a peer that says what the test wants; AGOX itself is never run here."""

import ast
import json
import os
import sys

import numpy as np
import pytest
from benchmarks import agox
from benchmarks.results_io import ROOT

from matseek.library.islands import putative_minimum

_PEER = """
import json, sys, time
from pathlib import Path
folder = Path(sys.argv[-1])
task = json.loads((folder / "task.json").read_text())
assert (folder / "template.extxyz").is_file()
with Path({launches!r}).open("a") as launches:
    launches.write(f"{{task['free']}} {{task['settings']}} {{task['seed']}} {{task['budget']}}\\n")
for line in {lines!r}:
    print(line, flush=True)
print("what a person reads", file=sys.stderr, flush=True)
{then}
"""


@pytest.fixture
def peer(tmp_path):
    """Makes the command of a peer that prints these lines and does that then."""

    def make(lines, then="time.sleep(60)"):
        script = tmp_path / "peer.py"
        lines = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        script.write_text(_PEER.format(launches=str(tmp_path / "launches"), lines=lines, then=then))
        return sys.executable, str(script)

    return make


def _cell(tmp_path, name="platinum_tetramer", budget=5):
    return agox.Cell(agox.PROBLEMS[name](), "wide", 1000, budget, tmp_path / name / "wide" / "1000")


def _said(problem, point):
    point = np.asarray(point)
    energy = problem.measure(point, np.random.default_rng(0)).value
    return {"numbers": problem.space.numbers.tolist(), "positions": point.reshape(-1, 3).tolist(), "energy": energy}


def _wrong(problem, seed):
    return _said(problem, problem.space.sample_uniform(1, np.random.default_rng(seed))[0])


def _solution(problem):
    return _said(problem, problem.space.point(putative_minimum(problem.name)))


def test_new_structures_are_counted_up_to_the_first_success_and_the_peer_is_stopped(tmp_path, peer):
    cell = _cell(tmp_path)
    first, second, solution = _wrong(cell.problem, 0), _wrong(cell.problem, 1), _solution(cell.problem)
    versions = {"versions": {"agox": "0"}, "cpu_seconds": 0.5}
    pid = tmp_path / "pid"
    then = f"import os; Path({str(pid)!r}).write_text(str(os.getpid())); time.sleep(60)"
    summary = cell.run(peer([versions, first, first, second, solution, _wrong(cell.problem, 2)], then))
    assert summary["stopped_by"] == "success"
    assert summary["evaluations"] == summary["evaluations_to_success"] == 3
    assert summary["repeated"] == 1
    assert summary["best_energy"] == solution["energy"]
    assert summary["versions"] == {"agox": "0"}
    assert summary["start_cpu_seconds"] == 0.5
    assert summary["cpu_seconds"] < 30
    kept = [json.loads(line) for line in (cell.folder / "evaluations.jsonl").read_text().splitlines()]
    assert kept == [versions, first, first, second, solution]
    if pid.is_file():  # it may have been stopped before
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid.read_text()), 0)


def test_processor_seconds_are_those_of_the_peer(tmp_path, peer):
    cell = _cell(tmp_path, budget=1)
    busy = "\nwhile time.process_time() < 1.0: pass\n"
    command = peer([_wrong(cell.problem, 0)])
    script = tmp_path / "peer.py"
    script.write_text(script.read_text().replace("for line in", f"{busy}for line in"))
    assert 1.0 <= cell.run(command)["cpu_seconds"] < 10


def test_atoms_may_come_in_another_order_than_the_formulas(tmp_path, peer):
    cell = _cell(tmp_path, "platinum_copper_heptamer")
    solution = _solution(cell.problem)
    turned = solution | {key: solution[key][::-1] for key in ("numbers", "positions")}
    assert turned["numbers"] != solution["numbers"]
    assert cell.run(peer([turned]))["evaluations_to_success"] == 1


def test_a_budget_ends_a_run_and_a_larger_one_begins_it_anew(tmp_path, peer):
    cell = _cell(tmp_path, budget=2)
    assert cell.summary() is None
    command = peer([_wrong(cell.problem, seed) for seed in range(4)])
    summary = cell.run(command)
    assert (summary["stopped_by"], summary["evaluations"], summary["evaluations_to_success"]) == ("budget", 2, None)
    assert cell.summary() == summary
    assert _cell(tmp_path, budget=1).summary() == summary
    assert _cell(tmp_path, budget=3).summary() is None


def test_a_peer_that_is_silent_is_stopped_by_time(tmp_path, peer):
    cell = _cell(tmp_path)
    summary = cell.run(peer([_wrong(cell.problem, 0)]), hours=3 / 3600)
    assert (summary["stopped_by"], summary["evaluations"]) == ("time", 1)


def _other_truth(problem):
    said = _wrong(problem, 0)
    return [said | {"energy": said["energy"] + 0.01}]


@pytest.mark.parametrize(
    ("lines", "then", "message"),
    [
        (lambda problem: [_wrong(problem, 0)], "sys.exit(3)", "status 3.* after 1 of 5 evaluations.*what a person"),
        (_other_truth, "time.sleep(60)", "the peer's truth gives"),
        (lambda problem: [_wrong(problem, 0) | {"numbers": [78, 78, 78, 29]}], "time.sleep(60)", "was asked for"),
        (lambda problem: ["Energy: 12"], "time.sleep(60)", "which is no JSON line"),
    ],
)
def test_a_peer_that_fails_is_told_and_its_cell_is_not_complete(tmp_path, peer, lines, then, message):
    cell = _cell(tmp_path)
    with pytest.raises(agox.PeerError, match=f"(?s){message}"):
        cell.run(peer(lines(cell.problem), then))
    assert cell.summary() is None


def test_the_command_runs_what_is_missing_and_goes_on_after_a_failure(tmp_path, peer, monkeypatch, capsys):
    problem = agox.PROBLEMS["platinum_tetramer"]()
    written = []
    monkeypatch.setattr(agox, "write", lambda name, content: written.append((name, content)))
    command = ["agox", "--python", sys.executable, "--problems", problem.name, "--run-dir", str(tmp_path / "runs")]
    monkeypatch.setattr(sys, "argv", [*command, "--seeds", "2"])
    fails = "sys.exit(1) if task['seed'] == 1000 else time.sleep(60)"
    script = _PEER.replace("for line in", "if task['seed'] == 1000: sys.exit(1)\nfor line in")
    monkeypatch.setattr(sys.modules[__name__], "_PEER", script)
    monkeypatch.setattr(agox, "DRIVER", peer([_solution(problem)], fails)[1])
    with pytest.raises(SystemExit, match="1"):
        agox.main()
    monkeypatch.setattr(sys.modules[__name__], "_PEER", script.replace("sys.exit(1)", "pass"))
    monkeypatch.setattr(agox, "DRIVER", peer([_wrong(problem, 0), _solution(problem)])[1])
    agox.main()
    agox.main()
    launches = (tmp_path / "launches").read_text().splitlines()
    assert launches == [f"Pt4 wide {seed} 300" for seed in (1000, 1001, 1000)]
    name, report = written[-1]
    assert name == "agox"
    (row,) = report["rows"]
    assert (row["problem"], row["settings"], row["successes"]) == (problem.name, "wide", 2)
    assert row["seeds"] == [1000, 1001]
    assert row["evaluations_to_success"] == [2, 1]
    assert row["mean_evaluations_to_success"] == 1.5


def test_agox_is_imported_by_its_driver_alone():
    driver = ROOT / "benchmarks" / "peers" / "agox_gofee.py"
    files = [path for folder in ("src", "tests", "benchmarks", "scripts") for path in (ROOT / folder).rglob("*.py")]
    importing = [path for path in files if "agox" in _imported(path)]
    assert importing == [driver]
    assert "matseek" not in _imported(driver)


def _imported(path):
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found
