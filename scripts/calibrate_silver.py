"""Calibrate the kinetic constants of the embedded silver laboratory on measured losses.

Fits `matseek.library.silver.SilverKinetics` so that the noiseless losses of the simulator agree, in rank and
in value, with the medians of the measured conditions (`agnp_droplets.csv`); prints the constants to paste
into the class, what rounding costs, and the rank correlation on conditions held out of the fit. Seeded: the
same call prints the same.

    OMP_NUM_THREADS=1 python scripts/calibrate_silver.py --data FOLDER --seed 0 --maxiter 220
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import differential_evolution, minimize
from scipy.stats import spearmanr

from matseek.library.silver import WAVELENGTHS, SilverKinetics, SilverLaboratory, silver_target
from matseek.problems.spectra import SpectralMatch

FloatArray = npt.NDArray[np.float64]

# Name: lower bound, upper bound, unit, why these. All are searched on a logarithmic scale.
BOUNDS: dict[str, tuple[float, float, str, str]] = {
    "seed_density": (3.0, 30.0, "1e12/cm3", "0.1-1 mM of silver in seeds of 6-10 nm"),
    "seed_diameter": (6.0, 10.0, "nm", "seeds grow into prisms about as thick; the target is 10 nm"),
    "flatness": (0.3, 0.5, "1", "0.5 is growth at constant thickness, the flattest possible"),
    "prism_share": (0.6, 1.0, "1", "a share; a seeded synthesis makes mostly prisms"),
    "citrate_affinity": (1.0, 1000.0, "1", "half coverage between 0.1 and 100 % of citrate flow"),
    "pva_affinity": (0.3, 100.0, "1", "half coverage between 1 and 300 % of PVA flow: it binds more weakly"),
    "reduction_rate": (0.005, 1.0, "1/s", "ascorbic acid reduces silver within seconds to minutes"),
    "citrate_binding": (0.5, 100.0, "1", "from hardly any to most silver bound at 30 % of citrate flow"),
    "nucleation_volume": (5e4, 1e6, "nm3", "beyond prisms of 100-450 nm edge seeds no longer keep up"),
    "size_spread": (0.15, 0.55, "1", "5-18 % of the length: from the best syntheses to common ones"),
    "mixing_flow": (10.0, 1000.0, "uL/min", "from no influence to influence over the whole range of flows"),
    "path_length": (0.02, 0.075, "cm", "bore of the tubing; longer would saturate where the laboratory did not"),
}
LOWER = np.log([bound[0] for bound in BOUNDS.values()])
UPPER = np.log([bound[1] for bound in BOUNDS.values()])


def load_medians(folder: Path) -> tuple[FloatArray, FloatArray]:
    """Conditions, shape ``(n, 5)``, and the median measured loss of each, shape ``(n,)``."""
    droplets = pd.read_csv(folder / "agnp_droplets.csv")
    columns = list(droplets.columns[:5])
    medians = droplets.groupby(columns, as_index=False)["loss"].median()
    return medians[columns].to_numpy(dtype=np.float64), medians["loss"].to_numpy(dtype=np.float64)


def simulated_losses(kinetics: SilverKinetics, points: FloatArray) -> FloatArray:
    """Noiseless losses of the simulator, shape ``(n,)``."""
    match = SpectralMatch(WAVELENGTHS, silver_target())
    return match(SilverLaboratory(kinetics).spectra(points))


def rank_agreement(predicted: FloatArray, measured: FloatArray) -> float:
    """Spearman's rank correlation; 0 where the prediction does not vary."""
    return 0.0 if np.ptp(predicted) == 0 else float(spearmanr(predicted, measured).statistic)


def unpack(logarithms: FloatArray) -> SilverKinetics:
    """Constants from their logarithms, in the order of ``BOUNDS``."""
    return SilverKinetics(**dict(zip(BOUNDS, map(float, np.exp(logarithms)), strict=True)))


