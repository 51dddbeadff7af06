"""What database servers share: a pool of connections, transactions, and what their errors mean."""

from __future__ import annotations

import os
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, ClassVar, Final, Literal, TypeVar

import sqlalchemy as sa

from autocard.clock import Clock, from_ms
from autocard.errors import StoreError, StoreUnavailable
from autocard.store import looks
from autocard.store.at_hand import AtHand
from autocard.store.locking import LockingTransaction
from autocard.store.pool import SqlPool
from autocard.store.problems import Conflict, Lost
from autocard.store.remembered import Remembered
from autocard.store.rows import Cursor
from autocard.store.transaction import SqlTransaction

_T = TypeVar("_T")
_RESTED_S: Final = 5.0
"""A connection that lay idle for this long is asked whether it is still there."""
_CLOCK_S: Final = 60.0
"""How long the database's time is carried on by this machine's own ticking."""
_TURN_S: Final = 0.2
"""How often is asked whether another process still migrates."""
TURN_MINUTES: Final[float] = 10
"""How long another process may migrate before this one gives up; it may take longer."""
POOL_SIZE: Final = 20
CONNECT_S: Final = 5
"""How long one host is given to answer before the next one is tried."""


class _Local(threading.local):
    changing: bool = False


class DatabaseClock:
    """
    The time of the database, which every host of a store agrees on.

    It is asked once a minute and carried on by this machine's monotonic clock in between, so a
    machine whose clock is wrong, or set while it works, keeps reservations and schedules right.
    Inside a transaction it is not asked: there may be no second connection to be had.
    """

    def __init__(
        self, ask: Callable[[], tuple[int, float]], is_changing: Callable[[], bool]
    ) -> None:
        self._ask = ask
        self._is_changing = is_changing
        # In one piece, because threads share it: what was told, and at which tick.
        self._told: tuple[int, float] | None = None

    def now(self) -> datetime:
        """Return the present as an aware UTC datetime."""
        told = self._told
        if told is None or (time.monotonic() - told[1] > _CLOCK_S and not self._is_changing()):
            told = self._asked(told)
        base_ms, origin_s = told
        return from_ms(base_ms) + timedelta(seconds=time.monotonic() - origin_s)

    def set(self) -> None:
        """Ask once, before it is looked at."""
        if self._told is None:
            self._asked(None)

    def _asked(self, known: tuple[int, float] | None) -> tuple[int, float]:
        try:
            self._told = told = self._ask()
        except StoreUnavailable:
            if known is None:
                raise
            return known  # still good; asked again at the next look
        return told


class _Change(AbstractContextManager[SqlTransaction]):
    """`BEGIN` to `COMMIT` on a connection of the pool."""

    __slots__ = ("_cursor", "_held", "_pool")

    def __init__(self, pool: ServerPool) -> None:
        self._pool = pool

    def __enter__(self) -> SqlTransaction:
        pool = self._pool
        if pool.local.changing:
            raise RuntimeError("this thread is inside a transaction already")
        pool.set_clock()
        self._held = pool.borrow()
        try:
            self._cursor = pool.begun(self._held)
        except pool.driver_error as error:
            problem = pool.problem(error)
            self._held.invalidate()
            self._held.close()
            if isinstance(problem, Conflict):  # over nothing yet: it is the host that is not ready
                problem = Lost(str(problem))
            raise problem from None
        pool.local.changing = True
        return pool.transaction_class(self._cursor, pool.remembered)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Literal[False]:
        pool = self._pool
        pool.local.changing = False
        if error is None:
            self._commit()
            return False
        pool.remembered.forget_heads()  # what it took lies ahead of them again
        if isinstance(error, pool.refusals):
            raise pool.given_up(self._held, error) from None
        else:
            self._roll_back()
        return False

    def _commit(self) -> None:
        pool = self._pool
        try:
            self._cursor.execute("COMMIT")
        except pool.refusals as error:
            pool.remembered.forget_heads()
            problem = pool.given_up(self._held, error)
            if isinstance(problem, Lost):
                raise StoreUnavailable(
                    "the connection broke during the commit, so whether it was stored is not "
                    "known; make the same call again: what was stored is not done twice"
                ) from None
            raise problem from None
        doubt = pool.doubt(self._held)
        pool.give_back(self._held)
        if doubt:
            raise StoreUnavailable(doubt)

    def _roll_back(self) -> None:
        try:
            self._cursor.execute("ROLLBACK")
        except self._pool.driver_error:
            self._held.invalidate()
        self._held.close()


