"""The contract of a score network of structures, see :class:`matseek.godiff.score_model.AtomicScoreModel`."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from ase.build import fcc111
from scipy.spatial.transform import Rotation
from torch import Tensor

from matseek.godiff.score_model import AtomicScoreModel, ScoreAndForces
from matseek.networks.graphs import AtomicSystem
from matseek.testing.rules import Rules, global_seed

FloatArray = npt.NDArray[np.float64]

_TOLERANCE = 1e-4
"""Largest difference of vectors, as a fraction of the largest; single precision leaves 1e-5."""


class MakesNetwork(Protocol):
    """The class of a network, or a ``functools.partial`` of it with small sizes."""

    def __call__(self, *, seed: int) -> AtomicScoreModel:
        """A network whose initial parameters come from a seed."""


def check_score_network(make_network: MakesNetwork, system: AtomicSystem | None = None, seed: int = 0) -> None:
    """Certify a score network of structures.

    Score and forces turn with the atoms, by rotations and reflections, and do not move with them; like atoms may be
    exchanged, and whole cell vectors added; a structure in a batch is as it is alone; forces do not depend on sigma;
    gradients reach every parameter; a seed makes the same network, whose parameters fit any system.

    Args:
        make_network: The network's class, or a ``functools.partial`` of it with small sizes.
        system: Template and free atoms, of which two are alike; None for an alloy's slab in a skewed cell that is
            thinner than twice a usual cutoff.
        seed: Of positions and turns.

    Raises:
        ConformanceError: If it breaks a rule; the message says which, what was found and what to change.
    """
    model = make_network(seed=0)
    rules = Rules(f"the score network {type(model).__name__}")
    rules.require(
        isinstance(model, AtomicScoreModel), "a score network is an AtomicScoreModel", type(model), "derive from it"
    )
    model.eval()
    system = _slab((78, 78, 29)) if system is None else system
    x = _places(system, 3, seed)
    sigma = torch.linspace(0.05, 0.8, len(x))
    found = _check_output(rules, model, system, x, sigma)
    _check_seed(rules, make_network, model)
    _check_motions(rules, model, system, x, sigma, found, seed)
    _check_exchange(rules, model, system, x, sigma, found)
    _check_batch(rules, model, system, x, sigma, found)
    _check_sigma(rules, model, system, x)
    _check_parameters(rules, make_network, model, system, x, sigma, found)
    _check_gradients(rules, make_network(seed=0), system, x, sigma)
    other = _slab((47,))
    _check_output(rules, model, other, _places(other, 2, seed), sigma[:2])


def _slab(free: tuple[int, ...]) -> AtomicSystem:
    atoms = fcc111("Pt", (3, 2, 2), vacuum=6)
    atoms.numbers[::3] = 29
    atoms.rattle(0.1, seed=0)
    return AtomicSystem(atoms.positions, atoms.numbers, atoms.cell.array, tuple(atoms.pbc), np.array(free))


def _places(system: AtomicSystem, batch: int, seed: int) -> Tensor:
    rng = np.random.default_rng(seed)
    positions = rng.random((batch, system.n_free, 3)) @ (system.cell * [[1], [1], [0]])
    top = system.positions[:, 2].max(initial=0.0)
    positions[..., 2] = top + rng.uniform(1, 3, (batch, system.n_free))
    return torch.tensor(positions)


def _evaluated(model: AtomicScoreModel, system: AtomicSystem, x: Tensor, sigma: Tensor) -> ScoreAndForces:
    with torch.no_grad():
        found: ScoreAndForces = model(model.graph(system, x), sigma, None)
    return found


def _require_same(rules: Rules, a: ScoreAndForces, b: ScoreAndForces, rule: str, remedy: str) -> None:
    for name, x, y in zip(("score", "forces"), a, b, strict=True):
        scale = float(y.abs().max())
        apart = float((x - y).abs().max())
        rules.require(
            apart <= _TOLERANCE * scale,
            f"{rule} ({name})",
            f"a difference of {apart:.3g} where the largest entry is {scale:.3g}",
            remedy,
        )


def _turned(found: ScoreAndForces, turn: FloatArray) -> ScoreAndForces:
    return ScoreAndForces(*(v @ torch.tensor(turn.T, dtype=v.dtype) for v in found))


def _check_output(
    rules: Rules, model: AtomicScoreModel, system: AtomicSystem, x: Tensor, sigma: Tensor
) -> ScoreAndForces:
    found = _evaluated(model, system, x, sigma)
    for name, vectors in zip(("score", "forces"), found, strict=True):
        rules.require(
            vectors.shape == x.shape, f"{name} has the shape of the positions", tuple(vectors.shape), "see forward()"
        )
        rules.require(bool(vectors.isfinite().all()), f"{name} is finite", vectors, "mind distances near zero")
        rules.require(float(vectors.abs().max()) > 1e-9, f"{name} is not zero", vectors, "start from other parameters")
    return ScoreAndForces(*found)


def _check_seed(rules: Rules, make_network: MakesNetwork, model: AtomicScoreModel) -> None:
    state = torch.random.get_rng_state()
    with global_seed(1):
        again, other = make_network(seed=0), make_network(seed=1)
    alike = [torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True)]
    remedy = "make all layers in make(), and draw from torch's generator, which is seeded there"
    rules.require(all(alike), "a seed makes the same network", f"{alike.count(False)} parameters differ", remedy)
    alike = [torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True)]
    rules.require(not all(alike), "another seed makes another network", "all parameters agree", remedy)
    make_network(seed=0)
    same = torch.equal(state, torch.random.get_rng_state())
    rules.require(same, "torch's generator is left as it was", "it has moved", remedy)


def _check_motions(
    rules: Rules,
    model: AtomicScoreModel,
    system: AtomicSystem,
    x: Tensor,
    sigma: Tensor,
    found: ScoreAndForces,
    seed: int,
) -> None:
    turn = Rotation.random(rng=seed + 1).as_matrix()
    shift = np.array([3.0, -1.0, 7.0])
    for what, matrix, moved in (
        ("translations of everything change nothing", np.eye(3), shift),
        ("score and forces turn with the atoms", turn, 0 * shift),
        ("score and forces are mirrored with the atoms", -turn, 0 * shift),
    ):
        changed = AtomicSystem(
            system.positions @ matrix.T + moved,
            system.numbers,
            system.cell @ matrix.T,
            system.pbc,
            system.free_numbers,
        )
        after = _evaluated(model, changed, x @ torch.tensor(matrix.T) + torch.tensor(moved), sigma)
        remedy = "build vectors from differences of positions, scaled by functions of distances"
        _require_same(rules, after, _turned(found, matrix), what, remedy)
    images = x.clone()
    a, b = torch.tensor(system.cell[0]), torch.tensor(system.cell[1])
    images[:, 0] += 2 * a - 3 * b
    images[0, -1] -= b
    after = _evaluated(model, system, images, sigma)
    _require_same(rules, after, found, "an atom and its images are the same", "take edges from graph()")


def _check_exchange(
    rules: Rules, model: AtomicScoreModel, system: AtomicSystem, x: Tensor, sigma: Tensor, found: ScoreAndForces
) -> None:
    numbers = system.free_numbers
    alike = [(i, j) for i in range(len(numbers)) for j in range(i) if numbers[i] == numbers[j]]
    if not alike:
        return
    order = np.arange(len(numbers))
    i, j = alike[0]
    order[[i, j]] = order[[j, i]]
    after = _evaluated(model, system, x[:, order], sigma)
    _require_same(
        rules,
        after,
        ScoreAndForces(*(v[:, order] for v in found)),
        "like atoms may be exchanged",
        "sum over neighbours, and let nothing depend on an atom's index",
    )


def _check_batch(
    rules: Rules, model: AtomicScoreModel, system: AtomicSystem, x: Tensor, sigma: Tensor, found: ScoreAndForces
) -> None:
    with torch.no_grad():
        template = model.encode_template(system)
        cached = model(model.graph(system, x), sigma, template)
    _require_same(rules, cached, found, "the template encoded before changes nothing", "see encode_template()")
    for k in range(len(x)):
        alone = _evaluated(model, system, x[k : k + 1], sigma[k : k + 1])
        _require_same(
            rules,
            alone,
            ScoreAndForces(*(v[k : k + 1] for v in found)),
            "a structure in a batch is as it is alone",
            "let no edge lead from one structure to another, and take no statistics over a batch",
        )


def _check_sigma(rules: Rules, model: AtomicScoreModel, system: AtomicSystem, x: Tensor) -> None:
    low, high = (_evaluated(model, system, x, torch.full((len(x),), s)) for s in (0.02, 1.0))
    moved = float((low.forces - high.forces).abs().max())
    rules.require(
        moved <= _TOLERANCE * float(low.forces.abs().max()),
        "forces do not depend on sigma",
        f"a difference of {moved:.3g}",
        "let sigma enter in the score head only",
    )
    moved = float((low.score - high.score).abs().max())
    rules.require(
        moved > _TOLERANCE * float(low.score.abs().max()), "the score depends on sigma", moved, "give it to the head"
    )


def _check_parameters(
    rules: Rules,
    make_network: MakesNetwork,
    model: AtomicScoreModel,
    system: AtomicSystem,
    x: Tensor,
    sigma: Tensor,
    found: ScoreAndForces,
) -> None:
    rules.require_plain("architecture", model.architecture)
    known = set(model.state_dict())
    missing = [name for name, _ in model.named_parameters() if name not in known]
    heads = [name for name in known if name.startswith("force_head.")]
    rules.require(not missing and heads, "state_dict() holds all heads", sorted(known), "make them nn.Modules")
    other = make_network(seed=1).eval()
    other.load_state_dict(model.state_dict())
    _require_same(
        rules,
        _evaluated(other, system, x, sigma),
        found,
        "a network with the parameters of another says the same",
        "keep all that is learnt in parameters or buffers",
    )


def _check_gradients(rules: Rules, model: AtomicScoreModel, system: AtomicSystem, x: Tensor, sigma: Tensor) -> None:
    def reached(names: tuple[str, ...]) -> set[str]:
        model.zero_grad()
        found = model(model.graph(system, x), sigma, None)
        loss = torch.stack([getattr(found, name).square().mean() for name in names]).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return {n for n, p in model.named_parameters() if p.grad is not None and bool(p.grad.abs().max() > 0)}

    everything = {name for name, _ in model.named_parameters()}
    unreached = sorted(everything - reached(("score", "forces")))
    rules.require(not unreached, "gradients reach every parameter", unreached, "leave out what nothing depends on")
    own = {name for name in everything if name.startswith("force_head.")}
    rules.require(
        own <= reached(("forces",)) and not own & reached(("score",)),
        "force_head holds what only forces depend on",
        sorted(own & reached(("score",))),
        "read the score from other layers",
    )
    model.freeze_force_head()
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    rules.require(frozen == own, "freeze_force_head() freezes the force head", sorted(frozen), "leave it to the base")
