import json
import logging
import math
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import ase.io
import numpy as np
import pandas as pd
import pytest
import torch
from ase.build import fcc111
from ase.calculators.emt import EMT
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import matseek
from matseek import Campaign
from matseek.comparison import Comparison, run_cell
from matseek.configuration import run_settings
from matseek.diffusion import EulerMaruyama, LinearSchedule
from matseek.evaluation import Ledger, ThreadExecutor
from matseek.godiff.domains import NetworkSettings
from matseek.godiff.searcher import GODiffSearcher
from matseek.insight.stopping import LossLevel
from matseek.problems import RecipeProblem, StructureProblem
from matseek.run_folder import RunFolder
from matseek.searchers import LatinHypercube, NetworkSearcher
from matseek.spaces import Adlayer
from matseek.surrogates.training import Training
from matseek.tracking import CSVTracking, TensorBoardTracking, WandbTracking
from matseek.tracking.training_logger import TrainingLogger
from matseek.tracking.wandb import has_key, mode_of_session
from matseek.training.ranks import Place
from tests.conftest import Counting
from tests.tracking.wandb_file import finished, history, read, records

GODIFF = GODiffSearcher(
    samples=4,
    draw=4,
    steps=10,
    batch_size=4,
    buffer=4,
    force_weight=1.0,
    sampler=EulerMaruyama(LinearSchedule(0.01, 1.0), steps=10),
    network=NetworkSettings(blocks=1, features=8, cutoff=4.0, gaussians=8),
)
NETWORK = NetworkSearcher(
    batch_size=6, starts=4, least=4, training=Training(members=2, hidden=(8,), epochs=5, holdout=0.2)
)


@pytest.fixture(autouse=True)
def no_account(monkeypatch, tmp_path):
    """W&B finds no key, and its own folders are the test's."""
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_PROJECT", "WANDB_BASE_URL", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def atoms_to_place():
    return StructureProblem(Adlayer(fcc111("Pt", (2, 2, 2), vacuum=6), "Pt", z=(1.0, 4.0)), EMT, name="adatom")