class _HostChange(AbstractContextManager[SqlTransaction]):
    """
    A change inside the host's transaction: the host commits, rolls back and makes it again.

    A change that fails leaves nothing behind, whatever the host does with its transaction then.
    """

    def __init__(self, pool: ServerPool, connection: Any) -> None:
        self._pool = pool
        try:
            self._cursor = pool.host_cursor(connection)
        except pool.driver_error as error:
            problem = pool.problem(error)
        else:
            return
        raise _told_host(problem)

    def __enter__(self) -> SqlTransaction:
        pool = self._pool
        try:
            self._cursor.execute("SAVEPOINT autocard")
        except pool.driver_error as error:
            problem = pool.problem(error)
        else:
            pool.local.changing = True
            # What the host may roll back is not remembered for later changes.
            return pool.host_transaction_class(self._cursor)
        raise _told_host(problem)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Literal[False]:
        pool = self._pool
        pool.local.changing = False
        problem = self._end(error)
        with suppress(pool.driver_error):
            self._cursor.close()
        if problem is not None:
            raise _told_host(problem) from None
        return False

    def _end(self, error: BaseException | None) -> StoreError | None:
        """Give the savepoint up, or go back to it; return what the host is to be told."""
        pool = self._pool
        if error is None:
            try:
                self._cursor.execute("RELEASE SAVEPOINT autocard")
            except pool.driver_error as broken:
                return pool.problem(broken)
            return None
        with suppress(pool.driver_error):  # the database may have undone all of it
            self._cursor.execute("ROLLBACK TO SAVEPOINT autocard")
        if isinstance(error, pool.refusals):
            return pool.problem(error)
        return error if isinstance(error, (Conflict, Lost)) else None


