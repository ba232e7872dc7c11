"""A GO-Diff run that was cut off at any moment ends as one that was not: the same bits in ledger, model and state."""

import os
import signal
import subprocess
import sys
import time
from functools import wraps
from pathlib import Path

import psutil
import pytest
import torch
from ase.calculators.emt import EMT

from matseek import Campaign
from matseek.diffusion import AdaptiveKT, EulerMaruyama, LinearSchedule
from matseek.errors import CheckpointError, LedgerError, TrainingError
from matseek.evaluation import Ledger, LedgerReader
from matseek.godiff import searcher as godiff
from matseek.godiff.replay import ReplayBuffer
from matseek.godiff.score_matching import ScoreMatching
from matseek.godiff.searcher import GODiffSearcher
from matseek.godiff.steering import Renoising, SurrogateRelaxation
from matseek.insight.stopping import LossLevel
from matseek.training import trainer as training
from matseek.training.trainer import TrainerSettings
from tests.conftest import ROOT
from tests.godiff.test_searcher import QUICK, structures

BUDGET = 13
SEARCHER = GODiffSearcher(
    **{**QUICK, "samples": 4, "draw": 4, "steps": 3, "sampler": EulerMaruyama(LinearSchedule(0.01, 1.0), steps=6)},
    guidance=True,
    relaxation=SurrogateRelaxation(steps=2, longest=0.1),
    renoising=Renoising(share=0.5, time=0.2),
    kt=AdaptiveKT(0.3, 0.05),
)
WHOLE = training._WholeCheckpoints

MOMENTS = [
    (EMT, "calculate", 1, "before"),
    (EMT, "calculate", 7, "before"),
    (EMT, "calculate", BUDGET, "before"),
    (Ledger, "write_down", 3, "before"),
    (Ledger, "write_down", 3, "after"),
    (Ledger, "record", 8, "after"),
    (ReplayBuffer, "refill", 3, "before"),
    (ScoreMatching, "training_step", 5, "after"),
    (ScoreMatching, "training_step", 12, "before"),
    (WHOLE, "save_checkpoint", 2, "before"),
    (WHOLE, "save_checkpoint", 2, "after"),
    (WHOLE, "save_checkpoint", 4, "after"),
    (Path, "replace", 3, "before"),
    (godiff, "save_model", 1, "before"),
    (Campaign, "_conclude", 1, "before"),
]


class Killed(BaseException):
    pass


def kill_at(monkeypatch, owner, name, nth, when):
    """Let a function's nth call end everything, before or after it has done its work."""
    function, calls = getattr(owner, name), []

    @wraps(function)
    def dying(*args, **kwargs):
        calls.append(1)
        if len(calls) == nth and when == "before":
            raise Killed
        result = function(*args, **kwargs)
        if len(calls) == nth:
            raise Killed
        return result

    monkeypatch.setattr(owner, name, dying)


def campaign(folder, searcher=SEARCHER, **more):
    return Campaign(structures(), searcher, folder / "c.db", seed=1, opening=3, **more)