def test_a_search_for_structures_is_all_in_its_run(tmp_path, capfd):
    folder = tmp_path / "run"
    campaign = Campaign(
        atoms_to_place(), GODIFF, folder / "ledger.db", seed=3, tracking=WandbTracking(group="g", checkpoint_every=2)
    )
    campaign.run(budget=12)
    campaign.write(folder)
    assert capfd.readouterr().out == ""
    found = read(folder)
    assert (found.groups, found.job_types, found.names) == ({"g"}, {"godiff"}, {"godiff-3"})
    assert len(found.ids) == 1
    assert found.config["searcher"]["samples"] == 4
    assert found.config["problem"]["name"] == "adatom"
    # Against evaluations: values, the best so far, and what each iteration came to.
    values = [e.value for e in campaign.ledger.evaluations()]
    assert found.series("value") == list(enumerate(values, start=1))
    assert found.series("best_value") == list(enumerate(np.minimum.accumulate(values), start=1))
    assert found.axes["*"] == "evaluation"
    iterations = [e.data["figures"] for e in campaign.ledger.events() if e.kind == "iterated"]
    for name in ("kt", "effective_sample_size", "lowest_of_iteration", "median_of_iteration"):
        assert found.series(name) == [(4 * i, f[name]) for i, f in enumerate(iterations, start=1)]
    assert all(0 < share <= 1 for share in found.logged("acceptance"))
    assert len(found.logged("acceptance")) == 3
    # Against training steps: the losses, thinned.
    for name in ("score_loss", "force_loss"):
        steps, losses = zip(*found.series(name, "trainer/global_step"), strict=True)
        assert found.axes[name] == "trainer/global_step"
        assert len(steps) == len(set(steps)) == 30
        assert all(map(math.isfinite, losses))
    for name in ("grad_norm", "learning_rate", "steps_per_second"):
        assert found.axes[name] == "trainer/global_step"
        assert all(value > 0 for value in found.logged(name))
        assert len(found.logged(name)) == 30
    assert {"value", "best_value", "score_loss"} <= found.least
    # At the end.
    for path in (folder / "figures").glob("*.png"):
        assert f"figures/{path.stem}/path" in found.history[-1]
    assert {"figures/structures/path", "figures/convergence/path"} <= set(found.history[-1])
    files = next(folder.glob("wandb/offline-run-*/files"))
    candidates = json.loads((files / found.logged("candidates/path")[-1]).read_text())
    assert candidates["columns"][:4] == ["rank", "evaluation", "value", "proposer"]
    assert candidates["columns"][4:] == [*campaign.problem.space.labels, "picture"]
    assert [row[-1] is not None for row in candidates["data"]] == [True] * 10 + [False] * 2
    (view,) = found.logged("best_structure/path")
    assert "matseek-structure" in (files / view).read_text()
    assert found.config["matseek_version"] == matseek.__version__
    assert candidates["data"][0][2] == campaign.best.value
    molecules = found.logged("structures/filenames")[-1]
    assert len(molecules) == 5
    best = ase.io.read(next(files.rglob(Path(molecules[0]).name)), format="proteindatabank")
    assert best.get_chemical_formula() == "Pt9"
    for kind, names in {
        "ledger": {"ledger.db", "evaluations.csv", "summary.json"},
        "model": {"ledger.ckpt", "ledger.safetensors"},
        "structures": {"best.extxyz"},
    }.items():
        _, contents = found.artifacts[kind][-1]
        assert set(contents) == names
        assert all(Path(place).is_relative_to(folder) for place in contents.values())
    for kind, aliases in {"model": {"latest"}, "ledger": {"latest"}, "structures": {"latest", "best"}}.items():
        artifact, _ = found.artifacts[kind][-1]
        assert set(artifact.aliases) == {*aliases, "evaluation-12"}
    # Every second iteration, and those with a new best.
    best_of = [min(values[:n]) for n in (4, 8, 12)]
    kept = {1, 2} | {k for k in (2, 3) if best_of[k - 1] < best_of[k - 2]}
    # The model is the one that has proposed the iteration: the first has none.
    for kind, iterations in {"model": kept - {1}, "structures": kept}.items():
        *earlier, _ = found.artifacts[kind]
        aliases = [set(artifact.aliases) for artifact, _ in earlier]
        assert [a - {"best"} for a in aliases] == [{"latest", f"iteration-{k}"} for k in sorted(iterations)]
        improved = {1} | {k for k in (2, 3) if best_of[k - 1] < best_of[k - 2]}
        assert ["best" in a for a in aliases] == [k in improved for k in sorted(iterations)]
    ((_, record),) = found.artifacts["ledger"]
    assert [e.value for e in Ledger(record["ledger.db"]).evaluations()] == values
    _, frames = found.artifacts["structures"][-1]
    assert ase.io.read(frames["best.extxyz"], index=0).get_potential_energy() == pytest.approx(campaign.best.value)
    assert found.summary["best_value"] == campaign.best.value


class CutOff(Counting):
    """An oracle during whose sixteenth call the process is interrupted, once."""

    def __call__(self, points):
        if len(self.points) == 15:
            self.points.append(None)
            raise KeyboardInterrupt
        return super().__call__(points)


def test_gradients_and_parameters_are_watched_where_that_is_asked(tmp_path):
    searcher = replace(GODIFF, steps=2, network=replace(GODIFF.network, features=2, gaussians=2))
    tracking = WandbTracking(watch="all", alerts=False)
    campaign = Campaign(atoms_to_place(), searcher, tmp_path / "ledger.db", seed=0, tracking=tracking)
    campaign.run(budget=4)
    campaign._tracker.close()
    found = read(tmp_path)
    for kind in ("gradients", "parameters"):
        values = found.logged(f"{kind}/network.model.force_head.last.gates.2.weight/values")
        assert [sum(counts) for counts in values] == [4, 4], "a number for each weight, at both steps"
        assert found.axes[f"{kind}/*"] == "trainer/global_step"
        names = {name.split("/")[1] for row in found.history for name in row if name.startswith(f"{kind}/")}
        assert not [name for name in names if name.startswith("average")]


