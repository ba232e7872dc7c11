"""The durable record of a campaign: a batch is written down before anyone evaluates it or learns from it."""

from matseek.evaluation.ledger.address import address_text, sqlite_path
from matseek.evaluation.ledger.changes import Change
from matseek.evaluation.ledger.copies import copy_ledger
from matseek.evaluation.ledger.origins import Identity, Origin
from matseek.evaluation.ledger.reader import LedgerReader
from matseek.evaluation.ledger.writer import Ledger

__all__ = ["Change", "Identity", "Ledger", "LedgerReader", "Origin", "address_text", "copy_ledger", "sqlite_path"]
