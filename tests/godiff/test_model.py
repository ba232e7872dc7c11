import numpy as np
import pytest

from matseek.errors import ModelFileError
from matseek.godiff import DiffusionModel, SurrogateRelaxation
from matseek.library.platinum import platinum_adatom, platinum_heptamer


def test_structures_are_drawn_without_an_evaluation():
    problem = platinum_adatom(calculator=lambda: pytest.fail("the calculator was made"))
    drawn = DiffusionModel.load("adatom").sample(problem, n=5, seed=3)
    points = np.array([problem.space.point(atoms) for atoms in drawn])
    assert points.shape == (5, 3)
    assert problem.space.refusals(points) == [""] * 5
    again = DiffusionModel.load("adatom").sample(problem, n=5, seed=3)
    np.testing.assert_array_equal(points, [problem.space.point(atoms) for atoms in again])
    other = DiffusionModel.load("adatom").sample(problem, n=5, seed=4)
    assert not np.allclose(points, [problem.space.point(atoms) for atoms in other])


def test_a_model_of_one_atom_draws_seven():
    problem = platinum_heptamer(calculator=lambda: pytest.fail("the calculator was made"))
    model = DiffusionModel.load("adatom")
    relaxed = DiffusionModel(model.card, relaxation=SurrogateRelaxation(steps=5)).sample(problem, n=2)
    assert [len(atoms) for atoms in relaxed] == [len(problem.space.template) + 7] * 2


def test_bad_requests_are_refused():
    with pytest.raises(ModelFileError, match="no model 'nobody'"):
        DiffusionModel.load("nobody")
    with pytest.raises(ValueError, match="n=0"):
        DiffusionModel.load("adatom").sample(platinum_adatom(), n=0)
