import io
import os
import subprocess
import sys
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from matseek.diffusion import LinearSchedule, PeriodicSlab, boltzmann_log_weights
from matseek.godiff.recipe_score import MLPScore
from matseek.godiff.replay import ReplayBuffer, ReplayDataModule

SLAB = PeriodicSlab(((3.0, 0.0), (0.0, 3.0)), 0.0, 2.0, 2)
SCHEDULE = LinearSchedule(0.01, 2.0)


def filled(count=40, capacity=16, *, seed=0, kt=None, forces=True, first=0):
    generator = torch.Generator().manual_seed(seed)
    buffer = ReplayBuffer(capacity, seed=7)
    x = SLAB.sample_uniform(count, generator, dtype=torch.float64)
    energies = torch.randn(count, generator=generator, dtype=torch.float64) + 25
    buffer.add(x, energies, torch.arange(first, first + count), torch.randn(x.shape) if forces else None)
    if kt is not None:
        buffer.refill(kt)
    return buffer


def test_low_kt_keeps_the_best_and_what_left_may_come_back():
    buffer = filled(kt=50.0)
    assert len(set(buffer.rows.tolist())) == 16
    best = buffer.energies.argsort()[:16]
    assert set(buffer.rows.tolist()) != set(best.tolist()), "at high kT energies hardly matter"
    buffer.refill(1e-4)
    assert set(buffer.rows.tolist()) == set(best.tolist())
    assert buffer.effective_sample_size == pytest.approx(1, abs=1e-3)
    assert (buffer.kt, buffer.refills) == (1e-4, 2)


def test_draws_follow_the_weights_of_everything_evaluated_and_weigh_once():
    buffer = filled(count=12, capacity=6)
    generator = torch.Generator().manual_seed(1)
    counts, n = np.zeros(12), 3000
    for _ in range(n):
        buffer.refill(0.8)
        counts += np.bincount(buffer.draw(1, generator).numpy(), minlength=12)
    weights = boltzmann_log_weights(buffer.energies, 0.8).exp().numpy()
    # Normalising over six rows leaves a small bias, far below that of weighing twice.
    twice = weights**2 / (weights**2).sum()
    once_error, twice_error = (np.abs(counts / n - w).sum() for w in (weights, twice))
    assert once_error < 0.12
    assert twice_error > 2.5 * once_error


def test_a_buffer_that_holds_everything_is_drawn_from_by_its_weights():
    buffer = filled(count=10, capacity=16, kt=0.7)
    counts = np.bincount(buffer.draw(20_000, torch.Generator().manual_seed(0)).numpy(), minlength=10)
    expected = boltzmann_log_weights(buffer.energies, 0.7).exp().numpy() * 20_000
    assert stats.chisquare(counts, expected).pvalue > 1e-3


def test_an_evaluation_is_kept_once():
    buffer = filled(count=5)
    x = SLAB.sample_uniform(4, torch.Generator().manual_seed(3))
    buffer.add(x, torch.zeros(4), torch.tensor([3, 4, 5, 5]))
    assert buffer.evaluations.tolist() == [0, 1, 2, 3, 4, 5]
    assert buffer.energies[-1] == 0
    assert buffer.positions.dtype == torch.float64


def test_rows_without_forces_teach_no_forces():
    buffer = filled(count=6)
    buffer.add(SLAB.sample_uniform(6, torch.Generator().manual_seed(3)), torch.zeros(6), torch.arange(6, 12))
    rows = buffer.draw_labelled(300, torch.Generator().manual_seed(0))
    assert set(rows.tolist()) == set(range(6))
    buffer = filled(count=6, kt=1.0, forces=False)
    batch = next(ReplayDataModule(buffer, SLAB, SCHEDULE, batch_size=4).batches(0))
    assert batch.forces.shape == (0, 2, 3)
    assert batch.noised.points.shape == (4, 2, 3)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.integers(0, 2**31))
def test_a_buffer_goes_on_from_its_state(sizes, seed):
    generator = torch.Generator().manual_seed(seed)

    def add(buffer, start, size):
        x = SLAB.sample_uniform(size, torch.Generator().manual_seed(start))
        energies = torch.randn(size, generator=torch.Generator().manual_seed(start))
        buffer.add(x, energies, torch.arange(start, start + size))
        buffer.refill(float(torch.rand((), generator=generator)) + 0.01)

    whole = ReplayBuffer(4, seed=seed)
    for start, size in enumerate(sizes):
        add(whole, 10 * start, size)
    file = io.BytesIO()
    torch.save(whole.state_dict(), file)
    file.seek(0)
    resumed = ReplayBuffer(4, seed=0)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    state = generator.get_state()
    for buffer in (whole, resumed):
        generator.set_state(state)
        add(buffer, 100, 3)
    assert torch.equal(whole.rows, resumed.rows)
    assert torch.equal(whole.log_weights, resumed.log_weights)
    assert (whole.kt, whole.refills) == (resumed.kt, resumed.refills)


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_share_the_batch_that_one_would_have_seen(processes):
    data = ReplayDataModule(filled(kt=0.5), SLAB, SCHEDULE, steps=3, batch_size=8, seed=3)
    alone = list(data.batches(2))
    shares = [list(data.batches(2, process=p, processes=processes)) for p in range(processes)]
    for step, batch in enumerate(alone):
        for of in (lambda b: b.noised.points, lambda b: b.noised.target, lambda b: b.noised.sigma, lambda b: b.forces):
            together = torch.stack([of(share[step]) for share in shares], dim=1).flatten(0, 1)
            assert torch.equal(together, of(batch))
    assert not torch.equal(alone[0].noised.points, alone[1].noised.points)
    assert not torch.equal(alone[0].noised.points, next(data.batches(3)).noised.points)
    assert alone[0].noised.points.dtype == torch.float32


