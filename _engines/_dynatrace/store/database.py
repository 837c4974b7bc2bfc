"""
The ledger's file: who holds it, what becomes of one that cannot be used, how it is read and written.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

from ..core.errors import LedgerDamaged, LedgerError, LedgerInUse
from ..core.plain import plain, restored
from .durable_log import DurableLog
from .fair_lock import FairLock
from .schema import Outdated, prepare

T = TypeVar("T")
#: The log beside the file is cut to this size when it grew beyond.
LOG_BYTES = 16 * 2**20
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str | None:
    """
    Return what tells one start of the machine from another, None where the kernel does not say.
    """
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return None


class _Translated:
    """
    Makes LedgerErrors of what sqlite and the disk raise inside. A generator would take five times as long, and each
    statement passes here.
    """

    def __init__(self, what: str, damaged: Path) -> None:
        self._what = what
        self._damaged = damaged

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, err: BaseException | None, trace: object) -> None:
        # This very class means that the file is malformed, or no database; a full disk is an OperationalError.
        if type(err) is sqlite3.DatabaseError:
            with contextlib.suppress(OSError):
                self._damaged.touch(mode=0o600)
            raise LedgerDamaged(f"{self._what}: {err}") from err
        if isinstance(err, (sqlite3.Error, OSError)):
            raise LedgerError(f"{self._what}: {err}") from err


class Database:
    """
    The open file, under its lock. Every method raises LedgerError when the disk does not do what it should.

    ``owner`` is the name of the engine, by which another process is told who has the ledger. ``moved_aside`` is the
    file that was found and could not be used, and ``moved_why`` says what it was.
    """

    def __init__(self, path: str | os.PathLike[str], owner: str = "") -> None:
        self.path = Path(path)
        self.owner = owner
        self._damaged = self.path.with_name(f"{self.path.name}.damaged")
        self.moved_aside: Path | None = None
        self.moved_why = ""
        self._lock = FairLock()
        self._log = DurableLog(f"{self.path}-wal")
        self._depth = 0
        self._reads = _Translated("cannot read the ledger", self._damaged)
        self._writes = _Translated("cannot write the ledger", self._damaged)
        with _Translated(f"cannot open the ledger {self.path}", self._damaged):
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = self._hold()
            try:
                self.connection = self._open()
            except BaseException:
                self._file.close()  # Or this process could not try again.
                raise

    def close(self) -> None:
        """
        Close the file and let go of the lock; only tests need it, the engine is ended without a shutdown step.
        """
        with self._lock:
            self.connection.close()
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
        holder.write(f"{os.getpid()} {self.owner}\n")
        holder.flush()
        return holder

    def _open(self) -> sqlite3.Connection:
        try:
            if self._damaged.exists():
                self._move_aside("corrupt", "was damaged")
            return self._connect()
        except Outdated:
            self._move_aside("outdated", "is of an earlier version")
        except sqlite3.DatabaseError as err:
            if isinstance(err, sqlite3.OperationalError):
                raise  # A full disk or a missing right is no corruption.
            self._move_aside("corrupt", "was damaged")
        return self._connect()

    def _connect(self) -> sqlite3.Connection:
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        os.chmod(self.path, 0o600)
        db = sqlite3.connect(self.path, timeout=10, isolation_level=None, check_same_thread=False)
        try:
            db.row_factory = sqlite3.Row
            # Only a file without tables takes it, and WAL writes the first page.
            db.execute("PRAGMA auto_vacuum = INCREMENTAL")
            db.execute("PRAGMA journal_mode = WAL")
            db.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
            # A commit goes into the log, which `transaction` syncs: sqlite would do it under the lock.
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute("PRAGMA temp_store = MEMORY")
            prepare(db, self.path)
            self._check(db)
        except BaseException:
            db.close()
            raise
        return db

    @staticmethod
    def _check(db: sqlite3.Connection) -> None:
        """
        Read the whole file at the first start after the machine's; raises DatabaseError.

        A killed process damages nothing. What does, a power cut or a disk, shows there or when the file is used.
        """
        boot = boot_id()
        checked = db.execute("SELECT value FROM settings WHERE key = 'checked'").fetchone()
        if boot is not None and checked is not None and checked[0] == boot:
            return
        if db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("the quick check found damage")
        with contextlib.suppress(sqlite3.OperationalError):  # Of a full disk others tell.
            db.execute("INSERT OR REPLACE INTO settings VALUES ('checked', ?)", (boot or "",))

    def _move_aside(self, word: str, why: str) -> None:
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        aside = self.path.with_name(f"{self.path.name}.{word}-{now}")
        with contextlib.suppress(FileNotFoundError):
            os.replace(self.path, aside)
        for suffix in ("-wal", "-shm", ".damaged"):
            with contextlib.suppress(FileNotFoundError):
                os.remove(f"{self.path}{suffix}")
        self.moved_aside, self.moved_why = aside, why

    @contextlib.contextmanager
    def transaction(self, soon: bool = False) -> Iterator[None]:
        """
        Make everything inside one commit, durable when the block is left; nested blocks join the outermost.

        ``soon``: it is durable with the next commit, or before. A killed process loses nothing of it, a power cut may,
        together with all that came later; so it is only for what looking again finds again.
        """
        with self._writes:
            with self._lock:
                if self._depth:
                    yield
                    return
                with self._commit():
                    yield
                self._log.committed(soon)
            if not soon:
                self._log.sync()

    @contextlib.contextmanager
    def _commit(self) -> Iterator[None]:
        self.connection.execute("BEGIN IMMEDIATE")
        self._depth = 1
        try:
            yield
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise
        finally:
            self._depth = 0

    def sync(self) -> None:
        """
        Return when all is on disk that others have committed and wait for: nobody acts upon what a power cut takes back.
        """
        with self._writes:
            self._log.sync()

    @contextlib.contextmanager
    def savepoint(self) -> Iterator[None]:
        """
        Take back alone what was written inside, when an error leaves the block; the transaction around it may go on.

        After a LedgerError it must not: the disk failed, and perhaps all of it is taken back already.
        """
        with self.transaction():
            self.connection.execute("SAVEPOINT part")
            try:
                yield
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK TO part")
                    self.connection.execute("RELEASE part")
                raise
            self.connection.execute("RELEASE part")

    @contextlib.contextmanager
    def reading(self) -> Iterator[bool]:
        """
        Let nobody else write inside; tell whether all that is written is committed, so that nothing of it is taken back.
        """
        with self._lock:
            yield not self._depth

    def write(self, statement: str, *values: Any) -> sqlite3.Cursor:
        with self.transaction():
            return self.connection.execute(statement, values)

    def insert(self, table: str, record: Any, **more: Any) -> None:
        """
        Write a dataclass into the columns of its fields, and ``more`` beside it; what is there already stays as it is.
        """
        self._insert(table, record, more, "ON CONFLICT DO NOTHING")

    def replace(self, table: str, key: Sequence[str], record: Any, **more: Any) -> None:
        """
        Write a dataclass as ``insert`` does, in the place of the one that has the same key.
        """
        changed = [
            f"{name} = excluded.{name}" for name in (*vars(record), *more) if name not in key
        ]
        self._insert(
            table,
            record,
            more,
            f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {', '.join(changed)}",
        )

    def _insert(self, table: str, record: Any, more: Mapping[str, Any], otherwise: str) -> None:
        values = {
            name: plain(value) if is_dataclass(value) else value
            for name, value in {**vars(record), **more}.items()
        }
        marks = ", ".join("?" * len(values))
        self.write(
            f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks}) {otherwise}",
            *values.values(),
        )

    def rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock, self._reads:
            return self.connection.execute(query, values).fetchall()

    def value(self, query: str, *values: Any) -> Any:
        """
        Return the first column of the first row, None where there is none.
        """
        rows = self.rows(query, *values)
        return rows[0][0] if rows else None

    def all(self, kind: type[T], query: str, *values: Any) -> list[T]:
        """
        Return the rows of a query as dataclasses; columns that are no fields are passed over.
        """
        return [restored(kind, dict(row)) for row in self.rows(query, *values)]

    def first(self, kind: type[T], query: str, *values: Any) -> T | None:
        return next(iter(self.all(kind, query, *values)), None)
