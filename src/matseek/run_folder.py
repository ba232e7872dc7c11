"""The files of a run folder and of a comparison's folder: their names, known here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

MODEL_SUFFIX = ".safetensors"
"""Of a trained score network."""


class _Folder(Protocol):
    @property
    def path(self) -> Path: ...


class _File:
    """A file of a folder, which may be missing: reading it gives its path."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, folder: _Folder, owner: type) -> Path:
        return folder.path / self._name


@dataclass(frozen=True)
class RunFolder:
    """Where a campaign keeps what it writes.

    Args:
        path: The folder.

    Attributes:
        config: How the campaign was set up.
        ledger: Its record.
        trace: A row per evaluation that has ended.
        evaluations: A row per evaluation, with everything that is known of it; loggers get it.
        summary: The campaign in numbers.
        figures: The folder of its pictures.
        page: Its page.
        best_structures: The best structures, for other programs.
        structures: The same as an ASE database.
        failure: Why the last attempt of a comparison's cell failed.
    """

    path: Path

    config: ClassVar[_File] = _File("config.yaml")
    ledger: ClassVar[_File] = _File("ledger.db")
    trace: ClassVar[_File] = _File("trace.csv")
    evaluations: ClassVar[_File] = _File("evaluations.csv")
    summary: ClassVar[_File] = _File("summary.json")
    figures: ClassVar[_File] = _File("figures")
    page: ClassVar[_File] = _File("report.html")
    best_structures: ClassVar[_File] = _File("best.extxyz")
    structures: ClassVar[_File] = _File("structures.db")
    failure: ClassVar[_File] = _File("failure.txt")

    def model(self, name: str, suffix: str) -> Path:
        """A fitted model, by its name."""
        return self.path / f"{name}{suffix}"

    def kept(self, file: str | Path) -> Path:
        """The folder's own copy of a file that the campaign was set up with."""
        return self.path / Path(file).name

    def batch(self, number: int) -> Path:
        """The table of a batch that is to be measured."""
        return self.path / f"batch-{number}.xlsx"


@dataclass(frozen=True)
class ComparisonFolder:
    """Where a comparison keeps what it writes.

    Args:
        path: The folder.

    Attributes:
        history: What every cell begins with: a ledger that holds earlier campaigns and none of its own.
        table: A row per searcher.
        pairs: A row per pair of searchers and measure.
        page: Its page.
    """

    path: Path

    history: ClassVar[_File] = _File("history.db")
    table: ClassVar[_File] = _File("table.csv")
    pairs: ClassVar[_File] = _File("pairs.csv")
    page: ClassVar[_File] = _File("report.html")

    def cell(self, searcher: str, seed: int) -> RunFolder:
        """The run folder of a searcher with a seed."""
        return RunFolder(self.path / searcher / str(seed))

    def begun(self, searcher: str) -> list[RunFolder]:
        """The run folders of a searcher that hold a campaign."""
        folders = [RunFolder(path) for path in sorted((self.path / searcher).glob("*"))]
        return [folder for folder in folders if folder.config.is_file()]
