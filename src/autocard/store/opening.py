"""Open a store by its URL, make a new one, migrate an old one, and refuse one of a newer version."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

import sqlalchemy as sa

from autocard.errors import ConfigurationError, SchemaMismatch, StoreError, StoreUnavailable
from autocard.shielding import shielded
from autocard.store.pool import SqlPool
from autocard.store.problems import Conflict, Lost, Unforeseen
from autocard.store.schema import PREFIX, REVISION, REVISIONS
from autocard.store.server import ServerPool
from autocard.store.sqlite import SqlitePool, unavailable
from autocard.store.urls import StoreUrl, parse

_VERSION: Final = sa.table(f"{PREFIX}version", sa.column("version_num"))
_PATIENCE_S: Final = 30.0
_CLUSTER_S: Final = 10.0
_PAUSE_S: Final = 0.2
# Alembic keeps what it works on in its modules, so threads that open engines take turns.
_ALEMBIC: Final = threading.Lock()


@shielded  # the URL may hold a password
def open_pool(url: str, *, base: Path, create: bool) -> SqlPool:
    """
    Return the pool of the store at *url*, its schema checked.

    Args:
        url: `sqlite:///PATH` (a relative path starts at *base*), `postgresql+psycopg://…` or
            `mysql+pymysql://…`. Behind a question mark: `wait_s`, how long a change goes on trying;
            on servers `pool_size`, the most connections, `spread`, and what their driver knows.
        base: The folder of the configuration.
        create: Make the store where there is none; bring an older one up to date.

    Raises:
        ConfigurationError: The URL is malformed or has a setting that is none, or there is no
            store and *create* is False.
        SchemaMismatch: The store belongs to another version of autocard.
        StoreUnavailable: The file cannot be opened, or no server answers.
    """
    place = place_of(url, base)
    try:
        if create:
            bring_up_to_date(place)
        else:
            check_current(place)
    except BaseException:
        place.leave()
        raise
    return place.pool()


@shielded
def migrate(url: str, *, base: Path) -> tuple[str | None, str]:
    """
    Bring an existing store to the schema of this version; return what it had and what it has.

    Several hosts may start at once: one migrates, the others wait for it, at most for ten
    minutes, and find it done. A database without tables gets them.

    Raises:
        ConfigurationError: There is no such file, or the URL is malformed.
        SchemaMismatch: The store was written by a newer autocard; nothing was changed.
        StoreUnavailable: The database cannot be reached or does not let this user make tables, or
            another host has been migrating it for ten minutes.
    """
    place = place_of(url, base)
    try:
        place.refuse_missing()
        before = revision_of(place)
        bring_up_to_date(place)
    finally:
        place.leave()
    return before, REVISION


# --- the schema -----------------------------------------------------------------------------


def revision_of(place: Place) -> str | None:
    """Return the store's revision; None for a database without our tables."""
    if place.is_missing:
        return None
    with told(place), place.looking() as connection:
        if not sa.inspect(connection).has_table(_VERSION.name):
            return None
        found = connection.scalar(sa.select(_VERSION.c.version_num))
        return None if found is None else str(found)


def check_current(place: Place) -> None:
    """Raise unless the store has exactly the schema of this version."""
    _check(revision_of(place), place)


def _check(revision: str | None, place: Place) -> None:
    if revision is None:
        place.refuse_missing()
        raise SchemaMismatch(
            f"{place.shown} is no autocard store yet; run `autocard migrate`, "
            "or open with create=True"
        )
    if revision not in REVISIONS:
        raise SchemaMismatch(
            f"{place.shown} was written by a newer autocard (schema {revision}, this one knows "
            f"{REVISION}); install the newer version. Nothing was changed."
        )
    if revision != REVISION:
        raise SchemaMismatch(
            f"{place.shown} has schema {revision}, this autocard needs {REVISION}: "
            "run `autocard migrate`"
        )


def bring_up_to_date(place: Place) -> None:
    """Make the tables of a store, or migrate them; `SchemaMismatch` for a newer one."""
    deadline = time.monotonic() + _CLUSTER_S
    while True:
        revision = revision_of(place)
        if revision == REVISION:
            return
        if revision not in (None, *REVISIONS):
            _check(revision, place)
        try:
            with told(place), place.migrating() as connection:
                _upgrade(connection, "head")
        except (Conflict, Lost, Unforeseen):
            # Another node of a cluster may be at the same work, which no lock keeps out, so that
            # what we were about to make is there by now.
            if not place.is_clustered or time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE_S)


def _upgrade(connection: sa.Connection, revision: str) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    try:
        with _ALEMBIC:
            command.upgrade(config, revision)
    except CommandError as error:
        raise Unforeseen(f"the schema changed while it was migrated ({error})") from None


