"""The embedded store: SQLite with a write-ahead log, full synchronisation and a fair queue."""

from __future__ import annotations

import os
import random
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, TypeVar, cast
from weakref import WeakSet

import attrs
import sqlalchemy as sa

from autocard.errors import StoreError, StoreUnavailable
from autocard.store.hosts import BEGIN_FIRST, begin_unseen, driver_connection
from autocard.store.pool import SqlPool
from autocard.store.problems import repeated, unwritable
from autocard.store.remembered import Remembered
from autocard.store.transaction import SqlTransaction

_T = TypeVar("_T")
_PRAGMAS: Final = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = OFF",
    "PRAGMA cache_size = -16000",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA wal_autocheckpoint = 16000",  # a last resort; see `tidy`
)
_SET_UP_S: Final = 10.0
_TIDY_ROWS: Final = 20_000
# So few orders that the journal stays short and is written over: a commit that makes the file grow
# costs half as much again. So many that fewer than one order in a hundred waits for it.
_TIDY_CHANGES: Final = 128
# What the driver raises for what it cannot do, and for what it cannot even write down.
_REFUSALS: Final = (sqlite3.Error, UnicodeError, OverflowError)
_REPEATED: Final = ("SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY")
_PROBLEMS: Final = {
    "SQLITE_BUSY": "the database is locked by another program; try again",
    "SQLITE_LOCKED": "the database is locked by another program; try again",
    "SQLITE_READONLY": "the database is read-only; give this process write access to its folder",
    "SQLITE_FULL": "the disk is full; free some space and try again",
    "SQLITE_IOERR": "the disk does not take the write; look at its health and free space",
    "SQLITE_CANTOPEN": "the database file cannot be opened; look at its folder and permissions",
    "SQLITE_CORRUPT": "the database file is damaged; restore a backup",
    "SQLITE_NOTADB": "the file is not an autocard database; look at the path in `store`",
    "SQLITE_PERM": "this process may not use the database file; look at its permissions",
}


def unavailable(error: BaseException) -> StoreError:
    """Say what a driver's error asks of the operator. Statements and parameters are left out."""
    if isinstance(error, (UnicodeError, OverflowError)):
        return unwritable()
    name = getattr(error, "sqlite_errorname", None) or "SQLITE_ERROR"
    if name in _REPEATED:
        return repeated()
    for prefix, words in _PROBLEMS.items():
        if name.startswith(prefix):
            return StoreUnavailable(f"{words} ({name})")
    return StoreUnavailable(f"the database refused: {error} ({name})")


class _Queue:
    """
    The queue in front of the write lock.

    SQLite's own busy handler starves some of many writing processes; a file lock taken first
    keeps the longest wait short. Threads of one process queue on a plain lock before that.
    """

    def __init__(self, path: Path | None, wait_s: float) -> None:
        self._path = path
        self._wait_s = wait_s
        # By process: a forked child must not share the parent's locks, and making its own has to
        # be one step, because several of its threads may come first.
        self._turns: dict[int, _Turn] = {}

    def enter(self) -> None:
        """Wait for the turn of this thread of this process, at most as long as configured."""
        turn = self._turn()
        deadline = time.monotonic() + self._wait_s
        if not turn.threads.acquire(timeout=self._wait_s):
            raise StoreUnavailable("the database is locked by another thread; try again")
        try:
            self._lock_file(turn, deadline)
        except BaseException:
            turn.threads.release()
            raise

    def leave(self) -> None:
        """Let the next one in."""
        turn = self._turn()
        if turn.file is not None:
            _unlock(turn.file)
        turn.threads.release()

    def close(self) -> None:
        """Close the lock files."""
        for turn in self._turns.values():
            turn.close()

    def _turn(self) -> _Turn:
        pid = os.getpid()
        turn = self._turns.get(pid)
        if turn is None:
            # While a child has it open, a killed parent's lock would stay locked.
            for inherited in tuple(self._turns.values()):
                inherited.close()
            turn = self._turns.setdefault(pid, _Turn())
        return turn

    def _lock_file(self, turn: _Turn, deadline: float) -> None:
        if self._path is None:
            return
        if turn.file is None:
            try:
                turn.file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as error:
                # The database itself says best what is wrong with the folder.
                if not self._path.exists():
                    return
                raise StoreUnavailable(
                    f"the lock file {self._path.name} cannot be opened: {error.strerror}"
                ) from None
        pause_s = 0.0001
        while not _try_lock(turn.file):
            if time.monotonic() > deadline:
                raise StoreUnavailable("the database is locked by another process; try again")
            time.sleep(pause_s * (0.5 + random.random()))  # noqa: S311 - spreads waiters only
            pause_s = min(pause_s * 1.5, 0.002)


