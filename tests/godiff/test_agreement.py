import numpy as np
import pytest
import torch
from ase.calculators.emt import EMT

from matseek import Campaign
from matseek.godiff.agreement import AgreementWatch, GradientAgreement
from matseek.godiff.replay import ReplayDataModule
from matseek.godiff.searcher import GODiffSearcher
from tests.godiff.test_searcher import QUICK, points_of, structures


def seen(gradients, **settings):
    watch = AgreementWatch(GradientAgreement(**settings))
    for gradient in gradients:
        watch.see(gradient)
    return watch


@pytest.mark.parametrize("signal", [0.0, 0.3, 0.8])
def test_agreement_is_the_share_of_signal(signal):
    """Gradients of one direction and independent noise of 1000 numbers, whose squared norms are signal and the rest."""
    generator = torch.Generator().manual_seed(0)
    truth = torch.ones(1000) * (signal / 1000) ** 0.5
    noise = torch.randn(400, 1000, generator=generator) * ((1 - signal) / 1000) ** 0.5
    assert seen(truth + noise, decay=0.99).agreement == pytest.approx(signal, abs=0.02)


def test_training_is_enough_where_gradients_turn_against_one_another_and_not_before_the_least_steps():
    along, to_and_fro = [torch.ones(3)] * 10, [torch.ones(3) * (-1) ** k for k in range(10)]
    assert not seen(along, least=2).enough()
    assert seen(to_and_fro, least=2).enough()
    assert not seen(to_and_fro, least=11).enough()
    watch = seen(to_and_fro, least=2)
    watch.on_train_epoch_start(None, None)
    assert not watch.enough()


def batches_of(monkeypatch):
    """Counts the batches that are handed out, by epoch."""
    counts = {}
    given = ReplayDataModule.batches

    def counted(self, epoch, **how):
        for batch in given(self, epoch, **how):
            counts[epoch] = counts.get(epoch, 0) + 1
            yield batch

    monkeypatch.setattr(ReplayDataModule, "batches", counted)
    return counts


def test_a_searchs_training_ends_before_its_last_step(monkeypatch):
    counts = batches_of(monkeypatch)
    searcher = GODiffSearcher(**QUICK | {"agreement": GradientAgreement(level=1.0, least=4)})
    campaign = Campaign(structures(), searcher, seed=1).run(24)
    assert len(campaign.ledger.evaluations()) == 24
    assert counts == {0: 4, 1: 4, 2: 4}


class Killed(BaseException):
    pass


def test_what_was_killed_goes_on_without_the_steps_that_were_left_out(tmp_path, monkeypatch):
    searcher = GODiffSearcher(**QUICK | {"agreement": GradientAgreement(level=1.0, least=4)})
    whole = points_of(Campaign(structures(), searcher, seed=1).run(24))
    calls = []

    class Dying(EMT):
        def calculate(self, *args, **kwargs):
            calls.append(1)
            if len(calls) == 19:  # in the third iteration
                raise Killed
            super().calculate(*args, **kwargs)

    counts = batches_of(monkeypatch)
    with pytest.raises(Killed):
        Campaign(structures(Dying), searcher, tmp_path / "c.db", seed=1).run(24)
    assert counts == {0: 4, 1: 4}
    assert (tmp_path / "c.ckpt").is_file()
    campaign = Campaign(structures(Dying), searcher, tmp_path / "c.db", seed=1).run(24)
    assert counts == {0: 4, 1: 4, 2: 4}
    np.testing.assert_allclose(points_of(campaign), whole, atol=1e-5)


@pytest.mark.parametrize(("settings", "message"), [({"level": 2.0}, "level"), ({"least": 1}, "least")])
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=f"agreement.{message}"):
        GradientAgreement(**settings)
