"""One diffusion model of many islands, the zoo's ``islands``: its data, its training and what both cost.

Data: ``bayesian`` with small settings searches each island, and its lowest structures are relaxed. Every call of
the truth counts as training, relaxations too. Training: batches of one island after another, each island's structures
by Boltzmann weight, the force head on all that was evaluated. Islands are of 1 to 12 atoms on (111), (100) and stepped
(122) surfaces of Pt, Cu, Ag, Au and Ni, and of Pt and Cu on Pt(111).

Left out, to be tested on (``LEFT_OUT``): every Pt7, Pt10 on Pt(111), Cu9 on Cu(100), Pt3Cu4, all palladium, and every
island of six atoms on (100). Islands' data lie in runs/train_islands and are gone on with; so is the training, by
checkpoint.

    .venv/bin/python -W ignore -m benchmarks.train_islands [--seconds 400] [--rounds 20]
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import fcc100, fcc111, surface
from ase.symbols import symbols2numbers

import matseek.godiff
from benchmarks.results_io import ROOT
from matseek import Campaign, __version__
from matseek.candidates import AcquisitionRelaxation, OnStructures, StructureSearch
from matseek.godiff.many import Examples, ManySystems
from matseek.godiff.zoo import save_model
from matseek.potentials import BatchedEMT
from matseek.problems.motifs import Relaxation
from matseek.problems.structure import StructureProblem
from matseek.searchers import BayesianSearcher
from matseek.spaces import Adlayer
from matseek.surrogates import StructureGP

FOLDER = ROOT / "runs" / "train_islands"
METALS = ("Pt", "Cu", "Ag", "Au", "Ni")
SIZES = {
    "111": (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12),
    "100": (1, 2, 3, 4, 5, 8, 9, 10, 12),
    "122": (1, 2, 3, 4, 6, 8),
}
MIXED = ("Cu3", "Cu6", "Pt2Cu2", "Pt2Cu3", "Pt3Cu3", "Pt4Cu4")
"""On Pt(111)."""

LEFT_OUT = ["Pt7 on any face", "Pt10/Pt(111)", "Cu9/Cu(100)", "Pt3Cu4", "Pd", "6 atoms on (100)"]
SEED = 500
MODEL = Path(matseek.godiff.__file__).parent / "trained" / "islands.safetensors"
TRAINING = ManySystems(batch_size=16, steps=8, seed=SEED)
RELAXED = 3
"""Structures of an island that are relaxed."""

RELAXATION = Relaxation(fmax=0.03, max_steps=60)


def template(metal: str, face: str) -> Atoms:
    """A slab of a face."""
    if face == "122":
        return surface(metal, (1, 2, 2), 5, vacuum=8).repeat((1, 3, 1))
    return {"111": fcc111, "100": fcc100}[face](metal, (6, 6, 2), vacuum=8)


def island(free: str, metal: str, face: str) -> Adlayer:
    """The space of an island."""
    slab = template(metal, face)
    slab.pbc = (True, True, False)
    slab.arrays.pop("initial_magmoms", None)  # nickel's, which effective medium theory knows nothing of
    return Adlayer(slab, free, z=(0.0, 5.0) if face == "122" else (1.0, 6.0))


def left_out(free: str, face: str) -> bool:
    """Whether an island is kept for the test."""
    return (
        "Pd" in free
        or free in ("Pt7", "Pt3Cu4")
        or (free, face) in (("Pt10", "111"), ("Cu9", "100"))
        or (face == "100" and len(symbols2numbers(free)) == 6)
    )


def islands() -> list[tuple[str, str, str]]:
    """Free atoms, metal and face of all that is trained on; sizes and metals alternate."""
    found = [(f"{m}{n}", m, face) for n in range(1, 13) for m in METALS for face, some in SIZES.items() if n in some]
    found += [(free, "Pt", "111") for free in MIXED]
    found = [f for f in found if not left_out(f[0], f[2])]
    order = np.random.default_rng(SEED).permutation(len(found))
    return [found[k] for k in order]


def searcher() -> BayesianSearcher:
    """``bayesian`` with a quarter of its usual candidates, four structures a batch."""
    search = StructureSearch(candidates=16, generations=2, relaxation=AcquisitionRelaxation(steps=40))
    return BayesianSearcher(batch_size=4, structures=OnStructures(StructureGP(most_rows=600), search))


def explored(free: str, metal: str, face: str) -> dict[str, np.ndarray]:
    """Everything that was evaluated of an island: points, energies, forces, and what was relaxed."""
    space, calculator = island(free, metal, face), BatchedEMT()
    size = space.size
    budget = 8 if size == 1 else 12 if size <= 3 else 20 if size <= 6 else 28
    problem = StructureProblem(space, BatchedEMT, name=f"{free}_{metal}{face}")
    found = Campaign(problem, searcher(), seed=SEED).run(budget).history().done
    points, energies = [e.point for e in found], [e.value for e in found]
    forces = [np.asarray(e.response, np.float64).ravel() for e in found]
    calls = len(found)
    for k in np.argsort(energies, kind="stable")[:RELAXED]:
        relaxed = RELAXATION.relax(space.atoms(points[k]), calculator)
        calls += relaxed.calls
        point = space.wrap(np.asarray(space.point(relaxed.atoms))[None])[0]
        if space.refusals(point[None])[0]:
            continue
        relaxed.atoms.calc = calculator
        points.append(point)
        energies.append(relaxed.energy)
        forces.append(relaxed.atoms.get_forces(apply_constraint=False)[len(space.template) :].ravel())
    kept = {"points": points, "energies": energies, "forces": forces, "calls": calls, "searched": len(found)}
    return {key: np.array(value) for key, value in kept.items()}


def gather(seconds: float) -> None:
    """Explore what is missing, until so many CPU seconds are spent."""
    began = time.process_time()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for free, metal, face in islands():
        path = FOLDER / f"{free}_{metal}{face}.npz"
        if path.is_file():
            continue
        if time.process_time() - began > seconds:
            break
        start = time.process_time()
        content = explored(free, metal, face)
        content["cpu_seconds"] = np.array(time.process_time() - start)
        np.savez(path, **content)
        print(
            path.stem,
            int(content["calls"]),
            round(float(content["cpu_seconds"]), 1),
            content["energies"].min().round(3),
            flush=True,
        )


def gathered() -> tuple[list[Examples], dict[str, Any]]:
    """Examples of every island that was explored, and what they cost."""
    examples, cost = [], {"islands": 0, "structures": 0, "search_evaluations": 0, "evaluations": 0}
    seconds = 0.0
    for free, metal, face in sorted(islands()):
        path = FOLDER / f"{free}_{metal}{face}.npz"
        if not path.is_file():
            continue
        kept = np.load(path)
        examples.append(Examples(island(free, metal, face), kept["points"], kept["energies"], kept["forces"]))
        cost["islands"] += 1
        cost["structures"] += len(kept["points"])
        cost["search_evaluations"] += int(kept["searched"])
        cost["evaluations"] += int(kept["calls"])
        seconds += float(kept["cpu_seconds"])
    return examples, {**cost, "data_cpu_seconds": round(seconds, 1)}


def main() -> None:
    """Explore what is missing, then train for so many rounds and write the model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=400, help="CPU seconds of this call's explorations")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--model", type=Path, default=MODEL)
    arguments = parser.parse_args()
    if arguments.seconds > 0:
        gather(arguments.seconds)
    if not arguments.rounds:
        return
    examples, cost = gathered()
    began, clock = time.process_time(), FOLDER / "training_seconds.json"
    training = replace(TRAINING, rounds=arguments.rounds)
    model = training.train(examples, FOLDER / "training.ckpt")
    spent = time.process_time() - began + (json.loads(clock.read_text()) if clock.is_file() else 0)
    clock.write_text(json.dumps(spent))
    record = {
        "problem": "islands of 1 to 12 atoms",
        "calculator": "BatchedEMT",
        "potential": "EMT",
        "metals": [*METALS],
        "faces": [*SIZES],
        "mixed_on_Pt111": [*MIXED],
        "left_out": LEFT_OUT,
        **cost,
        "training_cpu_seconds": round(spent, 1),
        "steps": training.rounds * training.steps * len(examples),
        "batch_size": training.batch_size,
        "kt": training.kt,
        "seed": SEED,
        "command": ".venv/bin/python -W ignore -m benchmarks.train_islands",
        "matseek": __version__,
    }
    print(save_model(arguments.model, model, record, half=True).training)


if __name__ == "__main__":
    main()
