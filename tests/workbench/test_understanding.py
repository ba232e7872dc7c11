import numpy as np
import pytest

from matseek.workbench.charts import left_out, loss_map, spectrum
from matseek.workbench.opened import OpenCampaign
from matseek.workbench.words import stalled, state, trust, when_to_stop
from tests.workbench.lab import WAVELENGTHS, band, measured


@pytest.fixture(scope="module")
def spectral(tmp_path_factory):
    return OpenCampaign(measured(tmp_path_factory.mktemp("spectral"), "bands"))


def test_models_say_what_a_recipe_gives(spectral):
    known = spectral.understand()
    assert spectral.understand() is known, "models are fitted once for what is measured"
    truth = np.array([[22.0, 25.0, 6.0]])
    found = known.at(truth)[0]
    real = band(truth)[0].mean(axis=0)
    at = found.spectrum.wavelengths
    np.testing.assert_allclose(found.spectrum.expected, np.interp(at, WAVELENGTHS, real), atol=0.15)
    assert (found.spectrum.low <= found.spectrum.high).all()
    assert found.spectrum.peak.expected == pytest.approx(560, abs=20)
    assert found.value.low <= found.value.expected <= found.value.high
    assert 0 <= found.chance <= 1
    assert found.spectrum.colour.startswith("#")
    away = known.at([[0.0, 0.0, 6.0]])[0]
    assert away.value.expected > found.value.expected
    assert away.chance <= 0.1


def test_what_cannot_be_asked_is_told(spectral):
    now = spectral.snapshot()
    assert now.broken(np.array([10.0, 20.0, 5.0])) == []
    assert now.broken(np.array([40.0, 30.0, 5.0])) == ["Q + c <= 60"]


def test_words_and_charts_of_what_is_learnt(spectral):
    known = spectral.understand()
    waiting = spectral.snapshot().pending
    stop = " ".join(when_to_stop(known, waiting))
    assert "by the model" in stop.lower()
    assert "waiting recipes betters the best" in stop
    assert "2 recipes wait" in state(spectral.snapshot().standing)
    assert stalled(known.now.evaluations) == 0
    left = known.left_out
    assert len(left.values) == 12
    assert "12 measured conditions" in trust(left)[0]
    chart = left_out(left, "loss", 1.0)
    assert len(chart["series"][2]["data"]) == 12
    drawn = known.map
    heat = loss_map(drawn, known.models.seen.points, "loss", 1.0, (0, 1))
    assert len(heat["series"][0]["data"]) == drawn.losses.size
    assert heat["series"][2]["data"], "the best expected has its mark"
    curve = spectrum(known.at(known.now.best.point)[0], np.ones(len(WAVELENGTHS)), None)
    assert [line["name"] for line in curve["series"]][2:] == ["predicted", "target, scaled to the prediction"]
    assert known.within_reach.low <= known.within_reach.expected <= known.within_reach.high
    assert known.now.domain.contains(known.favourite[None])[0]


def test_nothing_is_learnt_from_nothing(begin):
    folder, _ = begin("lab")
    campaign = OpenCampaign(folder)
    assert campaign.understand() is None
    assert campaign.is_up_to_date


def test_values_that_are_maximised_are_told_as_they_are(begin):
    folder, campaign = begin(
        "lab", "problem=laboratory", "problem.maximize=true", "searcher.batch_size=8", "problem.quantity=yield", asked=8
    )
    batch = campaign.waiting()
    campaign.tell(batch.with_responses([60.0 - abs(p[0] - 20) for p in batch.points]))
    known = OpenCampaign(folder).understand()
    best = known.at(known.now.best.point)[0]
    assert best.value.expected == pytest.approx(-known.best, abs=3)
    assert best.spectrum is None
    assert known.now.value_name == "yield"