@pytest.mark.parametrize(
    ("watch", "watched"), [("gradients", {"gradients"}), ("parameters", {"parameters"}), (None, set())]
)
def test_what_is_watched_are_the_numbers_of_the_network(watch, watched):
    network = torch.nn.Linear(3, 2)
    network.bias.requires_grad_(False)
    network(torch.ones(1, 3)).sum().backward()
    network.gradient_scale = 2.0
    taken = []
    logger = TrainingLogger(lambda *what: taken.append(what), WandbTracking(watch=watch).watched)
    logger.log_graph(network)
    logger.log_metrics({"loss": 1.0}, 7)
    ((metrics, step, distributions),) = taken
    assert (metrics, step) == ({"loss": 1.0}, 7)
    assert set(distributions) == {f"{kind}/weight" for kind in watched}
    for kind, expected in (("gradients", np.full(6, 0.5)), ("parameters", network.weight.detach().flatten())):
        np.testing.assert_allclose(distributions.get(f"{kind}/weight", expected), expected)


def test_only_what_can_be_watched_may_be_asked_for():
    with pytest.raises(ValueError, match="logger.watch='everything'"):
        WandbTracking(watch="everything")


def test_a_campaign_that_was_cut_off_goes_on_in_the_same_run_and_logs_nothing_twice(tmp_path, box, caplog):
    folder = tmp_path / "run"
    problem = RecipeProblem(box, CutOff(), name="bowl")

    def campaign():
        settings = WandbTracking(config={"a": {"b": 1}}, searcher="net")
        return Campaign(problem, NETWORK, folder / "ledger.db", tracking=settings, stop=[LossLevel()])

    with pytest.raises(KeyboardInterrupt):
        campaign().run(budget=24)
    later = campaign().run(budget=24)
    later.write(folder)
    assert len(list(folder.glob("wandb/offline-run-*"))) == 2
    assert "wandb sync" in caplog.text
    found = read(folder)
    assert len(found.ids) == 1
    assert found.config["a"] == {"b": 1}
    assert found.alerts == {"net-0 has failed"} | (
        {"net-0 has solved its problem"} if later.summary()["success"] else set()
    )
    assert (found.names, found.groups) == ({"net-0"}, {""})
    values = [e.value for e in later.ledger.evaluations()]
    assert found.series("value") == list(enumerate(values, start=1))
    assert found.series("best_value")[-1] == (24, min(values))
    rows = [row["_step"] for row in found.history]
    assert rows == sorted(set(rows))
    # Figures of stop criteria, and the network's training.
    assert [n for n, _ in found.series("loss_level/best")] == [6, 12, 18, 24]
    assert [n for n, _ in found.series("held_out_loss")] == [12, 18, 24]
    ((_, models),) = found.artifacts["model"]
    assert set(models) == {"network.ckpt"}
    # The same command again has nothing to log.
    campaign().run(budget=24).write(folder)
    assert len(list(folder.glob("wandb/offline-run-*"))) == 2


def test_a_campaign_that_was_left_open_is_taken_over_in_the_same_process(tmp_path, problem, caplog):
    for budget in (3, 6):
        Campaign(problem, LatinHypercube(3), tmp_path / "ledger.db", tracking=WandbTracking()).run(budget)
    assert "failed" not in caplog.text
    Campaign(problem, LatinHypercube(3), tmp_path / "ledger.db", tracking=WandbTracking()).publish(tmp_path)
    found = read(tmp_path)
    assert len(found.ids) == 1
    assert [n for n, _ in found.series("value")] == [1, 2, 3, 4, 5, 6]