@attrs.define
class _Turn:
    """The locks of one process: its threads wait for each other, then for other processes."""

    threads: threading.Lock = attrs.field(factory=threading.Lock)
    file: int | None = None

    def close(self) -> None:
        file, self.file = self.file, None
        if file is not None:
            with suppress(OSError):  # another thread of a fresh child may have been faster
                os.close(file)


if sys.platform == "win32":  # pragma: no cover - the tests run where fcntl is
    import msvcrt

    def _try_lock(file: int) -> bool:
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(file: int) -> None:
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(file: int) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)


class _Local(threading.local):
    """What one thread has: its connection, and how deep it is inside a change."""

    held: Any = None
    cursor: sqlite3.Cursor | None = None
    pid: int = 0
    tidied: int = 0
    untidied: int = 0
    changing: bool = False


class _Change(AbstractContextManager[SqlTransaction]):
    """`BEGIN IMMEDIATE` to `COMMIT` on the connection of this thread."""

    __slots__ = ("_cursor", "_pool")

    def __init__(self, pool: SqlitePool) -> None:
        self._pool = pool

    def __enter__(self) -> SqlTransaction:
        pool = self._pool
        if pool.local.changing:
            raise RuntimeError("this thread is inside a transaction already")
        pool.queue.enter()
        try:
            self._cursor = pool.cursor()
            self._cursor.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            pool.queue.leave()
            raise unavailable(error) from error
        except BaseException:
            pool.queue.leave()
            raise
        pool.local.changing = True
        return SqlTransaction(self._cursor, pool.remembered)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Literal[False]:
        try:
            if error is None:
                self._cursor.execute("COMMIT")
            else:
                self._roll_back()
        except sqlite3.Error as problem:
            self._roll_back()
            raise unavailable(problem) from problem
        finally:
            self._pool.local.changing = False
            self._pool.queue.leave()
        if isinstance(error, _REFUSALS):
            raise unavailable(error) from error
        if error is None:
            self._pool.tidy(self._cursor)
        return False

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):  # SQLite may have rolled back by itself, on a full disk
            self._cursor.execute("ROLLBACK")


class _HostChange(AbstractContextManager[SqlTransaction]):
    """
    A change inside the host's transaction: the host commits or rolls back.

    A change that fails leaves nothing behind, whatever the host does with its transaction then.
    """

    def __init__(self, pool: SqlitePool, connection: Any) -> None:
        self._pool = pool
        begin_unseen(connection)
        raw = driver_connection(connection, sqlite3.Connection, "sqlite3")
        if not raw.in_transaction:
            _begin_as_driver(raw)
        self._cursor = raw.cursor()
        self._cursor.row_factory = None  # rows are read by place

    def __enter__(self) -> SqlTransaction:
        self._execute("SAVEPOINT autocard")
        self._pool.local.changing = True
        return SqlTransaction(self._cursor)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Literal[False]:
        self._pool.local.changing = False
        if error is None:
            self._execute("RELEASE SAVEPOINT autocard")
        else:
            with suppress(sqlite3.Error):  # SQLite may have rolled all of it back
                self._cursor.execute("ROLLBACK TO SAVEPOINT autocard")
        self._cursor.close()
        if isinstance(error, _REFUSALS):
            raise unavailable(error) from error
        return False

    def _execute(self, statement: str) -> None:
        try:
            self._cursor.execute(statement)
        except sqlite3.Error as error:
            raise unavailable(error) from error


def _begin_as_driver(raw: sqlite3.Connection) -> None:
    """Begin where the driver would with the host's first change; with autocommit it never would."""
    if raw.isolation_level is None or getattr(raw, "autocommit", False) is True:
        raise StoreError(BEGIN_FIRST)
    try:
        # To begin as a reader and become a writer later would fail whenever somebody else wrote.
        raw.execute("BEGIN IMMEDIATE")
    except sqlite3.Error as error:
        raise unavailable(error) from error


class SqlitePool(SqlPool):
    """
    `autocard.ports.Pool` on one SQLite file.

    Threads may share it; each has its own connection. Processes may share the file, also after
    a fork. `wait_s` is how long a change waits for the others before `StoreUnavailable`.
    """

    def __init__(self, url: sa.URL, *, wait_s: float = 30.0) -> None:
        super().__init__(wait_s)
        self._engine = sa.create_engine(
            url,
            hide_parameters=True,
            pool_size=0,  # no limit: every thread keeps one connection
            connect_args={"timeout": wait_s, "isolation_level": None, "check_same_thread": False},
        )
        sa.event.listen(self._engine, "connect", _set_up)
        path = Path(url.database) if url.database and url.database != ":memory:" else None
        self.queue = _Queue(path and path.with_name(path.name + "-lock"), wait_s)
        self.local = _Local()
        self.remembered = Remembered()
        self._held: WeakSet[Any] = WeakSet()
        self._inherited: list[Any] = []
        self._pid = os.getpid()
        self._is_closed = False

    def close(self) -> None:
        self._is_closed = True
        for held in tuple(self._held):  # those of other threads too
            held.invalidate()
        self._held.clear()
        self.local.cursor = None
        self.local.held = None
        self._engine.dispose()
        self.queue.close()

    def cursor(self) -> sqlite3.Cursor:
        """Return the driver's cursor of this thread, made on first use and after a fork."""
        local = self.local
        if local.cursor is None or local.pid != os.getpid():
            self._refuse_when_closed()
            if self._pid != os.getpid():
                self._forget_parent()
            try:
                held = self._engine.raw_connection()
            except sa.exc.DBAPIError as error:
                raise unavailable(error.orig or error) from None
            self._held.add(held)
            local.held, local.pid, local.tidied, local.untidied = held, os.getpid(), 0, 0
            local.cursor = cast("sqlite3.Cursor", held.cursor())
        assert local.cursor is not None
        return local.cursor

    def tidy(self, cursor: sqlite3.Cursor) -> None:
        """
        Carry the journal over into the database now and then, while others go on writing.

        SQLite does it by itself inside a commit, where everybody who wants to write waits for it.
        """
        local = self.local
        local.untidied += 1
        written = cursor.connection.total_changes
        if local.untidied >= _TIDY_CHANGES or written - local.tidied >= _TIDY_ROWS:
            local.tidied, local.untidied = written, 0
            with suppress(sqlite3.Error):  # the next one does it
                cursor.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def _refuse_when_closed(self) -> None:
        if self._is_closed:
            raise StoreUnavailable("the engine is closed; open a new one")

    def _forget_parent(self) -> None:
        """Leave the connections that a fork copied alone: even closing one would harm the parent."""
        self._inherited += self._held
        self._held = WeakSet()
        self._engine.dispose(close=False)
        self._pid = os.getpid()

    def transaction(self, connection: Any = None) -> AbstractContextManager[SqlTransaction]:
        return _Change(self) if connection is None else _HostChange(self, connection)

    def in_transaction(self) -> bool:
        return self.local.changing

    def _look(self, look: Callable[[sqlite3.Cursor], _T]) -> _T:
        try:
            return look(self.cursor())
        except _REFUSALS as error:
            raise unavailable(error) from error

    def _cold(self, look: Callable[..., _T], *arguments: object) -> _T:
        """Run a look of several statements on one consistent picture of the store."""
        self._refuse_when_closed()
        try:
            with self._engine.connect() as connection:
                connection.exec_driver_sql("BEGIN")
                try:
                    return look(connection, *arguments)
                finally:
                    connection.exec_driver_sql("ROLLBACK")
        except sa.exc.DBAPIError as error:
            problem: BaseException = error.orig or error
        except (UnicodeError, OverflowError) as error:
            problem = error
        # Raised out here: SQLAlchemy's own error would carry statement and parameters along.
        raise unavailable(problem)


def _set_up(connection: sqlite3.Connection, _record: object) -> None:
    for pragma in _PRAGMAS:
        _set_patiently(connection, pragma)


def _set_patiently(connection: sqlite3.Connection, pragma: str) -> None:
    """Execute *pragma*; SQLite does not wait by itself when the journal of a new file changes."""
    deadline = time.monotonic() + _SET_UP_S
    while True:
        try:
            connection.execute(pragma)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
