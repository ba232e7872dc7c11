import pickle
import sys
import threading
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from ase.build import fcc111
from ase.calculators.calculator import Calculator, FileIOCalculator, all_changes
from ase.calculators.emt import EMT

from matseek.core.potential import EnergyAndForces
from matseek.errors import ResponseError
from matseek.problems import StructureProblem
from matseek.problems.calculators import Calculators
from matseek.spaces import Adlayer

RNG = np.random.default_rng(0)


class Constant(Calculator):
    """The energy that a file or an argument says."""

    implemented_properties = ("energy", "forces")

    def __init__(self, energy=0.0, model=None, forces=None):
        super().__init__()
        self.energy, self.forces = energy if model is None else float(Path(model).read_text()), forces

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results = {
            "energy": self.energy,
            "forces": np.zeros((len(atoms), 3)) if self.forces is None else self.forces,
        }


class ConstantMany(Constant):
    """The same, many at once."""

    def compute_many(self, structures):
        forces = [np.zeros((len(a), 3)) if self.forces is None else self.forces for a in structures]
        return [EnergyAndForces(self.energy, f) for f in forces]


@pytest.fixture(scope="module")
def layer():
    return Adlayer(fcc111("Pt", (2, 2, 2), vacuum=8), "Pt2", z=(1.0, 5.0))


@pytest.fixture(scope="module")
def point(layer):
    return layer.sample_uniform(1, np.random.default_rng(0))[0]


def factory():
    return Constant(1.0)


def energy(layer, point, calculator):
    """As a worker process gives it, which has the problem from a pickle where it can be pickled."""
    return StructureProblem(layer, calculator).measure(point, RNG).value


def test_a_factory_that_is_defined_anew_makes_a_new_calculator(layer, point, monkeypatch):
    def another():
        return Constant(2.0)

    assert energy(layer, point, factory) == 1.0
    another.__qualname__, another.__module__ = "factory", __name__
    monkeypatch.setattr(sys.modules[__name__], "factory", another)
    assert pickle.dumps(another) == pickle.dumps(factory)
    assert energy(layer, point, another) == 2.0


def test_a_model_file_that_is_written_anew_makes_a_new_calculator(layer, point, tmp_path):
    for calculator in (partial(Constant, model=tmp_path / "m"), partial(Constant, 0.0, str(tmp_path / "m"))):
        for value in ("1.5", "2.25", "3.125"):
            (tmp_path / "m").write_text(value)
            assert energy(layer, point, calculator) == float(value)


def test_lambdas_have_their_own_calculators(layer, point):
    def made(value):
        return lambda: Constant(value)

    assert [energy(layer, point, made(v)) for v in (1.0, 2.0, 1.0)] == [1.0, 2.0, 1.0]


class Writing(FileIOCalculator):
    """Writes its energy into a file and reads it again, as programs of others do."""

    implemented_properties = ("energy", "forces")
    folders: ClassVar[list] = []

    def __init__(self, directory="."):
        self.kept = directory != "."
        super().__init__(command="true", directory=directory)

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        Calculator.calculate(self, atoms, properties, system_changes)
        output = Path(self.directory) / "out"
        assert not output.exists() or self.kept
        output.write_text("1.0")
        self.folders.append(Path(self.directory))
        barrier.wait()
        self.results = {"energy": float(output.read_text()), "forces": np.zeros((len(atoms), 3))}


barrier = threading.Barrier(2, timeout=20)


@pytest.mark.parametrize("stays", [False, True])
def test_calculators_that_write_files_never_share_a_folder(layer, point, tmp_path, stays):
    Writing.folders.clear()
    calculator = partial(Writing, directory=str(tmp_path)) if stays else Writing
    problem = StructureProblem(layer, calculator)
    for moved in (0.0, 0.1):  # a calculator remembers the structure that it was last given
        threads = [threading.Thread(target=problem.measure, args=(point + moved, RNG)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(Writing.folders) == 4
    assert len(set(Writing.folders)) == 2
    assert all((folder / "out").exists() == stays for folder in Writing.folders)
    assert all(folder.is_relative_to(tmp_path) == stays for folder in Writing.folders)
    assert not (Path.cwd() / "out").exists()


def test_what_a_calculator_wrote_is_gone_after_the_call_also_after_an_error():
    lender = Calculators()

    def failing():
        with lender.lent(EMT) as calculator:
            folders.append(Path(calculator.directory))
            (folders[0] / "sub").mkdir()
            (folders[0] / "sub" / "out").write_text("1")
            raise KeyError

    folders = []
    with pytest.raises(KeyError):
        failing()
    assert folders[0].is_dir()
    assert list(folders[0].iterdir()) == []


@pytest.mark.parametrize("kind", [Constant, ConstantMany])
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"energy": np.ones(2)}, r"gave the energy array\(\[1., 1.\]\); it must be one number"),
        ({"energy": "low"}, "gave the energy 'low'; it must be one number"),
        ({"energy": 1j}, "gave the energy 1j; it must be one number"),
        ({"forces": np.zeros((2, 3))}, r"as forces an array of shape \(2, 3\) for 10 atoms; they must be \(10, 3\)"),
        ({"forces": np.zeros(30)}, r"as forces an array of shape \(30,\) for 10 atoms"),
        ({"forces": np.array([["x"] * 3] * 10)}, "as forces what are no numbers for 10 atoms"),
    ],
)
def test_what_is_no_energy_or_no_forces_is_refused(layer, point, kind, settings, message):
    problem = StructureProblem(layer, partial(kind, **settings))
    with pytest.raises(ResponseError, match=message):
        problem.measure(point, RNG)
    with pytest.raises(ResponseError, match=message):
        problem.measure_many(np.array([point, point]))
