import dataclasses
import os
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from ase.build import fcc111
from ase.calculators.emt import EMT

from matseek import Campaign
from matseek.configuration import run_settings
from matseek.diffusion import AdaptiveKT, EulerMaruyama, ExponentialKT, Guidance, LinearSchedule
from matseek.errors import BudgetError, CheckpointError, ConfigurationError, OracleError
from matseek.evaluation import ThreadExecutor
from matseek.godiff.domains import NetworkSettings, domain_of
from matseek.godiff.searcher import GODiffSearcher
from matseek.godiff.steering import Renoising, SurrogateRelaxation
from matseek.insight.stopping import LossLevel
from matseek.problems import RecipeProblem, StructureProblem
from matseek.spaces import Adlayer, Box, LinearConstraint, Variable
from matseek.training.trainer import TrainerSettings
from tests.conftest import ROOT, Counting

SAMPLER = EulerMaruyama(LinearSchedule(0.01, 1.0), steps=20)
QUICK = {
    "samples": 8,
    "draw": 8,
    "steps": 10,
    "batch_size": 8,
    "buffer": 8,
    "sampler": SAMPLER,
    "network": NetworkSettings(blocks=1, features=8, cutoff=4.0, gaussians=8),
}
RECIPES = GODiffSearcher(
    samples=16,
    draw=8,
    steps=150,
    batch_size=32,
    buffer=32,
    force_weight=0.0,
    kt=ExponentialKT(1.0, 0.02),
    sampler=EulerMaruyama(LinearSchedule(0.01, 1.0), 40),
    learning_rate=5e-3,
)


def valley(points):
    return ((np.asarray(points) - [3.0, 0.5]) ** 2 / [25.0, 1.0]).sum(axis=1)


def recipes(oracle=valley):
    return RecipeProblem(Box([Variable("a", 0, 10), Variable("b", -1, 1)]), oracle, name="valley")


def structures(calculator=EMT, free="Pt"):
    return StructureProblem(Adlayer(fcc111("Pt", (2, 2, 2), vacuum=6), free, z=(1.0, 4.0)), calculator)


def points_of(campaign):
    return campaign.to_frame()[list(campaign.problem.space.labels)].to_numpy()


def test_recipes_get_better_and_every_evaluation_is_counted():
    oracle = Counting(valley)
    campaign = Campaign(recipes(oracle), RECIPES, seed=0).run(64)
    frame = campaign.to_frame()
    assert len(oracle.points) == len(frame) == 64
    medians = frame.groupby("iteration")["value"].median()
    assert medians[4] < 0.3 * medians[1]
    assert set(frame["proposer"]) == {"godiff"}


def test_periodic_recipes_are_searched_across_their_seam():
    def hollow(points):
        return 1 - np.cos(np.radians(np.asarray(points)[:, 0]))

    problem = RecipeProblem(Box([Variable("angle", 0, 360, "deg", periodic=True)]), hollow, name="hollow")
    campaign = Campaign(problem, RECIPES, seed=0).run(96)
    last = points_of(campaign)[-16:, 0]
    assert np.median(hollow(last[:, None])) < 0.15
    assert (last < 90).any()
    assert (last > 270).any()


class Killed(BaseException):
    pass


@pytest.mark.parametrize("checkpoint", ["kept", "lost"])
def test_a_search_that_was_killed_goes_on_as_if_it_had_not_been(tmp_path, checkpoint):
    searcher = GODiffSearcher(**QUICK)
    whole = points_of(Campaign(structures(), searcher, seed=1).run(24))
    problem, path = structures(), tmp_path / "c.db"
    calls = []

    def dying():
        calculator = EMT()
        get = calculator.calculate

        def calculate(*args, **kwargs):
            calls.append(1)
            if len(calls) == 19:  # in the third iteration
                raise Killed
            return get(*args, **kwargs)

        calculator.calculate = calculate
        return calculator

    with pytest.raises(Killed):
        Campaign(structures(dying), searcher, path, seed=1).run(24)
    assert (tmp_path / "c.ckpt").is_file()
    if checkpoint == "lost":
        (tmp_path / "c.ckpt").unlink()
    campaign = Campaign(structures(dying), searcher, path, seed=1).run(24)
    assert campaign.summary()["failed"] == 0
    np.testing.assert_allclose(points_of(campaign), whole, atol=1e-5)
    assert problem.space.contains(points_of(campaign)).all()


