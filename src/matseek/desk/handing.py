"""Batches on their way to a table: who is cut off between the ledger and the table gets the same batch again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from matseek.campaign import Campaign
from matseek.core.records import HANDED, HANDING, Event
from matseek.desk.recipes import require_writable, write_recipes
from matseek.evaluation.batch import Batch


def unfinished(campaign: Campaign) -> tuple[Batch, Path] | None:
    """The last batch and its table's path, where that table may not have been written; None where all were.

    A batch of which something was told has reached the laboratory.
    """
    last = next((e for e in reversed(campaign.ledger.events()) if e.kind in (HANDING, HANDED)), None)
    if last is None or last.kind == HANDED:
        return None
    evaluations = campaign.ledger.evaluations(iteration=last.data["iteration"])
    if not evaluations or any(e.status != "pending" for e in evaluations):
        return None
    return Batch.of(campaign.laboratory.space, evaluations), Path(last.data["table"])


def hand_out(
    campaign: Campaign,
    path: Path,
    count: int | None = None,
    fixed: Mapping[str, object] | None = None,
    replicates: int = 3,
) -> tuple[Batch, bool]:
    """Ask for a batch and write its table.

    Args:
        campaign: The campaign.
        path: The table's.
        count: Recipes; None for the searcher's next batch.
        fixed: Values at which variables are held.
        replicates: Cells for results of each recipe, in a workbook.

    Returns:
        The batch, and whether it had been asked before, by a command that was cut off before its table was written.

    Raises:
        FileExistsError: If the file is there already.
        OSError: If it cannot be written; nothing is asked then.
    """
    table = path.resolve()
    before = unfinished(campaign)
    if before is None:
        require_writable(path)
        handing = Event(HANDING, f"a batch goes into {table}", {"table": str(table)})
        batch = campaign.ask(count, fixed=fixed, told=handing)
        write_recipes(batch, campaign.laboratory, path, replicates)
    else:
        batch = before[0]
        # A table is written whole or not at all: that which is there is this batch's.
        if before[1] != table or not path.exists():
            write_recipes(batch, campaign.laboratory, path, replicates)
    campaign.ledger.note(Event(HANDED, f"the batch is in {table}", {"table": str(table)}))
    return batch, before is not None
