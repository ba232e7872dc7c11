import contextlib
from types import SimpleNamespace

import lightning.pytorch as pl
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from matseek.diffusion import Noised
from matseek.godiff.replay import ReplayBatch
from matseek.godiff.score_matching import Fields, ScoreMatching


class Linear(nn.Module):
    """Score a x + sigma, forces b x; remembers what it was asked."""

    def __init__(self, forces=True):
        super().__init__()
        self.a, self.b = nn.Parameter(torch.tensor(2.0)), nn.Parameter(torch.tensor(3.0))
        self.has_forces, self.cached, self.asked = forces, 0, []

    def forward(self, x, sigma):
        self.asked.append((x.detach().clone(), sigma.clone()))
        return Fields(self.a * x + sigma[:, None, None], self.b * x if self.has_forces else None)

    def freeze_force_head(self):
        self.b.requires_grad_(False)

    @contextlib.contextmanager
    def cached_template(self):
        self.cached += 1
        yield
        self.cached -= 1


def batch(seed=0, rows=3, labelled=2):
    generator = torch.Generator().manual_seed(seed)
    points, target, positions, forces = (
        torch.randn(count, 1, 3, generator=generator) for count in (rows, rows, labelled, labelled)
    )
    sigma = torch.rand(rows, generator=generator) + 0.1
    return ReplayBatch(noised=Noised(points, sigma, target), positions=positions, forces=forces)


def made(network=None, **settings):
    module = ScoreMatching(network or Linear(), **settings)
    module.logged = {}
    module.log = lambda name, value, **_: module.logged.update({name: float(value.detach())})
    return module


def score_loss_of(given):
    predicted = 2 * given.noised.points + given.noised.sigma[:, None, None]
    return (predicted - given.noised.target).square().mean().item()


def huber(error, scale):
    """Half the square up to 1, linear beyond, of errors in units of the scale; mean over components."""
    size = (error / scale).abs()
    return float(torch.where(size < 1, size.square() / 2, size - 0.5).mean())


@pytest.mark.parametrize("weight", [0.25, 1.0, 4.0])
@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0])
def test_the_loss_is_the_scores_and_the_weighted_forces(weight, scale):
    module, given = made(force_weight=weight, force_scale=scale), batch()
    loss = float(module.training_step(given).detach())
    of_forces = huber(3 * given.positions - given.forces, scale)
    assert module.logged["score_loss"] == pytest.approx(score_loss_of(given), rel=1e-5)
    assert module.logged["force_loss"] == pytest.approx(of_forces, rel=1e-5)
    assert loss == pytest.approx(score_loss_of(given) + weight * of_forces, rel=1e-5)


def test_forces_are_asked_in_the_same_pass_at_the_least_noise_of_the_batch():
    module, given = made(), batch()
    module.training_step(given)
    ((x, sigma),) = module.network.asked
    assert torch.equal(x, torch.cat([given.noised.points, given.positions]))
    assert torch.equal(sigma[:3], given.noised.sigma)
    assert sigma[3:].tolist() == [given.noised.sigma.min().item()] * 2


@pytest.mark.parametrize("labelled", [0, 2])
def test_without_a_force_weight_the_score_alone_is_trained(labelled):
    module, given = made(force_weight=0.0), batch(labelled=labelled)
    loss = module.training_step(given)
    loss.backward()
    assert loss.item() == pytest.approx(score_loss_of(given), rel=1e-5)
    assert len(module.network.asked[0][0]) == 3
    assert module.network.b.grad is None
    (group,) = module.configure_optimizers().param_groups
    assert group["params"] == [module.network.a]
    assert set(module.logged) == {"score_loss"}


def test_rows_without_labels_or_a_network_without_forces_add_nothing():
    for module, given in ((made(), batch(labelled=0)), (made(Linear(forces=False)), batch())):
        assert module.training_step(given).item() == pytest.approx(score_loss_of(given), rel=1e-5)


@pytest.mark.filterwarnings("ignore:.*does not have many workers", "ignore:.*LeafSpec")
def test_the_average_follows_the_parameters_step_by_step():
    module = ScoreMatching(Linear(), learning_rate=0.1, decay=0.75)
    seen = []

    class Watch(pl.Callback):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            seen.append((pl_module.network.a.item(), pl_module.average.module.a.item()))

    trainer = pl.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[Watch()],
    )
    trainer.fit(module, DataLoader([batch(seed) for seed in range(4)], batch_size=None))
    assert len(seen) == 4
    average = seen[0][0]  # the first step begins the average
    for own, averaged in seen:
        average = 0.75 * average + 0.25 * own
        assert averaged == pytest.approx(average, rel=1e-5)
    assert abs(seen[-1][0] - seen[-1][1]) > 1e-3
    assert not module.average.module.a.requires_grad


def test_samples_come_from_the_average_at_rest():
    module = made()
    with torch.no_grad():
        module.network.a.fill_(50.0)
    module.train()

    def sample():
        with module.sampling() as network:
            assert network is module.average.module
            assert network.a.item() == 2.0
            assert network.cached == 1
            assert not network.training
            assert not network(torch.ones(1, 1, 3), torch.ones(1)).score.requires_grad
            raise RuntimeError("diverged")

    with pytest.raises(RuntimeError, match="diverged"):
        sample()
    assert module.average.module.training


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rate": 0.0}, "learning_rate=0.0"),
        ({"force_weight": -1.0}, "force_weight=-1.0"),
        ({"force_scale": 0.0}, "force_scale=0.0"),
        ({"decay": 1.0}, "decay=1.0"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        ScoreMatching(Linear(), **settings)
    with pytest.raises(ValueError, match="network"):
        ScoreMatching("a network")


@pytest.mark.parametrize(("fused", "norm"), [(True, 5.0), (False, 20.0)])
def test_the_norm_that_is_logged_is_that_of_gradients_without_their_scale(fused, norm):
    """Where an optimiser does not take the scale back, Lightning has done so before."""
    module = made()
    module.network.a.grad, module.network.b.grad = torch.tensor(12.0), torch.tensor(16.0)
    optimizer = torch.optim.AdamW(module.network.parameters(), fused=fused)
    scaler = SimpleNamespace(get_scale=lambda: 4.0)
    module._trainer = SimpleNamespace(
        logger=True, global_step=0, log_every_n_steps=1, precision_plugin=SimpleNamespace(scaler=scaler)
    )
    module._begun, module._first = 0.0, 0
    module.log = lambda name, value, **_: module.logged.update({name: float(value)})
    module.on_before_optimizer_step(optimizer)
    assert module.logged["grad_norm"] == pytest.approx(norm)
