"""The low-index surfaces of ten metals, turned by random angles, reduced with the BLAS kernels of one processor.

    OPENBLAS_CORETYPE=Haswell python -m tests.kernels

prints the kernels that OpenBLAS has loaded and the number of cells.
"""

import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
from ase import build

KERNELS = ("Haswell", "SkylakeX", "Zen", "Prescott")
NEEDED = {"Haswell": "avx2", "SkylakeX": "avx512f", "Zen": "avx2", "Prescott": "pni"}
TURNS = 12
FCC = ("Pt", "Cu", "Ag", "Au", "Pd", "Ni", "Al")
BCC = ("Fe", "W")
HCP = ("Ru",)


def runs_here(kernel):
    """Whether this processor has the instructions of a kernel."""
    info = Path("/proc/cpuinfo")
    return info.is_file() and NEEDED[kernel] in info.read_text().split()


def output_under(kernel, module):
    """What a module prints that is run with the BLAS kernels of a processor."""
    done = subprocess.run(
        [sys.executable, "-m", module],
        env={**os.environ, "OPENBLAS_CORETYPE": kernel},
        cwd=Path(__file__).resolve().parents[1],
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def surfaces():
    """Slabs of one layer or a few, of several sizes in plane."""
    sizes = [(1, 1, 2), (2, 3, 2), (5, 5, 2), (6, 6, 2)]
    for metal, size in product(FCC, sizes):
        for face in (build.fcc100, build.fcc111):
            yield face(metal, size, vacuum=8.0)
        yield build.fcc110(metal, size, vacuum=8.0)
        yield build.fcc211(metal, (3 * size[0], size[1], 3), vacuum=8.0)
    for metal, size in product(BCC, sizes):
        for face in (build.bcc100, build.bcc110, build.bcc111):
            yield face(metal, size, vacuum=8.0)
    for metal, size in product(HCP, sizes):
        yield build.hcp0001(metal, size, vacuum=8.0)
        yield build.hcp10m10(metal, (size[0], 2 * size[1], 4), vacuum=8.0)
    for metal, plane in product((*FCC, *BCC), product((0, 1, 2), repeat=3)):
        if any(plane):
            slab = build.surface(metal, plane, 2, vacuum=8.0)
            slab.pbc = (True, True, False)
            yield slab


def main():
    """Reduce every surface, as it is and turned."""
    from threadpoolctl import threadpool_info

    from matseek.spaces import Adlayer
    from tests.geometry.test_cells import require_shortest

    rng = np.random.default_rng(0)
    cells = 0
    for slab in surfaces():
        for angle in (0.0, 17.3, *rng.uniform(0.0, 360.0, TURNS)):
            turned = slab.copy()
            turned.rotate(angle, "z", rotate_cell=True)
            require_shortest(turned.cell[:2, :2])
            cells += 1
    # Cells on which earlier versions never ended: the stepped surface of the adatom, and a turned hexagonal cell.
    turned = build.fcc111("Pt", (5, 5, 2), a=3.825, vacuum=8.0)
    turned.rotate(17.3, "z", rotate_cell=True)
    for slab in (build.surface("Pt", (1, 2, 2), 5, vacuum=8.0), turned):
        slab.pbc = (True, True, False)
        Adlayer(slab, "Pt", z=(0.0, 4.0)).sample_uniform(8, rng)
    blas = {entry["architecture"] for entry in threadpool_info() if entry.get("internal_api") == "openblas"}
    print("+".join(sorted(blas)), cells)  # noqa: T201


if __name__ == "__main__":
    main()
