"""The logbook of a run folder, without a searcher and its models."""

from __future__ import annotations

from pathlib import Path

from matseek.errors import ConfigurationError
from matseek.evaluation import Ledger
from matseek.results import Logbook
from matseek.run_folder import RunFolder
from matseek.secrets import masked_data
from matseek.stored_config import recorded_problem


def open_logbook(run_dir: Path, *, trust: bool = False) -> Logbook:
    """What a campaign has asked and was told, to be looked at and changed.

    Args:
        run_dir: The campaign's folder.
        trust: The user's word that whatever the folder's config names may be run, and read from the environment.

    Raises:
        ConfigurationError: If the folder holds no campaign, or one that is not measured by people.
        LedgerMismatchError: If the ledger is another campaign's.
        LedgerError: If the ledger cannot be opened and written.

    Example:
        >>> logbook = open_logbook(Path("runs/mine"))
        >>> logbook.write(logbook.withdrawal([7], "the pump leaked"))
    """
    problem = recorded_problem(run_dir, trust=trust)
    laboratory, path = problem.as_laboratory(), RunFolder(run_dir).ledger
    if laboratory is None:
        raise ConfigurationError(f"problem {problem.name!r} is evaluated by its calculator; nobody tells its results")
    if not path.is_file():
        raise ConfigurationError(f"{run_dir} has no ledger yet; ask for a batch first: matseek ask {run_dir}")
    ledger = Ledger(path)
    known = ledger.identity
    description = masked_data(problem.describe())
    ledger.require(description, "" if known is None else known.searcher, 0 if known is None else known.seed)
    return Logbook(laboratory, ledger)
