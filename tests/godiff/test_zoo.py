import json
from functools import partial

import pytest
import torch
from ase.build import fcc111
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from safetensors.torch import save_file

from matseek import Campaign
from matseek.diffusion import EulerMaruyama, LinearSchedule
from matseek.errors import ModelFileError
from matseek.godiff import zoo
from matseek.godiff.atomic_score import FullScore, TemplateScore
from matseek.godiff.domains import NetworkSettings
from matseek.godiff.searcher import GODiffSearcher
from matseek.networks.graphs import AtomicSystem
from matseek.potentials import BatchedEMT
from matseek.problems import StructureProblem
from matseek.spaces import Adlayer

SMALL = {"features": 8, "blocks": 2, "cutoff": 4.0, "gaussians": 8}
RECORD = {"problem": "somewhere", "steps": 10}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MATSEEK_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def system(size, free):
    slab = fcc111("Pt", (size, size, 2), vacuum=6)
    return AtomicSystem(slab.positions, slab.numbers, slab.cell[:], (True, True, False), (78,) * free)


def test_a_model_comes_back_from_its_file_on_another_template_and_number_of_atoms(folder):
    model = TemplateScore(**SMALL, seed=3)
    card = zoo.save_model(folder / "mine.safetensors", model, RECORD)
    assert (card.name, card.architecture, card.units["energy"], card.training) == ("mine", SMALL, "eV", RECORD)
    other = TemplateScore(**SMALL, seed=4)
    zoo.load_weights(other, "mine")
    positions = torch.tensor([[[1.0, 1.0, 9.0], [3.4, 1.2, 9.1], [2.0, 3.3, 9.4]]])
    sigma = torch.tensor([0.3])
    where = system(3, 3)
    for a, b in zip(
        model(model.graph(where, positions), sigma), other(other.graph(where, positions), sigma), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_either_form_reads_the_parameters_of_the_other(folder):
    model = TemplateScore(**SMALL, seed=3)
    zoo.save_model(folder / "mine.safetensors", model, RECORD)
    full = FullScore(**SMALL, seed=5)
    zoo.load_weights(full, folder / "mine.safetensors")
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), full.parameters(), strict=True))


def test_another_architecture_is_refused_by_the_settings_that_differ(folder):
    zoo.save_model(folder / "mine.safetensors", TemplateScore(**SMALL), RECORD)
    with pytest.raises(ModelFileError, match=r"features=16 where the model has 8"):
        zoo.load_weights(TemplateScore(**SMALL | {"features": 16}), "mine")


def test_a_missing_model_is_refused_with_those_there_are_and_where_to_put_it(folder):
    zoo.save_model(folder / "mine.safetensors", TemplateScore(**SMALL), RECORD)
    with pytest.raises(ModelFileError, match=r"'yours'.*'mine'.*models"):
        zoo.find("yours")


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"format": "other"}, "format 'other'"),
        ({"format": zoo.FORMAT}, "lacks its 'architecture'"),
        (
            {
                "format": zoo.FORMAT,
                "architecture": "{}",
                "training": "{}",
                "units": json.dumps(zoo.UNITS | {"energy": "Ha"}),
            },
            "units",
        ),
    ],
)
def test_files_of_another_kind_are_refused(tmp_path, metadata, message):
    path = tmp_path / "other.safetensors"
    save_file({"a": torch.zeros(1)}, path, metadata)
    with pytest.raises(ModelFileError, match=message):
        zoo.read_card(path)


def test_what_is_no_safetensors_file_is_refused(tmp_path):
    path = tmp_path / "torn.safetensors"
    path.write_bytes(b"torn")
    with pytest.raises(ModelFileError, match="no safetensors file"):
        zoo.read_card(path)


def test_the_models_of_the_package_are_small_and_load_into_the_default_network(folder):
    shipped = zoo.models()
    assert [card.name for card in shipped] == ["adatom", "islands"]
    for card in shipped:
        assert card.path.stat().st_size < 3e6
        settings = NetworkSettings()
        network = TemplateScore(settings.features, settings.blocks, settings.cutoff, settings.gaussians)
        zoo.load_weights(network, card.name)
        assert card.training["evaluations"] > 0


def searcher(**changes):
    return GODiffSearcher(
        **{
            "samples": 8,
            "draw": 8,
            "steps": 5,
            "buffer": 8,
            "sampler": EulerMaruyama(LinearSchedule(0.01, 1.0), steps=10),
            "network": NetworkSettings(blocks=1, features=8, cutoff=4.0, gaussians=8),
        }
        | changes
    )


def problem(free, calculator=EMT):
    return StructureProblem(Adlayer(fcc111("Pt", (2, 2, 2), vacuum=6), free, z=(1.0, 4.0)), calculator)


def test_a_search_writes_its_model_and_another_starts_from_it(tmp_path):
    first = Campaign(problem("Pt"), searcher(), ledger=tmp_path / "one.db", seed=1).run(16)
    card = zoo.read_card(tmp_path / "one.safetensors")
    assert card.training["problem"] == "structure"
    assert card.training["evaluations"] == 16
    assert card.potential == "EMT"
    assert card.training["lowest_energy"] == pytest.approx(first.best.value)
    assert card.training["steps"] == 10
    begun = Campaign(problem("Pt2"), searcher(start=str(card.path)), ledger=tmp_path / "two.db", seed=1).run(8)
    fresh = Campaign(problem("Pt2"), searcher(), ledger=tmp_path / "three.db", seed=1).run(8)
    assert zoo.read_card(tmp_path / "two.safetensors").training["start"] == str(card.path)
    assert begun.best.value != fresh.best.value  # the first samples are the model's


def test_a_model_that_does_not_fit_is_refused_before_anything_is_paid_for(tmp_path):
    zoo.save_model(tmp_path / "mine.safetensors", TemplateScore(**SMALL), RECORD)
    campaign = Campaign(problem("Pt"), searcher(start=str(tmp_path / "mine.safetensors")))
    with pytest.raises(ModelFileError, match="blocks=1 where the model has 2"):
        campaign.run(8)
    assert len(campaign.ledger.evaluations()) == 0


def test_a_model_of_another_potential_is_told_once_and_used(tmp_path, caplog):
    spring = partial(LennardJones, sigma=2.3, epsilon=0.4, rc=6.0)
    record = RECORD | {"calculator": "BatchedEMT", "potential": "EMT"}
    path = str(zoo.save_model(tmp_path / "mine.safetensors", TemplateScore(**SMALL | {"blocks": 1}), record).path)

    def events(calculator, name):
        ledger = tmp_path / name
        Campaign(problem("Pt", calculator), searcher(start=path), ledger=ledger, seed=1).run(8)
        campaign = Campaign(problem("Pt", calculator), searcher(start=path), ledger=ledger, seed=1).run(16)
        return [message for message in campaign.summary()["events"] if "learnt the energies" in message]

    assert events(EMT, "same.db") == events(BatchedEMT, "compiled.db") == []
    assert "learnt" not in caplog.text
    (told,) = events(spring, "other.db")
    assert "the model mine to start from learnt the energies of EMT, and this search evaluates LennardJones" in told
    assert told in caplog.text
