"""The measured silver droplets as an oracle: a GP of the measured losses, with the droplets' own scatter."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from matseek import checks
from matseek.spaces import Box
from matseek.surrogates.gp import GaussianProcess
from matseek.tables import read_csv

FloatArray = npt.NDArray[np.float64]

_COLUMNS = {
    "QAgNO3(%)": "QAgNO3",
    "Qpva(%)": "Qpva",
    "Qtsc(%)": "Qtsc",
    "Qseed(%)": "Qseed",
    "Qtot(uL/min)": "Qtot",
}
_LOSS = "loss"


@dataclass(frozen=True, eq=False)
class MeasuredDroplets:
    """Measured conditions with the losses of their droplets.

    Args:
        conditions: Distinct conditions, shape ``(n, 5)``, in % and uL/min.
        medians: Median loss of each, shape ``(n,)``.
        variances: Variance of each median, shape ``(n,)``.
        residuals: Loss of every droplet less the median of its condition, shape ``(droplets,)``.
        digest: Tells one data file from another.
    """

    conditions: FloatArray
    medians: FloatArray
    variances: FloatArray
    residuals: FloatArray
    digest: str

    @classmethod
    def read(cls, data: str | Path) -> MeasuredDroplets:
        """Read the table of Mekki-Berrada et al. as released with Liang et al., npj Comput. Mater. 7, 188 (2021).

        Args:
            data: CSV file with a row per droplet: four flow fractions in %, the total flow in uL/min, the loss.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If columns are missing or hold something other than numbers.
        """
        path = checks.path("data", data)
        if not path.is_file():
            raise FileNotFoundError(f"data={str(path)!r} is not a file; give the CSV of measured droplets, data=FILE")
        try:
            frame = read_csv(path)
        except ValueError as error:
            raise ValueError(f"data: {error}") from error
        missing = [c for c in (*_COLUMNS, _LOSS) if c not in frame.columns]
        if missing:
            raise ValueError(f"data={str(path)!r} lacks the columns {missing}; it has {list(frame.columns)}")
        table = frame[[*_COLUMNS, _LOSS]].apply(pd.to_numeric, errors="coerce")
        if table.isna().any().any():
            row = int(np.flatnonzero(table.isna().any(axis=1))[0])
            raise ValueError(f"data={str(path)!r}, row {row}: not a number; correct or remove the row")
        grouped = table.groupby(list(_COLUMNS))[_LOSS]
        summary = grouped.agg(["median", "std", "count"]).reset_index()
        return cls(
            conditions=summary[list(_COLUMNS)].to_numpy(dtype=np.float64),
            medians=summary["median"].to_numpy(dtype=np.float64),
            variances=(np.pi / 2 * summary["std"] ** 2 / summary["count"]).to_numpy(dtype=np.float64),
            residuals=(table[_LOSS] - grouped.transform("median")).to_numpy(dtype=np.float64),
            digest=hashlib.sha256(path.read_bytes()).hexdigest()[:16],
        )


@dataclass(frozen=True, eq=False)
class DropletEmulator:
    """An oracle that answers as the measured laboratory would: the GP's mean, and real droplets' scatter around it.

    Args:
        droplets: What was measured.
        gp: Fitted to the measured medians.
        replicates: Droplets per condition.
    """

    droplets: MeasuredDroplets
    gp: GaussianProcess
    replicates: int

    @classmethod
    def fit(cls, droplets: MeasuredDroplets, space: Box, replicates: int) -> DropletEmulator:
        """Fit the GP (ARD Matern-5/2) to the medians."""
        replicates = checks.whole(1, 10_000)("replicates", replicates)
        gp = GaussianProcess.fit(space, droplets.conditions, droplets.medians, droplets.variances)
        return cls(droplets, gp, replicates)

    def mean(self, points: npt.ArrayLike) -> FloatArray:
        """Loss without scatter, shape ``(n,)``, in [0, 1]."""
        return np.asarray(np.clip(self.gp.predict(points)[0], 0.0, 1.0))

    def __call__(self, points: npt.ArrayLike, rng: np.random.Generator | None = None) -> FloatArray:
        """Losses of droplets, shape ``(n, replicates)``: residuals drawn from the measured ones; seed 0 without rng."""
        rng = rng or np.random.default_rng(0)
        mean = self.mean(points)
        scatter = rng.choice(self.droplets.residuals, size=(len(mean), self.replicates))
        return np.asarray(np.clip(mean[:, None] + scatter, 0.0, 1.0))

    def describe(self) -> str:
        """Tells one emulator from another."""
        return f"DropletEmulator(data={self.droplets.digest}, replicates={self.replicates})"