KILLED = """
import os, signal, sys, time
from matseek import Campaign
from matseek.problems import RecipeProblem
from matseek.searchers import LatinHypercube
from matseek.spaces import Box, Variable
from matseek.tracking import WandbTracking

calls = 0

def oracle(points):
    global calls
    calls += 1
    if calls == 6 and sys.argv[2] == "killed":
        time.sleep(2)
        os.kill(os.getpid(), signal.SIGKILL)
    return (points**2).sum(axis=1)

problem = RecipeProblem(Box([Variable("a", -1, 1)]), oracle, name="line")
Campaign(problem, LatinHypercube(4), sys.argv[1] + "/ledger.db", tracking=WandbTracking()).run(8)
"""


def test_kill_9_leaves_one_run_with_each_row_once(tmp_path):
    # Processes of their own, which do not share what this one may have begun for W&B.
    alone = {key: value for key, value in os.environ.items() if key != "WANDB_SERVICE"}
    ends = [
        subprocess.run([sys.executable, "-c", KILLED, tmp_path, how], env=alone, check=False, timeout=300).returncode
        for how in ("killed", "goes on")
    ]
    assert ends == [-signal.SIGKILL, 0]
    parts = sorted(tmp_path.glob("wandb/offline-run-*/run-*.wandb"))
    found = [history(records(parts[0])), history(finished(parts[1]))]
    assert [[row["evaluation"] for row in part] for part in found] == [[1, 2, 3, 4, 5], [6, 7, 8]]
    assert [row["_step"] for part in found for row in part] == list(range(8))
    assert len({path.name for path in parts}) == 1


def test_a_cell_is_grouped_by_its_comparison_whose_table_does_not_depend_on_who_follows(tmp_path, monkeypatch):
    folder = tmp_path / "silver-lhs"
    given = ["problem=silver", "searchers=[lhs]", "seeds=1", "budget=4", "lhs.batch_size=2", f"run_dir='{folder}'"]
    followed = Comparison([*given, "logger=wandb"])
    run_cell(followed.cells[0].overrides)
    found = read(folder / "lhs" / "0")
    assert (found.groups, found.job_types, found.names) == ({"silver-lhs"}, {"lhs"}, {"lhs-0"})
    assert found.config["problem"]["_target_"].startswith("matseek.")
    assert found.config["searcher"]["batch_size"] == 2
    assert "figures/convergence/path" in found.history[-1]
    # The comparison has a run of its own, once.
    followed.write()
    followed.write()
    own = read(folder)
    assert (own.groups, own.job_types, len(own.ids)) == ({"silver-lhs"}, {"comparison"}, 1)
    assert {"table/path", "pairs/path", "page/path"} <= set(own.history[-1])
    # Another logger, or none, is no other campaign.
    assert Comparison([*given, "logger=csv"]).missing == Comparison(given).missing == ()
    columns = ["searcher", "seeds", "median_best_value", "evaluations"]
    assert followed.table()[columns].equals(Comparison(given).table()[columns])


def test_csv_has_the_figures_and_the_config(tmp_path, box):
    folder = tmp_path / "run"
    problem = RecipeProblem(box, Counting(), name="bowl")
    for budget in (6, 12):
        Campaign(problem, LatinHypercube(3), folder / "ledger.db", tracking=CSVTracking()).run(
            budget
        ).report.write_record(RunFolder(folder))
    frames = [pd.read_csv(folder / "csv" / f"version_{n}" / "metrics.csv") for n in (0, 1)]
    logged = pd.concat(frames)
    trace = pd.read_csv(folder / "trace.csv")
    assert logged.evaluation.tolist() == list(range(1, 13))
    assert logged.value.tolist() == trace.value.tolist()
    assert logged.best_value.tolist() == trace.best_value.tolist()
    assert "batch_size: 3" in (folder / "csv" / "version_0" / "hparams.yaml").read_text()


