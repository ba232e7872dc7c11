"""A new campaign, from what is entered into a form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from matseek.configuration import RunSettings, quoted, run_settings
from matseek.errors import ConfigurationError
from matseek.run_folder import RunFolder
from matseek.runs import keep_config, open_campaign
from matseek.tables import Numerals, read_grids, write_csv
from matseek.tables.grid import Grid
from matseek.workbench.folder import CampaignsFolder

FloatArray = npt.NDArray[np.float64]

TARGET = "target.csv"
"""The target in the run folder."""

_PROBLEM = "matseek.problems.laboratory.laboratory"
_LEAST_WAVELENGTHS = 3


@dataclass(frozen=True)
class Ingredient:
    """A variable as it is entered.

    Args:
        name: Its name.
        low: Lower end of what is tried, as text.
        high: Upper end.
        unit: Its unit; empty for a pure number.
        step: Distance of the values that can be set; empty where any can.
        choices: Names separated by commas, for one that is chosen and not dosed; empty for numbers.
        least: The least that the apparatus can do; empty where that is ``low``.
        most: The most that it can do.
    """

    name: str
    low: str = ""
    high: str = ""
    unit: str = ""
    step: str = ""
    choices: str = ""
    least: str = ""
    most: str = ""

    def settings(self) -> dict[str, Any]:
        """What the problem is made with.

        Raises:
            ValueError: If a field is no number.
        """
        if self.choices.strip():
            return {"values": [c.strip() for c in self.choices.split(",") if c.strip()]}
        found: dict[str, Any] = {
            "low": number(self.low, f"the lower limit of {self.name!r}"),
            "high": number(self.high, f"the upper limit of {self.name!r}"),
        }
        if self.unit.strip():
            found["unit"] = self.unit.strip()
        if self.least.strip() or self.most.strip():
            ends = (("low", self.least, "least"), ("high", self.most, "most"))
            found["hardware"] = [
                number(text, f"the {word} that the apparatus can do of {self.name!r}") if text.strip() else found[end]
                for end, text, word in ends
            ]
        if self.step.strip():
            found["step"] = number(self.step, f"the step of {self.name!r}")
        return found


@dataclass(frozen=True)
class Sum:
    """A rule about the sum of some variables.

    Args:
        names: The variables.
        kind: ``at most``, ``at least`` or ``exactly``.
        bound: The number, as text.
    """

    names: tuple[str, ...]
    kind: str
    bound: str

    def settings(self) -> dict[str, Any]:
        """What the problem is made with.

        Raises:
            ValueError: If no variable is named, or the bound is no number.
        """
        if not self.names:
            raise ValueError("a sum names no variables; choose them, or remove the sum")
        bound = number(self.bound, f"the bound of the sum of {', '.join(self.names)}")
        ends = {"at most": ("upper",), "at least": ("lower",), "exactly": ("lower", "upper")}[self.kind]
        return {"coefficients": dict.fromkeys(self.names, 1.0), **dict.fromkeys(ends, bound)}


@dataclass(frozen=True)
class Design:
    """A campaign as it is entered.

    Args:
        name: Of the campaign and its folder.
        variables: What is varied.
        sums: Rules about sums.
        target: Name and content of the file with the wanted spectrum; None where a value is measured.
        quantity: What the measured value is called.
        unit: Its unit.
        maximize: Whether it is to be large.
        batch_size: Recipes of a batch.
    """

    name: str
    variables: tuple[Ingredient, ...]
    sums: tuple[Sum, ...] = ()
    target: tuple[str, bytes] | None = None
    quantity: str = "value"
    unit: str = ""
    maximize: bool = False
    batch_size: int = 15

    def problem(self, target: Path | None) -> dict[str, Any]:
        """Settings of the problem.

        Raises:
            ValueError: If a field says what it cannot.
        """
        names = [v.name.strip() for v in self.variables]
        if not names:
            raise ValueError("no variable is named; enter what the recipes vary")
        if twice := sorted({n for n in names if names.count(n) > 1}):
            raise ValueError(f"variables {twice} are entered twice; each has a name of its own")
        texts = [*names, self.name, self.quantity, self.unit, *(v.unit + v.choices for v in self.variables)]
        if any("${" in text for text in texts):
            raise ValueError("names and units may not contain '${', which configurations read as a reference")
        value = {"quantity": self.quantity.strip() or "value", "unit": self.unit.strip(), "maximize": self.maximize}
        return {
            "_target_": _PROBLEM,
            "name": self.name,
            "variables": {name: v.settings() for name, v in zip(names, self.variables, strict=True)},
            "constraints": [s.settings() for s in self.sums],
            **({"target": str(target)} if target is not None else value),
        }


def begin(folder: CampaignsFolder, design: Design) -> RunFolder:
    """Make the campaign and ask for its first recipes; nothing is left behind where that fails.

    Args:
        folder: The folder of the campaigns.
        design: What was entered.

    Raises:
        ValueError: If a field says what it cannot.
        FileExistsError: If there is a campaign of this name.
        MatseekError: If the settings do not go together.
    """
    run = folder.free(design.name.strip())
    spectrum = None if design.target is None else read_target(*design.target)
    with TemporaryDirectory() as place:
        _settings(design, Path(place), spectrum)  # refuses what cannot be, before anything is made
    run.path.mkdir()
    settings = _settings(design, run.path, spectrum)
    campaign = open_campaign(settings)
    keep_config(settings)
    campaign.ask()
    return run


def read_target(name: str, content: bytes) -> pd.DataFrame:
    """A spectrum from a table of any kind: its first two columns of numbers are wavelengths and absorbances.

    Args:
        name: Name of the file, whose ending says how it is read.
        content: What is in it.

    Returns:
        The columns ``wavelength``, ascending, in nm, and ``absorbance``.

    Raises:
        ValueError: If no such columns are in it.
    """
    with TemporaryDirectory() as place:
        path = Path(place) / (Path(name).name or TARGET)
        path.write_bytes(content)
        grids = read_grids(path)
    found = [pairs for grid in grids if len(pairs := _pairs(grid)) >= _LEAST_WAVELENGTHS]
    if not found:
        raise ValueError(
            f"{name}: no spectrum was found; give two columns of numbers, the wavelength in nm and the absorbance"
        )
    if len(found) > 1:
        raise ValueError(f"{name}: several sheets hold numbers; give a file with the target alone")
    pairs = found[0][np.argsort(found[0][:, 0], kind="stable")]
    if (np.diff(pairs[:, 0]) <= 0).any():
        raise ValueError(f"{name}: a wavelength stands in it twice; give each once")
    return pd.DataFrame(pairs, columns=["wavelength", "absorbance"])


def number(text: str, what: str) -> float:
    """A number as people write it, with a decimal point or comma.

    Args:
        text: The text.
        what: What it is, for the message.

    Raises:
        ValueError: If it is none.
    """
    found = Numerals().number(text.strip())
    if found is None:
        raise ValueError(f"{what} is {text!r}, which is no number; write digits, such as 12.5")
    return found


def _pairs(grid: Grid) -> FloatArray:
    """The rows of a sheet whose first two filled cells are numbers, shape ``(n, 2)``."""
    numerals, pairs = Numerals(), []
    for row in grid.rows:
        cells = [cell for cell in row if cell is not None][:2]
        values = [numerals.number(c) if isinstance(c, str) else c if isinstance(c, float) else None for c in cells]
        if len(values) == 2 and None not in values:
            pairs.append(values)
    return np.array(pairs, dtype=np.float64).reshape(-1, 2)


def _settings(design: Design, place: Path, spectrum: pd.DataFrame | None) -> RunSettings:
    """The settings of a campaign in a folder, which gets the target."""
    target = None if spectrum is None else place / TARGET
    if target is not None and spectrum is not None:
        write_csv(spectrum, target)
    if design.batch_size < 1:
        raise ConfigurationError(f"a batch of {design.batch_size} recipes cannot be measured; give at least 1")
    overrides: Sequence[str] = (
        "problem=laboratory",
        "searcher=bayesian",
        f"searcher.batch_size={design.batch_size}",
        f"run_dir={quoted(place)}",
    )
    return run_settings(overrides, design.problem(target))
