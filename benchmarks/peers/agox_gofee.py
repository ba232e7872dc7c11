# ruff: noqa: E402, I001 -- standard output is put aside before AGOX is imported
"""Drives AGOX's own GOFEE on one task; run by a Python that has ``agox``, never by matseek's.

AGOX is under the GPL, version 3. This script imports it and nothing of matseek; matseek imports neither. They talk
through files and a pipe only: ``benchmarks/agox.py`` writes the task and reads what is printed here.

    PYTHON benchmarks/peers/agox_gofee.py FOLDER

FOLDER holds ``template.extxyz`` (ASE) and ``task.json``: ``free`` (formula), ``z_low`` and ``z_high`` (the confinement,
absolute, in angstrom), ``settings`` (``wide`` or ``documented``), ``seed`` and ``budget``. Printed are JSON lines:
first ``{"versions": {...}, "cpu_seconds": ...}``, then for each call of the truth ``{"numbers": [...], "positions":
[[x, y, z], ...], "energy": ..., "cpu_seconds": ...}`` of the free atoms, in angstrom and eV. Whatever AGOX itself
prints goes to the standard error.

Settings (``documented`` has the values that ``agox.algorithms.GOFEEConfig`` shows, ``wide`` those of the project's
issue 13); everything is serial, so that one process is all there is to count:

==============================  ===============================  ==========================================
what                            documented                       wide
==============================  ===============================  ==========================================
candidates a step               10                               30
of them random                  all before step 5, then 20 %     all before step 5, then 20 %
rattled by up to 3 angstrom     80 %, a quarter of the atoms     40 %, three atoms
around the centre of geometry   -                                40 %
random placements               contiguous                       contiguous
relaxed on the acquisition      100 steps, from step 2           100 steps, from step 2
calls a step                    2 (one step along the forces)    1
==============================  ===============================  ==========================================
"""

from __future__ import annotations

import json
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path

STREAM = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)  # what AGOX prints must not come between the lines

import numpy as np
from agox import AGOX
from agox.acquisitors import LowerConfidenceBoundAcquisitor
from agox.collectors import StandardCollector
from agox.databases import Database
from agox.environments import Environment
from agox.evaluators import LocalOptimizationEvaluator, SinglePointEvaluator
from agox.generators import CenterOfGeometryGenerator, RandomGenerator, RattleGenerator
from agox.models.descriptors import Fingerprint
from agox.models.GPR import GPR
from agox.models.GPR.kernels import RBF, Constant, Noise
from agox.models.GPR.priors import Repulsive
from agox.postprocessors import RelaxPostprocess
from agox.samplers import KMeansSampler
from agox.utils.ray import configure_ray_pool
from ase import Atoms
from ase.calculators.emt import EMT
from ase.io import read
from ase.optimize import BFGS

PACKAGES = ("agox", "ase", "numpy", "scipy", "ray")


def tell(**line: object) -> None:
    """One JSON line, with the processor time of this process so far."""
    try:
        STREAM.write(json.dumps({**line, "cpu_seconds": round(time.process_time(), 3)}) + "\n")
    except BrokenPipeError:
        os._exit(1)  # nobody counts any more; AGOX would take an exception for a failed calculation and go on


class CountedEMT(EMT):
    """ASE's EMT; each of its calculations is told."""

    template: Atoms

    def calculate(self, atoms: Atoms | None = None, *args: object, **kwargs: object) -> None:
        """Calculate, then tell what of."""
        super().calculate(atoms, *args, **kwargs)
        size = len(self.template)
        if not np.allclose(atoms.positions[:size], self.template.positions, atol=1e-8):
            raise RuntimeError("the template has moved")
        tell(
            numbers=atoms.numbers[size:].tolist(),
            positions=atoms.positions[size:].tolist(),
            energy=float(self.results["energy"]),
        )


def main() -> None:
    folder = Path(sys.argv[1])
    task = json.loads((folder / "task.json").read_text())
    template = read(folder / "template.extxyz")
    tell(versions={"python": sys.version.split()[0], **{name: version(name) for name in PACKAGES}})
    CountedEMT.template = template.copy()
    wide = {"wide": True, "documented": False}[task["settings"]]

    # AGOX starts Ray even where nothing of it is used; it stays small, and in the folder that is deleted.
    configure_ray_pool(cpu_count=1, memory=400_000_000, tmp_dir=str(folder / "ray"))

    cell = np.array(template.cell)
    cell[2] = (0.0, 0.0, task["z_high"] - task["z_low"])
    environment = Environment(
        template=template,
        symbols=task["free"],
        confinement_cell=cell,
        confinement_corner=np.array([0.0, 0.0, task["z_low"]]),
        box_constraint_pbc=[True, True, False],
        print_report=False,
    )
    database = Database(filename=str(folder / "agox.db"), order=5, initialize=True)

    descriptor = Fingerprint(environment=environment)
    beta = 0.01
    near = Constant(beta, (beta, beta)) * RBF()
    far = Constant(1 - beta, (1 - beta, 1 - beta)) * RBF()
    kernel = Constant(5000, (1, 1e5)) * (near + far) + Noise(0.01, (0.01, 0.01))
    model = GPR(descriptor=descriptor, kernel=kernel, database=database, prior=Repulsive(), use_ray=False)
    sampler = KMeansSampler(descriptor=descriptor, database=database, sample_size=10, max_energy=5.0)

    confinement = environment.get_confinement()
    size = len(environment.get_numbers())
    generators = [
        RandomGenerator(**confinement, contiguous=True),
        RattleGenerator(**confinement, n_rattle=3 if wide else max(1, round(0.25 * size)), rattle_amplitude=3),
    ]
    if wide:
        generators.append(CenterOfGeometryGenerator(**confinement))
    counts = {0: [30, 0, 0], 5: [6, 12, 12]} if wide else {0: [10, 0], 5: [2, 8]}
    collector = StandardCollector(
        generators=generators, sampler=sampler, environment=environment, num_candidates=counts, order=1
    )
    acquisitor = LowerConfidenceBoundAcquisitor(model=model, kappa=2, order=3)
    relaxer = RelaxPostprocess(
        model=acquisitor.get_acquisition_calculator(),
        optimizer=BFGS,
        constraints=environment.get_constraints(),
        optimizer_run_kwargs={"fmax": 0.05, "steps": 100},
        start_relax=2,
        order=2,
    )
    chosen = {"gets": {"get_key": "prioritized_candidates"}, "order": 4}
    if wide:
        evaluator = SinglePointEvaluator(CountedEMT(), **chosen)
    else:
        evaluator = LocalOptimizationEvaluator(
            CountedEMT(),
            optimizer_run_kwargs={"fmax": 0.05, "steps": 1},
            constraints=environment.get_constraints(),
            store_trajectory=True,
            **chosen,
        )
    search = AGOX(collector, relaxer, acquisitor, evaluator, database, seed=task["seed"], report=False)
    search.run(N_iterations=task["budget"])


if __name__ == "__main__":
    main()
