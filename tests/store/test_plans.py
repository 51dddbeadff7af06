"""The work that is done for every order stays small however much was sold before."""

from __future__ import annotations

import shutil
import sqlite3

import pytest
import sqlalchemy as sa

from autocard.model import OrderId
from autocard.states import Outcome, PurchaseState, Reason
from autocard.store.opening import open_pool
from autocard.store.statements import Statements as sql  # noqa: N813 - as in the store

SOLD = 100_000
NOW = 1_767_323_045_000
_FILL = f"""
INSERT INTO autocard_warehouses (id, sku, name) VALUES (1, 'steam', 'main'), (2, 'psn', 'main');
INSERT INTO autocard_batches VALUES
  (1, 1, 'plain', '', NULL, NULL, '', '', {NOW}, {2 * SOLD}, FALSE);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {2 * SOLD})
INSERT INTO autocard_cards
SELECT i, 1, 1, CASE WHEN i <= {SOLD} THEN 'delivered' ELSE 'available' END, {NOW} + i % 1000,
  randomblob(16), x'00', CASE WHEN i <= {SOLD} THEN i END, CASE WHEN i <= {SOLD} THEN 1 END, 0
FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {SOLD})
INSERT INTO autocard_orders (id, platform, order_no, digest, payload, buyer, contact, accepted_at,
  paid_at, amount_minor, currency, reserved_until)
SELECT i, 'shop', 'A' || i, randomblob(32), x'00', randomblob(16), randomblob(16), {NOW} + i, {NOW},
  1000, 'CNY', CASE WHEN i % 1000 = 0 THEN {NOW} + i END FROM n;
INSERT INTO autocard_lines
SELECT id, 1, 'x', 1, 'steam', 1, '', 'delivered', '', '', {NOW} FROM autocard_orders;
UPDATE autocard_lines SET outcome = 'pending', reason = 'short' WHERE order_id > {SOLD - 20};
UPDATE autocard_lines SET outcome = 'held', reason = 'review' WHERE order_id % 5000 = 0;
INSERT INTO autocard_intents
SELECT id, 'deliver', id, 1, 'platform', 'r' || id, 'done', 1, 0, {NOW}, NULL, NULL, '', ''
FROM autocard_orders;
UPDATE autocard_intents SET state = 'due', due_at = {NOW} WHERE id > {SOLD - 20};
INSERT INTO autocard_purchases
SELECT id, 'p' || id, CASE WHEN id > {SOLD - 20} THEN 'line:' || id || '/1' END,
  'line:' || id || '/1', 'fulu', 'steam', 'x', 1, id, 1, 'main', 1, 1, 'CNY', 1,
  CASE WHEN id > {SOLD - 20} THEN 'due' ELSE 'done' END, {NOW}, {NOW}, NULL, 1, 1, 0, 'R' || id, 1,
  1, '', {NOW} FROM autocard_orders;
UPDATE autocard_purchases SET state = 'sending', lease_until = {NOW + 1} WHERE id > {SOLD - 5};
UPDATE autocard_purchases SET state = 'held' WHERE id % 5000 = 0;
INSERT INTO autocard_events
SELECT id, 'line.delivered', {NOW}, id, 1, '{{}}' FROM autocard_orders;
"""


@pytest.fixture(name="full", scope="module")
def _full(template, tmp_path_factory):
    """Return the path of a store with 200,000 cards, half of them sold to 100,000 orders."""
    path = tmp_path_factory.mktemp("full") / "shop.db"
    shutil.copy(template, path)
    connection = sqlite3.connect(path)
    connection.executescript(_FILL)
    connection.commit()
    connection.close()
    return path


@pytest.fixture(name="big", params=["before ANALYZE", "after ANALYZE"], scope="module")
def _big(request, full):
    """Return a pool on the full store, with and without statistics of its tables."""
    if request.param == "after ANALYZE":
        connection = sqlite3.connect(full)
        connection.execute("ANALYZE")
        connection.close()
    pool = open_pool(f"sqlite:///{full}", base=full.parent, create=False)
    yield pool
    pool.close()


def explain(pool, statement, parameters):
    rows = pool.cursor().execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
    return " / ".join(row[3] for row in rows)


def steps(pool, work):
    """Return how many hundreds of steps the database's machine makes for *work*."""
    count = 0

    def tick():
        nonlocal count
        count += 1

    connection = pool.cursor().connection
    connection.set_progress_handler(tick, 100)
    try:
        work()
    finally:
        connection.set_progress_handler(None, 0)
    return count