def disagreement(logarithms: FloatArray, points: FloatArray, measured: FloatArray) -> float:
    """What is minimised: weighted squared error over the variance of the losses, plus one minus Spearman.

    The weights fall as one over the square of the measured loss: an optimiser lives where the loss is low.
    """
    predicted = simulated_losses(unpack(logarithms), points)
    weights = measured**-2.0
    error = float(np.average((predicted - measured) ** 2, weights=weights) / np.var(measured))
    return error + 1.0 - rank_agreement(predicted, measured)


def fit(points: FloatArray, measured: FloatArray, *, maxiter: int, seed: int) -> FloatArray:
    """Logarithms of the best constants: differential evolution, then Nelder-Mead within the bounds."""
    bounds = list(zip(LOWER, UPPER, strict=True))
    arguments = (points, measured)
    rough = differential_evolution(
        disagreement, bounds, arguments, maxiter=maxiter, popsize=6, rng=seed, polish=False, tol=1e-5
    )
    fine = minimize(
        disagreement,
        rough.x,
        arguments,
        method="Nelder-Mead",
        bounds=bounds,
        options={"maxfev": 10 * maxiter},
    )
    return np.asarray(fine.x if fine.fun < rough.fun else rough.x, dtype=np.float64)


def cross_validated(
    points: FloatArray, measured: FloatArray, *, folds: int, maxiter: int, seed: int
) -> tuple[float, float]:
    """Spearman and root mean squared error of losses predicted for conditions left out of the fit."""
    order = np.random.default_rng(seed).permutation(len(points))
    predicted = np.empty(len(points))
    for held_out in np.array_split(order, folds):
        kept = np.setdiff1d(order, held_out)
        found = fit(points[kept], measured[kept], maxiter=maxiter, seed=seed)
        predicted[held_out] = simulated_losses(unpack(found), points[held_out])
    return rank_agreement(predicted, measured), float(np.sqrt(np.mean((predicted - measured) ** 2)))


def rounded(logarithms: FloatArray) -> SilverKinetics:
    """Constants to three significant digits, as they are written into the class."""
    values = [float(f"{value:.3g}") for value in np.exp(logarithms)]
    return SilverKinetics(**dict(zip(BOUNDS, values, strict=True)))


def report(name: str, predicted: FloatArray, measured: FloatArray) -> None:
    """Print how well losses agree."""
    error = np.sqrt(np.mean((predicted - measured) ** 2))
    print(f"{name}: Spearman {rank_agreement(predicted, measured):.3f}, root mean squared error {error:.3f}")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    default = os.environ.get("MATSEEK_DATA", str(Path(__file__).resolve().parents[2] / "shared" / "data"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(default), help="folder that holds agnp_droplets.csv")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--maxiter", type=int, default=220, help="generations of differential evolution")
    parser.add_argument("--folds", type=int, default=5, help="folds of the cross-validation, 0 for none")
    parser.add_argument("--fold-maxiter", type=int, default=60, help="generations for each fold")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Calibrate, and print the constants and how far to trust them."""
    options = parse(arguments)
    points, measured = load_medians(options.data)
    start = time.perf_counter()
    found = fit(points, measured, maxiter=options.maxiter, seed=options.seed)
    kinetics = rounded(found)
    for name, (low, high, unit, reason) in BOUNDS.items():
        value = getattr(kinetics, name)
        print(f"    {name}: float = {value!r}  # {unit}; searched {low:g}-{high:g}: {reason}")
    report("all conditions", simulated_losses(unpack(found), points), measured)
    report("rounded constants", simulated_losses(kinetics, points), measured)
    if options.folds > 1:
        rank, error = cross_validated(
            points, measured, folds=options.folds, maxiter=options.fold_maxiter, seed=options.seed
        )
        print(f"{options.folds}-fold held out: Spearman {rank:.3f}, root mean squared error {error:.3f}")
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