def test_what_is_refused_costs_nothing_and_is_counted():
    crowded = StructureProblem(Adlayer(fcc111("Pt", (2, 2, 2), vacuum=6), "Pt2", z=(1.0, 3.0)), EMT)
    campaign = Campaign(crowded, GODiffSearcher(**QUICK), seed=0).run(16)
    refused = [e for e in campaign.ledger.events() if e.kind == "refused"]
    assert len(refused) == 2
    for event in refused:
        assert event.data["drawn"] > event.data["accepted"] == 8
        assert set(event.data["reasons"]) == {"overlap"}
    assert crowded.space.refusals(points_of(campaign)) == [""] * 16
    iterated = [e for e in campaign.ledger.events() if e.kind == "iterated"]
    assert [e.data["figures"]["kt"] for e in iterated] == pytest.approx([0.3, 0.05])
    assert {"lowest", "effective_sample_size", "median_of_iteration"} <= set(iterated[0].data["figures"])


def test_most_samples_of_many_atoms_are_evaluated():
    many = StructureProblem(Adlayer(fcc111("Pt", (3, 3, 1), vacuum=6), "Pt12", z=(1.0, 6.0)), EMT)
    campaign = Campaign(many, GODiffSearcher(**QUICK), seed=0).run(16)
    refused = [e for e in campaign.ledger.events() if e.kind == "refused"]
    assert len(refused) == 2
    for event in refused:
        assert event.data["accepted"] >= event.data["drawn"] / 2
        assert "uniform" not in event.message


class Flawed(EMT):
    """Every third energy is NaN, every fourth call raises."""

    calls = 0

    def calculate(self, *args, **kwargs):
        super().calculate(*args, **kwargs)
        Flawed.calls += 1
        if Flawed.calls % 4 == 0:
            raise RuntimeError("the cell has no electrons")
        if Flawed.calls % 3 == 0:
            self.results["energy"] = np.nan


class Huge(EMT):
    """The first batch is off by a million."""

    calls = 0

    def calculate(self, *args, **kwargs):
        super().calculate(*args, **kwargs)
        Huge.calls += 1
        if Huge.calls <= 8:
            self.results["energy"] += 1e6
            self.results["forces"] *= 1e6


def test_a_calculator_that_fails_costs_its_calls_and_nothing_else():
    Flawed.calls = 0
    campaign = Campaign(structures(Flawed), GODiffSearcher(**QUICK), seed=0).run(24)
    summary = campaign.summary()
    assert summary["evaluations"] == Flawed.calls == 24
    assert 0 < summary["failed"] < 24
    errors = " ".join(campaign.to_frame()["error"])
    assert "no electrons" in errors
    assert "energy nan" in errors


class Hanging(EMT):
    """The fifth call never ends, as far as anyone would wait."""

    calls = 0

    def calculate(self, *args, **kwargs):
        Hanging.calls += 1
        if Hanging.calls == 5:
            time.sleep(3)
        super().calculate(*args, **kwargs)


def test_a_calculator_that_hangs_fails_alone():
    Hanging.calls = 0
    executor = ThreadExecutor(workers=2, timeout_s=1.0)
    campaign = Campaign(structures(Hanging), GODiffSearcher(**QUICK), seed=0, executor=executor).run(16)
    summary = campaign.summary()
    assert (summary["evaluations"], summary["failed"]) == (16, 1)
    assert "1" in next(e for e in campaign.to_frame()["error"] if e)


def test_a_stop_criterion_ends_it_between_iterations():
    campaign = Campaign(structures(), GODiffSearcher(**QUICK), seed=0, stop=[LossLevel(below=1e6)]).run(80)
    assert campaign.stopped_by == "loss_level"
    assert campaign.summary()["evaluations"] == 8


def test_huge_energies_in_the_first_batch_do_not_stop_the_learning():
    Huge.calls = 0
    campaign = Campaign(structures(Huge), GODiffSearcher(**QUICK), seed=0).run(24)
    assert campaign.summary()["failed"] == 0
    assert campaign.best.value < 1e3
    assert np.isfinite(points_of(campaign)).all()


