"""Trains on a replay buffer in two processes and in one, and saves what came of it; a script, because it forks."""

import sys
import warnings

import lightning.pytorch as pl
import torch

from matseek.diffusion import LinearSchedule, PeriodicSlab
from matseek.godiff.recipe_score import MLPScore
from matseek.godiff.replay import ReplayBuffer, ReplayDataModule

SLAB = PeriodicSlab(((3.0, 0.0), (0.0, 3.0)), 0.0, 2.0, 2)
SCHEDULE = LinearSchedule(0.01, 2.0)


class Fit(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = MLPScore(SLAB, (0.01, 2.0), hidden=(16,))

    def on_train_epoch_start(self):
        buffer, epoch = self.trainer.datamodule.buffer, self.current_epoch
        x = SLAB.sample_uniform(8, torch.Generator().manual_seed(epoch), dtype=torch.float64)
        buffer.add(x, torch.linspace(0, 1, 8), torch.arange(8 * epoch, 8 * epoch + 8), torch.zeros_like(x))
        buffer.refill(0.3)

    def training_step(self, batch):
        return (self.net(batch.noised.points, batch.noised.sigma) - batch.noised.target).square().mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.05)

    def on_train_end(self):
        numbers = torch.cat([p.detach().flatten() for p in self.net.parameters()])
        state = {"weights": numbers, "rows": self.trainer.datamodule.buffer.rows}
        torch.save(state, f"{sys.argv[1]}/{self.trainer.world_size}-{self.global_rank}.pt")


def fit(processes):
    trainer = pl.Trainer(
        max_epochs=2,
        accelerator="cpu",
        devices=processes,
        strategy="ddp_fork" if processes > 1 else "auto",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    data = ReplayDataModule(ReplayBuffer(6, seed=1), SLAB, SCHEDULE, steps=5, batch_size=8, seed=5)
    trainer.fit(Fit(), datamodule=data)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    fit(2)
    fit(1)
