import numpy as np
import pytest
import torch
from ase.build import fcc111
from scipy.spatial.transform import Rotation
from torch._dynamo.testing import CompileCounter

from matseek.godiff.atomic_score import FullScore, TemplateScore
from matseek.networks.graphs import AtomicSystem

FORMS = [TemplateScore, FullScore]
BF16_BOUND = 0.05
"""Largest root-mean-square difference of a score under bf16 autocast, as a fraction of its root mean square."""


@pytest.fixture(params=FORMS, ids=["template", "full"])
def form(request):
    return request.param


@pytest.fixture
def model(form):
    return made(form)


def made(form, seed=0, **settings):
    return form(**{"features": 16, "blocks": 3, "cutoff": 4.5, "gaussians": 8, "seed": seed} | settings).eval()


def slab(free=(78, 78, 79), seed=0, symmetric=False):
    """Two rattled layers of an alloy in a skewed cell, thinner than twice the cutoff."""
    atoms = fcc111("Pt", (3, 2, 2), vacuum=6)
    if not symmetric:
        atoms.numbers[::3] = 29
        atoms.rattle(0.1, seed=seed)
    return atoms, AtomicSystem(atoms.positions, atoms.numbers, atoms.cell.array, tuple(atoms.pbc), free)


def places(system, batch=2, seed=0):
    rng = np.random.default_rng(seed)
    positions = rng.random((batch, system.n_free, 3)) @ (system.cell * [[1], [1], [0]])
    positions[..., 2] = system.positions[:, 2].max() + rng.uniform(1, 3, (batch, system.n_free))
    return torch.tensor(positions)


def evaluate(model, system, positions, sigma=None, template=None):
    sigma = torch.linspace(0.05, 0.8, len(positions)) if sigma is None else sigma
    with torch.no_grad():
        return model(model.graph(system, positions), sigma, template)


def same(a, b, tolerance=2e-5):
    for x, y in zip(a, b, strict=True):
        scale = float(y.abs().max())
        assert scale > 1e-6, "a comparison of zeros says nothing"
        torch.testing.assert_close(x, y, atol=tolerance * scale, rtol=0)


@pytest.mark.parametrize("improper", [False, True], ids=["rotation", "reflection"])
@pytest.mark.parametrize("symmetric", [False, True])
def test_both_vectors_turn_with_everything(model, improper, symmetric):
    _, system = slab(symmetric=symmetric)
    positions = places(system)
    turn = Rotation.random(rng=1).as_matrix() * (-1 if improper else 1)
    shift = np.array([3.0, -1.0, 7.0])
    turned = AtomicSystem(
        system.positions @ turn.T + shift, system.numbers, system.cell @ turn.T, system.pbc, system.free_numbers
    )
    after = evaluate(model, turned, positions @ torch.tensor(turn.T) + torch.tensor(shift))
    before = evaluate(model, system, positions)
    same(after, [v @ torch.tensor(turn.T, dtype=torch.float32) for v in before])


def test_atoms_of_a_species_are_alike_and_those_of_another_are_not(model):
    _, system = slab()
    positions = places(system)
    before, after = evaluate(model, system, positions), evaluate(model, system, positions[:, [1, 0, 2]])
    same(after, [v[:, [1, 0, 2]] for v in before])
    crossed = evaluate(model, system, positions[:, [2, 1, 0]])
    assert (crossed.score - before.score[:, [2, 1, 0]]).abs().max() > 1e-3 * before.score.abs().max()


def test_images_are_the_atom_itself(model):
    _, system = slab()
    positions = places(system)
    moved = positions.clone()
    moved[:, 0] += torch.tensor(2 * system.cell[0] - 3 * system.cell[1])
    moved[0, 1] -= torch.tensor(system.cell[1])
    same(evaluate(model, system, moved), evaluate(model, system, positions))


