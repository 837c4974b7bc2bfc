"""
The ledger's file: who holds it, what becomes of a damaged one, how it is read and written; settings and counters.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from ..core.errors import LedgerDamaged, LedgerError, LedgerInUse
from .schema import migrate


class LedgerFile:
    """
    The open file, under its lock. Every method raises LedgerError when the disk does not do what it should.

    ``owner`` is the name of the engine, by which another process is told who has the ledger.
    """

    def __init__(self, path: str | os.PathLike[str], owner: str = "") -> None:
        self.path = Path(path)
        self._owner = owner
        self._damaged = self.path.with_name(f"{self.path.name}.damaged")
        self.moved_aside: Path | None = None
        self._lock = threading.RLock()
        self._depth = 0
        with self._translated(f"cannot open the ledger {self.path}"):
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = self._hold()
            try:
                self._db = self._open()
            except BaseException:
                self._file.close()  # Or this process could not try again.
                raise

    def close(self) -> None:
        """
        Close the file and let go of the lock; only tests need it, the engine is ended without a shutdown step.
        """
        with self._lock:
            self._db.close()
            self._file.close()

    def _hold(self) -> IO[str]:
        holder = open(self.path.with_name(self.path.name + ".lock"), "a+", encoding="ascii")  # noqa: SIM115
        os.chmod(holder.name, 0o600)
        try:
            fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as err:
            with holder:
                holder.seek(0)
                pid, _, owner = holder.read(200).strip().partition(" ")
            named = f" ({owner}, process {pid})" if owner else ""
            raise LedgerInUse(
                f"the ledger {self.path} is in use by another engine{named}; give each a ledger",
                owner,
            ) from err
        holder.truncate(0)
        holder.write(f"{os.getpid()} {self._owner}\n")
        holder.flush()
        return holder

    def _open(self) -> sqlite3.Connection:
        try:
            if self._damaged.exists():
                self._move_aside()
            return self._connect()
        except sqlite3.DatabaseError as err:
            if isinstance(err, sqlite3.OperationalError):
                raise  # A full disk or a missing right is no corruption.
            self._move_aside()
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        os.chmod(self.path, 0o600)
        db = sqlite3.connect(self.path, timeout=10, isolation_level=None, check_same_thread=False)
        try:
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA journal_mode = WAL")
            # FULL: a commit is on disk before 202 is answered or an event is fired.
            db.execute("PRAGMA synchronous = FULL")
            if db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                raise sqlite3.DatabaseError("the quick check found damage")
            migrate(db, self.path)
        except BaseException:
            db.close()
            raise
        return db

    def _move_aside(self) -> None:
        aside = self.path.with_name(
            f"{self.path.name}.corrupt-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
        )
        with contextlib.suppress(FileNotFoundError):
            os.replace(self.path, aside)
        for suffix in ("-wal", "-shm", ".damaged"):
            with contextlib.suppress(FileNotFoundError):
                os.remove(f"{self.path}{suffix}")
        self.moved_aside = aside

    @contextlib.contextmanager
    def transaction(self, soon: bool = False) -> Iterator[None]:
        """
        Make everything inside one commit, durable when the block is left; nested blocks join the outermost.

        ``soon``: it is durable with the next commit, or before. A killed process loses nothing of it, a power cut may,
        together with all that came later; so it is only for what looking again finds again.
        """
        with self._lock, self._translated("cannot write the ledger"):
            if self._depth:
                yield
                return
            self._db.execute(f"PRAGMA synchronous = {'NORMAL' if soon else 'FULL'}")
            self._db.execute("BEGIN IMMEDIATE")
            self._depth = 1
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            finally:
                self._depth = 0

    def _write(self, statement: str, *values: Any) -> sqlite3.Cursor:
        with self.transaction():
            return self._db.execute(statement, values)

    def _rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock, self._translated("cannot read the ledger"):
            return self._db.execute(query, values).fetchall()

    def get(self, key: str) -> str | None:
        """
        Return a remembered value, or None.
        """
        rows = self._rows("SELECT value FROM meta WHERE key = ?", key)
        return rows[0]["value"] if rows else None

    def put(self, key: str, value: str | None) -> None:
        """
        Remember a value; None forgets it.
        """
        if value is None:
            self._write("DELETE FROM meta WHERE key = ?", key)
        else:
            self._write("INSERT OR REPLACE INTO meta VALUES (?, ?)", key, value)

    def count(self, name: str, by: int = 1) -> None:
        """
        Add to a counter that survives restarts, as the metrics need.
        """
        self._write(
            "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
            name,
            by,
        )

    def counters(self) -> dict[str, int]:
        """
        Return all counters by name.
        """
        return {
            row["name"]: row["value"]
            for row in self._rows("SELECT name, value FROM counters ORDER BY name")
        }

    @contextlib.contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as err:
            # This very class means that the file is malformed, or no database; a full disk is an OperationalError.
            if type(err) is sqlite3.DatabaseError:
                with contextlib.suppress(OSError):
                    self._damaged.touch(mode=0o600)
                raise LedgerDamaged(f"{what}: {err}") from err
            raise LedgerError(f"{what}: {err}") from err