@contextmanager
def told(place: Place) -> Iterator[None]:
    """Say of a driver's error what it asks of the operator."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        problem = error.orig or error
    else:
        return
    raise place.problem(problem)


# --- places ---------------------------------------------------------------------------------


class Place(Protocol):
    """Where a store is."""

    shown: str
    is_clustered: bool
    """Whether other hosts may be at work that no lock of ours keeps out."""

    @property
    def is_missing(self) -> bool: ...
    def refuse_missing(self) -> None: ...
    def looking(self) -> AbstractContextManager[sa.Connection]: ...
    def migrating(self) -> AbstractContextManager[sa.Connection]: ...
    def hold(self, connection: sa.Connection) -> None: ...
    def problem(self, error: BaseException) -> StoreError: ...
    def pool(self) -> SqlPool: ...
    def leave(self) -> None: ...


def place_of(url: str, base: Path) -> Place:
    """Return where the store at *url* is; nothing is opened yet."""
    at = parse(url)
    if at.backend != "sqlite":
        return _Server(at)
    if at.url.database in {None, "", ":memory:"}:
        raise ConfigurationError("store: cards need a file; write for instance sqlite:///shop.db")
    return _File(base / str(at.url.database), at.wait_s)


class _File:
    """An SQLite file."""

    is_clustered = False

    def __init__(self, path: Path, wait_s: float) -> None:
        self._path = path
        self._wait_s = wait_s
        self._url = sa.URL.create("sqlite", database=str(path))
        self.shown = str(path)

    @property
    def is_missing(self) -> bool:
        return not self._path.exists() or self._path.stat().st_size == 0

    def refuse_missing(self) -> None:
        if self.is_missing:
            raise ConfigurationError(
                f"store: there is no database at {self._path}; run `autocard init`, "
                "or open the engine with create=True"
            )

    @contextmanager
    def looking(self) -> Iterator[sa.Connection]:
        engine = sa.create_engine(self._url, poolclass=sa.pool.NullPool)
        with engine.connect() as connection:
            yield connection

    def hold(self, connection: sa.Connection) -> None:
        """Keep the picture of the store as it is now, and other writers out."""
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    @contextmanager
    def migrating(self) -> Iterator[sa.Connection]:
        """One exclusive transaction."""
        if not self._path.parent.is_dir():
            raise ConfigurationError(
                f"store: the folder {self._path.parent} does not exist; make it first"
            )
        engine = sa.create_engine(
            self._url, poolclass=sa.pool.NullPool, connect_args={"timeout": _PATIENCE_S}
        )
        sa.event.listen(engine, "connect", _driver_autocommit)
        sa.event.listen(engine, "begin", _begin_exclusive)
        with engine.begin() as connection:
            yield connection
        _tighten(self._path)

    def problem(self, error: BaseException) -> StoreError:
        return unavailable(error)

    def pool(self) -> SqlPool:
        return SqlitePool(self._url, wait_s=self._wait_s)

    def leave(self) -> None:
        """Every connection was closed after its use."""


class _Server:
    """A database on one of several hosts."""

    is_missing = False

    def __init__(self, at: StoreUrl) -> None:
        self.shown = at.shown
        self.is_clustered = len(at.hosts) > 1
        self._pool = _server_pool(at)

    def refuse_missing(self) -> None:
        """Whether there are tables is seen by looking."""

    def looking(self) -> AbstractContextManager[sa.Connection]:
        return self._pool.looking()

    def hold(self, connection: sa.Connection) -> None:
        for statement in self._pool.picture:
            connection.exec_driver_sql(statement)

    def migrating(self) -> AbstractContextManager[sa.Connection]:
        return self._pool.migrating()

    def problem(self, error: BaseException) -> StoreError:
        return self._pool.problem(error)

    def pool(self) -> SqlPool:
        return self._pool

    def leave(self) -> None:
        self._pool.close()


def _server_pool(at: StoreUrl) -> ServerPool:
    """Return the pool of a server. Its driver is imported only here."""
    options: dict[str, Any] = {"hosts": at.hosts, "wait_s": at.wait_s}
    if at.pool_size is not None:
        options["pool_size"] = at.pool_size
    try:
        if at.backend == "postgresql":
            from autocard.store.postgresql import PostgresPool

            return PostgresPool(at.url, **options)
        from autocard.store.mysql import MysqlPool

        return MysqlPool(at.url, spread=at.spread, **options)
    except ModuleNotFoundError as error:
        extra = "postgres" if at.backend == "postgresql" else "mysql"
        raise ConfigurationError(
            f"store: {error.name} is not installed; run pip install 'autocard[{extra}]'"
        ) from None


def _driver_autocommit(connection: object, _record: object) -> None:
    # The driver's own transaction handling would commit before every CREATE TABLE.
    connection.isolation_level = None  # type: ignore[attr-defined]  # a sqlite3.Connection


def _begin_exclusive(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN EXCLUSIVE")


def _tighten(path: Path) -> None:
    """Let only the owner read the file: it holds sealed cards, but also who sells what."""
    try:
        path.chmod(0o600)
    except OSError as error:  # pragma: no cover - needs a file system without modes
        raise StoreUnavailable(f"{path} cannot be protected: {error.strerror}") from None
