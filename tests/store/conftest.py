"""Pools on real files, and looks behind their back."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from itertools import count

import pytest

from autocard.store.opening import open_pool


@pytest.fixture(name="file")
def _file(tmp_path):
    """Return the path of the database that `pool` is on."""
    return tmp_path / "shop.db"


@pytest.fixture(name="template", scope="session")
def _template(tmp_path_factory):
    """Return a store with a schema and nothing else; copying it is faster than migrating."""
    folder = tmp_path_factory.mktemp("template")
    open_pool("sqlite:///empty.db", base=folder, create=True).close()
    return folder / "empty.db"


@pytest.fixture(name="open_store")
def _open_store(tmp_path, template):
    """Return a function that opens a store by name; all are closed at the end."""
    opened = []

    def open_store(name="shop.db", query=""):
        if not (tmp_path / name).exists():
            shutil.copy(template, tmp_path / name)
        opened.append(open_pool(f"sqlite:///{name}{query}", base=tmp_path, create=False))
        return opened[-1]

    yield open_store
    for pool in opened:
        pool.close()


@pytest.fixture(name="make_store")
def _make_store(open_store):
    numbers = count()
    return lambda: open_store(f"shop-{next(numbers)}.db")


@pytest.fixture(name="store")
def _store(open_store):
    """Return one pool on a new file."""
    return open_store()


@pytest.fixture(name="raw")
def _raw(file):
    """Return a function that runs SQL on the file behind the pool's back."""

    def raw(statement, *parameters):
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            return connection.execute(statement, parameters).fetchall()

    return raw
