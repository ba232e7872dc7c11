"""Spaces as manifolds: free atoms, templates that move, clusters."""

from functools import partial

import numpy as np
import pytest
import torch
from ase.build import fcc111

from matseek.diffusion import EulerMaruyama, Guidance, LinearSchedule
from matseek.godiff.domains import NetworkSettings, StructureDomain
from matseek.godiff.searcher import GODiffSearcher
from matseek.godiff.steering import SurrogateRelaxation
from matseek.library.lennard_jones import ClusterLennardJones
from matseek.potentials import BatchedEMT
from matseek.problems import StructureProblem
from matseek.spaces import Adlayer, Cluster
from matseek.testing import check_searcher

NETWORK = NetworkSettings(blocks=1, features=8, cutoff=4.0, gaussians=8)


def layers():
    """Two free atoms on four atoms that move, four below them held."""
    return Adlayer(fcc111("Pt", (2, 2, 2), vacuum=6), "PtCu", z=(1.0, 4.0), moving=1.0)


def domain_of(space, **settings):
    return StructureDomain(space, NetworkSettings(**{"blocks": 1, "features": 8, "gaussians": 8} | settings), 0)


def first_samples(domain, count=200):
    return domain.points(domain.manifold.sample_uniform(count, torch.Generator().manual_seed(0), dtype=torch.float64))


def test_template_atoms_begin_near_their_places_and_free_ones_anywhere():
    space = layers()
    points = first_samples(domain_of(space, displacement=0.05))
    positions = points.reshape(-1, 6, 3)
    assert (positions[:, :4] - space.homes).std() == pytest.approx(0.05, rel=0.1)
    heights = positions[:, 4:, 2]
    assert heights.min() < space.z_low + 0.1
    assert heights.max() > space.z_high - 0.1


@pytest.mark.parametrize("space", [layers(), Cluster("Pt5")], ids=["layers", "cluster"])
def test_points_go_to_the_manifold_and_come_back_whatever_their_image(space):
    domain = domain_of(space)
    points = space.recentred(space.sample_contiguous(20, np.random.default_rng(0)))
    again = domain.points(domain.tensor(points))
    np.testing.assert_allclose(space.nearest_images((again - points).reshape(20, -1, 3)), 0.0, atol=1e-9)
    moved = points.reshape(20, -1, 3).copy()
    if space.floats:
        moved += [0.3, -0.2, 0.5]
    else:
        moved[:, 1] += np.array(space.template.cell)[0]
    np.testing.assert_allclose(domain.tensor(moved.reshape(20, -1)), domain.tensor(points), atol=1e-7)


def test_template_atoms_that_went_too_far_are_brought_back():
    space = layers()
    domain = domain_of(space)
    points = domain.points(torch.tensor([0.0, 0.0, 30.0], dtype=torch.float64).expand(1, 6, 3))
    moved = np.linalg.norm(points.reshape(6, 3)[:4] - space.homes, axis=1)
    np.testing.assert_allclose(moved, space.astray_beyond)


@pytest.mark.parametrize("representation", ["template", "full"])
def test_the_network_sees_positions_and_its_forces_are_in_electronvolt_per_angstrom(representation):
    domain = domain_of(layers(), representation=representation)
    x = domain.manifold.sample_uniform(3, torch.Generator().manual_seed(0))
    sigma = torch.tensor([0.1, 1.0, 3.0])
    network = domain.network
    with torch.no_grad():
        found = network(x, sigma)
        graph = network.model.graph(domain.system, domain.manifold.positions(x))
        alone = network.model(graph, sigma)
    torch.testing.assert_close(found.forces, alone.forces)
    torch.testing.assert_close(found.score[:, 4:], alone.score[:, 4:])
    expected = alone.score[:, :4] - (sigma / (1 + sigma**2)).reshape(-1, 1, 1) * x[:, :4]
    torch.testing.assert_close(found.score[:, :4], expected)


def test_overlaps_with_template_atoms_that_move_are_resolved_from_both_sides():
    space = layers()
    domain = domain_of(space)
    points = first_samples(domain)
    refused = np.array([bool(reason) for reason in domain.refusals(points)])
    assert refused.sum() > 20
    repaired = domain.repaired(points[refused])
    assert sum(not reason for reason in domain.refusals(repaired)) >= 0.9 * len(repaired)


@pytest.mark.parametrize(
    "problem",
    [StructureProblem(layers(), BatchedEMT), StructureProblem(Cluster("Ar4"), ClusterLennardJones)],
    ids=["layers", "cluster"],
)
def test_it_is_a_searcher_of_such_spaces(problem):
    make = partial(
        GODiffSearcher,
        samples=4,
        draw=4,
        steps=4,
        batch_size=4,
        buffer=8,
        guidance=Guidance(),
        relaxation=SurrogateRelaxation(steps=5),
        sampler=EulerMaruyama(LinearSchedule(0.01, 4.0), 10),
        network=NETWORK,
    )
    check_searcher(make, problem, budget=6)
