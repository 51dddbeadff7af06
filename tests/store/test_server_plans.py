"""On servers, too, the work for an order does not grow with what was sold before."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from autocard.model import OrderId
from autocard.states import Outcome, PurchaseState, Reason
from autocard.store.beginning import PLACE
from autocard.store.mysql import MysqlStatements
from autocard.store.opening import open_pool
from autocard.store.postgresql import PostgresStatements
from autocard.testing.shelf import digest, line, order

CARDS = 1_000_000
SOLD = CARDS // 2
ORDERS = 20_000
NOW = 1_767_323_045_000
FIRST = NOW + SOLD // 1000 + 1
"""When the first of the cards that are left expires."""
MOST_BLOCKS = 90
"""Reading the half that is sold would take thousands."""
MOST_ROWS = 30
TABLES = ("cards", "orders", "lines", "intents", "purchases", "movements")

_CARDS = """
INSERT INTO autocard_cards
  (id, warehouse_id, batch_id, state, expires_at, fingerprint, sealed, order_id, line_no, uses)
SELECT {i}, 1, 1, CASE WHEN {i} <= {sold} THEN 'delivered' ELSE 'available' END,
  {now} + {thousand}, {print}, {print}, CASE WHEN {i} <= {sold} THEN {order_id} END,
  CASE WHEN {i} <= {sold} THEN 1 END, 0
FROM {numbers}
"""
_ORDERS = """
INSERT INTO autocard_orders (id, platform, order_no, digest, payload, buyer, accepted_at, paid_at)
SELECT {i}, 'shop', CONCAT('A', {i}), {print}, {print}, {print}, {now}, {now} FROM {numbers}
"""
_REST = f"""
INSERT INTO autocard_warehouses (id, sku, name) VALUES (1, 'steam', 'main');
INSERT INTO autocard_batches VALUES (1, 1, 'plain', '', NULL, NULL, '', '', {NOW}, 1, FALSE);
INSERT INTO autocard_movements (warehouse_id, origin, target, quantity, cause, at)
  VALUES (1, '', 'available', {CARDS - SOLD}, 'import', {NOW});
INSERT INTO autocard_movements (warehouse_id, origin, target, quantity, cause, at)
  SELECT 1, 'available', 'delivered', 1, 'order', {NOW} FROM autocard_orders;
UPDATE autocard_movements SET folded = TRUE WHERE cause = 'order';
INSERT INTO autocard_lines SELECT id, 1, 'x', 1, 'steam', 1, '',
  CASE WHEN id > {ORDERS - 20} THEN 'pending' ELSE 'delivered' END,
  CASE WHEN id > {ORDERS - 20} THEN 'short' ELSE '' END, '', {NOW} FROM autocard_orders;
INSERT INTO autocard_intents SELECT id, 'deliver', id, 1, 'platform', CONCAT('r', id),
  CASE WHEN id > {ORDERS - 20} THEN 'due' ELSE 'done' END, 1, {NOW}, {NOW}, NULL, NULL, '', ''
FROM autocard_orders;
INSERT INTO autocard_purchases SELECT id, CONCAT('p', id),
  CASE WHEN id > {ORDERS - 20} THEN CONCAT('line:', id, '/1') END, CONCAT('line:', id, '/1'),
  'fulu', 'steam', 'x', 1, id, 1, 'main', 1, 1, 'CNY', 1,
  CASE WHEN id > {ORDERS - 5} THEN 'sending' WHEN id > {ORDERS - 20} THEN 'due'
    WHEN MOD(id, 5000) = 0 THEN 'held' ELSE 'done' END,
  {NOW}, {NOW}, CASE WHEN id > {ORDERS - 5} THEN {NOW + 1} END, 1, 1, 0, CONCAT('R', id), 1, 1, '',
  {NOW} FROM autocard_orders
