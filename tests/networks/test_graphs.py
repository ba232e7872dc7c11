import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, fcc111, surface
from ase.neighborlist import neighbor_list

from matseek.networks.graphs import AtomicSystem, free_edges, full_graph, neighbour_list, surroundings, template_graph


def random_atoms(seed):
    """Skewed and thin cells, some smaller than the cutoff, any periodicity, atoms anywhere in space."""
    rng = np.random.default_rng(seed)
    while True:
        cell = rng.normal(0, 1, (3, 3)) * rng.uniform(1.5, 9, (3, 1))
        volume = abs(np.linalg.det(cell))
        if volume > 30 and (volume * np.linalg.norm(np.linalg.inv(cell), axis=0)).max() < 40 * volume:
            break
    n = int(rng.integers(2, 7))
    pbc = rng.random(3) < 0.7
    return Atoms(rng.integers(1, 80, n), (rng.uniform(-1, 2, (n, 3))) @ cell, cell=cell, pbc=pbc), rng.uniform(2, 6)


def system_of(atoms, free):
    """The last atoms are free."""
    n = len(atoms) - free
    return AtomicSystem(atoms.positions[:n], atoms.numbers[:n], atoms.cell.array, tuple(atoms.pbc), atoms.numbers[n:])


def rows(i, j, vectors):
    """Edges as rows in an order that rounding does not change."""
    table = np.column_stack([i, j, np.round(np.asarray(vectors), 4) + 0.0])
    return table[np.lexsort(table.T[::-1])]


def of_ase(atoms, cutoff):
    i, j, vectors = neighbor_list("ijD", atoms, cutoff, self_interaction=False)
    return i, j, vectors


@pytest.mark.parametrize("first", range(0, 200, 50))
def test_lists_are_ases_on_random_cells(first):
    several = 0
    for seed in range(first, first + 50):
        atoms, cutoff = random_atoms(seed)
        i, j, vectors = of_ase(atoms, cutoff)
        several += int((i == j).any())
        expected = rows(i, j, vectors)
        np.testing.assert_allclose(
            rows(*neighbour_list(atoms.positions, system_of(atoms, 1).cell, tuple(atoms.pbc), cutoff)),
            expected,
            atol=2e-4,
        )
        n_free = 1 + seed % (len(atoms) - 1)
        around = surroundings(system_of(atoms, n_free), cutoff, torch.float64)
        positions = torch.tensor(atoms.positions[-n_free:])[None]
        template = len(atoms) - n_free
        _, receiver, source, along = free_edges(around, positions)
        into_free = i >= template
        np.testing.assert_allclose(
            rows(receiver + template, source, along), rows(i[into_free], j[into_free], vectors[into_free]), atol=2e-4
        )
        graph = full_graph(around, positions)
        np.testing.assert_allclose(
            rows(graph.edge_index[1], graph.edge_index[0], graph.edge_vectors), expected, atol=2e-4
        )
    assert several >= 10, "atoms that see images of themselves must be among the cases"


def test_a_batch_is_its_structures_one_after_another():
    slab = fcc111("Pt", (2, 2, 2), vacuum=6)
    system = AtomicSystem(slab.positions, slab.numbers, slab.cell.array, tuple(slab.pbc), [78, 79])
    around = surroundings(system, 5.0)
    positions = torch.rand(3, 2, 3, generator=torch.Generator().manual_seed(0)) * 5 + 8
    size, batch = len(slab) + 2, full_graph(around, positions)
    for k in range(3):
        alone = full_graph(around, positions[k : k + 1])
        mine = batch.batch[batch.edge_index[1]] == k
        assert torch.equal(batch.numbers[batch.batch == k], alone.numbers)
        np.testing.assert_allclose(
            rows(*(batch.edge_index[:, mine] - k * size), batch.edge_vectors[mine]),
            rows(*alone.edge_index, alone.edge_vectors),
            atol=1e-4,
        )
    assert batch.free.tolist() == [k * size + len(slab) + i for k in range(3) for i in range(2)]


