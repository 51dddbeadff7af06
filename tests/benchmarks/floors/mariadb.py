"""
The floor on MariaDB: one stored procedure, one round trip.

PyMySQL speaks the text protocol, so there are no prepared statements; a procedure is parsed once
for a connection and is what comes nearest. What was tried (two cores, the database in memory so
that only work counts, microseconds an order; the best of many slices in turn):

- eight statements, each a round trip: 270
- all of them in one packet, with user variables: 288; each is parsed again every time
- two packets, the second one when order and card are known: 246
- an anonymous block (`BEGIN NOT ATOMIC`): 20 % slower than the procedure
- the procedure: 191. Beginning to look for cards where the last one was found: no gain, because
  the purge takes sold cards out of the index within moments.

All with READ COMMITTED, so that no gap is locked.

Import, 100,000 ready rows a commit, microseconds of work a card on the client and in the server:
rows as hexadecimal in one `INSERT` of 2,000 1.4 and 8.2, of 1,000 or 5,000 the same, of 20,000 1.6
and 8.4; as escaped bytes 1.0 and 9.5; `LOAD DATA LOCAL` 1.0 and 8.0, but that turns a duplicate
into a warning; PyMySQL's `executemany` 5.0 and 8.4, and 35 and 31 when a literal among the values
keeps it from putting rows together.
"""

from __future__ import annotations

import time
from typing import Final

import pymysql
from pymysql.constants import CLIENT
from tests.benchmarks.floors.interface import WAREHOUSE, CardRow, Seal
from tests.benchmarks.places import Place

_TEXT: Final = "ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
_TABLES: Final = (
    f"""
    CREATE TABLE orders (
      id BIGINT AUTO_INCREMENT PRIMARY KEY, platform VARCHAR(64) NOT NULL,
      order_no VARCHAR(128) NOT NULL, amount_minor BIGINT NOT NULL, currency VARCHAR(3) NOT NULL,
      accepted_at BIGINT NOT NULL, UNIQUE (platform, order_no)
    ) {_TEXT}
    """,
    f"""
    CREATE TABLE `lines` (
      order_id BIGINT NOT NULL, line_no INTEGER NOT NULL, item VARCHAR(512) NOT NULL,
      quantity INTEGER NOT NULL, sku VARCHAR(128) NOT NULL, outcome VARCHAR(24) NOT NULL,
      PRIMARY KEY (order_id, line_no)
    ) {_TEXT}
    """,
    f"""
    CREATE TABLE cards (
      id BIGINT AUTO_INCREMENT PRIMARY KEY, warehouse_id BIGINT NOT NULL,
      state VARCHAR(24) NOT NULL, expires_at BIGINT NOT NULL, fingerprint BINARY(16) UNIQUE,
      sealed VARBINARY(4096) NOT NULL, order_id BIGINT, line_no INTEGER,
      KEY cards_take (warehouse_id, state, expires_at, id), KEY cards_line (order_id)
    ) {_TEXT}
    """,
    f"""
    CREATE TABLE movements (
      id BIGINT AUTO_INCREMENT PRIMARY KEY, warehouse_id BIGINT NOT NULL,
      origin VARCHAR(24) NOT NULL, target VARCHAR(24) NOT NULL, quantity INTEGER NOT NULL,
      order_id BIGINT, at BIGINT NOT NULL
    ) {_TEXT}
    """,
    f"""
    CREATE TABLE events (
      id BIGINT AUTO_INCREMENT PRIMARY KEY, kind VARCHAR(48) NOT NULL, at BIGINT NOT NULL,
      order_id BIGINT, line_no INTEGER, detail TEXT NOT NULL
    ) {_TEXT}
    """,
    f"""
    CREATE PROCEDURE serve (number VARCHAR(128) CHARACTER SET utf8mb4, now BIGINT)
    BEGIN
      DECLARE this BIGINT;
      DECLARE card BIGINT;
      DECLARE mark BINARY(16);
      DECLARE envelope VARBINARY(4096);
      DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END;
      START TRANSACTION;
      INSERT INTO orders (platform, order_no, amount_minor, currency, accepted_at)
      VALUES ('shop', number, 5000, 'CNY', now);
      SET this = LAST_INSERT_ID();
      SELECT id, fingerprint, sealed INTO card, mark, envelope FROM cards
      WHERE warehouse_id = {WAREHOUSE} AND state = 'available' AND expires_at > now
      ORDER BY expires_at, id LIMIT 1 FOR UPDATE SKIP LOCKED;
      UPDATE cards SET state = 'delivered', order_id = this, line_no = 1
      WHERE id = card AND state = 'available';
      INSERT INTO `lines` VALUES (this, 1, 'steam-50', 1, 'steam-50', 'delivered');
      INSERT INTO movements (warehouse_id, origin, target, quantity, order_id, at)
      VALUES ({WAREHOUSE}, 'available', 'delivered', 1, this, now);
      INSERT INTO events (kind, at, order_id, line_no, detail)
      VALUES ('line.delivered', now, this, 1, '{{"sku":"steam-50","quantity":1}}');
      COMMIT;
      SELECT mark, envelope;
    END
    """,
)
_ROWS: Final = 2_000
"""In a statement: some 340 kB, far below any `max_allowed_packet`."""
_CARDS: Final = "INSERT INTO cards (warehouse_id, state, expires_at, fingerprint, sealed) VALUES "


class MariadbFloor:
    """The floor on one connection."""

    def __init__(self, place: Place, seal: Seal, *, create: bool = False) -> None:
        address = dict(place.address)
        self._connection = pymysql.connect(
            database=address.pop("dbname"),
            **address,
            autocommit=True,
            charset="utf8mb4",
            client_flag=CLIENT.MULTI_RESULTS,
        )
        self._cursor = self._connection.cursor()
        self._cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        for statement in _TABLES if create else ():
            self._cursor.execute(statement)
        self._open = seal.open

    def add(self, rows: list[CardRow]) -> None:
        execute = self._cursor.execute
        execute("BEGIN")
        for at in range(0, len(rows), _ROWS):
            values = [
                f"({warehouse},'available',{expiry},x'{fingerprint.hex()}',x'{sealed.hex()}')"
                for warehouse, expiry, fingerprint, sealed in rows[at : at + _ROWS]
            ]
            execute(_CARDS + ",".join(values))
        execute("COMMIT")

    def dispatch(self, order_no: str) -> str:
        cursor = self._cursor
        number = self._connection.escape(order_no)
        cursor.execute(f"CALL serve({number}, {time.time_ns() // 1_000_000})")
        row = cursor.fetchone()
        while cursor.nextset():
            pass
        assert row is not None
        return self._open(*row)

    def close(self) -> None:
        self._connection.close()


open_floor = MariadbFloor