"""
WORDS = {
    "postgresql": {
        "i": "i",
        "print": "decode(lpad(to_hex(i), 32, '0'), 'hex')",
        "thousand": "i / 1000",
        "order_id": "i",
        "numbers": "generate_series(1, {}) AS i",
    },
    "mariadb": {
        "i": "seq",
        "print": "UNHEX(LPAD(HEX(seq), 32, '0'))",
        "thousand": "seq DIV 1000",
        "order_id": "seq",
        "numbers": "seq_1_to_{}",
    },
}


class Full:
    """A store with a million cards, half of them sold, and a connection to it."""

    def __init__(self, stores, kind):
        self.kind = kind
        self.url = stores.blank(kind)
        open_pool(self.url, base=Path(), create=True).close()
        engine = sa.create_engine(
            self.url, isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool
        )
        self.connection = engine.connect()
        words = WORDS[kind]
        if kind == "postgresql":
            # Nobody cleans up or looks at the tables behind our back.
            for table in TABLES:
                self.run(f"ALTER TABLE autocard_{table} SET (autovacuum_enabled = false)")
            self.run("SET synchronous_commit = off")
        for statement, rows in ((_CARDS, CARDS), (_ORDERS, ORDERS)):
            told = {**words, "numbers": words["numbers"].format(rows), "now": NOW, "sold": SOLD}
            self.run(statement.format(**told))
        for statement in _REST.split(";"):
            self.run(statement)
        if kind == "postgresql":
            for table, last in (("cards", CARDS), ("orders", ORDERS), ("intents", ORDERS)):
                self.run(f"SELECT setval('autocard_{table}_id_seq', {last})")

    def run(self, statement):
        found = self.connection.exec_driver_sql(statement)
        return found.fetchall() if found.returns_rows else []

    def analyze(self):
        word = "ANALYZE" if self.kind == "postgresql" else "ANALYZE TABLE"
        for table in TABLES:
            self.run(f"{word} autocard_{table}")

    @contextmanager
    def undone(self):
        """Take back whatever is done inside."""
        self.run("BEGIN")
        try:
            yield
        finally:
            self.run("ROLLBACK")


@pytest.fixture(name="filled", scope="module")
def _filled(stores):
    """Return a function that returns the full store of a kind, which is filled once."""
    full = {}

    def filled(kind):
        stores.place(kind)
        if kind not in full:
            full[kind] = Full(stores, kind)
        return full[kind]

    yield filled
    for each in full.values():
        each.connection.close()
        stores.give_back(each.url)


@pytest.fixture(name="postgres", params=["before ANALYZE", "after ANALYZE"], scope="module")
def _postgres(request, filled):
    full = filled("postgresql")
    if request.param == "after ANALYZE":
        full.analyze()
    return full


@pytest.fixture(name="maria", params=["before ANALYZE", "after ANALYZE"], scope="module")
def _maria(request, filled):
    full = filled("mariadb")
    if request.param == "after ANALYZE":
        full.analyze()
    return full


# Values stand where the drivers' marks do.
BEYOND = (1, FIRST, 0)
HOT = {
    "PICK_CARDS": (*BEYOND, 3),
    "WAIT_FOR_CARDS": (*BEYOND, 3),
    "PICK_BATCH_CARDS": (1, 1, FIRST, 3),
    "PICK_SHARED": (1, FIRST, 9, 3),
    "PICK_BATCH_SHARED": (1, 1, FIRST, 9, 3),
    "PICK_UNDO": (1, 3),
    "TAKE_CARD": ("delivered", 7, 1, SOLD + 5),
    "TAKE_CARDS": ("delivered", 7, 1, SOLD + 5, SOLD + 6),
    "DUE_INTENTS": (NOW + 1, 3),
    "DUE_INTENTS_OF": (NOW + 1, ORDERS, 3),
    "WAITING_LINES": (5, 1, 3),
    "WAITING_LINES_OF": ("steam", 5, 1, 3),
    "WAITS_BEFORE": ("steam", ORDERS, 1),
    "COUNT_SHARES": ("'x'", "steam"),
    "COUNT_LINE_CARDS": (7, 1, "delivered"),
    "LINE_CARDS": (7, 1, "delivered"),
    "CARD_WAREHOUSE": (SOLD + 5,),
    "ORDER_CARDS": (7, 7),
    "INTENTS_OF": (7,),
    "OPEN_INTENTS": (7, 1),
    "DUE_PURCHASES": (NOW + 1, 3),
    "FIND_PURCHASE": ("p7",),
    "FIND_REMOTE_PURCHASE": ("fulu", "R7"),
    "OWNED_PURCHASES": ("fulu", NOW),
    "OPEN_PURCHASES": (7,),
    "FIND_ORDER": ("shop", "A7"),
    "LOCK_ORDER": ("shop", "A7"),
    "FIND_LINES": (7,),
    "FIND_KNOWN": ("'x'", "'y'"),
    "MOVE_LINE_CARDS": ("void", 7, 1, "delivered"),
    "RELEASE_LINE_CARDS": (7, 1),
    "SETTLE_LINE": ("held", "review", "", NOW, 7, 1, "delivered", ""),
    "CLAIM_PURCHASE": ("sending", NOW, NOW, 1, ORDERS - 7, "due", 1),
    "CLAIM_INTENT": ("sending", NOW, ORDERS, "due", 1),
}


def literal(value):
    if isinstance(value, int):
        return str(value)
    return value if value.startswith("'") else f"'{value}'"


def values_of(name):
    """Return the values of a hot statement, as literals."""
    values = list(HOT[name])
    return [literal(x) for x in values]


def statement_of(sql, name):
    count = {"TAKE_CARDS": 2, "FIND_KNOWN": 2}.get(name, 1)
    return sql.marked(getattr(sql, name), count)


# --- PostgreSQL -----------------------------------------------------------------------------


def numbered(statement):
    """Return a driver's statement as PostgreSQL prepares it."""
    parts = statement.split("%s")
    return parts[0] + "".join(f"${i}{part}" for i, part in enumerate(parts[1:], start=1))


