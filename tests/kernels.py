"""The low-index surfaces of ten metals, turned by random angles, reduced with the BLAS kernels of one processor.

    OPENBLAS_CORETYPE=Haswell python -m tests.kernels [--turns 12]

prints the kernels that OpenBLAS has loaded and the number of cells.
"""

import argparse
from itertools import product
from pathlib import Path

import numpy as np
from ase import build

KERNELS = ("Haswell", "SkylakeX", "Zen", "Prescott")
NEEDED = {"Haswell": "avx2", "SkylakeX": "avx512f", "Zen": "avx2", "Prescott": "pni"}
FCC = ("Pt", "Cu", "Ag", "Au", "Pd", "Ni", "Al")
BCC = ("Fe", "W")
HCP = ("Ru",)


def runs_here(kernel):
    """Whether this processor has the instructions of a kernel."""
    info = Path("/proc/cpuinfo")
    return info.is_file() and NEEDED[kernel] in info.read_text().split()


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
    from tests.test_cells import require_shortest

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=12)
    turns = parser.parse_args().turns
    rng = np.random.default_rng(0)
    cells = 0
    for slab in surfaces():
        for angle in (0.0, 17.3, *rng.uniform(0.0, 360.0, turns)):
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
