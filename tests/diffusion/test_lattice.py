import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from matseek.diffusion import Lattice

CELLS = [
    ((3.0,),),
    ((3.0, 0.0), (0.0, 3.0)),
    ((2.8, 0.0), (1.4, 2.42)),
    ((2.0, 0.0), (0.0, 14.0)),  # thin
    ((2.8, 0.3), (30.1, 4.0)),  # skewed
    ((0.0, 4.0), (-5.0, 1.0)),  # left-handed
]


@st.composite
def lattices(draw):
    a = draw(st.floats(0.5, 10))
    length, angle = a * draw(st.floats(0.3, 5)), draw(st.floats(0.3, math.pi - 0.3))
    shift = draw(st.integers(-3, 3))
    b = (length * math.cos(angle) + shift * a, length * math.sin(angle))
    turn = draw(st.floats(0, 6))
    c, s = math.cos(turn), math.sin(turn)
    rows = np.array([(a, 0.0), b]) @ np.array([[c, s], [-s, c]])
    assume(abs(np.linalg.det(rows)) > 0.05)
    return Lattice(tuple(map(tuple, rows)))


def brute_force(lattice, x, sigma):
    """Log density by so many images that none can matter."""
    basis = np.array(lattice.reduced)
    reach = 9 * sigma + 3 * lattice.covering_radius
    counts = [int(reach * n) + 1 for n in np.linalg.norm(np.linalg.inv(basis), axis=0)]
    grid = torch.cartesian_prod(*[torch.arange(-n, n + 1.0, dtype=torch.float64) for n in counts])
    images = grid.reshape(-1, lattice.dim) @ torch.as_tensor(basis)
    exponents = -(lattice.shortest(x)[:, None] - images).square().sum(-1) / (2 * sigma**2)
    return torch.logsumexp(exponents, -1) - lattice.dim * math.log(sigma * math.sqrt(2 * math.pi))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("width", [0.02, 0.3, 0.69, 0.71, 1.5])
def test_density_and_score_are_those_of_the_images(cell, width):
    lattice = Lattice(cell)
    sigma = width * lattice.covering_radius
    x = 20 * torch.randn(40, lattice.dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x.requires_grad_()
    density = brute_force(lattice, x, sigma)
    (gradient,) = torch.autograd.grad(density.sum(), x)
    sigmas = torch.full((40,), sigma, dtype=torch.float64)
    torch.testing.assert_close(lattice.log_density(x, sigmas), density, rtol=1e-10, atol=1e-9)
    torch.testing.assert_close(lattice.score(x, sigmas), gradient * sigma, rtol=1e-9, atol=1e-9)
    near = sigma * x.detach() / 20  # where noise of this width arrives
    assert (lattice.score(near.float(), sigmas.float()) - lattice.score(near, sigmas)).abs().max() < 1e-4


@given(lattices(), st.floats(0.05, 4), st.integers(0, 2**31))
def test_density_sums_to_one_and_score_is_its_gradient(lattice, width, seed):
    sigma = width * lattice.covering_radius
    n = 90
    grid = (torch.cartesian_prod(*[torch.arange(n, dtype=torch.float64)] * 2) + 0.5) / n
    x = grid @ torch.as_tensor(lattice.reduced)
    spacing = max(np.linalg.norm(lattice.reduced, axis=1)) / n
    if sigma > 0.8 * spacing:
        density = lattice.log_density(x, torch.tensor(sigma, dtype=torch.float64)).exp()
        assert float(density.mean()) * lattice.volume == pytest.approx(1, rel=1e-3)
    x = 5 * torch.randn(8, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    x.requires_grad_()
    sigmas = torch.full((8,), sigma, dtype=torch.float64)
    (gradient,) = torch.autograd.grad(lattice.log_density(x, sigmas).sum(), x)
    torch.testing.assert_close(lattice.score(x, sigmas), gradient * sigma, rtol=1e-8, atol=1e-8)


@given(lattices(), st.integers(0, 2**31))
def test_nothing_changes_from_image_to_image_and_the_shortest_is_shortest(lattice, seed):
    generator = torch.Generator().manual_seed(seed)
    x = 8 * torch.randn(16, 2, dtype=torch.float64, generator=generator)
    steps = torch.randint(-4, 5, (16, 2), generator=generator).double()
    moved = x + steps @ torch.tensor(lattice.vectors, dtype=torch.float64)
    nearest = lattice.shortest(x)
    torch.testing.assert_close(lattice.shortest(moved).norm(dim=1), nearest.norm(dim=1), rtol=1e-9, atol=1e-9)
    many = torch.cartesian_prod(*[torch.arange(-5, 6.0, dtype=torch.float64)] * 2) @ torch.as_tensor(lattice.reduced)
    assert (nearest.norm(dim=1) <= (nearest[:, None] - many).norm(dim=-1).min(dim=1).values + 1e-9).all()
    assert (nearest.norm(dim=1) <= lattice.covering_radius + 1e-9).all()
    sigma = torch.tensor(0.4 * lattice.covering_radius, dtype=torch.float64)
    torch.testing.assert_close(lattice.score(moved, sigma), lattice.score(x, sigma), rtol=1e-6, atol=1e-6)


def test_at_the_mixing_sigma_the_density_is_uniform():
    for cell in CELLS:
        lattice = Lattice(cell)
        x = 20 * torch.randn(500, lattice.dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        sigma = torch.tensor(lattice.mixing_sigma(0.01), dtype=torch.float64)
        assert (lattice.log_density(x, sigma).exp() * lattice.volume - 1).abs().max() < 0.0101
        assert lattice.score(x, 100 * sigma).abs().max() < 1e-12


def test_memory_is_bounded_by_chunks(monkeypatch):
    lattice = Lattice(CELLS[2])
    x = torch.randn(50, 7, 2, generator=torch.Generator().manual_seed(0))
    sigma = torch.rand(50, 1, generator=torch.Generator().manual_seed(1)) + 0.01
    whole = lattice.score(x, sigma)
    monkeypatch.setattr("matseek.diffusion.lattice._ELEMENTS", 1000)
    torch.testing.assert_close(lattice.score(x, sigma), whole)


@pytest.mark.parametrize("cell", [((1, 0), (2, 0)), ((0, 0), (0, 1)), ((1, 0, 0), (0, 1, 0)), ((math.nan, 0), (0, 1))])
def test_what_spans_no_plane_is_refused(cell):
    with pytest.raises(ValueError, match="vectors"):
        Lattice(cell)