def nodes(plan):
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


def plan_of(full, call):
    """Run a prepared statement and return its plan with what it read; nothing stays changed."""
    with full.undone():
        return explained(full, call)


def explained(full, call):
    ((told,),) = full.run(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE {call}")
    (found,) = json.loads(told) if isinstance(told, str) else told
    return found["Plan"]


def blocks(plan):
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]


def rows_read(plan):
    return max(
        x["Actual Loops"] * (x["Actual Rows"] + x.get("Rows Removed by Filter", 0))
        for x in nodes(plan)
    )


@pytest.mark.parametrize("mode", ["force_generic_plan", "force_custom_plan"])
@pytest.mark.parametrize("name", HOT)
def test_postgresql_reads_a_few_blocks(postgres, name, mode):
    """Whatever kind of plan it makes, and whatever it knows of the tables."""
    postgres.run(f"SET plan_cache_mode = {mode}")
    postgres.run(f"PREPARE looked AS {numbered(statement_of(PostgresStatements, name))}")
    try:
        plan = plan_of(postgres, f"looked ({', '.join(values_of(name))})")
    finally:
        postgres.run("DEALLOCATE looked")
    assert "autocard_cards" not in [
        x.get("Relation Name") for x in nodes(plan) if x["Node Type"] == "Seq Scan"
    ]
    assert rows_read(plan) <= 2 * MOST_ROWS
    assert blocks(plan) <= MOST_BLOCKS, plan
    if name in {"PICK_CARDS", "WAIT_FOR_CARDS", "PICK_BATCH_CARDS", "PICK_SHARED"}:
        assert "Sort" not in [x["Node Type"] for x in nodes(plan)]


def placing(number, start, *, quantity=1):
    """Return a call of the statement that places a common order."""
    texts = {1: "shop", 2: number, 10: "CNY", 16: "delivered", 18: "x", 20: "steam", 22: "",
             23: "delivered", 24: "", 25: "", 27: "line.delivered", 28: "{}"}  # fmt: skip
    numbers = {7: NOW, 8: NOW, 9: 1000, 12: 1, 13: start[0], 14: start[1], 15: quantity,
               17: 1, 19: 1, 21: 1, 26: NOW}  # fmt: skip
    told = {**{at: f"'{text}'" for at, text in texts.items()}, **numbers, 4: "'x'"}
    return f"autocard_place ({', '.join(str(told.get(at, 'NULL')) for at in range(1, 29))})"


