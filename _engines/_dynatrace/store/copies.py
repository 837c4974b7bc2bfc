"""
Copies a ledger that an engine may be writing at the same time.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from ..core.errors import LedgerError
from .ledger import Ledger


def copied(source: Path, target: Path) -> Ledger:
    """
    Return a copy of a ledger as it is now, opened as ``target``; the source is read only. Raises LedgerError.
    """
    if not source.is_file():
        raise LedgerError(
            f"there is no ledger {source}: the engine has not run yet, or keeps another"
        )
    try:
        # Another process has its lock, which is for those that write.
        with (
            closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True, timeout=10)) as theirs,
            closing(sqlite3.connect(target, timeout=10)) as own,
        ):
            theirs.backup(own)
    except sqlite3.Error as err:
        raise LedgerError(f"the ledger {source} cannot be copied: {err}") from err
    ledger = Ledger(target)
    if ledger.database.moved_aside:
        ledger.close()
        raise LedgerError(
            f"the ledger {source} {ledger.database.moved_why}: let the engine open it"
        )
    return ledger
