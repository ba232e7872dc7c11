"""The reduction of cells, on thousands of surfaces and on each kind of processor that this one can be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matseek.geometry.cells import shortest_basis
from tests.kernels import KERNELS, output_under, runs_here


def require_shortest(vectors):
    """Fail unless the basis found is the shortest one of the lattice of two vectors."""
    rows = np.asarray(vectors, dtype=np.float64)
    a, b = shortest_basis(rows)
    steps = np.array([a, b]) @ np.linalg.inv(rows)
    assert np.allclose(steps, np.round(steps), atol=1e-6)
    assert abs(round(np.linalg.det(np.round(steps)))) == 1
    slack = 1e-9 * (a @ a)
    assert a @ a <= b @ b + slack
    assert -slack <= a @ b <= (a @ a) / 2 + slack


@given(
    length=st.floats(1e-3, 1e5),
    ratio=st.floats(0.05, 20),
    angle=st.floats(0.05, np.pi - 0.05),
    turn=st.floats(0, 2 * np.pi),
    skew=st.integers(-50, 50),
)
def test_the_basis_is_the_shortest_of_its_lattice(length, ratio, angle, turn, skew):
    a = length * np.array([np.cos(turn), np.sin(turn)])
    b = length * ratio * np.array([np.cos(turn + angle), np.sin(turn + angle)])
    require_shortest([a, b + skew * a])


@pytest.mark.parametrize("angle", [0.0, 17.3, 30.0, 60.0, 89.99])
@pytest.mark.parametrize("inner", [60.0, 90.0, 120.0])
def test_cells_with_several_shortest_bases(inner, angle):
    a = 3.825 * np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    b = 3.825 * np.array([np.cos(np.radians(angle + inner)), np.sin(np.radians(angle + inner))])
    for rows in ([a, b], [b, a], [5 * a, 5 * b], [a, b - a], [a, b + 7 * a]):
        require_shortest(rows)


def test_one_vector_is_made_positive():
    assert shortest_basis([[-2.5]]).tolist() == [[2.5]]


@pytest.mark.timeout(240)
@pytest.mark.parametrize("kernel", KERNELS)
def test_surfaces_of_ten_metals_on_each_kernel(kernel):
    if not runs_here(kernel):
        pytest.skip(f"this processor cannot run the kernels of {kernel}")
    assert int(output_under(kernel, "tests.kernels").split()[-1]) > 5000
