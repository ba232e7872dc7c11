"""One command, many campaigns: each has a folder of its own, and the command can be given again."""

import json
import math
from pathlib import Path

import pytest
from typer.testing import CliRunner

from matseek.cli import app
from matseek.errors import ConfigurationError
from matseek.evaluation import LedgerReader
from matseek.run_folder import RunFolder
from matseek.sweeping import sweep

GIVEN = ["problem=silver", "searcher=lhs,random", "seed=0,1", "budget=15"]


def matseek(*args):
    return CliRunner().invoke(app, list(args))


@pytest.fixture(autouse=True)
def _there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_each_combination_is_tried_in_a_folder_of_its_own(tmp_path):
    told = []
    folder = sweep(GIVEN, lambda overrides: told.append(overrides) or math.nan)
    assert folder.resolve() == tmp_path / "runs" / "sweep-silver"
    assert [o[:3] for o in told] == [
        ["problem=silver", f"searcher={searcher}", f"seed={seed}"] for searcher in ("lhs", "random") for seed in (0, 1)
    ]
    folders = [o[-1] for o in told]
    assert len(set(folders)) == 4
    assert all(str(folder.resolve()) in name for name in folders)


@pytest.fixture
def undrawn(monkeypatch):
    """Campaigns write their numbers only: drawing pages takes seconds."""

    def write(self, run_dir):
        RunFolder(Path(run_dir)).summary.write_text(json.dumps(self.summary()))

    monkeypatch.setattr("matseek.record.Record.write", write)


@pytest.mark.usefixtures("undrawn")
def test_the_same_command_and_a_larger_budget_go_on(tmp_path):
    first = matseek("run", "-m", "problem=silver", "searcher=lhs", "seed=0,1", "budget=15")
    assert first.exit_code == 0, first.output
    again = matseek("run", "--multirun", "problem=silver", "searcher=lhs", "seed=0,1", "budget=17")
    assert again.exit_code == 0, again.output
    folders = sorted((tmp_path / "runs" / "sweep-silver").iterdir())
    assert [f.name for f in folders] == ["searcher=lhs,seed=0", "searcher=lhs,seed=1"]
    assert [len(LedgerReader(f / "ledger.db").evaluations()) for f in folders] == [17, 17]


@pytest.mark.usefixtures("undrawn")
def test_a_trial_that_fails_ends_alone():
    result = matseek("run", "-m", "problem=silver", "searcher=lhs", "budget=15", "opening=-1,0")
    assert result.exit_code == 1
    assert "opening=-1" in result.output
    assert "not finished: opening=-1" in result.output
    assert "opening=0,searcher=lhs" in result.output


def test_what_is_typed_is_not_kept_beside_the_trials(tmp_path):
    sweep([*GIVEN[:2], "+problem.token=secret"], lambda _: math.nan)
    assert not [p for p in (tmp_path / "runs" / "sweep-silver").rglob("*") if p.is_file()]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["seed=0"], "nothing varies from trial to trial"),
        (["seed=0,1", "run_dir=x"], r"run_dir='x' would be the folder of every trial"),
        (["seed=0,"], "seed"),
    ],
)
def test_bad_sweeps_are_refused(overrides, message):
    with pytest.raises(ConfigurationError, match=message):
        sweep(overrides, lambda _: math.nan)


def test_trials_of_a_wandb_agent_have_folders_of_their_own(monkeypatch):
    from matseek.configuration import run_settings

    monkeypatch.setenv("WANDB_SWEEP_ID", "s1")
    monkeypatch.setenv("WANDB_RUN_ID", "t7")
    assert run_settings(["problem=silver"]).run_dir.as_posix() == "runs/sweep-s1/t7"
    monkeypatch.delenv("WANDB_SWEEP_ID")
    assert run_settings(["problem=silver"]).run_dir.as_posix() == "runs/silver-bayesian-0"
