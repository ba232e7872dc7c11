import numpy as np
import pytest
import torch
from ase.build import fcc111, surface

from matseek.godiff.domains import NetworkSettings, StructureDomain
from matseek.spaces import Adlayer


def domain_of(template, free, z):
    return StructureDomain(Adlayer(template, free, z), NetworkSettings(blocks=1, features=4, gaussians=4), 0)


def uniform(domain, count, seed=0):
    return domain.points(domain.manifold.sample_uniform(count, torch.Generator().manual_seed(seed)))


@pytest.mark.parametrize(
    ("template", "free", "z"),
    [
        (fcc111("Pt", (6, 6, 2), vacuum=8), "Pt36", (1.0, 6.0)),
        (surface("Cu", (1, 2, 2), 3, vacuum=8).repeat((3, 2, 1)), "Cu20Pt8", (0.5, 4.0)),
        (fcc111("Al", (2, 2, 2), vacuum=6), "Pt4", (1.0, 5.0)),  # images of the cell are near
    ],
)
def test_no_sample_is_refused_for_an_overlap_afterwards(template, free, z):
    domain = domain_of(template, free, z)
    points = uniform(domain, 16)
    assert sum(reason.startswith("overlap") for reason in domain.refusals(points)) > 8
    assert domain.refusals(domain.repaired(points)) == [""] * 16


def test_structures_without_overlaps_stay_and_none_depends_on_the_others():
    domain = domain_of(fcc111("Pt", (4, 4, 2), vacuum=8), "Pt5", (1.0, 6.0))
    points = uniform(domain, 24, seed=1)
    whole = np.array([not reason for reason in domain.refusals(points)])
    assert 0 < whole.sum() < 24
    repaired = domain.repaired(points)
    np.testing.assert_allclose(domain.space.wrap(repaired[whole]), domain.space.wrap(points[whole]), atol=1e-9)
    for row in np.flatnonzero(~whole):
        np.testing.assert_allclose(domain.repaired(points[row : row + 1])[0], repaired[row], atol=1e-9)


def test_atoms_in_one_place_end_the_sweeps():
    domain = domain_of(fcc111("Pt", (3, 3, 2), vacuum=8), "Pt2", (1.0, 4.0))
    points = uniform(domain, 2)
    points[0, 3:] = points[0, :3]
    assert domain.refusals(domain.repaired(points))[0].startswith("overlap of free atom 1")
