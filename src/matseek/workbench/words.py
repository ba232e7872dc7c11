"""How a campaign stands, in words."""

from __future__ import annotations

from matseek.standing import Standing


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun: ``1 recipe``, ``3 recipes``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def state(now: Standing | None) -> str:
    """What a campaign waits for, in a sentence."""
    if now is None or not now.batches:
        return "Nothing has been asked yet."
    if now.pending:
        verb = "waits" if now.pending == 1 else "wait"
        return f"{counted(now.pending, 'recipe')} {verb} for a result."
    if now.stopped_by is not None:
        return f"Ended by {now.stopped_by.replace('_', ' ')}."
    return "Everything asked is measured; the next batch can be asked."


def progress(now: Standing | None) -> str:
    """What has been done, in a sentence."""
    if now is None or not now.batches:
        return ""
    failed = f", {now.failed} of them failed" if now.failed else ""
    return f"{counted(now.settled, 'recipe')} measured{failed} in {counted(now.batches, 'batch', 'batches')}."