def test_tensorboard_has_figures_pictures_and_the_config(tmp_path, box):
    folder = tmp_path / "run"
    problem = RecipeProblem(box, Counting(), name="bowl")
    campaign = Campaign(problem, LatinHypercube(3), folder / "ledger.db", tracking=TensorBoardTracking())
    campaign.run(6).write(folder)
    events = EventAccumulator(str(folder / "tensorboard")).Reload()
    values = [e.value for e in campaign.ledger.evaluations()]
    assert [e.value for e in events.Scalars("value")] == pytest.approx(values)
    assert [e.step for e in events.Scalars("best_value")] == list(range(1, 7))
    assert "figures/convergence" in events.Tags()["images"]
    assert "batch_size: 3" in (folder / "tensorboard" / "hparams.yaml").read_text()


class Broken(CSVTracking):
    def log(self, logger, figures, step, row):
        if row == 2:
            raise OSError(28, "No space left on device")
        super().log(logger, figures, step, row)


def test_a_logger_that_fails_costs_no_evaluation(tmp_path, counting, box, caplog):
    problem = RecipeProblem(box, counting, name="bowl")
    campaign = Campaign(problem, LatinHypercube(3), tmp_path / "ledger.db", tracking=Broken())
    with caplog.at_level(logging.WARNING):
        campaign.run(6)
        campaign.publish(tmp_path)
    assert [e.status for e in campaign.ledger.evaluations()] == ["done"] * 6
    assert len(counting.points) == 6
    assert [r.message for r in caplog.records] == [
        "logger=csv failed (OSError: [Errno 28] No space left on device); the campaign goes on without it"
    ]


def test_evaluations_that_come_in_another_order_are_logged_in_theirs(tmp_path, box):
    problem = RecipeProblem(box, Counting(), name="bowl")
    tracking = CSVTracking(folder=tmp_path)
    Campaign(problem, LatinHypercube(6), executor=ThreadExecutor(4), tracking=tracking).run(12)
    logged = pd.read_csv(tmp_path / "csv" / "version_0" / "metrics.csv")
    assert logged.evaluation.tolist() == list(range(1, 13))
    assert logged.best_value.is_monotonic_decreasing


def test_a_ledger_in_memory_needs_a_folder_for_what_is_logged(problem):
    with pytest.raises(ValueError, match=r"tracking\.folder=None goes with a ledger in a file; name a folder"):
        Campaign(problem, LatinHypercube(3), tracking=CSVTracking())


@pytest.mark.parametrize("rank", [0, 1])
def test_only_the_leading_process_logs(tmp_path, problem, monkeypatch, rank):
    monkeypatch.setattr("matseek.campaign.place_of", lambda processes: Place(rank=rank, size=2))
    Campaign(problem, LatinHypercube(3), tmp_path / "ledger.db", tracking=CSVTracking()).run(3)
    assert (tmp_path / "csv").exists() == (rank == 0)


def test_online_where_there_is_a_key_and_where_it_is_wished(monkeypatch, tmp_path):
    assert mode_of_session() == "offline"
    netrc = tmp_path / "netrc"
    netrc.write_text("machine api.wandb.ai login user password " + 40 * "0" + "\n")
    monkeypatch.setenv("NETRC", str(netrc))
    assert has_key()
    assert mode_of_session() == "online"
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert mode_of_session() == "offline"
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.laboratory.example")
    assert mode_of_session() == "offline"
    monkeypatch.setenv("WANDB_API_KEY", 40 * "0")
    assert mode_of_session() == "online"


def test_the_config_group_makes_the_settings(tmp_path):
    assert run_settings(["problem=silver"]).tracking is None
    settings = run_settings(["logger=wandb", "logger.project=ag", "searcher=godiff", f"run_dir='{tmp_path}'"])
    assert isinstance(settings.tracking, WandbTracking)
    assert (settings.tracking.project, settings.tracking.searcher) == ("ag", "godiff")
    assert settings.tracking.folder == tmp_path
    assert settings.tracking.config["searcher"]["samples"] == settings.searcher.samples
    assert isinstance(run_settings(["logger=tensorboard"]).tracking, TensorBoardTracking)