class Fit(pl.LightningModule):
    """Refills the buffer at the beginning of each epoch and notes what it is then trained on."""

    def __init__(self):
        super().__init__()
        self.net = MLPScore(SLAB, (0.01, 2.0), hidden=(8,))
        self.seen = []

    def on_train_epoch_start(self):
        buffer = self.trainer.datamodule.buffer
        epoch = self.current_epoch
        x = SLAB.sample_uniform(5, torch.Generator().manual_seed(epoch), dtype=torch.float64)
        buffer.add(x, torch.linspace(0, 1, 5) - epoch, torch.arange(5 * epoch, 5 * epoch + 5), torch.zeros_like(x))
        buffer.refill(1e-3)

    def training_step(self, batch):
        self.seen.append((self.current_epoch, batch.noised.points.clone(), batch.positions.clone()))
        return (self.net(batch.noised.points, batch.noised.sigma) - batch.noised.target).square().mean()

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), 1e-3)


def fit(tmp_path, epochs, resume=None):
    module, data = Fit(), ReplayDataModule(ReplayBuffer(4, seed=1), SLAB, SCHEDULE, steps=3, batch_size=2, seed=5)
    trainer = pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        default_root_dir=tmp_path,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, datamodule=data, ckpt_path=resume)
    return module, data, trainer


@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint")
@pytest.mark.filterwarnings("ignore:.*does not have many workers")
@pytest.mark.filterwarnings("ignore:.*LeafSpec")
def test_lightning_trains_on_the_refilled_buffer_and_resumes_to_the_same_batches(tmp_path):
    whole, data, _ = fit(tmp_path, 4)
    assert [epoch for epoch, *_ in whole.seen] == [e for e in range(4) for _ in range(3)]
    assert (data.buffer.refills, len(data.buffer)) == (4, 20)
    assert torch.equal(data.buffer.rows.sort().values, torch.tensor([15, 16, 17, 18]))
    _, _, trainer = fit(tmp_path, 2)
    trainer.save_checkpoint(tmp_path / "two.ckpt")
    resumed, after, _ = fit(tmp_path, 4, resume=tmp_path / "two.ckpt")
    assert [epoch for epoch, *_ in resumed.seen] == [2, 2, 2, 3, 3, 3]
    for (_, *a), (_, *b) in zip(whole.seen[6:], resumed.seen, strict=True):
        assert all(torch.equal(one, other) for one, other in zip(a, b, strict=True))
    assert torch.equal(after.buffer.rows, data.buffer.rows)
    for name, weight in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], weight)


def test_two_processes_learn_what_one_would(tmp_path):
    script = Path(__file__).with_name("two_processes.py")
    command = [sys.executable, str(script), str(tmp_path)]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=300
    )
    assert done.returncode == 0, done.stderr
    alone, *two = (torch.load(tmp_path / f"{name}.pt", weights_only=True) for name in ("1-0", "2-0", "2-1"))
    for rank in two:
        assert torch.equal(rank["rows"], alone["rows"])
        torch.testing.assert_close(rank["weights"], alone["weights"], atol=1e-5, rtol=1e-5)


def test_what_cannot_be_kept_or_shared_is_refused():
    buffer = filled()
    x = SLAB.sample_uniform(2, torch.Generator().manual_seed(3))
    numbers = torch.tensor([90, 91])
    for call, message in [
        (lambda: buffer.add(x, torch.tensor([0.0, torch.nan]), numbers), "finite"),
        (lambda: buffer.add(x, torch.zeros(3), numbers), "one energy"),
        (lambda: buffer.add(x[:, :1], torch.zeros(2), numbers), "one space"),
        (lambda: ReplayBuffer(0), "capacity=0"),
        (lambda: ReplayBuffer(3).refill(1.0), "empty"),
        (lambda: buffer.draw(3, torch.Generator()), "refill"),
        (lambda: ReplayBuffer(3).load_state_dict(buffer.state_dict()), "capacity=3"),
        (lambda: ReplayDataModule(buffer, SLAB, SCHEDULE, steps=0), "steps=0"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
    data = ReplayDataModule(buffer, SLAB, SCHEDULE, batch_size=3)
    data.trainer = type("Trainer", (), {"world_size": 2})()
    with pytest.raises(ValueError, match="multiple of 2"):
        data.train_dataloader()