def outcome(folder):
    """Everything that a search leaves, as text and tensors."""
    state = torch.load(folder / "c.ckpt", weights_only=True)
    evaluations = [(e.point.tolist(), e.value, e.iteration, e.proposer) for e in campaign(folder).ledger.evaluations()]
    return {
        "evaluations": evaluations,
        "iterations": campaign(folder).iterations().to_csv(),
        "model": (folder / "c.safetensors").read_bytes(),
        "state": [state[key] for key in ("state_dict", "optimizer_states", "epoch", "global_step", "ReplayDataModule")],
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    campaign(folder).run(BUDGET)
    return outcome(folder)


def same(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(torch.nan_to_num(a, nan=-1.0), torch.nan_to_num(b, nan=-1.0))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return a == b


@pytest.mark.parametrize(("owner", "name", "nth", "when"), MOMENTS)
def test_cut_off_at_any_moment_it_ends_as_if_it_had_not_been(tmp_path, whole, monkeypatch, owner, name, nth, when):
    with monkeypatch.context() as patched:
        kill_at(patched, owner, name, nth, when)
        with pytest.raises(Killed):
            campaign(tmp_path).run(BUDGET)
    campaign(tmp_path).run(BUDGET)
    for key, found in outcome(tmp_path).items():
        assert same(found, whole[key]), key


def test_a_search_that_has_lost_its_checkpoint_learns_the_same_again(tmp_path, whole, monkeypatch):
    with monkeypatch.context() as patched:
        kill_at(patched, EMT, "calculate", 9, "before")
        with pytest.raises(Killed):
            campaign(tmp_path).run(BUDGET)
    (tmp_path / "c.ckpt").unlink()
    campaign(tmp_path).run(BUDGET)
    assert outcome(tmp_path)["evaluations"] == whole["evaluations"]
    assert outcome(tmp_path)["model"] == whole["model"]


@pytest.mark.parametrize("devices", [1, 2])
@pytest.mark.parametrize("stop", [(), (LossLevel(below=1e6),)])
def test_a_finished_run_that_is_started_again_does_nothing(tmp_path, monkeypatch, devices, stop):
    campaign(tmp_path, stop=stop).run(BUDGET)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir() if path.suffix != ".lock"}
    for owner, name in (
        (EMT, "calculate"),
        (training.pl.Trainer, "fit"),
        (godiff, "domain_of"),
        (torch, "load"),
        (subprocess, "Popen"),
    ):
        kill_at(monkeypatch, owner, name, 1, "before")
    monkeypatch.setattr(sys, "argv", [__file__])  # a script that can be started again, whoever runs the tests
    settings = TrainerSettings(accelerator="cpu", devices=devices)
    searcher = GODiffSearcher(**{**SEARCHER.__dict__, "trainer": settings})
    campaign(tmp_path, searcher, stop=stop).run(BUDGET)
    assert {path: path.stat().st_mtime_ns for path in files} == files


def test_a_finished_run_goes_on_with_a_larger_budget(tmp_path):
    campaign(tmp_path).run(7)
    campaign(tmp_path).run(BUDGET)
    again = campaign(tmp_path)
    assert again.summary()["evaluations"] == BUDGET
    assert again.stopped_by == "budget"


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), torch.distributed.DistBackendError("NCCL error")]
)
def test_what_a_device_says_is_told_as_that_and_not_as_a_checkpoint(tmp_path, monkeypatch, error):
    campaign(tmp_path).run(7)

    def failing(*_args, **_kwargs):
        raise error

    monkeypatch.setattr(ScoreMatching, "on_fit_start", failing, raising=False)
    with pytest.raises(TrainingError, match=f"trainer.accelerator=cpu.*{error}"):
        campaign(tmp_path).run(BUDGET)
    monkeypatch.setattr(ScoreMatching, "on_fit_start", lambda _self: 1 / 0, raising=False)
    with pytest.raises(ZeroDivisionError):
        campaign(tmp_path).run(BUDGET)


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 cut short", None])
def test_a_damaged_checkpoint_is_told_and_can_be_removed(tmp_path, damage):
    campaign(tmp_path).run(7)
    path = tmp_path / "c.ckpt"
    path.write_bytes(path.read_bytes()[:-2000] if damage is None else damage)
    with pytest.raises(CheckpointError, match="cannot be read as a checkpoint .*remove it to learn again"):
        campaign(tmp_path).run(BUDGET)
    path.unlink()
    assert campaign(tmp_path).run(BUDGET).summary()["evaluations"] == BUDGET


@pytest.mark.parametrize(
    ("other", "message"),
    [({"buffer": 9}, "its buffer=8 where buffer=9"), ({"force_weight": 0.0, "guidance": False}, "force_weight")],
)
def test_a_checkpoint_of_other_settings_is_told_by_what_differs(tmp_path, other, message):
    first = GODiffSearcher(**QUICK, guidance=True)
    Campaign(structures(), first, tmp_path / "c.db", seed=1).run(8)
    with pytest.raises(CheckpointError, match=message):
        Campaign(structures(), GODiffSearcher(**{**QUICK, "guidance": True, **other}), tmp_path / "c.db", seed=1).run(
            16
        )


SCRIPT = """
import sys, torch
from tests.godiff.test_searcher import QUICK, structures
from matseek import Campaign
from matseek.training.trainer import TrainerSettings
from matseek.searchers import GODiffSearcher

torch.set_num_threads(1)
settings = TrainerSettings(accelerator="cpu", devices=2)
searcher = GODiffSearcher(**{**QUICK, "steps": 1000000}, trainer=settings)
Campaign(structures(), searcher, sys.argv[1], seed=0).run(16)
"""


def _evaluated(ledger):
    try:
        return LedgerReader(ledger).evaluations(status="done")
    except LedgerError:
        return ()  # being made


@pytest.mark.timeout(120)
def test_processes_that_train_together_end_with_the_first(tmp_path):
    script = tmp_path / "two.py"
    script.write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]), "OMP_NUM_THREADS": "1"}
    ledger = tmp_path / "c.db"
    first = subprocess.Popen([sys.executable, script, ledger], env=environment, cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        while not (ledger.is_file() and _evaluated(ledger)):
            assert first.poll() is None
            time.sleep(0.2)
        followers = psutil.Process(first.pid).children(recursive=True)
        assert followers
    finally:
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    deadline = time.monotonic() + 10
    while any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in followers):
        assert time.monotonic() < deadline, "a follower works on without the first process"
        time.sleep(0.1)
    with Ledger(ledger).locked():
        pass  # nobody holds it any more