HOT = {
    "PICK_CARDS": ((1, NOW + 10, 3), "autocard_cards_take"),
    "PICK_BATCH_CARDS": ((1, 1, NOW + 10, 3), "autocard_cards_batch"),
    "PICK_SHARED": ((1, NOW + 10, 9, 3), "autocard_cards_take"),
    "PICK_BATCH_SHARED": ((1, 1, NOW + 10, 9, 3), "autocard_cards_batch"),
    "PICK_UNDO": ((1, 3), "autocard_cards_batch"),
    "DUE_INTENTS": ((NOW + 1, 3), "autocard_intents_due"),
    "DUE_INTENTS_OF": ((NOW + 1, SOLD, 3), "autocard_intents_"),
    "WAITING_LINES": ((5, 1, 3), "autocard_lines_waiting"),
    "WAITING_LINES_OF": (("steam", 5, 1, 3), "autocard_lines_waiting"),
    "COUNT_SHARES": ((b"x", "steam"), "autocard_shares_buyer"),
    "COUNT_LINE_CARDS": ((7, 1, "delivered"), "autocard_cards_line"),
    "LINE_CARDS": ((7, 1, "delivered"), "autocard_cards_line"),
    "ORDER_CARDS": ((7, 7), "autocard_cards_line"),
    "INTENTS_OF": ((7,), "autocard_intents_line"),
    "OPEN_INTENTS": ((7, 1), "autocard_intents_line"),
    "DUE_PURCHASES": ((NOW + 1, 3), "autocard_purchases_due"),
    "FIND_PURCHASE": (("p7",), "sqlite_autoindex_autocard_purchases"),
    "FIND_REMOTE_PURCHASE": (("fulu", "R7"), "autocard_purchases_remote"),
    "OWNED_PURCHASES": (("fulu", NOW), "autocard_purchases_owned"),
    "OPEN_PURCHASES": ((7,), "autocard_purchases_order"),
    "CLAIM_PURCHASE": (("sending", NOW, NOW, 1, SOLD, "due", 1), "PRIMARY KEY"),
    "LOCK_SUPPLIER": (("fulu",), "sqlite_autoindex_autocard_suppliers"),
    "FIND_ORDER": (("shop", "A7"), "sqlite_autoindex_autocard_orders"),
    "FIND_LINES": ((7,), "PRIMARY KEY"),
    "MOVE_LINE_CARDS": (("void", 7, 1, "delivered"), "autocard_cards_line"),
    "RELEASE_LINE_CARDS": ((7, 1), "autocard_cards_line"),
}
IN_ORDER = [
    "PICK_CARDS", "PICK_BATCH_CARDS", "PICK_SHARED", "PICK_BATCH_SHARED",
    "WAITING_LINES_OF", "DUE_PURCHASES", "FIND_REMOTE_PURCHASE",
]  # fmt: skip


@pytest.mark.parametrize("name", HOT)
def test_hot_statements_search_their_index(big, name):
    """No statement of an order's life walks a whole table or index."""
    parameters, index = HOT[name]
    plan = explain(big, getattr(sql, name), parameters)
    assert index in plan
    assert "SCAN" not in plan.replace("SCAN autocard_lines USING INDEX autocard_lines_waiting", "")


@pytest.mark.parametrize("name", IN_ORDER)
def test_what_is_taken_first_is_not_sorted(big, name):
    """The index has the order already; sorting would read everything first."""
    assert "TEMP B-TREE" not in explain(big, getattr(sql, name), HOT[name][0])


@pytest.mark.parametrize("name", [x for x in HOT if not x.startswith(("MOVE", "RELEASE", "CLAIM"))])
def test_sold_cards_are_never_passed(big, name):
    """The work does not grow with what was sold: a few hundred steps among 200,000 cards."""
    parameters, _ = HOT[name]
    assert steps(big, lambda: big.cursor().execute(getattr(sql, name), parameters).fetchall()) < 20


LOOKS = {
    "lapsed": (lambda p: p.lapsed(NOW + 1, 9), "autocard_orders_reserved"),
    "history": (lambda p: p.history(b"x" * 16, "shop", "A1", NOW), "autocard_orders_buyer"),
    "orders of a contact": (lambda p: p.orders(contact=b"x" * 16), "autocard_orders_contact"),
    "unconfirmed": (lambda p: p.unconfirmed(9), "autocard_lines_doubted"),
    "held orders": (
        lambda p: p.orders(outcome=Outcome.HELD, limit=5), "autocard_lines_open",
    ),
    "orders under review": (
        lambda p: p.orders(outcome=Outcome.HELD, reason=Reason.REVIEW, limit=5),
        "autocard_lines_open",
    ),
    "events of an order": (lambda p: p.events(order_id=OrderId(7)), "autocard_events_order"),
    "events of a restock": (lambda p: p.restock_events("p7"), "autocard_events_loose"),
    "purchases of an order": (
        lambda p: p.purchases(order_id=OrderId(7)), "autocard_purchases_order",
    ),
    "purchases for a need": (lambda p: p.purchases(need="line:7/1"), "autocard_purchases_need"),
    "held purchases": (
        lambda p: p.purchases(state=PurchaseState.HELD, limit=5), "autocard_purchases_open",
    ),
    "stock that lives": (
        lambda p: p.stock("steam", alive_at_ms=NOW), "autocard_cards_take",
    ),
    "find_card": (lambda p: p.find_card(b"x" * 16), "sqlite_autoindex_autocard_cards"),
    "sealed_card": (lambda p: p.sealed_card(7), "PRIMARY KEY"),
}  # fmt: skip


@pytest.mark.parametrize("name", LOOKS)
def test_looks_of_daily_work_use_their_index(big, name):
    """What `resume`, `review` and hold rules ask for is found without walking a table."""
    look, index = LOOKS[name]
    asked = []

    def note(_connection, _cursor, statement, parameters, *_):
        if statement.startswith("SELECT"):
            asked.append((statement, parameters))

    sa.event.listen(big._engine, "before_cursor_execute", note)
    try:
        look(big)
    finally:
        sa.event.remove(big._engine, "before_cursor_execute", note)
    plans = [explain(big, *each) for each in asked]
    assert any(index in plan for plan in plans), plans
    for plan in plans:
        scans = [x for x in plan.split(" / ") if x.startswith("SCAN autocard")]
        assert not [
            x
            for x in scans
            if not x.endswith(
                (
                    "autocard_orders_lineless",
                    "autocard_lines_doubted",
                    "autocard_events_loose",
                    "autocard_movements_open",
                )
            )
        ], plans