@pytest.mark.parametrize("quantity", [1, 5])
@pytest.mark.parametrize("mode", ["force_generic_plan", "force_custom_plan"])
def test_postgresql_places_an_order_without_a_look_at_sold_cards(postgres, mode, quantity):
    """From the very beginning of the shelf, and from where the last order began."""
    postgres.run(f"SET plan_cache_mode = {mode}")
    postgres.run(f"PREPARE autocard_place AS {PLACE}")
    try:
        for start in ((NOW - 1, 2**63 - 1), (FIRST, SOLD)):
            plan = plan_of(postgres, placing("N1", start, quantity=quantity))
            scans = [x for x in nodes(plan) if x.get("Relation Name") == "autocard_cards"]
            assert "autocard_cards_take" in [x.get("Index Name") for x in scans]
            assert "Seq Scan" not in [x["Node Type"] for x in scans]
            assert rows_read(plan) <= MOST_ROWS
            assert blocks(plan) <= 2 * MOST_BLOCKS, plan
    finally:
        postgres.run("DEALLOCATE autocard_place")


LOOKS = {
    "lapsed": lambda p: p.lapsed(NOW + 1, 9),
    "history": lambda p: p.history(b"x" * 16, "shop", "A1", NOW),
    "orders": lambda p: p.orders(limit=5),
    "orders of a contact": lambda p: p.orders(contact=b"x" * 16),
    "unconfirmed": lambda p: p.unconfirmed(9),
    "held orders": lambda p: p.orders(outcome=Outcome.HELD, limit=5),
    "orders under review": lambda p: p.orders(outcome=Outcome.HELD, reason=Reason.REVIEW, limit=5),
    "events": lambda p: p.events(limit=5),
    "events of an order": lambda p: p.events(order_id=OrderId(7)),
    "events of a restock": lambda p: p.restock_events("p7"),
    "purchases of an order": lambda p: p.purchases(order_id=OrderId(7)),
    "purchases for a need": lambda p: p.purchases(need="line:7/1"),
    "held purchases": lambda p: p.purchases(state=PurchaseState.HELD, limit=5),
    "find_card": lambda p: p.find_card(b"x" * 16),
    "sealed_card": lambda p: p.sealed_card(SOLD + 7),
    "stock": lambda p: p.stock(),
    "stock that lives": lambda p: p.stock("steam", alive_at_ms=NOW),
}


def asked_by(full, look):
    """Return what a look asks of the database, as statements with names, and their values."""
    asked = []

    def note(_connection, _cursor, statement, parameters, *_):
        if statement.startswith("SELECT"):
            asked.append((statement, dict(parameters)))

    pool = open_pool(full.url, base=Path(), create=False)
    sa.event.listen(pool._engine, "before_cursor_execute", note)
    look(pool)
    pool.close()
    return asked


def prepared(statement, parameters):
    """Return a statement of SQLAlchemy as PostgreSQL prepares it, and its values as literals."""
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", statement)))
    for at, name in enumerate(names, start=1):
        statement = statement.replace(f"%({name})s", f"${at}")
    values = [getattr(parameters[name], "obj", parameters[name]) for name in names]
    return statement, [f"'\\x{x.hex()}'" if isinstance(x, bytes) else literal(x) for x in values]


@pytest.mark.parametrize("mode", ["force_generic_plan", "force_custom_plan"])
@pytest.mark.parametrize("name", LOOKS)
def test_looks_of_daily_work_read_a_few_blocks_of_postgresql(postgres, name, mode):
    """What `resume`, `review` and hold rules ask for is found without walking a table."""
    postgres.run(f"SET plan_cache_mode = {mode}")
    with postgres.undone():  # what a look sets, it sets for its transaction
        for statement, parameters in asked_by(postgres, LOOKS[name]):
            wanted, values = prepared(statement, parameters)
            postgres.run(f"PREPARE looked AS {wanted}")
            try:
                call = f"looked ({', '.join(values)})" if values else "looked"
                # A first look may walk over what was rolled up just now, and marks it for the next.
                read = min(blocks(explained(postgres, call)) for _ in range(2))
                assert read <= MOST_BLOCKS, wanted
            finally:
                postgres.run("DEALLOCATE looked")