@pytest.mark.parametrize("opening", [0, 4])
def test_a_search_whose_first_evaluations_all_fail_goes_on_and_learns_later(opening):
    asked = []

    class Late(EMT):
        def calculate(self, *args):
            asked.append(1)
            if len(asked) <= 9:
                raise RuntimeError("no licence")
            super().calculate(*args)

    campaign = Campaign(structures(Late), GODiffSearcher(**QUICK), seed=0, opening=opening).run(32)
    summary = campaign.summary()
    assert len(asked) == summary["evaluations"] == 32
    assert summary["failed"] == 9
    assert summary["stopped_by"] == "budget"
    iterations, frame = campaign.iterations(), campaign.to_frame()
    assert iterations["iteration"].tolist() == frame.loc[frame["status"] == "done", "iteration"].unique().tolist()
    assert np.isfinite(iterations["lowest"]).all()


def test_failures_of_two_kinds_alone_spend_the_budget_and_tell(caplog):
    def hopeless(points):
        raise (RuntimeError if points[0, 0] > points[0, 1] else OSError)("no licence")

    campaign = Campaign(recipes(hopeless), RECIPES, seed=0).run(40)
    summary = campaign.summary()
    assert summary["failed"] == summary["evaluations"] == 40
    assert summary["stopped_by"] == "budget"
    assert "nothing to learn from" in caplog.text


def test_a_search_whose_oracle_never_works_ends_and_is_gone_on_with_once_it_does(tmp_path):
    broken = [True]

    def mended(points):
        if broken:
            raise RuntimeError("no licence")
        return valley(points)

    first = Campaign(recipes(mended), RECIPES, ledger=tmp_path / "ledger.db", seed=0)
    with pytest.raises(OracleError, match="RuntimeError: no licence"):
        first.run(40)
    assert first.summary()["failed"] == 10
    broken.clear()
    again = Campaign(recipes(mended), RECIPES, ledger=tmp_path / "ledger.db", seed=0).run(48)
    assert (again.summary()["failed"], again.summary()["evaluations"]) == (10, 48)
    assert np.isfinite(again.best.value)


def test_where_every_sample_is_refused_uniform_ones_are_evaluated():
    # A sliver of a box: mirrors and noise hit it only by chance.
    box = Box(
        [Variable("a", 0, 1), Variable("b", 0, 1), Variable("c", 0, 1)],
        constraints=[LinearConstraint({"a": 1, "b": 1, "c": 1}, upper=0.02)],
    )
    oracle = Counting(lambda points: np.asarray(points).sum(axis=1))
    searcher = dataclasses.replace(RECIPES, attempts=1, steps=5)
    campaign = Campaign(RecipeProblem(box, oracle, name="sliver"), searcher, seed=0).run(192)
    assert len(oracle.points) == campaign.summary()["evaluations"] == 192
    refused = [e for e in campaign.ledger.events() if e.kind == "refused"]
    assert any("16 uniform ones instead" in e.message and e.data["accepted"] == 0 for e in refused)


def test_a_calculator_that_cannot_be_made_is_told_before_anything_is_written():
    def hopeless():
        raise RuntimeError("no licence")

    campaign = Campaign(structures(hopeless), GODiffSearcher(**QUICK), seed=0)
    with pytest.raises(ConfigurationError, match="cannot be made.*no licence"):
        campaign.run(16)
    assert len(campaign.ledger.evaluations()) == 0


def test_a_budget_below_an_iteration_is_refused_before_anything_is_paid():
    oracle = Counting(valley)
    with pytest.raises(BudgetError, match="samples=16 of an iteration are more than budget=10"):
        Campaign(recipes(oracle), RECIPES).run(10)
    assert oracle.points == []