class ServerPool(SqlPool):
    """
    A store that many hosts share. Threads may share the pool; so may forked processes.

    Args:
        url: Of one database, without the settings that are ours.
        wait_s: How long a change or look is tried again before `StoreUnavailable`.
        pool_size: The most connections that this pool opens.
    """

    begin: ClassVar[str] = "BEGIN"
    picture: ClassVar[tuple[str, ...]]
    """What begins a transaction of looks that all see the same moment."""
    time_ms: ClassVar[str]
    """Asks for the database's time in milliseconds since 1970."""
    migration_lock: ClassVar[str]
    """Asks for the turn to migrate, until the connection ends; true where no other host has it."""
    driver_error: ClassVar[type[Exception]]
    transaction_class: ClassVar[type[LockingTransaction]]
    host_transaction_class: ClassVar[type[LockingTransaction]]

    def __init__(
        self, url: sa.URL, *, wait_s: float = 30.0, pool_size: int = POOL_SIZE, **engine: Any
    ) -> None:
        super().__init__(wait_s)
        self.local = _Local()
        self.remembered = Remembered()
        self._engine = sa.create_engine(
            url,
            hide_parameters=True,
            isolation_level="AUTOCOMMIT",  # we say BEGIN and COMMIT ourselves
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=wait_s,
            pool_use_lifo=True,
            pool_reset_on_return=None,  # nothing comes back inside a transaction
            **engine,
        )
        sa.event.listen(self._engine, "checkout", self._ping)
        sa.event.listen(self._engine, "checkin", _note_rest)
        self._at_hand = AtHand()
        self._inherited: list[Any] = []
        self._pid = os.getpid()
        self._is_closed = False
        self._clock = DatabaseClock(self._time_told, self.in_transaction)

    @property
    def clock(self) -> Clock:
        return self._clock

    def set_clock(self) -> None:
        """Have the time known before a transaction that may look at it."""
        self._clock.set()

    @property
    def refusals(self) -> tuple[type[BaseException], ...]:
        """What the driver raises for what it cannot do, and for what it cannot even write down."""
        return (self.driver_error, UnicodeError, OverflowError)

    @abstractmethod
    def problem(self, error: BaseException) -> StoreError:
        """Say what a driver's error asks for. Statements and parameters are left out."""

    def doubt(self, held: Any) -> str:  # noqa: ARG002 - PostgreSQL looks at it
        """Say why a commit that succeeded may still be lost; nothing when it is safe."""
        return ""

    @abstractmethod
    def cursor(self, held: Any) -> Cursor:
        """Return the driver's cursor of a borrowed connection."""

    def begun(self, held: Any) -> Cursor:
        """Begin a transaction on a borrowed connection and return its cursor."""
        cursor = self.cursor(held)
        cursor.execute(self.begin)
        return cursor

    @abstractmethod
    def host_cursor(self, connection: Any) -> Any:
        """Return a driver's cursor inside the transaction of a host's connection."""

    def close(self) -> None:
        self._is_closed = True
        self._at_hand.stop()
        self._engine.dispose()

    # --- connections ---

    def borrow(self) -> Any:
        """Return a connection of the pool; give it back with `give_back`, or `given_up`."""
        self._check_is_open()
        kept = self._at_hand.take()
        if kept is not None:
            rested_s = time.monotonic() - kept.since_s
            if rested_s < _RESTED_S or self._answers(kept.held.driver_connection):
                return kept.held
            kept.held.invalidate()
            kept.held.close()
        return self._reached(self._engine.raw_connection)

    def give_back(self, held: Any) -> None:
        """Give back a borrowed connection that is in order, and in no transaction."""
        self._at_hand.give(held)

    def _check_is_open(self) -> None:
        if self._is_closed:
            raise StoreUnavailable("the engine is closed; open a new one")
        if self._pid != os.getpid():
            self._forget_parent()

    def _reached(self, connect: Callable[[], _T]) -> _T:
        self._check_is_open()
        try:
            with self._at_hand.asking():
                return connect()
        except sa.exc.TimeoutError:
            raise StoreUnavailable(
                "all connections are in use; raise pool_size in `store`, or use fewer threads"
            ) from None
        except (sa.exc.DBAPIError, sa.exc.InvalidRequestError) as error:
            origin = getattr(error, "orig", None)
        except self.driver_error as error:
            origin = error
        raise Lost(f"the database cannot be reached{self._said(origin)}")

    def _said(self, error: BaseException | None) -> str:
        return "" if error is None else f" ({self.problem(error)})"

    def given_up(self, held: Any, error: BaseException) -> StoreError:
        """Roll back, give *held* back or throw it away, and return what *error* asks for."""
        problem = self.problem(error)
        try:
            self.undo(held)
        except self.driver_error:
            held.invalidate()
        held.close()
        return problem

    def undo(self, held: Any) -> None:
        """Roll back what was begun on a borrowed connection."""
        self.cursor(held).execute("ROLLBACK")

    def _ping(self, connection: Any, record: Any, _proxy: Any) -> None:
        rested_at = record.info.get("rested_at")
        if rested_at is not None and time.monotonic() - rested_at < _RESTED_S:
            return
        if rested_at is not None and not self._answers(connection):
            raise sa.exc.DisconnectionError  # the pool makes a new one

    def _answers(self, connection: Any) -> bool:
        try:
            return self._engine.dialect.do_ping(connection)
        except self.driver_error:
            return False

    def _forget_parent(self) -> None:
        """Leave the connections that a fork copied alone: even closing one would harm the parent."""
        self._inherited += [self._engine.pool, self._at_hand]
        self._at_hand = AtHand()
        self._engine.dispose(close=False)
        self.local = _Local()
        self._pid = os.getpid()

    # --- the schema ---

    @contextmanager
    def looking(self) -> Iterator[sa.Connection]:
        """Give a connection for looks; they may begin a transaction, which is rolled back."""
        with self._checked_out(self._engine) as connection, _ended(connection, "ROLLBACK"):
            yield connection

    @contextmanager
    def migrating(self) -> Iterator[sa.Connection]:
        """
        Give a connection for changing the schema, to one host of a server at a time.

        Raises:
            StoreUnavailable: Another one has it for longer than `TURN_MINUTES`.
        """
        engine = self._migrating_engine().execution_options(isolation_level="READ COMMITTED")
        with self._checked_out(engine) as connection:
            try:
                with connection.begin():
                    self._wait_for_turn(connection)
                    yield connection
            finally:
                connection.invalidate()  # with its settings, and a lock it may still hold

    def _wait_for_turn(self, connection: sa.Connection) -> None:
        # The database does not wait for it itself: its patience is that of rows and tables.
        deadline = time.monotonic() + TURN_MINUTES * 60
        while not connection.exec_driver_sql(self.migration_lock).scalar():
            if time.monotonic() > deadline:
                raise StoreUnavailable(
                    "another process migrates the database, or hangs while it does; wait until it "
                    "has finished, or end it, and start again"
                )
            time.sleep(_TURN_S)

    def _checked_out(self, engine: sa.Engine) -> sa.Connection:
        with self._at_hand.asking():
            return engine.connect()

    def _migrating_engine(self) -> sa.Engine:
        """Return what waits for a statement for hours."""
        return self._engine

    def _auditing_engine(self) -> sa.Engine:
        """Return what waits for a look for hours."""
        return self._engine

    # --- changes and looks ---

    def transaction(self, connection: Any = None) -> AbstractContextManager[SqlTransaction]:
        return _Change(self) if connection is None else _HostChange(self, connection)

    def in_transaction(self) -> bool:
        return self.local.changing

    def _look(self, look: Callable[[Any], _T]) -> _T:
        return self._persistently(lambda: self._looked(look))

    def _looked(self, look: Callable[[Any], _T]) -> _T:
        held = self.borrow()
        try:
            found = look(self.cursor(held))
        except self.refusals as error:
            problem = self.given_up(held, error)
        except BaseException:
            held.close()
            raise
        else:
            self.give_back(held)
            return found
        raise problem

    def audit(self) -> list[str]:
        engine = self._auditing_engine()
        return self._persistently(lambda: self._pictured(engine, looks.audit))

    def _cold(self, look: Callable[..., _T], *arguments: object) -> _T:
        return self._persistently(lambda: self._pictured(self._engine, look, *arguments))

    def _pictured(self, engine: sa.Engine, look: Callable[..., _T], *arguments: object) -> _T:
        problem: BaseException | None
        try:
            # Nothing was changed. After a ROLLBACK psycopg forgets what it has prepared.
            with (
                self._reached(engine.connect) as connection,
                _ended(connection, "COMMIT"),
            ):
                for statement in self.picture:
                    connection.exec_driver_sql(statement)
                return look(connection, *arguments)
        except sa.exc.DBAPIError as error:
            problem = error.orig or error
        except (UnicodeError, OverflowError, self.driver_error) as error:
            problem = error
        # Raised out here: SQLAlchemy's own error would carry statement and parameters along.
        raise self.problem(problem)

    def _time_told(self) -> tuple[int, float]:
        """Return the database's time in milliseconds, and the tick at which it was that."""

        def ask(cursor: Cursor) -> tuple[int, float]:
            before_s = time.monotonic()
            cursor.execute(self.time_ms)
            told_ms = int(cursor.fetchone()[0])
            return told_ms, (before_s + time.monotonic()) / 2  # said half way in between

        return self._look(ask)


@contextmanager
def _ended(connection: sa.Connection, statement: str) -> Iterator[None]:
    """End the looks of a connection with *statement*; those that fail end with the connection."""
    try:
        yield
    except BaseException:
        connection.invalidate()  # it may be broken, and SQLAlchemy refuses to work on such a one
        raise
    connection.exec_driver_sql(statement)


def _told_host(problem: StoreError) -> StoreError:
    if isinstance(problem, (Conflict, Lost)):
        return StoreUnavailable(f"{problem}; roll your transaction back and make it again")
    return problem


def _note_rest(_connection: Any, record: Any) -> None:
    record.info["rested_at"] = time.monotonic()
