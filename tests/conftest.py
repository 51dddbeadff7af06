"""Empty stores of every kind for every test: SQLite files, and databases on servers that answer."""

from __future__ import annotations

import getpass
import os
import shutil
from contextlib import closing, suppress
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa

from autocard.plugins import Plugins
from autocard.store.opening import open_pool
from autocard.store.schema import metadata

KINDS = ("sqlite", "postgresql", "mariadb")
_NUMBERS = count(1)
_TEMPLATE = f"autocard_test_{os.getpid()}_template"
_BUSY_S = 5


def pytest_configure(config: pytest.Config) -> None:
    """Keep what this run was told to itself: a test that runs pytest runs it as a user would."""
    os.environ.pop("PYTEST_ADDOPTS", None)
    config.option.loadscopereorder = False  # see below; xdist would begin with the longest lists


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, so that no process is alone with it at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


class Absent(Exception):
    """No server of this kind answers."""


def connected(url):
    """Return a connection of its own; every statement is committed at once."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool)
    return closing(engine.connect())


class Files:
    """SQLite files in one folder, each a copy of a migrated one."""

    def __init__(self, folder):
        self.folder = folder

    def blank(self):
        """Return the URL of a store that is still to be made."""
        return f"sqlite:///{self.folder}/store-{next(_NUMBERS)}.db"

    def migrated(self):
        """Return the URL of a store with a schema and nothing else."""
        template = self.folder / "template.db"
        if not template.exists():
            open_pool(f"sqlite:///{template}", base=self.folder, create=True).close()
        url = self.blank()
        shutil.copy(template, sa.make_url(url).database)
        return url

    def give_back(self, url):
        """Remove the file and what lies beside it."""
        path = Path(sa.make_url(url).database)
        for file in path.parent.glob(path.name + "*"):
            file.unlink()

    def close(self):
        """Nothing more: the folder is pytest's."""


class Server:
    """
    Databases on one server; those with the schema are emptied and used again.

    A database whose rows cannot be deleted within seconds, because somebody still holds them, is
    dropped instead.
    """

    variable: str
    guesses: tuple[str, ...]
    impatience: str

    def __init__(self):
        told = os.environ.get(self.variable)
        urls = (told,) if told else self.guesses
        for url in urls:
            self._engine = sa.create_engine(
                url, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 3}
            )
            try:
                self._admin = self._engine.connect()
            except sa.exc.OperationalError:
                self._engine.dispose()
                continue
            break
        else:
            raise Absent(f"no server answers; start one and name it in {self.variable}")
        self._made = set()
        self._lent = set()
        self._free = []

    def blank(self):
        """Return the URL of a new database without tables."""
        return self._make(f"autocard_test_{os.getpid()}_{next(_NUMBERS)}")

    def migrated(self):
        """Return the URL of a store with a schema and nothing else."""
        url = self._free.pop() if self._free else self._new_store()
        self._lent.add(url)
        return url

    def give_back(self, url):
        """Empty the database for the next test, or drop it if it was made without tables."""
        if url in self._lent:
            self._lent.discard(url)
            with suppress(sa.exc.DBAPIError):
                self.empty(url)
                self._free.append(url)
                return
        self.drop(url)

    def empty(self, url):
        """Delete every row and count from 1 again."""
        with connected(url) as connection:
            connection.exec_driver_sql(self.impatience)
            self._empty(connection.exec_driver_sql)

    def close(self):
        """Drop every database that was made."""
        for url in tuple(self._made):
            self.drop(url)
        self._admin.close()
        self._engine.dispose()

    def _url(self, name):
        url = self._engine.url.set(database=name)
        return url.render_as_string(hide_password=False)

    def _make(self, name, like=""):
        self._admin.exec_driver_sql(f"CREATE DATABASE {name}{like}")
        url = self._url(name)
        self._made.add(url)
        return url


class PostgreSQL(Server):
    """A new store is a copy of a migrated one."""

    variable = "AUTOCARD_TEST_POSTGRESQL"
    guesses = tuple(
        f"postgresql+psycopg://{user}@127.0.0.1:5432/postgres"
        for user in dict.fromkeys(("postgres", getpass.getuser()))
    )
    impatience = f"SET lock_timeout = {_BUSY_S * 1000}"

    @staticmethod
    def _empty(run):
        # Ten times as fast as TRUNCATE, which makes new files for every table and index.
        run("BEGIN")
        for table in metadata.tables:
            run(f"DELETE FROM {table}")
        for (name,) in run("SELECT relname FROM pg_class WHERE relkind = 'S'").fetchall():
            run(f"ALTER SEQUENCE {name} RESTART")
        run("COMMIT")

    def _new_store(self):
        if self._url(_TEMPLATE) not in self._made:
            open_pool(self._make(_TEMPLATE), base=Path(), create=True).close()
        name = f"autocard_test_{os.getpid()}_{next(_NUMBERS)}"
        return self._make(name, f" TEMPLATE {_TEMPLATE}")

    def drop(self, url):
        """Drop a database, whoever is connected to it."""
        name = sa.make_url(url).database
        self._admin.exec_driver_sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self._made.discard(url)