@pytest.mark.parametrize("symmetric", [False, True])
def test_a_supercell_with_repeated_atoms_gives_repeated_vectors(model, symmetric):
    atoms, system = slab(symmetric=symmetric)
    positions = places(system)
    double = atoms * (2, 1, 1)
    large = AtomicSystem(
        double.positions, double.numbers, double.cell.array, tuple(double.pbc), np.tile(system.free_numbers, 2)
    )
    both = torch.cat([positions, positions + torch.tensor(system.cell[0])], dim=1)
    small = evaluate(model, system, positions)
    same(evaluate(model, large, both), [v.repeat(1, 2, 1) for v in small])


def test_alone_as_in_a_batch_and_with_the_template_encoded_before(model):
    _, system = slab()
    positions, sigma = places(system, batch=4), torch.tensor([0.01, 0.1, 0.5, 1.0])
    together = evaluate(model, system, positions, sigma)
    with torch.no_grad():
        template = model.encode_template(system)
    same(evaluate(model, system, positions, sigma, template), together)
    for k in range(4):
        same(
            evaluate(model, system, positions[k : k + 1], sigma[k : k + 1], template), [v[k : k + 1] for v in together]
        )


def test_translations_of_the_template_change_nothing_but_its_cost():
    _, system = slab(symmetric=True)
    model, positions = made(TemplateScore), places(system)
    few = model.encode_template(system)
    assert len(few[0]) == 2
    quick = evaluate(model, system, positions)
    slow = AtomicSystem(system.positions, system.numbers, system.cell, system.pbc, system.free_numbers)
    slow.__dict__["orbits"] = np.arange(len(system.numbers))
    assert len(model.encode_template(slow)[0]) == len(system.numbers)
    same(evaluate(model, slow, positions), quick)


def test_the_template_form_is_the_full_one_without_edges_into_the_template():
    _, system = slab()
    positions = places(system)
    template, full = made(TemplateScore), made(FullScore, seed=1)
    full.load_state_dict(template.state_dict())
    graph = full.graph(system, positions)
    size, n = len(system.numbers) + system.n_free, len(system.numbers)
    source, receiver = graph.edge_index % size
    kept = ~((receiver < n) & (source >= n))
    graph.edge_index, graph.edge_vectors = graph.edge_index[:, kept], graph.edge_vectors[kept]
    with torch.no_grad():
        cut = full(graph, torch.tensor([0.05, 0.8]))
    same(evaluate(template, system, positions), cut)
    whole = evaluate(full, system, positions)
    assert (whole.score - cut.score).abs().max() > 1e-4 * cut.score.abs().max()


def test_weights_load_into_any_system(model):
    other = made(type(model), seed=3)
    other.load_state_dict(model.state_dict())
    gas = AtomicSystem(np.zeros((0, 3)), [], np.eye(3), (False, False, False), [8, 1])
    _, small = slab(free=(47,))
    for system in (gas, small):
        positions = torch.tensor([[[0.0, 0, 0], [1, 0, 0]]]) if system is gas else places(system)
        same(evaluate(other, system, positions), evaluate(model, system, positions))


def test_forces_do_not_depend_on_sigma_and_scores_do(model):
    _, system = slab()
    positions = places(system)
    a = evaluate(model, system, positions, torch.tensor([0.01, 0.01]))
    b = evaluate(model, system, positions, torch.tensor([1.0, 1.0]))
    assert torch.equal(a.forces, b.forces)
    assert (a.score - b.score).abs().max() > 1e-3 * a.score.abs().max()


def test_every_parameter_gets_a_gradient_from_its_heads(model):
    _, system = slab()
    score, forces = model(model.graph(system, places(system)), torch.tensor([0.1, 0.5]))
    (score.square().mean() + forces.square().mean()).backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert without == []
    names = set(model.state_dict())
    assert {"score_head.last.mix.weight", "force_head.last.mix.weight", "noise.0.weight"} <= names
    model.zero_grad()
    model(model.graph(system, places(system)), torch.tensor([0.1, 0.5])).forces.square().mean().backward()
    assert model.score_head.last.mix.weight.grad is None
    assert model.representation.embedding.weight.grad.abs().max() > 0


