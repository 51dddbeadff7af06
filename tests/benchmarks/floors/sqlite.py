"""
The floor on SQLite: prepared statements in one `BEGIN IMMEDIATE`, on one connection.

The pragmas are those of the real store. Many processes wait for each other in SQLite's own way.
"""

from __future__ import annotations

import sqlite3
import time
from typing import Final

from tests.benchmarks.floors.interface import WAREHOUSE, CardRow, Seal
from tests.benchmarks.places import Place

_PRAGMAS: Final = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = OFF",
    "PRAGMA cache_size = -16000",
    "PRAGMA temp_store = MEMORY",
)
_TABLES: Final = """
CREATE TABLE orders (
  id INTEGER PRIMARY KEY, platform TEXT NOT NULL, order_no TEXT NOT NULL,
  amount_minor INTEGER NOT NULL, currency TEXT NOT NULL, accepted_at INTEGER NOT NULL,
  UNIQUE (platform, order_no)
);
CREATE TABLE lines (
  order_id INTEGER NOT NULL, line_no INTEGER NOT NULL, item TEXT NOT NULL,
  quantity INTEGER NOT NULL, sku TEXT NOT NULL, outcome TEXT NOT NULL,
  PRIMARY KEY (order_id, line_no)
) WITHOUT ROWID;
CREATE TABLE cards (
  id INTEGER PRIMARY KEY, warehouse_id INTEGER NOT NULL, state TEXT NOT NULL,
  expires_at INTEGER NOT NULL, fingerprint BLOB UNIQUE, sealed BLOB NOT NULL,
  order_id INTEGER, line_no INTEGER
);
CREATE INDEX cards_take ON cards (warehouse_id, expires_at, id) WHERE state = 'available';
CREATE INDEX cards_line ON cards (order_id) WHERE order_id IS NOT NULL;
CREATE TABLE movements (
  id INTEGER PRIMARY KEY, warehouse_id INTEGER NOT NULL, origin TEXT NOT NULL,
  target TEXT NOT NULL, quantity INTEGER NOT NULL, order_id INTEGER, at INTEGER NOT NULL
);
CREATE TABLE events (
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL, at INTEGER NOT NULL, order_id INTEGER,
  line_no INTEGER, detail TEXT NOT NULL
);
"""
_ORDER: Final = """
INSERT INTO orders (platform, order_no, amount_minor, currency, accepted_at) VALUES (?, ?, ?, ?, ?)
"""
_PICK: Final = """
SELECT id, fingerprint, sealed FROM cards
WHERE warehouse_id = ? AND state = 'available' AND expires_at > ? ORDER BY expires_at, id LIMIT 1
"""
_TAKE: Final = """
UPDATE cards SET state = 'delivered', order_id = ?, line_no = 1 WHERE id = ? AND state = 'available'
"""
_LINE: Final = "INSERT INTO lines VALUES (?, 1, 'steam-50', 1, 'steam-50', 'delivered')"
_MOVEMENT: Final = """
INSERT INTO movements (warehouse_id, origin, target, quantity, order_id, at)
VALUES (?, 'available', 'delivered', 1, ?, ?)
"""
_EVENT: Final = """
INSERT INTO events (kind, at, order_id, line_no, detail)
VALUES ('line.delivered', ?, ?, 1, '{"sku":"steam-50","quantity":1}')
"""
_CARD: Final = """
INSERT INTO cards (warehouse_id, state, expires_at, fingerprint, sealed)
VALUES (?, 'available', ?, ?, ?)
"""


class SqliteFloor:
    """The floor on one file."""

    def __init__(self, place: Place, seal: Seal, *, create: bool = False) -> None:
        self._connection = sqlite3.connect(place.file, isolation_level=None, timeout=60)
        for pragma in _PRAGMAS:
            self._connection.execute(pragma)
        if create:
            self._connection.executescript(_TABLES)
        self._cursor = self._connection.cursor()
        self._open = seal.open

    def add(self, rows: list[CardRow]) -> None:
        self._cursor.execute("BEGIN IMMEDIATE")
        self._cursor.executemany(_CARD, rows)
        self._cursor.execute("COMMIT")

    def dispatch(self, order_no: str) -> str:
        execute = self._cursor.execute
        now_ms = time.time_ns() // 1_000_000
        execute("BEGIN IMMEDIATE")
        execute(_ORDER, ("shop", order_no, 5000, "CNY", now_ms))
        order_id = self._cursor.lastrowid
        card, fingerprint, sealed = execute(_PICK, (WAREHOUSE, now_ms)).fetchone()
        execute(_TAKE, (order_id, card))
        execute(_LINE, (order_id,))
        execute(_MOVEMENT, (WAREHOUSE, order_id, now_ms))
        execute(_EVENT, (now_ms, order_id))
        plain = self._open(fingerprint, sealed)
        execute("COMMIT")
        return plain

    def close(self) -> None:
        self._connection.close()


open_floor = SqliteFloor
