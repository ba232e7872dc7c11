"""A campaign of spectra whose band moves with one variable, small enough to be fitted in a second."""

import numpy as np
import pandas as pd

from matseek.configuration import run_settings
from matseek.run_folder import RunFolder
from matseek.runs import keep_config, open_campaign

WAVELENGTHS = np.arange(400, 701, 20.0)
VARIABLES = {"Q": {"low": 0, "high": 40}, "c": {"low": 0, "high": 30, "unit": "mM"}, "pH": {"low": 3, "high": 9}}


def target():
    """The wanted spectrum, as a table."""
    return pd.DataFrame({"wavelength": WAVELENGTHS, "absorbance": np.exp(-(((WAVELENGTHS - 560) / 60) ** 2))})


def band(points):
    """Two replicates of each spectrum."""
    centre = 450 + 5 * points[:, :1]
    clean = np.exp(-(((WAVELENGTHS - centre) / 60) ** 2)) * (0.6 + 0.01 * points[:, 1:2])
    return np.stack([clean, 1.02 * clean], axis=1)


def measured(folder, name, conditions=12, waiting=2):
    """A campaign with measured conditions, and others that wait."""
    file = folder / f"{name}.csv"
    target().to_csv(file, index=False)
    problem = {
        "_target_": "matseek.problems.laboratory.laboratory",
        "name": name,
        "variables": VARIABLES,
        "constraints": [{"coefficients": {"Q": 1, "c": 1}, "upper": 60}],
        "target": str(file),
    }
    overrides = ["problem=laboratory", f"searcher.batch_size={conditions}", f"run_dir='{folder / name}'"]
    settings = run_settings(overrides, problem)
    campaign = open_campaign(settings)
    keep_config(settings)
    batch = campaign.ask()
    campaign.tell(batch.with_responses(band(batch.points)))
    campaign.ask(waiting)
    return RunFolder(folder / name)
