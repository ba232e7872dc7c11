"""What is done at the page: the same as the command line's verbs do, one act after the other."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from matseek.campaign import Campaign
from matseek.configuration import recorded_settings
from matseek.desk import write_recipes
from matseek.evaluation.batch import Batch
from matseek.results import Taking, read_results
from matseek.run_folder import RunFolder
from matseek.runs import open_campaign
from matseek.workbench.view import Snapshot

TABLES = (".xlsx", ".csv")
"""Kinds of tables in which a batch is handed out."""

_PASTED = "pasted.txt"


def ask(folder: RunFolder, count: int | None = None) -> int:
    """Choose the next recipes and write them down; gives their number.

    Args:
        folder: The campaign's run folder.
        count: How many; None for the searcher's own next batch.

    Raises:
        MatseekError: If the campaign cannot be asked, or another process is at work on it.
    """
    return len(_open(folder).ask(count))


def waiting_table(snapshot: Snapshot, suffix: str, replicates: int = 3) -> bytes:
    """The recipes that wait for results, as ``matseek ask`` writes them.

    Args:
        snapshot: The campaign.
        suffix: One of :data:`TABLES`.
        replicates: Cells for results of each recipe, in a workbook.

    Raises:
        ValueError: If none waits, or nothing is told to the campaign.
    """
    laboratory = snapshot.laboratory
    if laboratory is None or not snapshot.pending:
        raise ValueError("no recipe waits for a result; ask for the next batch")
    with TemporaryDirectory() as place:
        path = Path(place) / f"batch{suffix}"
        write_recipes(Batch.of(laboratory.space, snapshot.pending), laboratory, path, replicates)
        return path.read_bytes()


def preview(snapshot: Snapshot, name: str, content: bytes, *, sheet: str = "", resampling: bool = False) -> Taking:
    """What a table would add to a campaign; nothing is written down.

    Args:
        snapshot: The campaign.
        name: Name of the file, whose ending says how it is read.
        content: What is in it.
        sheet: Name of the sheet of a workbook; empty where one sheet alone holds results.
        resampling: Whether spectra on other wavelengths are interpolated on the target's.

    Raises:
        ValueError: If nothing is told to the campaign, or the file is of an unknown kind.
    """
    laboratory = snapshot.laboratory
    if laboratory is None:
        raise ValueError("this campaign is computed, not measured; it takes no results")
    with TemporaryDirectory() as place:
        path = Path(place) / (Path(name).name or _PASTED)
        path.write_bytes(content)
        return read_results(path, laboratory, snapshot.evaluations, resampling=resampling, sheet=sheet or None)


def preview_pasted(snapshot: Snapshot, text: str, *, resampling: bool = False) -> Taking:
    """As :func:`preview`, for cells that were copied from a spreadsheet program or typed."""
    return preview(snapshot, _PASTED, text.encode(), resampling=resampling)


def take(folder: RunFolder, taking: Taking) -> None:
    """Write down what a preview has shown.

    Raises:
        MatseekError: If the campaign has changed so much that it no longer fits, or another process is at work on it.
    """
    campaign = _open(folder)
    campaign.tell(taking)
    campaign.report.write_record(folder)


def _open(folder: RunFolder) -> Campaign:
    return open_campaign(recorded_settings(folder.path))
