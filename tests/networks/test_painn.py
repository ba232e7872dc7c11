"""PaiNN against its formulas, atom by atom in NumPy, as the paper has them (arXiv 2102.03150, equations 7 to 10)."""

import math

import numpy as np
import pytest
import torch

from matseek.networks.painn import Edges, GatedVectors, Message, PaiNN, RadialBasis, Update, lengths

F, CUTOFF, GAUSSIANS = 5, 4.0, 7


def number(tensor):
    return tensor.detach().double().numpy()


def perceptron(layers, x):
    """The paper's atomwise network: linear, silu, linear."""
    hidden = number(layers[0].weight) @ x + number(layers[0].bias)
    return number(layers[2].weight) @ (hidden / (1 + np.exp(-hidden))) + number(layers[2].bias)


def filters(block, distance):
    """Equation 7's W: linear in a radial basis, with a bias, times a cosine cutoff; one row of F per part."""
    fade = 0.5 * (math.cos(math.pi * distance / CUTOFF) + 1)
    centres = np.linspace(0, CUTOFF, GAUSSIANS)
    gaussians = np.exp(-0.5 * ((distance - centres) / (CUTOFF / (GAUSSIANS - 1))) ** 2)
    weight = number(block.filter.weight)
    return (fade * (weight[:, :-1] @ gaussians + weight[:, -1])).reshape(-1, F)


def message(block, scalars, vectors, neighbours):
    """Equations 7 and 8: ``(N, F)`` and ``(N, F, 3)`` changes, from ``(receiver, source, r_ij)`` of each neighbour."""
    of_scalars, of_vectors = np.zeros_like(scalars), np.zeros_like(vectors)
    for i, j, r in neighbours:
        distance = np.linalg.norm(r)
        w, phi = filters(block, distance), perceptron(block.context, scalars[j]).reshape(-1, F)
        if block.vectors:
            phi_vv, phi_s, phi_vs = phi
        else:  # the paper's first term of equation 8 is zero where vectors are
            phi_vv, (phi_s, phi_vs) = np.zeros(F), phi
        of_scalars[i] += phi_s * w[0]
        of_vectors[i] += np.outer(phi_vs * w[1], r / distance)
        if block.vectors:
            of_vectors[i] += vectors[j] * (phi_vv * w[2])[:, None]
    return of_scalars, of_vectors


def update(block, scalars, vectors):
    """Equations 9 and 10, for every atom: new ``(N, F)`` and ``(N, F, 3)``."""
    u_matrix, v_matrix = number(block.mix.weight).reshape(2, F, F)
    new_scalars, new_vectors = scalars.copy(), vectors.copy()
    for i in range(len(scalars)):
        u, v = u_matrix @ vectors[i], v_matrix @ vectors[i]
        a_vv, a_sv, a_ss = perceptron(block.gates, np.concatenate([scalars[i], np.linalg.norm(v, axis=1)])).reshape(
            3, F
        )
        new_scalars[i] += a_ss + a_sv * (u * v).sum(axis=1)
        new_vectors[i] += a_vv[:, None] * u
    return new_scalars, new_vectors