@pytest.mark.parametrize("free", ["Pt2", "Cu"])
def test_a_checkpoint_of_another_composition_is_refused(tmp_path, free):
    searcher = GODiffSearcher(**QUICK)
    Campaign(structures(free=free), searcher, tmp_path / "a.db", seed=0).run(8)
    Campaign(structures(), searcher, tmp_path / "b.db", seed=0).run(8)
    (tmp_path / "a.ckpt").replace(tmp_path / "b.ckpt")
    campaign = Campaign(structures(), searcher, tmp_path / "b.db", seed=0)
    with pytest.raises(CheckpointError, match="does not go with the ledger"):
        campaign.run(16)
    (tmp_path / "b.ckpt").unlink()
    assert campaign.run(16).summary()["evaluations"] == 16, "nothing that was paid for is lost"


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    Campaign(structures(), GODiffSearcher(**QUICK), tmp_path / "c.db", seed=0).run(8)
    larger = GODiffSearcher(**{**QUICK, "network": NetworkSettings(blocks=1, features=16, cutoff=4.0, gaussians=8)})
    with pytest.raises(CheckpointError, match="restore the settings, or remove it"):
        Campaign(structures(), larger, tmp_path / "c.db", seed=0).run(16)


def test_checkpoints_hold_nothing_that_runs(tmp_path):
    Campaign(structures(), GODiffSearcher(**QUICK), tmp_path / "c.db", seed=0).run(8)
    state = torch.load(tmp_path / "c.ckpt", weights_only=True)
    assert state["epoch"] == 0
    assert any("average" in key for key in state["state_dict"])


def test_forces_guide_where_there_are_any():
    guided = GODiffSearcher(**QUICK, guidance=Guidance(alpha=5.0, zeta=1.0))
    plain = points_of(Campaign(structures(), GODiffSearcher(**QUICK), seed=0).run(16))
    points = points_of(Campaign(structures(), guided, seed=0).run(16))
    np.testing.assert_array_equal(points[:8], plain[:8])
    assert np.abs(points[8:] - plain[8:]).max() > 1e-4
    with pytest.raises(ValueError, match="guidance and relaxation need forces"):
        GODiffSearcher(guidance=True, force_weight=0.0)


def test_the_networks_own_forces_relax_samples_before_they_are_paid_for():
    relaxation = SurrogateRelaxation(steps=3, longest=0.1)
    plain = points_of(Campaign(structures(), GODiffSearcher(**QUICK), seed=0).run(16))
    campaign = Campaign(structures(), GODiffSearcher(**QUICK, relaxation=relaxation), seed=0).run(16)
    moved = np.abs(points_of(campaign)[8:] - plain[8:])
    moved[:, :2] = 0  # in plane an atom may have left by one side and come back by the other
    assert 1e-6 < moved.max() <= 3 * 0.1 + 1e-5


def test_half_of_the_samples_begin_at_the_best_structures():
    near = GODiffSearcher(**QUICK, renoising=Renoising(share=1.0, time=0.05), kt=ExponentialKT(0.01, 0.01))
    campaign = Campaign(structures(), near, seed=0).run(16)
    points = points_of(campaign)
    known = [e.value for e in campaign.ledger.evaluations()][:8]
    slab = domain_of(structures(), SAMPLER.schedule, NetworkSettings(), 0).manifold
    found = torch.tensor(points).reshape(-1, 1, 3)
    best = found[int(np.argmin(known))].expand(8, 1, 3)
    apart = slab.displacement(found[8:], best).norm(dim=-1)
    assert apart.max() < 0.5, "all begin under little noise at the lowest of the first iteration"
    mixed = GODiffSearcher(**QUICK, renoising=Renoising(share=0.5, time=0.05), kt=ExponentialKT(0.01, 0.01))
    found = torch.tensor(points_of(Campaign(structures(), mixed, seed=0).run(16))).reshape(-1, 1, 3)
    assert 1 <= int((slab.displacement(found[8:], best).norm(dim=-1) < 0.5).sum()) < 8


def test_mixed_precision_learns_and_samples_finite_numbers():
    settings = TrainerSettings(accelerator="cpu", precision="bf16-mixed")
    campaign = Campaign(structures(), GODiffSearcher(**QUICK, trainer=settings), seed=0).run(16)
    assert np.isfinite(points_of(campaign)).all()
    assert campaign.summary()["evaluations"] == 16


def test_an_adaptive_kt_only_falls_and_keeps_samples_that_count():
    searcher = GODiffSearcher(**QUICK, kt=AdaptiveKT(5.0, 0.02, fraction=0.5))
    campaign = Campaign(structures(), searcher, seed=0).run(40)
    figures = [e.data["figures"] for e in campaign.ledger.events() if e.kind == "iterated"]
    kts = [f["kt"] for f in figures]
    assert kts == sorted(kts, reverse=True)
    assert kts[-1] < kts[0]
    settings = run_settings(
        ["problem=platinum_adatom", "searcher=godiff", "searcher.kt._target_=matseek.diffusion.AdaptiveKT"]
    )
    assert settings.searcher.kt == AdaptiveKT(0.3, 0.05)