# --- MariaDB --------------------------------------------------------------------------------


def handled(full, statement):
    """Return how many rows the server's engines were asked for."""
    with full.undone():
        full.run("FLUSH LOCAL STATUS")
        full.run(statement)
        found = full.run("SHOW SESSION STATUS LIKE 'Handler_read%%'")
    return sum(int(value) for _, value in found)


def plain(statement, values):
    parts = statement.split("%s")
    return parts[0] + "".join(map("".join, zip(values, parts[1:], strict=True)))


@pytest.mark.parametrize("name", HOT)
def test_mariadb_reads_a_few_rows(maria, name):
    """It walks an index to what is asked for, in the order that is asked for."""
    values = values_of(name)
    if name in {"PICK_CARDS", "WAIT_FOR_CARDS"}:
        values.insert(1, values[1])  # it says twice where to begin
    statement = plain(statement_of(MysqlStatements, name), values)
    assert handled(maria, statement) <= MOST_ROWS
    told = maria.run(f"EXPLAIN FORMAT=JSON {statement.strip()}")[0][0]
    walks = re.findall(r'"table_name": "autocard_\w+",\s*"access_type": "(\w+)"', told)
    assert not {"ALL", "index"} & set(walks), told
    if name in {"PICK_CARDS", "WAIT_FOR_CARDS", "PICK_BATCH_CARDS", "PICK_SHARED"}:
        assert "filesort" not in told
        assert re.search(r'"key": "autocard_cards_(take|batch)_all"', told)
    if name in {"PICK_CARDS", "WAIT_FOR_CARDS"}:
        begins = re.findall(r'"used_key_parts": \[([^]]*)\]', told)
        assert begins[0].split(", ")[-1] == '"id"', "it walks over what was sold before"


def test_mariadb_counts_no_card_that_lives(maria):
    """It walks the index of the take up to the moment that is asked for, and no further."""
    asked = asked_by(maria, LOOKS["stock that lives"])
    ((statement, values),) = [x for x in asked if "expires_at" in x[0]]
    for name, value in values.items():
        statement = statement.replace(f"%({name})s", literal(value))
    assert handled(maria, statement) <= MOST_ROWS


# --- growth ---------------------------------------------------------------------------------


def sell(pool, count, name):
    """Sell *count* cards to as many orders, two hundred in a change."""
    for start in range(0, count, 200):
        group = [
            order(f"{name}{number}", line(plan_alive_at_ms=NOW - 1), digest=digest("d", 32))
            for number in range(start, start + 200)
        ]
        placed = pool.change(lambda change, group=group: change.place_many(group))
        assert all(x.lines[0][1] for x in placed)


def cost(full, pool, number):
    """Return what the next take reads, beginning where the last one began."""
    position = pool.remembered.heads[1].position
    if full.kind == "postgresql":
        return blocks(plan_of(full, placing(number, position)))
    statement = plain(MysqlStatements.PICK_CARDS, [*map(literal, (1, position[0], *position)), "1"])
    return handled(full, statement)


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_takes_cost_the_same_while_a_reader_keeps_sold_cards_alive(filled, kind):
    """Somebody's report is open for hours: what is sold meanwhile cannot be cleaned up."""
    full = filled(kind)
    pool = open_pool(full.url, base=Path(), create=False)
    if kind == "postgresql":
        full.run(f"PREPARE autocard_place AS {PLACE}")
    reader = sa.create_engine(full.url, poolclass=sa.pool.NullPool).connect()
    reader = reader.execution_options(isolation_level="REPEATABLE READ")
    try:
        reader.exec_driver_sql("SELECT COUNT(*) FROM autocard_warehouses").scalar()
        sell(pool, 200, "B")
        before = cost(full, pool, "N1")
        sell(pool, 20_000, "C")
        assert cost(full, pool, "N2") <= max(2 * before, MOST_BLOCKS)
        assert sorted(x.available for x in pool.stock()) == [CARDS - SOLD - 20_200]
    finally:
        reader.close()
        pool.close()
