import numpy as np
import pytest

from matseek.configuration import run_settings
from matseek.spaces import Box, Variable
from matseek.surrogates.training import Training
from matseek.training.trainer import TrainerSettings

SPACE = Box([Variable("x", 0, 1, unit="%"), Variable("y", 0, 1, unit="%")])


def fitted(precision):
    points = np.random.default_rng(0).random((39, 2))
    values = list(points[:, 0] + np.square(points[:, 1]))
    settings = TrainerSettings(accelerator="cpu", precision=precision)
    training = Training(members=2, hidden=(32,), epochs=600, learning_rate=1e-2, holdout=0.0, trainer=settings)
    return training.fit(SPACE, training.data(points, values)).predict(points), np.array(values)


def test_mixed_precision_learns_the_same_to_its_own_accuracy():
    exact, values = fitted("32-true")
    mixed, _ = fitted("bf16-mixed")
    assert np.abs(exact.mean(axis=0)[:, 0] - values).max() < 0.1
    assert np.abs(mixed - exact).max() < 0.1, "bfloat16 has 8 bits of mantissa"
    assert not np.array_equal(mixed, exact)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"precision": "64"}, "precision='64' is unknown"),
        ({"devices": 0}, "devices=0 must be"),
        ({"nodes": 0}, "nodes=0 must be"),
        ({"accelerator": "cpu", "precision": "16-mixed"}, "'16-mixed' needs a GPU"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        TrainerSettings(**settings)


def test_the_trainer_group_reaches_the_network():
    assert run_settings(["searcher=two_step"]).searcher.network.training.trainer == TrainerSettings(accelerator="cpu")
    chosen = run_settings(["searcher=network", "trainer=gpu"]).searcher.training.trainer
    assert chosen == TrainerSettings(accelerator="gpu")
    many = run_settings(["searcher=network", "trainer=ddp_slurm"]).searcher.training.trainer
    assert (many.strategy, many.nodes, many.devices) == ("ddp", 2, 4)
    assert many.single == TrainerSettings(accelerator="gpu")
