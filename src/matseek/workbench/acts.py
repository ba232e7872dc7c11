"""What is done at the page: the same as the command line's verbs do, one act after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from matseek.campaign import Campaign
from matseek.configuration import recorded_settings
from matseek.desk import held_values, open_logbook, told_values, write_recipes
from matseek.evaluation.batch import Batch
from matseek.results import Entry
from matseek.run_folder import RunFolder
from matseek.runs import open_campaign
from matseek.workbench.view import Snapshot

TABLES = (".xlsx", ".csv")
"""Kinds of tables in which a batch is handed out."""

_PASTED = "pasted.txt"


@dataclass(frozen=True)
class Reading:
    """How a table of results is read.

    Args:
        sheet: Name of the sheet of a workbook; empty where one sheet alone holds results.
        resampling: Whether spectra on other wavelengths are interpolated on the target's.
        adding: Whether results of evaluations that have some are further replicates.
        new: Whether recipes that were never asked are taken.
        correcting: Whether the table's results and recipes are the right ones, and the recorded ones wrong.
    """

    sheet: str = ""
    resampling: bool = False
    adding: bool = False
    new: bool = False
    correcting: bool = False


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


def preview(folder: RunFolder, name: str, content: bytes, reading: Reading) -> Entry:
    """What a table would add to a campaign, or change; nothing is written down.

    Args:
        folder: The campaign's run folder.
        name: Name of the file, whose ending says how it is read.
        content: What is in it.
        reading: How it is read.

    Raises:
        ValueError: If nothing is told to the campaign, or the file is of an unknown kind.
    """
    logbook = open_logbook(folder.path)
    with TemporaryDirectory() as place:
        path = Path(place) / (Path(name).name or _PASTED)
        path.write_bytes(content)
        sheet = reading.sheet or None
        if reading.correcting:
            return logbook.corrections(path, resampling=reading.resampling, sheet=sheet)
        return logbook.preview(path, resampling=reading.resampling, sheet=sheet, adding=reading.adding, new=reading.new)


def preview_pasted(folder: RunFolder, text: str, reading: Reading) -> Entry:
    """As :func:`preview`, for cells that were copied from a spreadsheet program or typed."""
    return preview(folder, _PASTED, text.encode(), reading)


def correction(folder: RunFolder, number: int, values: str, recipe: str, reason: str) -> Entry:
    """What becomes of an evaluation whose value or recipe was recorded wrongly; nothing is written down.

    Args:
        folder: The campaign's run folder.
        number: The evaluation.
        values: The right value, or those of its replicates, separated by semicolons or spaces; empty where they stay.
        recipe: What variables were, such as ``Qtot=800; ligand=PVP``; empty where they stay.
        reason: Why.

    Raises:
        ValueError: If a text is no number or no such pair, or the campaign is told spectra and not values.
        MatseekError: If there is no such evaluation, or it has no result.
    """
    logbook = open_logbook(folder.path)
    response = told_values(_split(values.replace(" ", ";")), logbook.laboratory) if values.strip() else None
    settings = held_values(_split(recipe)) if recipe.strip() else None
    return logbook.correction(number, response, settings, reason)


def withdrawal(folder: RunFolder, numbers: Sequence[int], reason: str, *, again: bool = False) -> Entry:
    """What becomes of evaluations whose results nobody shall learn from, see :meth:`Logbook.withdrawal`."""
    return open_logbook(folder.path).withdrawal(numbers, reason, again=again)


def skipping(folder: RunFolder, numbers: Sequence[int], reason: str) -> Entry:
    """What becomes of evaluations that will not be measured, see :meth:`Logbook.skipping`."""
    return open_logbook(folder.path).skipping(numbers, reason)


def take(folder: RunFolder, entry: Entry) -> None:
    """Write down what a preview has shown.

    Raises:
        MatseekError: If the campaign has changed so much that it no longer fits, or another process is at work on it.
    """
    campaign = _open(folder)
    campaign.tell(entry)
    campaign.report.write_record(folder)


def _open(folder: RunFolder) -> Campaign:
    return open_campaign(recorded_settings(folder.path))


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(";") if part.strip()]
