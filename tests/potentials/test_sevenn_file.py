"""Reading needs torch alone; making a model of what was read needs sevenn."""

import sys
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from matseek.errors import ModelFileError
from matseek.potentials.sevenn import SevenNet
from matseek.potentials.sevenn_file import SevenNetFile, import_sevenn, model_file


class Trap:
    """Its pickle calls a function."""

    sprung = False

    def __reduce__(self):
        return _spring, ()


def _spring():
    Trap.sprung = True


def checkpoint(path, **changes):
    """A file with the layout of sevenn's, and no model."""
    settings = {"version": "0.9.1", "_type_map": {29: 0, 78: 1}, "cutoff": 5.0, "shift": np.zeros(2)}
    content = {"config": settings, "model_state_dict": {"weight": torch.ones(2)}, "epoch": 3}
    torch.save(content | changes, path)
    return path


def test_settings_and_weights_are_read(tmp_path):
    file = SevenNetFile.read(checkpoint(tmp_path / "mine.pth"))
    assert file.rows == {29: 0, 78: 1}
    assert file.modals == {}
    np.testing.assert_array_equal(file.settings["shift"], np.zeros(2))
    assert file.weights["weight"].tolist() == [1.0, 1.0]
    assert np.ndarray not in torch.serialization.get_safe_globals()


def test_nothing_in_a_file_is_run(tmp_path):
    path = checkpoint(tmp_path / "trapped.pth", optimizer_state_dict=Trap())
    with pytest.raises(ModelFileError, match="trapped.pth cannot be read as a SevenNet checkpoint"):
        SevenNetFile.read(path)
    assert not Trap.sprung
    torch.load(path, weights_only=False)
    assert Trap.sprung, "the trap was set"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read as a SevenNet checkpoint"),
        (b"no model", "cannot be read as a SevenNet checkpoint"),
        ([1, 2], "is no SevenNet checkpoint"),
        ({"config": {"version": "0.9.1"}, "model_state_dict": {}}, "is no SevenNet checkpoint"),
        ({"config": {"_type_map": {78: 0}}, "model_state_dict": {"weight": [1.0]}}, "is no SevenNet checkpoint"),
    ],
)
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path, content, message):
    path = tmp_path / "torn.pth"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(ModelFileError, match=rf"torn.pth {message}"):
        SevenNetFile.read(path)


def test_a_model_that_is_neither_a_file_nor_shipped_is_refused():
    with pytest.raises(ModelFileError, match=r"'7net-omni' is neither a file nor one of \['7net-0', .*cache/sevennet"):
        model_file("7net-omni")
    with pytest.raises(ModelFileError, match=r"'nowhere.pth' is neither a file nor"):
        model_file("nowhere.pth")


def test_without_the_extra_the_error_names_it_and_its_rival(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "sevenn"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sevenn", None)
    with pytest.raises(ImportError, match=r"matseek\[sevenn\].*without matseek\[mace\].*e3nn 0.4.4"):
        import_sevenn()


def test_without_the_package_a_shipped_model_names_the_extra():
    if find_spec("sevenn") is not None:
        pytest.skip("sevenn is installed")
    with pytest.raises(ImportError, match=r"pip install 'matseek\[sevenn\]'"):
        SevenNet()


@pytest.mark.parametrize(
    ("change", "without", "message"),
    [
        ({"version": "99.0.0"}, "", "was written by sevenn 99.0.0 and does not go with sevenn 0.13"),
        ({"num_convolution_layer": 4}, "", "does not go with sevenn 0.13"),
        ({}, "reduce_hidden_to_energy.linear.weight", "does not go with sevenn 0.13.*reduce_hidden_to_energy"),
    ],
)
@pytest.mark.skipif(find_spec("sevenn") is None, reason="sevenn is not installed")
def test_weights_that_are_not_those_of_the_settings_or_the_version_are_refused(tmp_path, change, without, message):
    file = SevenNetFile.read(model_file("7net-0"))
    weights = {name: tensor for name, tensor in file.weights.items() if name != without}
    torch.save({"config": file.settings | change, "model_state_dict": weights}, tmp_path / "other.pth")
    with pytest.raises(ModelFileError, match=f"(?s){message}"):
        SevenNet(tmp_path / "other.pth")
