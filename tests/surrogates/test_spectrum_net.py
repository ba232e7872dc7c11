import random

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch.loggers import CSVLogger

from matseek.spaces import Box, LinearConstraint, Variable
from matseek.surrogates.spectrum_net import PAPER_HIDDEN, SCALAR_HIDDEN, SpectrumNet
from matseek.surrogates.training import KeepBest, Training
from matseek.training.trainer import quiet_lightning

WAVELENGTHS = np.linspace(400, 700, 16)
QUICK = Training(members=3, hidden=(32, 32), epochs=80, batch_size=8, learning_rate=1e-2)


@pytest.fixture
def space():
    return Box(
        [Variable("a", 0, 10, unit="%", hardware=(0, 20)), Variable("q", 200, 1000, unit="uL/min")],
        [LinearConstraint({"a": 1, "q": 0.01}, upper=18)],
    )


def spectra(space, points):
    """A band whose place follows one variable and whose height follows the other; ``(n, 16)``."""
    a, q = space.normalize(points).T[:, :, None]
    return (0.5 + 0.5 * q) * np.exp(-(((WAVELENGTHS - 450 - 200 * a) / 60) ** 2))


def droplets(space, n, count=5, seed=0):
    rng = np.random.default_rng(seed)
    points = space.sample_latin_hypercube(n, rng)
    return points, list(spectra(space, points)[:, None] * rng.normal(1, 0.02, (n, count, 1)))


def test_the_papers_sizes_are_the_default(space):
    assert SpectrumNet(space, np.arange(380, 801)).sizes == (2, *PAPER_HIDDEN, 421)
    assert SpectrumNet(space).sizes == (2, *SCALAR_HIDDEN, 1)


def test_the_ensemble_is_its_members_one_by_one(space):
    net = SpectrumNet(space, WAVELENGTHS, members=4, hidden=(8, 5))
    net.standardize(np.linspace(0, 1, 16), 2.0)
    points = space.sample_uniform(6, np.random.default_rng(0))
    together = net.predict(points)
    assert together.shape == (4, 6, 16)
    for k in range(4):
        x = torch.tensor(space.normalize(points), dtype=torch.float32)
        for weight, bias in list(zip(net.weights, net.biases, strict=True))[:-1]:
            x = torch.relu(x @ weight[k] + bias[k])
        x = net.offset + 2.0 * (x @ net.weights[-1][k] + net.biases[-1][k])
        np.testing.assert_allclose(together[k], x.detach().numpy(), rtol=1e-4, atol=1e-5)
    assert np.ptp(together, axis=0).min() > 1e-6, "members begin differently"


def test_each_members_gradient_is_its_own_and_reaches_every_parameter(space):
    points, responses = droplets(space, 12)
    data = QUICK.data(points, responses, WAVELENGTHS)
    net = SpectrumNet(space, WAVELENGTHS, members=3, hidden=(8, 8), cosine_weight=0.3)
    batch = next(iter(data.train_dataloader()))
    net.training_step(batch).backward()
    together = [p.grad.clone() for p in net.parameters()]
    assert {name.split(".")[0] for name, _ in net.named_parameters()} == {"weights", "biases"}
    assert all(g.flatten(1).abs().amax(dim=1).min() > 0 for g in together)
    net.zero_grad()
    net.losses(batch)[1].backward()
    for gradient, parameter in zip(together, net.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad[1], gradient[1])
        assert not parameter.grad[[0, 2]].any(), "one member's loss leaves the others alone"


def test_the_recipe_has_a_gradient(space):
    net = SpectrumNet(space, WAVELENGTHS, members=2, hidden=(8,))
    points = torch.tensor(space.sample_uniform(3, np.random.default_rng(0)), requires_grad=True)
    net(points).square().sum().backward()
    assert points.grad.dtype == torch.float64
    assert (points.grad.abs() > 0).any(dim=1).all()


@pytest.mark.parametrize("cosine_weight", [0.0, 0.3])
def test_it_learns_what_it_was_not_shown(space, cosine_weight):
    points, responses = droplets(space, 40)
    net = Training(**{**QUICK.__dict__, "cosine_weight": cosine_weight}).fit(
        space, QUICK.data(points, responses, WAVELENGTHS)
    )
    unseen = space.sample_uniform(50, np.random.default_rng(1))
    truth, predicted = spectra(space, unseen), net.predict(unseen)
    error = np.sqrt(np.mean((predicted.mean(axis=0) - truth) ** 2))
    assert error < 0.35 * truth.std()
    assert error < np.sqrt(np.mean((predicted - truth) ** 2)), "the mean of the members beats a member"