def test_isolated_atoms_have_no_direction(model):
    system = AtomicSystem([[0, 0, 0]], [78], np.eye(3) * 30, (True, True, True), [78, 78])
    out = evaluate(model, system, torch.tensor([[[10.0, 10, 10], [20, 20, 20]]]))
    assert all(v.abs().max() == 0 for v in out)


def test_atoms_on_one_place_stay_finite(model):
    _, system = slab()
    positions = places(system).requires_grad_()
    close = positions.clone()
    close.data[:, 1] = close.data[:, 0] + 1e-9
    close.data[1, 2] = torch.tensor(system.positions[0])
    out = model(model.graph(system, close), torch.tensor([0.1, 0.5]))
    (out.score.square().sum() + out.forces.square().sum()).backward()
    assert all(bool(v.isfinite().all()) for v in (*out, positions.grad))


def test_one_atom_in_a_cell_smaller_than_the_cutoff_is_at_rest(model):
    system = AtomicSystem(np.zeros((0, 3)), [], np.diag([2.5, 2.6, 2.7]), (True, True, True), [78])
    out = evaluate(model, system, torch.rand(3, 1, 3, generator=torch.Generator().manual_seed(0)))
    at_rest = max(float(v.abs().max()) for v in out)
    assert at_rest < 1e-6
    lopsided = AtomicSystem([[0, 0, 0]], [29], np.diag([2.5, 2.6, 2.7]), (True, True, True), [78])
    out = evaluate(model, lopsided, torch.rand(3, 1, 3, generator=torch.Generator().manual_seed(0)) + 0.4)
    assert all(v.abs().max() > max(100 * at_rest, 1e-6) for v in out)


def test_outputs_fade_at_the_cutoff(model):
    system = AtomicSystem([[0, 0, 0]], [78], np.eye(3) * 30, (False, False, False), [78])
    near, at = (evaluate(model, system, torch.tensor([[[d, 0.0, 0.0]]])) for d in (2.5, model.cutoff - 1e-3))
    assert at.score.abs().max() < 1e-4 * near.score.abs().max()


def test_compiled_in_one_graph_for_any_number_of_edges(form):
    model = made(form, blocks=2)
    torch._dynamo.reset()
    counter = CompileCounter()
    compiled = torch.compile(model, backend=counter, fullgraph=True, dynamic=True)
    _, system = slab()
    for seed, batch in enumerate((2, 3, 5, 6)):
        positions, sigma = places(system, batch, seed), torch.linspace(0.1, 0.9, batch)
        graph = model.graph(system, positions)
        same([v.detach() for v in compiled(graph, sigma)], evaluate(model, system, positions, sigma))
    assert counter.frame_count <= 2, "the first size may be taken for a constant, no other"


def test_bf16_stays_near_float32(model):
    _, system = slab()
    positions = places(system, 8)
    exact = evaluate(model, system, positions)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = evaluate(model, system, positions)
        score, forces = model(model.graph(system, positions), torch.linspace(0.05, 0.8, 8))
        (score.square().mean() + forces.square().mean()).backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())
    for a, b in zip(rough, exact, strict=True):
        assert a.dtype == torch.float32
        assert (a - b).square().mean().sqrt() < BF16_BOUND * b.square().mean().sqrt()


def test_the_wrong_number_of_atoms_is_refused(model):
    _, system = slab()
    with pytest.raises(ValueError, match="3 free atoms"):
        model.graph(system, torch.zeros(2, 4, 3))


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"features": 0}, "features=0"), ({"gaussians": 1}, "gaussians=1"), ({"cutoff": 0}, "cutoff=0")],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        made(TemplateScore, **settings)


def test_a_seed_makes_the_same_network_and_leaves_the_global_generator_alone(form):
    state = torch.random.get_rng_state()
    a, b, other = made(form), made(form), made(form, seed=1)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))
    assert not torch.equal(a.noise[0].weight, other.noise[0].weight)


def test_the_papers_sizes_are_the_default():
    model = TemplateScore()
    assert (len(model.representation.messages), model.representation.features, model.cutoff) == (4, 64, 6.0)
    assert model.representation.basis.centres.numel() == 30
