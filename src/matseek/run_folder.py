"""The files of a run folder and of a comparison's folder: their names, known here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunFolder:
    """Where a campaign keeps what it writes; files may be missing.

    Args:
        path: The folder.
    """

    path: Path

    @property
    def config(self) -> Path:
        """How the campaign was set up."""
        return self.path / "config.yaml"

    @property
    def ledger(self) -> Path:
        """Its record."""
        return self.path / "ledger.db"

    @property
    def trace(self) -> Path:
        """A row per evaluation that has ended."""
        return self.path / "trace.csv"

    @property
    def evaluations(self) -> Path:
        """A row per evaluation, with everything that is known of it; loggers get it."""
        return self.path / "evaluations.csv"

    @property
    def summary(self) -> Path:
        """The campaign in numbers."""
        return self.path / "summary.json"

    @property
    def figures(self) -> Path:
        """The folder of its pictures."""
        return self.path / "figures"

    @property
    def page(self) -> Path:
        """Its page."""
        return self.path / "report.html"

    @property
    def best_structures(self) -> Path:
        """The best structures, for other programs."""
        return self.path / "best.extxyz"

    @property
    def structures(self) -> Path:
        """The same as an ASE database."""
        return self.path / "structures.db"

    @property
    def failure(self) -> Path:
        """Why the last attempt of a comparison's cell failed."""
        return self.path / "failure.txt"

    def model(self, name: str, suffix: str) -> Path:
        """A fitted model, by its name."""
        return self.path / f"{name}{suffix}"

    def batch(self, number: int) -> Path:
        """The table of a batch that is to be measured."""
        return self.path / f"batch-{number}.csv"


@dataclass(frozen=True)
class ComparisonFolder:
    """Where a comparison keeps what it writes.

    Args:
        path: The folder.
    """

    path: Path

    @property
    def table(self) -> Path:
        """A row per searcher."""
        return self.path / "table.csv"

    @property
    def pairs(self) -> Path:
        """A row per pair of searchers and measure."""
        return self.path / "pairs.csv"

    @property
    def page(self) -> Path:
        """Its page."""
        return self.path / "report.html"

    def cell(self, searcher: str, seed: int) -> RunFolder:
        """The run folder of a searcher with a seed."""
        return RunFolder(self.path / searcher / str(seed))

    def begun(self, searcher: str) -> list[RunFolder]:
        """The run folders of a searcher that hold a campaign."""
        return [
            RunFolder(path) for path in sorted((self.path / searcher).glob("*")) if RunFolder(path).config.is_file()
        ]
