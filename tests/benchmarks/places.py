"""Places: databases of one measurement each, on the stores that can be reached."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import unquote, urlsplit

import attrs

POSTGRESQL: Final = "AUTOCARD_BENCH_POSTGRESQL"
MARIADB: Final = "AUTOCARD_BENCH_MARIADB"
_DEFAULTS: Final = {
    POSTGRESQL: "postgresql://root@127.0.0.1:5432",
    MARIADB: "mysql://root@127.0.0.1:3306",
}
_PATIENCE_S: Final = 5


@attrs.frozen(kw_only=True)
class Place:
    """
    A database for one shop or one floor. Other processes may have it.

    Args:
        store: "sqlite", "postgresql" or "mariadb".
        folder: Where its keyring is and, on SQLite, its file.
        url: What the engine opens.
        address: Host, port, user, password and dbname, for the driver of a server.
    """

    store: str
    folder: Path
    url: str
    address: dict[str, Any] = attrs.field(factory=dict, repr=False)

    @property
    def file(self) -> Path:
        """The file of an SQLite store."""
        return self.folder / "shop.db"

    @property
    def keyring(self) -> Path:
        """The file of the engine's keyring."""
        return self.folder / "shop.keyring"


class Store(Protocol):
    """A database system on which places can be made."""

    name: str
    title: str

    @property
    def told(self) -> str:
        """Product and driver, with their versions."""

    def place(self) -> Place:
        """Return a new, empty place."""

    def settle(self, place: Place) -> None:
        """Let the database look at its tables, as it does by itself sooner or later."""

    def size(self, place: Place) -> int:
        """Return the bytes that tables and indexes take."""

    def drop(self, place: Place) -> None:
        """Remove the place with all that is in it."""


class SqliteStore:
    """Places are folders with a file."""

    name = "sqlite"
    title = "SQLite"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count()

    @property
    def told(self) -> str:
        return f"SQLite {sqlite3.sqlite_version}"

    def place(self) -> Place:
        folder = _new_folder(self._folder, f"sqlite-{next(self._numbers)}")
        return Place(store=self.name, folder=folder, url=f"sqlite:///{folder / 'shop.db'}")

    def settle(self, place: Place) -> None:
        """Nothing is to be done: the store's plans do not depend on statistics."""

    def size(self, place: Place) -> int:
        return sum(file.stat().st_size for file in place.folder.glob("shop.db*"))

    def drop(self, place: Place) -> None:
        shutil.rmtree(place.folder)


class _ServerStore:
    """Places are databases of a server, with names that nobody else has."""

    name: str
    driver: str

    def __init__(self, folder: Path, url: str) -> None:
        self._folder = folder
        self._url = urlsplit(url)
        self._numbers = count()
        self._made: list[Place] = []
        self.told = self._told()

    def _told(self) -> str:
        raise NotImplementedError

    def _execute(self, statement: str, place: Place | None = None) -> Any:
        """Run one statement, in the server's own database or in that of a place."""
        raise NotImplementedError

    def _address(self, database: str) -> dict[str, Any]:
        url = self._url
        found = {
            "host": url.hostname,
            "port": url.port,
            "user": unquote(url.username or ""),
            "password": unquote(url.password or ""),
            "dbname": database,
        }
        return {name: value for name, value in found.items() if value}

    def place(self) -> Place:
        name = f"autocard_bench_{os.getpid()}_{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name}")
        place = Place(
            store=self.name,
            folder=_new_folder(self._folder, f"{self.name}-{name}"),
            url=f"{self.driver}://{self._url.netloc}/{name}",
            address=self._address(name),
        )
        self._made.append(place)
        return place

    def drop(self, place: Place) -> None:
        self._execute(f"DROP DATABASE {place.address['dbname']}")
        self._made.remove(place)
        shutil.rmtree(place.folder)

    def drop_all(self) -> None:
        """Remove every place that is left."""
        for place in list(self._made):
            self.drop(place)


class PostgresqlStore(_ServerStore):
    """A PostgreSQL server; the user may make databases."""

    name = "postgresql"
    title = "PostgreSQL"
    driver = "postgresql+psycopg"

    def _told(self) -> str:
        product = str(self._execute("SHOW server_version")).split()[0]
        return f"PostgreSQL {product}, psycopg {version('psycopg')}"

    def _execute(self, statement: str, place: Place | None = None) -> Any:
        import psycopg

        address = place.address if place else self._address(self._url.path[1:] or "postgres")
        with psycopg.connect(**address, autocommit=True, connect_timeout=_PATIENCE_S) as connection:
            cursor = connection.execute(statement)
            row = cursor.fetchone() if cursor.description else None
        return row and row[0]

    def settle(self, place: Place) -> None:
        self._execute("VACUUM ANALYZE", place)

    def size(self, place: Place) -> int:
        tables = "SELECT SUM(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r'"
        return int(self._execute(f"{tables} AND relnamespace = 'public'::regnamespace", place))

    def drop(self, place: Place) -> None:
        self._execute(
            "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity "
            f"WHERE datname = '{place.address['dbname']}'"
        )
        super().drop(place)


class MariadbStore(_ServerStore):
    """A MariaDB or MySQL server; the user may make databases and procedures."""

    name = "mariadb"
    title = "MariaDB"
    driver = "mysql+pymysql"

    def _told(self) -> str:
        product = str(self._execute("SELECT VERSION()")).split("-")
        name = "MariaDB" if "MariaDB" in product else "MySQL"
        return f"{name} {product[0]}, PyMySQL {version('PyMySQL')}"

    def _execute(self, statement: str, place: Place | None = None) -> Any:
        import pymysql

        address = dict(place.address if place else self._address(self._url.path[1:]))
        database = address.pop("dbname", None)
        connection = pymysql.connect(
            **address, database=database, autocommit=True, connect_timeout=_PATIENCE_S
        )
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            row = cursor.fetchone() if cursor.description else None
        return row and row[0]

    def settle(self, place: Place) -> None:
        self._execute("ANALYZE TABLE autocard_cards", place)

    def size(self, place: Place) -> int:
        name = place.address["dbname"]
        return int(
            self._execute(
                "SELECT SUM(file_size) FROM information_schema.innodb_sys_tablespaces "
                f"WHERE name LIKE '{name}/%'"
            )
        )


@contextmanager
def reachable(folder: Path, wanted: set[str]) -> Iterator[list[Store]]:
    """Give those of the *wanted* stores that answer; say of the others that they are left out."""
    servers: list[_ServerStore] = []
    for kind, variable in ((PostgresqlStore, POSTGRESQL), (MariadbStore, MARIADB)):
        if kind.name not in wanted:
            continue
        try:
            servers.append(kind(folder, os.environ.get(variable) or _DEFAULTS[variable]))
        except Exception as error:  # noqa: BLE001 - a driver that is missing, or any error of one
            reason = type(error).__name__
            print(f"{kind.title} is left out: no server answers ({reason}); set {variable}",
                  file=sys.stderr)  # fmt: skip
    files: list[Store] = [SqliteStore(folder)] if SqliteStore.name in wanted else []
    try:
        yield [*files, *servers]
    finally:
        for server in servers:
            server.drop_all()


def _new_folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder
