import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import fcc111

from matseek.errors import ModelFileError
from matseek.potentials.mace import MACE
from matseek.potentials.mace_file import MACEFile, cached_file, mace_imported, model_file
from tests.potentials.models import small_mace
from tests.potentials.optional import optional

pytestmark = optional("mace")


class Trap:
    """Its pickle calls a function."""

    sprung = False

    def __reduce__(self):
        return _spring, ()


def _spring():
    Trap.sprung = True


def refuse(*arguments, **settings):
    raise AssertionError("a program in the file was run")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return small_mace(tmp_path_factory.mktemp("mace") / "three.model", numbers=(29, 47, 78))


def changed(path, folder, change):
    """The model in a file, changed and saved anew."""
    with mace_imported():
        model = torch.load(path, weights_only=False)
    change(model)
    torch.save(model, folder / "changed.model")
    return folder / "changed.model"


def test_settings_and_weights_are_those_that_were_saved(path):
    file = MACEFile.read(path)
    with mace_imported():
        saved = torch.load(path, weights_only=False).state_dict()
    assert file.elements == (29, 47, 78)
    assert file.heads == ["Default"]
    assert (file.settings["r_max"], file.settings["num_elements"], file.settings["correlation"]) == (4.5, 3, 3)
    assert {name for name in saved if "_w3j_" not in name} == set(file.weights)
    made = file.model(file.elements, torch.float32).state_dict()
    assert made.keys() == saved.keys()
    assert all(torch.allclose(made[name].double(), saved[name].double(), atol=1e-7) for name in saved)


def test_nothing_in_a_file_is_run(path, tmp_path, monkeypatch):
    def set_traps(model):
        model.trap = Trap()
        model.readouts[0].trap = [Trap(), {"a": Trap()}]

    trapped = changed(path, tmp_path, set_traps)
    with monkeypatch.context() as patch:
        for place in ("fx.graph_module.reduce_graph_module", "jit.load", "jit.script"):
            patch.setattr(f"torch.{place}", refuse)
        file = MACEFile.read(trapped)
    assert file.elements == (29, 47, 78)
    assert not Trap.sprung
    assert torch.load(trapped, weights_only=False).r_max == 4.5
    assert Trap.sprung, "the traps were set"


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"pair_repulsion": True, "distance_transform": "Agnesi"},
        {"heads": ["first", "default"], "atomic_energies": np.array([[1.0, 2, 3], [4, 5, 6]])},
    ],
    ids=["plain", "repulsion", "two heads"],
)
def test_some_of_the_elements_have_the_energies_that_they_have_among_all(tmp_path, settings):
    if "heads" in settings:
        settings = settings | {"atomic_inter_scale": [1.0, 2.0], "atomic_inter_shift": [0.1, 0.2]}
    path = small_mace(tmp_path / "three.model", numbers=(29, 47, 78), channels=4, **settings)
    atoms = fcc111("Pt", (2, 2, 2), vacuum=5)
    atoms.numbers[:3] = 47
    atoms.rattle(0.1, seed=0)
    few, all_ = MACE(path, dtype="float64"), MACE(path, dtype="float64")
    all_.get_potential_energy(Atoms("CuAgPt", positions=np.diag([1.0, 3.0, 5.0])))
    assert few.get_potential_energy(atoms) == pytest.approx(all_.get_potential_energy(atoms), abs=1e-10)
    np.testing.assert_allclose(few.get_forces(atoms), all_.get_forces(atoms), atol=1e-10)


def test_a_head_is_chosen_by_its_name(tmp_path):
    settings = {
        "heads": ["first", "second"],
        "atomic_energies": np.array([[1.0], [4.0]]),
        "atomic_inter_scale": [1.0, 2.0],
        "atomic_inter_shift": [0.0, 0.0],
    }
    path = small_mace(tmp_path / "heads.model", numbers=(78,), channels=4, **settings)
    with pytest.raises(ValueError, match=r"head=None must be one of \['first', 'second'\]"):
        MACE(path)
    pair = Atoms("Pt2", positions=[[0, 0, 0], [0, 0, 2.5]])
    first, second = (MACE(path, head=head).get_potential_energy(pair) for head in ("first", "second"))
    assert first - 2 * 1.0 != pytest.approx(second - 2 * 4.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda model: model.register_parameter("more", torch.nn.Parameter(torch.ones(2))), r"has \['more'\]"),
        (lambda model: delattr(model.scale_shift, "shift"), "shift"),
        (lambda model: delattr(model.products[1].linear, "weight"), "has no products.1.linear.weight"),
    ],
)
def test_weights_that_are_not_those_of_the_settings_are_refused(path, tmp_path, change, message):
    with pytest.raises(ModelFileError, match=message):
        MACE(changed(path, tmp_path, change))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "torn.model is no MACE model"),
        (b"no model", "torn.model is no MACE model"),
        ({"a": Trap()}, "it holds a dict, not a ScaleShiftMACE"),
        (torch.nn.Identity(), "it holds a Identity, not a ScaleShiftMACE"),
    ],
)
def test_a_file_that_is_no_model_is_refused(tmp_path, content, message):
    path = tmp_path / "torn.model"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(ModelFileError, match=message):
        MACEFile.read(path)


def test_a_model_that_is_missing_is_refused_with_where_it_is_published_and_belongs(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    place = tmp_path / "mace" / "20231203mace128L1_epoch199model"
    with pytest.raises(ModelFileError, match=rf"{place} does not exist: download https://github.com/ACEsuit/mace-mp/"):
        model_file("medium")
    with pytest.raises(ModelFileError, match=r"'nowhere.model' is neither a file nor one of \['small'"):
        model_file("nowhere.model")
    place.parent.mkdir()
    place.write_bytes(b"")
    assert model_file("mace-mp-0-medium") == model_file("medium") == cached_file("medium") == place


def test_published_files_are_where_mace_looks_for_them(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with mace_imported():
        from mace.calculators import foundations_models
    for name in ("small", "medium", "large"):
        cached_file(name).parent.mkdir(exist_ok=True)
        cached_file(name).write_bytes(b"")
        assert foundations_models.download_mace_mp_checkpoint(name) == str(cached_file(name))