class MariaDB(Server):
    """A new store is made by migrating: there are no copies of databases."""

    variable = "AUTOCARD_TEST_MARIADB"
    guesses = (
        *(
            f"mysql+pymysql://{user}@127.0.0.1:3306/"
            for user in dict.fromkeys(("root", getpass.getuser()))
        ),
        f"mysql+pymysql://{getpass.getuser()}@/?unix_socket=/run/mysqld/mysqld.sock",
    )
    impatience = f"SET innodb_lock_wait_timeout = {_BUSY_S}, lock_wait_timeout = {_BUSY_S}"

    @staticmethod
    def _empty(run):
        found = run(
            "SELECT table_name, auto_increment FROM information_schema.tables "
            "WHERE table_schema = DATABASE()"
        )
        counted = {name for name, following in found.fetchall() if (following or 0) > 1}
        for table in metadata.tables:
            if table in counted or run(f"SELECT 1 FROM {table} LIMIT 1").fetchall():
                run(f"TRUNCATE {table}")

    def _new_store(self):
        url = self.blank()
        open_pool(url, base=Path(), create=True).close()
        return url

    def drop(self, url):
        """Drop a database, whoever is connected to it."""
        name = sa.make_url(url).database
        found = self._admin.exec_driver_sql(
            "SELECT id FROM information_schema.processlist WHERE db = %s", (name,)
        )
        for (number,) in found.fetchall():
            with suppress(sa.exc.DBAPIError):  # it may be gone by now
                self._admin.exec_driver_sql(f"KILL {number}")
        self._admin.exec_driver_sql(f"DROP DATABASE IF EXISTS {name}")
        self._made.discard(url)


class Stores:
    """Where tests get stores from. Child processes need the URL only."""

    def __init__(self, folder):
        self._folder = folder
        self._places = {}
        self._kinds = {}

    def place(self, kind):
        """Return the server, or folder, of a kind; where none answers the test is skipped."""
        if kind not in self._places:
            try:
                self._places[kind] = self._started(kind)
            except Absent as error:
                self._places[kind] = error
        place = self._places[kind]
        if isinstance(place, Absent):
            told = f"{kind}: {place}"
            if os.environ.get("AUTOCARD_REQUIRE_SERVERS") == "1":
                pytest.fail(f"{told} (AUTOCARD_REQUIRE_SERVERS=1)")
            pytest.skip(told)
        return place

    def present(self):
        """Return the kinds that are to be had here."""
        found = []
        for kind in KINDS:
            with suppress(pytest.skip.Exception):
                self.place(kind)
                found.append(kind)
        return found

    def migrated(self, kind):
        """Return the URL of an empty store with its schema, until it is given back."""
        return self._noted(kind, self.place(kind).migrated())

    def blank(self, kind):
        """Return the URL of a database without tables, until it is given back."""
        return self._noted(kind, self.place(kind).blank())

    def give_back(self, url):
        """Let others have it, or remove it."""
        self.place(self._kinds.pop(url)).give_back(url)

    def run(self, url, statement):
        """Execute SQL behind the pool's back; return the rows, if it has some."""
        with connected(url) as connection:
            found = connection.exec_driver_sql(statement)
            return [tuple(row) for row in found] if found.returns_rows else []

    def rows(self, url):
        """Return all rows of all tables, for `refill`."""
        with connected(url) as connection:
            return {
                table: [row._asdict() for row in connection.execute(sa.select(table))]
                for table in metadata.tables.values()
            }

    def refill(self, url, rows):
        """Put back what `rows` returned, and nothing else. Ids that were given are not given again."""
        engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
        with engine.begin() as connection:
            for table in metadata.tables.values():
                connection.execute(sa.delete(table))
                if rows[table]:
                    connection.execute(sa.insert(table), rows[table])

    def close(self):
        """Remove what is left."""
        for place in self._places.values():
            if not isinstance(place, Absent):
                place.close()

    def _started(self, kind):
        if kind == "sqlite":
            return Files(self._folder)
        return PostgreSQL() if kind == "postgresql" else MariaDB()

    def _noted(self, kind, url):
        self._kinds[url] = kind
        return url


@pytest.fixture(name="stores", scope="session")
def _stores(tmp_path_factory):
    """Return where stores of every kind come from; all are gone at the end."""
    stores = Stores(tmp_path_factory.mktemp("stores"))
    yield stores
    stores.close()


@pytest.fixture(name="known_plugins")
def _known_plugins(monkeypatch):
    """Let entry points be looked for once, not by every engine that is opened."""
    found = Plugins()._published()
    monkeypatch.setattr(Plugins, "_published", lambda _: found)


@pytest.fixture(name="store_kind", params=KINDS)
def _store_kind(request):
    """Each kind of store in turn; `parametrize("store_kind", […])` chooses some."""
    return request.param


@pytest.fixture(name="new_url")
def _new_url(stores, store_kind):
    """Return a function that returns the URL of another empty store with its schema."""
    lent = []

    def new_url():
        lent.append(stores.migrated(store_kind))
        return lent[-1]

    yield new_url
    for url in lent:
        stores.give_back(url)


@pytest.fixture(name="store_url")
def _store_url(new_url):
    """Return the URL of an empty store with its schema. Leave the schema as it is."""
    return new_url()


@pytest.fixture(name="shop_url")
def _shop_url(tmp_path, store_kind, request):
    """Return the URL of a store of each kind in turn; an SQLite file lies in the test's folder."""
    if store_kind == "sqlite":
        return f"sqlite:///{tmp_path}/shop.db"
    return request.getfixturevalue("store_url")


@pytest.fixture(name="blank_url")
def _blank_url(stores, store_kind):
    """Return the URL of a database without tables, or of a file that is not there."""
    url = stores.blank(store_kind)
    yield url
    stores.give_back(url)
