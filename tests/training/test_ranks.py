"""Only a group of processes that exists makes a process a follower."""

import os
import sys

import pytest
import torch
from lightning.fabric.utilities.rank_zero import rank_zero_only

from matseek import Campaign
from matseek.errors import ConfigurationError
from matseek.godiff.searcher import GODiffSearcher
from matseek.searchers import LatinHypercube, RandomSearcher
from matseek.training import ranks
from matseek.training.ranks import ALONE, LAUNCHED_BY, Place, launching, place_of
from matseek.training.trainer import TrainerSettings
from tests.godiff.test_searcher import QUICK, recipes, structures

TORCHRUN = {
    "RANK": "3",
    "WORLD_SIZE": "4",
    "LOCAL_RANK": "1",
    "MASTER_ADDR": "node7",
    "MASTER_PORT": "29500",
    "TORCHELASTIC_RUN_ID": "none",
}
SRUN = {
    "SLURM_PROCID": "1",
    "SLURM_NTASKS": "4",
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_LOCALID": "1",
    "SLURM_NODEID": "0",
    "SLURM_NTASKS_PER_NODE": "4",
    "SLURM_JOB_ID": "77",
}
STRAY = [
    {"RANK": "3"},
    {"LOCAL_RANK": "1"},
    {"NODE_RANK": "1"},
    {"GROUP_RANK": "1"},
    {"SLURM_PROCID": "1"},
    {"JSM_NAMESPACE_RANK": "1"},
    {"WORLD_SIZE": "4", "MASTER_ADDR": "node7", "MASTER_PORT": "1"},
    {"RANK": "1", "LOCAL_RANK": "1", "NODE_RANK": "1", "SLURM_PROCID": "1", "SLURM_NTASKS": "4"},
    {"SLURM_ARRAY_TASK_ID": "5", "SLURM_PROCID": "0", "SLURM_NTASKS": "1"},  # a job array
    {"SLURM_PROCID": "0", "SLURM_NTASKS": "4", "SLURM_JOB_ID": "77", "SLURM_JOB_NAME": "bash"},  # an interactive shell
    SRUN,  # srun -n 4 wandb agent
    {LAUNCHED_BY: str(os.getpid()), "LOCAL_RANK": "1", "WORLD_SIZE": "2"},  # left over: not this process's parent
    {LAUNCHED_BY: "x", "LOCAL_RANK": "", "RANK": "-1"},
]


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    for name in {*TORCHRUN, *SRUN, LAUNCHED_BY, "NODE_RANK"}:
        monkeypatch.delenv(name, raising=False)


def put(monkeypatch, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("variables", STRAY)
def test_a_stray_variable_leaves_a_process_that_pays_and_writes(tmp_path, monkeypatch, variables):
    put(monkeypatch, variables)
    for searcher in (LatinHypercube(batch_size=4), RandomSearcher(batch_size=4)):
        path = tmp_path / f"{searcher.name}.db"
        assert Campaign(recipes(), searcher, path).run(4).leads
        assert len(Campaign(recipes(), searcher, path).ledger.evaluations(status="done")) == 4


@pytest.mark.parametrize("variables", STRAY[4:5] + STRAY[7:8] + STRAY[10:11])
def test_training_on_one_device_heeds_no_stray_variable(tmp_path, monkeypatch, variables):
    put(monkeypatch, variables)
    monkeypatch.setattr(rank_zero_only, "rank", 3)  # as Lightning reads it from the environment
    path = tmp_path / "c.db"
    Campaign(structures(), GODiffSearcher(**QUICK), path, seed=0).run(8)
    assert rank_zero_only.rank == 0
    assert path.with_suffix(".ckpt").is_file()
    assert len(Campaign(structures(), GODiffSearcher(**QUICK), path, seed=0).ledger.evaluations(status="done")) == 8


@pytest.mark.parametrize("variables", [v for v in STRAY if v is not SRUN])
def test_no_stray_variable_is_a_group_of_several_devices_either(monkeypatch, variables):
    put(monkeypatch, variables)
    assert place_of(4) == ALONE


def test_torchrun_is_known_by_all_that_it_sets(monkeypatch):
    put(monkeypatch, TORCHRUN)
    assert place_of(4) == place_of(1) == Place(3, 4, "torchrun")
    for name in TORCHRUN:
        with monkeypatch.context() as patched:
            patched.delenv(name)
            assert place_of(4) == ALONE


def test_srun_is_known_by_its_step_and_a_trainer_for_as_many_tasks(monkeypatch):
    put(monkeypatch, SRUN)
    assert place_of(4) == Place(1, 4, "srun")
    assert place_of(1) == place_of(2) == ALONE
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "1")  # a shell in an allocation of four
    assert place_of(4) == ALONE


def test_a_process_follows_the_one_that_has_started_it(monkeypatch):
    put(monkeypatch, {LAUNCHED_BY: str(os.getppid()), "LOCAL_RANK": "1", "WORLD_SIZE": "2"})
    assert place_of(1) == Place(1, 2, "matseek")
    monkeypatch.setattr(ranks, "_exists", lambda process: False)
    monkeypatch.setattr(os, "getppid", lambda: 1)
    with pytest.raises(ConfigurationError, match="names a process that has ended"):
        place_of(1)


def test_a_group_that_torch_has_formed_counts(monkeypatch):
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 1)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    assert place_of(1) == Place(1, 2, "torch.distributed")


def test_of_several_processes_one_searches_where_the_searcher_needs_no_more(tmp_path, monkeypatch, caplog):
    put(monkeypatch, TORCHRUN)
    path = tmp_path / "c.db"
    follower = Campaign(recipes(), RandomSearcher(batch_size=4), path).run(4)
    assert not follower.leads
    assert not path.exists()
    assert "this one, number 3 of 4, has nothing to do" in caplog.text
    monkeypatch.setenv("RANK", "0")
    Campaign(recipes(), RandomSearcher(batch_size=4), path).run(4)
    assert path.exists()


def test_the_environment_is_as_it_was_after_processes_were_started(monkeypatch):
    monkeypatch.setenv("MASTER_PORT", "5")
    with launching(several=True):
        assert os.environ[LAUNCHED_BY] == str(os.getpid())
        os.environ["MASTER_PORT"], os.environ["LOCAL_RANK"] = "6", "0"
    assert os.environ["MASTER_PORT"] == "5"
    assert not {LAUNCHED_BY, "LOCAL_RANK"} & os.environ.keys()
    with launching(several=False):
        assert LAUNCHED_BY not in os.environ


@pytest.mark.parametrize(
    ("settings", "variables", "message"),
    [
        ({"devices": 2}, TORCHRUN, "torchrun has started 4 processes"),
        ({"devices": 2, "nodes": 2}, {}, "trainer.nodes=2 needs its processes started"),
        ({"accelerator": "gpu"}, {}, "accelerator=gpu.*take trainer=cpu"),
        ({"accelerator": "gpu", "devices": 8, "strategy": "ddp"}, {}, "accelerator=gpu, devices=8"),
        ({"accelerator": "auto", "precision": "16-mixed"}, {}, "precision=16-mixed"),
    ],
)
def test_what_the_machine_has_no_place_for_is_refused_before_the_opening_is_paid(
    tmp_path, monkeypatch, settings, variables, message
):
    if torch.cuda.is_available():
        pytest.skip("about a machine without a GPU")
    put(monkeypatch, {**variables, **({"RANK": "0"} if variables else {})})
    monkeypatch.setattr(sys, "argv", [__file__])  # a script that can be started again, whoever runs the tests
    searcher = GODiffSearcher(**QUICK, trainer=TrainerSettings(**settings))
    campaign = Campaign(structures(), searcher, tmp_path / "c.db", opening=4)
    with pytest.raises(ConfigurationError, match=message):
        campaign.run(16)
    assert campaign.ledger.evaluations() == ()


def test_a_batch_that_processes_cannot_share_is_refused_before_the_opening_is_paid():
    searcher = GODiffSearcher(**{**QUICK, "batch_size": 7}, trainer=TrainerSettings(devices=2))
    campaign = Campaign(structures(), searcher, opening=4)
    with pytest.raises(ConfigurationError, match="batch_size=7 .* make it a multiple of 2"):
        campaign.run(16)
    assert campaign.ledger.evaluations() == ()


def test_several_processes_need_a_script_to_start(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["-c"])
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None, raising=False)
    with pytest.raises(ConfigurationError, match="there is no script to start"):
        TrainerSettings(devices=2).check()


@pytest.mark.parametrize("settings", [{"accelerator": "abc"}, {"strategy": "abc"}, {"devices": True}, {"nodes": 0}])
def test_settings_that_do_not_exist_are_refused_when_made(settings):
    with pytest.raises(ValueError, match=f"trainer.{next(iter(settings))}="):
        TrainerSettings(**settings)