def test_both_forms_of_the_network_and_several_atoms():
    network = NetworkSettings(representation="full", blocks=1, features=8, cutoff=4.0, gaussians=8)
    problem = StructureProblem(Adlayer(fcc111("Pt", (2, 2, 2), vacuum=6), "PtCu", z=(1.0, 5.0)), EMT)
    assert Campaign(problem, GODiffSearcher(**{**QUICK, "network": network}), seed=0).run(16).best.value < 1e3


TWO = """
import os, sys, torch
from pathlib import Path
from dataclasses import replace
from tests.godiff.test_searcher import QUICK, structures
from matseek import Campaign
from matseek.training.trainer import TrainerSettings
from matseek.evaluation import BatchExecutor
from matseek.problems.atomic import AtomicProblem
from matseek.searchers import GODiffSearcher

made, answers = [], AtomicProblem.answers
AtomicProblem.answers = lambda self, points: made.extend(points) or answers(self, points)
torch.set_num_threads(1)
processes, path = int(sys.argv[1]), sys.argv[2]
settings = TrainerSettings(accelerator="cpu", devices=processes, strategy="ddp" if processes > 1 else "auto")
searcher = GODiffSearcher(**{**QUICK, "draw": 4}, trainer=settings)
Campaign(structures(), searcher, path, seed=0, executor=BatchExecutor(3)).run(16)
Path(f"{path}.{os.environ.get('RANK', 0)}").write_text(str(len(made)))
"""


def test_two_processes_evaluate_and_learn_what_one_does(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    script = tmp_path / "two.py"
    script.write_text(TWO)
    one, two = tmp_path / "one.db", tmp_path / "two.db"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    run = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", f"--master_port={port}"]
    for command in ([sys.executable, script, "1", one], [*run, script, "2", two]):
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stderr
    searcher = GODiffSearcher(**{**QUICK, "draw": 4})
    alone, together = (Campaign(structures(), searcher, path, seed=0) for path in (one, two))
    assert len(together.to_frame()) == 16, "paid for once, not once a process"
    calls = [int(path.read_text()) for path in sorted(tmp_path.glob("two.db.[01]"))]
    assert sum(calls) == 16, "each process makes its part of the calls"
    assert min(calls) >= 4
    assert (tmp_path / "one.db.0").read_text() == "16"
    np.testing.assert_allclose(points_of(together), points_of(alone), atol=1e-4)
    a, b = (torch.load(p.with_suffix(".ckpt"), weights_only=True) for p in (one, two))
    buffers = [next(iter(c["ReplayDataModule"].values())) for c in (a, b)]
    assert buffers[0]["rows"].tolist() == buffers[1]["rows"].tolist()
    torch.testing.assert_close(buffers[0]["energies"], buffers[1]["energies"], atol=1e-3, rtol=1e-4)
    for key, weight in a["state_dict"].items():
        # Adam turns equal gradients into equal parameters; their sums over two processes round differently.
        torch.testing.assert_close(b["state_dict"][key], weight, atol=1e-4, rtol=1e-3, msg=key)


def test_the_configs_make_the_searchers():
    settings = run_settings(["problem=platinum_adatom", "searcher=godiff"])
    assert settings.searcher == GODiffSearcher(), "configs and classes have the same defaults"
    paper = run_settings(["experiment=adatom_paper"]).searcher
    assert (paper.steps, paper.learning_rate, paper.sampler.steps, paper.sampler.schedule.high) == (
        2000,
        1e-4,
        500,
        1.0,
    )
    assert settings.problem.name == "platinum_adatom"
    assert run_settings(["searcher=godiff", "trainer=ddp"]).searcher.trainer.strategy == "ddp"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"samples": 0}, "samples=0 must be a whole number"),
        ({"steps": 1.5}, "steps=1.5 must be"),
        ({"learning_rate": 0.0}, "learning_rate=0.0 must be a number in"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        GODiffSearcher(**settings)