def features(atoms, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(atoms, F, generator=generator), torch.randn(atoms, 3, F, generator=generator)


def made(kind, *args, **more):
    torch.manual_seed(3)
    return kind(*args, **more)


@pytest.fixture(autouse=True)
def _own_draws():
    with torch.random.fork_rng(devices=[]):
        yield


def cluster(seed=0, atoms=4):
    """Atoms within the cutoff of some others, and who sees whom: ``(receiver, source, r_ij)``."""
    rng = np.random.default_rng(seed)
    positions = rng.uniform(0, 3.2, (atoms, 3))
    pairs = [(i, j) for i in range(atoms) for j in range(atoms) if i != j]
    neighbours = [(i, j, positions[j] - positions[i]) for i, j in pairs]
    near = [(i, j, r) for i, j, r in neighbours if np.linalg.norm(r) < CUTOFF]
    assert 0 < len(near) < len(neighbours) or seed
    return near


def edges_of(neighbours, basis):
    vectors = torch.tensor(np.array([r for _, _, r in neighbours]), dtype=torch.float32)
    distances = vectors.norm(dim=1)
    receiver, source = (torch.tensor([row[k] for row in neighbours]) for k in (0, 1))
    return Edges(source, receiver, basis(distances), vectors / distances[:, None])


def test_the_radial_basis_is_gaussians_under_a_cosine_cutoff():
    basis = RadialBasis(GAUSSIANS, CUTOFF)
    spacing = CUTOFF / (GAUSSIANS - 1)
    values = basis(torch.tensor([0.0, spacing, CUTOFF / 2, CUTOFF]))
    assert values[0, 0] == values[0, -1] == 1
    assert values[0, 1].item() == pytest.approx(math.exp(-0.5))
    assert values[2, -1].item() == pytest.approx(0.5)
    assert values[3].abs().max() < 1e-6


def test_the_slopes_of_the_radial_basis_are_its_derivatives():
    basis = RadialBasis(GAUSSIANS, CUTOFF).double()
    distances = torch.linspace(0.3, CUTOFF - 0.1, 9, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda d: basis(d).sum(dim=0), distances)
    torch.testing.assert_close(basis.slope(distances), jacobian.T)


@pytest.mark.parametrize("with_vectors", [False, True])
def test_messages_are_equations_7_and_8(with_vectors):
    block = made(Message, F, GAUSSIANS + 1, vectors=with_vectors)
    scalars, vectors = features(4)
    neighbours = cluster(1)
    own, turned = block.receive(block.send(scalars, vectors), edges_of(neighbours, RadialBasis(GAUSSIANS, CUTOFF)), 4)
    expected = message(block, number(scalars), number(vectors).transpose(0, 2, 1), neighbours)
    np.testing.assert_allclose(number(own), expected[0], atol=1e-5)
    np.testing.assert_allclose(number(turned), expected[1].transpose(0, 2, 1), atol=1e-5)


def test_updates_are_equations_9_and_10():
    block = made(Update, F)
    scalars, vectors = features(6)
    own, turned = block(scalars, vectors)
    expected = update(block, number(scalars), number(vectors).transpose(0, 2, 1))
    np.testing.assert_allclose(number(own), expected[0], atol=1e-5)
    np.testing.assert_allclose(number(turned), expected[1].transpose(0, 2, 1), atol=1e-5)


def whole(model, numbers, neighbours):
    """All blocks, from the embedding on: scalars ``(N, F)`` and vectors ``(N, F, 3)``."""
    scalars = number(model.embedding.weight)[numbers]
    vectors = np.zeros((len(numbers), F, 3))
    for of_message, of_update in zip(model.messages, model.updates, strict=True):
        changes = message(of_message, scalars, vectors, neighbours)
        scalars, vectors = update(of_update, scalars + changes[0], vectors + changes[1])
    return scalars, vectors


def test_the_representation_is_blocks_one_after_the_other():
    model = made(PaiNN, F, 3, CUTOFF, GAUSSIANS)
    numbers, neighbours = np.array([78, 29, 78, 1]), cluster(2)
    index = torch.tensor([[j for _, j, _ in neighbours], [i for i, _, _ in neighbours]])
    edges = model.edges(index, torch.tensor(np.array([r for _, _, r in neighbours])))
    scalars, vectors = model(torch.tensor(numbers), edges)
    expected = whole(model, numbers, neighbours)
    np.testing.assert_allclose(number(scalars), expected[0], atol=1e-4)
    np.testing.assert_allclose(number(vectors), expected[1].transpose(0, 2, 1), atol=1e-4)


def test_a_template_is_read_by_atoms_that_it_does_not_see():
    """Two template atoms see each other; two free atoms see everybody: as the whole without edges into the template."""
    model = made(PaiNN, F, 3, CUTOFF, GAUSSIANS)
    numbers = np.array([78, 29, 78, 1])
    neighbours = [row for row in cluster(2) if row[0] >= 2 or row[1] < 2]
    within = [row for row in neighbours if row[0] < 2]
    into_free = [(i - 2, j, r) for i, j, r in neighbours if i >= 2]
    assert within
    assert into_free

    def edges(rows):
        index = torch.tensor([[j for _, j, _ in rows], [i for i, _, _ in rows]])
        return model.edges(index, torch.tensor(np.array([r for _, _, r in rows])))

    sent = model.sent(torch.tensor(numbers[:2]), edges(within))
    scalars, vectors = model(torch.tensor(numbers[2:]), edges(into_free), sent)
    expected = whole(model, numbers, neighbours)
    np.testing.assert_allclose(number(scalars), expected[0][2:], atol=1e-4)
    np.testing.assert_allclose(number(vectors), expected[1][2:].transpose(0, 2, 1), atol=1e-4)


def test_images_of_one_source_are_summed_before_the_filters():
    model = made(PaiNN, F, 2, CUTOFF, GAUSSIANS)
    numbers = torch.tensor([78, 29])
    rows = [(0, 1, [1.0, 0.5, 0.2]), (0, 1, [-2.0, 0.3, 0.9]), (1, 0, [-1.0, -0.5, -0.2]), (1, 0, [2.0, -0.3, -0.9])]
    vectors = torch.tensor([r for _, _, r in rows])
    alone = model(numbers, model.edges(torch.tensor([[1, 1, 0, 0], [0, 0, 1, 1]]), vectors))
    pairs = model.edges(torch.tensor([[1, 0], [0, 1]]), vectors, torch.tensor([0, 0, 1, 1]))
    for one, other in zip(alone, model(numbers, pairs), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_gated_vectors_are_the_papers_equivariant_block():
    block = made(GatedVectors, F, 2, condition=3)
    scalars, vectors = features(3)
    condition = torch.randn(3, 3, generator=torch.Generator().manual_seed(9))
    own, turned = block(scalars, vectors, condition)
    v_matrix, w_matrix = number(block.mix.weight).reshape(2, 2, F)
    for i in range(3):
        v, w = v_matrix @ number(vectors[i]).T, w_matrix @ number(vectors[i]).T
        given = np.concatenate([number(scalars[i]), np.linalg.norm(v, axis=1), number(condition[i])])
        out = perceptron(block.gates, given)
        np.testing.assert_allclose(number(own[i]), out[:2] / (1 + np.exp(-out[:2])), atol=1e-5)
        np.testing.assert_allclose(number(turned[i]), (out[2:, None] * w).T, atol=1e-5)


def test_lengths_are_smooth_where_vectors_vanish():
    vectors = torch.zeros(1, 3, 2, requires_grad=True)
    lengths(vectors).sum().backward()
    assert torch.equal(vectors.grad, torch.zeros_like(vectors))
    assert lengths(torch.tensor([[[3.0], [0.0], [4.0]]])).item() == pytest.approx(5)


@pytest.mark.parametrize("setting", [{"features": 0}, {"blocks": 0}, {"cutoff": 0.0}, {"gaussians": 1}])
def test_bad_settings_are_refused(setting):
    with pytest.raises(ValueError, match=next(iter(setting))):
        PaiNN(**setting)