def test_training_repeats_and_leaves_every_global_generator_alone(space, caplog, capfd):
    points, responses = droplets(space, 15)
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    one, two, other = (
        QUICK.fit(space, QUICK.data(points, responses, WAVELENGTHS, seed=s), seed=s).predict(points) for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002
    assert before[2] == random.getstate()
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


def test_early_stopping_gives_each_member_the_parameters_of_its_best_epoch(space, monkeypatch):
    seen = []

    class Watched(KeepBest):
        def on_validation_batch_end(self, trainer, pl_module, outputs, *args):
            seen.append(outputs.detach().clone())
            super().on_validation_batch_end(trainer, pl_module, outputs, *args)

    monkeypatch.setattr("matseek.surrogates.training.KeepBest", Watched)
    points, responses = droplets(space, 12)
    noisy = [r + np.random.default_rng(i).normal(0, 0.3, r.shape) for i, r in enumerate(responses)]
    training = Training(members=3, hidden=(64, 64), epochs=400, batch_size=32, learning_rate=1e-2, patience=20)
    data = training.data(points, noisy, WAVELENGTHS)
    net = training.fit(space, data)
    losses = torch.stack(seen)
    best = losses.argmin(dim=0)
    assert len(set(best.tolist())) > 1, "members stop learning at different times"
    assert len(losses) == int(best.max()) + 1 + 20 // 5 < 80
    (batch,) = data.val_dataloader()
    torch.testing.assert_close(net.losses(batch).detach(), losses.amin(dim=0))


def test_a_scalar_response_is_plain_regression(space):
    points = space.sample_latin_hypercube(40, np.random.default_rng(0))
    values = 1000 + 50 * space.normalize(points).sum(axis=1)
    net = QUICK.fit(space, QUICK.data(points, list(values)))
    assert net.predict(points).shape == (3, 40, 1)
    assert np.abs(net.predict(points).mean(axis=0)[:, 0] - values).max() < 10
    assert net.values(torch.tensor(points)).shape == (3, 40)
    with pytest.raises(ValueError, match="needs spectra"):
        SpectrumNet(space, cosine_weight=0.1)


@pytest.mark.parametrize("writer", ["save", "lightning"])
def test_a_checkpoint_alone_predicts(space, tmp_path, writer):
    points, responses = droplets(space, 12)
    net = QUICK.fit(space, QUICK.data(points, responses, WAVELENGTHS))
    path = tmp_path / "net.ckpt"
    if writer == "save":
        net.save(path)
    else:
        trainer = pl.Trainer(logger=False, enable_checkpointing=False, enable_progress_bar=False, accelerator="cpu")
        trainer.strategy.connect(net)
        trainer.save_checkpoint(path)
    again = SpectrumNet.load(path)
    np.testing.assert_array_equal(again.predict(points), net.predict(points))
    np.testing.assert_array_equal(again.wavelengths, WAVELENGTHS)
    assert again.space.describe() == space.describe()
    assert again.require(space, WAVELENGTHS) is again


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path):
    path = tmp_path / "notes.ckpt"
    path.write_text("nothing")
    with pytest.raises(ValueError, match="is no checkpoint of a SpectrumNet"):
        SpectrumNet.load(path)
    torch.save({"state_dict": {}}, path)
    with pytest.raises(ValueError, match="is no checkpoint of a SpectrumNet"):
        SpectrumNet.load(path)


def test_another_problems_checkpoint_is_refused(space):
    net = SpectrumNet(space, WAVELENGTHS, members=1, hidden=(4,))
    net.require(space.widen("a", high=15), WAVELENGTHS)  # the window may have widened since
    others = {
        "unit": Box([Variable("a", 0, 10, unit="mL", hardware=(0, 20)), space.variables[1]], space.constraints),
        "constraint": Box(space.variables),
        "variable": Box([space.variables[0]]),
    }
    for other in others.values():
        with pytest.raises(ValueError, match="trained for another problem: its box is"):
            net.require(other, WAVELENGTHS)
    for wavelengths in (WAVELENGTHS + 1, WAVELENGTHS[:-1]):
        with pytest.raises(ValueError, match=r"16 absorbances at 400-700 nm, the problem measures 1[56] abs"):
            net.require(space, wavelengths)
    with pytest.raises(ValueError, match="the problem measures a single value"):
        net.require(space, None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"members": 0}, "training.members=0"),
        ({"epochs": 2.5}, "training.epochs=2.5"),
        ({"hidden": (0,)}, "training.hidden"),
        ({"learning_rate": 0}, "learning_rate=0"),
        ({"rows": "drops"}, "rows='drops'"),
        ({"cosine_weight": 2}, "cosine_weight=2"),
        ({"holdout": 0.9}, "holdout=0.9"),
        ({"patience": -1}, "patience=-1"),
    ],
)
def test_bad_settings_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Training(**options)


def test_a_mapping_that_holds_no_box_is_refused():
    with pytest.raises(ValueError, match=r"space=\{1: 'b'\} does not describe a Box"):
        SpectrumNet(space={1: "b"})


def test_losses_are_logged(space, tmp_path):
    training = Training(members=2, hidden=(8,), epochs=7, holdout=0.3)
    data = training.data(*droplets(space, 12), WAVELENGTHS)
    net = SpectrumNet(space, WAVELENGTHS, members=2, hidden=(8,))
    net.standardize(data.offset, data.scale)
    logger = CSVLogger(tmp_path)
    quiet = {"enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    with quiet_lightning():
        pl.Trainer(max_epochs=7, logger=logger, accelerator="cpu", log_every_n_steps=1, **quiet).fit(net, data)
    logged = pd.read_csv(f"{logger.log_dir}/metrics.csv")
    assert logged["training_loss"].notna().sum() == 7
    assert np.isfinite(logged["validation_loss"].dropna()).all()
    assert len(logged["validation_loss"].dropna()) == 7