def test_the_template_sees_no_free_atom():
    slab = surface("Pt", (1, 2, 2), 3, vacuum=6)
    system = AtomicSystem(slab.positions, slab.numbers, slab.cell.array, tuple(slab.pbc), [78])
    graph = template_graph(surroundings(system, 6.0), torch.full((4, 1, 3), 9.0))
    distinct = len(graph.template_numbers)
    assert graph.template_edge_index.max() < distinct
    assert graph.edge_index[1].max() == 3
    assert graph.edge_index[0].max() < distinct + 4


@pytest.mark.parametrize(
    ("atoms", "orbits"),
    [
        (fcc111("Pt", (4, 3, 2), vacuum=6), 2),
        (bulk("NaCl", "rocksalt", a=5.6, cubic=True) * (2, 1, 1), 2),
        (surface("Pt", (1, 1, 1), 3, vacuum=6), 3),
        (Atoms("PtAu", [[0, 0, 0], [2.5, 0, 0]], cell=[5, 5, 5], pbc=True), 2),
        (Atoms("Pt2", [[0, 0, 0], [2.5, 0, 0]], cell=[5, 5, 5], pbc=(False, True, True)), 2),
        (Atoms("Pt2", [[0, 0, 0], [2.5, 0, 0]], cell=[5, 5, 5], pbc=(True, True, True)), 1),
    ],
)
def test_orbits_are_the_atoms_of_the_primitive_cell(atoms, orbits):
    system = AtomicSystem(atoms.positions, atoms.numbers, atoms.cell.array, tuple(atoms.pbc), [1])
    assert len(set(system.orbits.tolist())) == orbits
    moved = atoms.positions.copy()
    moved[-1] += 0.05
    broken = AtomicSystem(moved, atoms.numbers, atoms.cell.array, tuple(atoms.pbc), [1])
    assert len(set(broken.orbits.tolist())) >= min(len(atoms), 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"free_numbers": []}, "free_numbers is empty"),
        ({"numbers": [78]}, "numbers has 1 atoms"),
        ({"numbers": [78, 119]}, "atomic numbers from 1 to 118"),
        ({"positions": [[0, 0, 0], [0, 0, np.nan]]}, "not finite"),
        ({"cell": [[5, 0, 0], [5, 0, 0], [0, 0, 5]]}, "flat"),
        ({"cell": np.eye(2)}, "shape"),
        ({"pbc": (True, True)}, "three booleans"),
    ],
)
def test_bad_systems_are_refused(change, message):
    good = {
        "positions": [[0, 0, 0], [2, 0, 0]],
        "numbers": [78, 79],
        "cell": np.eye(3) * 5,
        "pbc": (True, True, False),
        "free_numbers": [78],
    }
    AtomicSystem(**good)
    with pytest.raises(ValueError, match=message):
        AtomicSystem(**good | change)


def test_a_cell_without_a_third_vector_and_a_system_without_a_template():
    flat = AtomicSystem(np.zeros((0, 3)), [], np.diag([4.0, 4.0, 0.0]), (True, True, False), [1, 1])
    around = surroundings(flat, 4.5)
    _, receiver, source, along = free_edges(around, torch.tensor([[[0.0, 0.0, 0.0], [0.0, 0.0, 9.0]]]))
    assert torch.equal(receiver, source)
    np.testing.assert_allclose(along.norm(dim=1), 4.0, rtol=1e-6)
    assert len(receiver) == 8


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_mixed_precision_moves_no_edge(dtype):
    atoms = fcc111("Pt", (6, 6, 2), vacuum=8)
    system = AtomicSystem(atoms.positions, atoms.numbers, atoms.cell.array, (True, True, False), np.full(7, 78))
    around = surroundings(system, 6.0)
    generator = torch.Generator().manual_seed(0)
    positions = torch.rand(8, 7, 3, generator=generator) * torch.tensor([16.0, 14.0, 5.0]) + torch.tensor([0, 0, 11.0])
    exact = free_edges(around, positions)
    with torch.autocast("cpu", dtype=dtype):
        rough = free_edges(around, positions)
    for a, b in zip(rough, exact, strict=True):
        assert a.dtype == b.dtype
        torch.testing.assert_close(a, b, rtol=0.0, atol=1e-5)
