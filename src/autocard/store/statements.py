"""
The hot statements: each has a name and a sentence, and says which state it expects.

Written for SQLite, where one writer works at a time; `?` marks a parameter. What other databases
say differently, or have to lock, stands in `postgresql` and `mysql` under the same names.
Everything that is not hot goes through SQLAlchemy.
"""

from __future__ import annotations

from typing import ClassVar, Final

ORDER_COLUMNS: Final = (
    "id, platform, order_no, digest, payload, buyer, accepted_at, paid_at, amount_minor, "
    "currency, reserved_until, archive"
)
LINE_COLUMNS: Final = (
    "order_id, line_no, item, quantity, sku, units, sources, outcome, reason, why, changed_at"
)
INTENT_COLUMNS: Final = (
    "id, kind, order_id, line_no, route, reference, state, attempts, created_at, amount_minor, "
    "currency, problem"
)
PURCHASE_COLUMNS: Final = (
    "id, reference, need, supplier, sku, item, quantity, order_id, line_no, warehouse, "
    "price_minor, ceiling_minor, currency, worth_minor, state, created_at, due_at, attempts, "
    "calls, misses, remote, arrived, cost_minor, problem, changed_at"
)
SUPPLIER_COLUMNS: Final = (
    "name, day, spent_minor, failures, pauses, paused_until, balance_minor, currency, "
    "balance_at, is_low, looked_at, served, asked, took_ms"
)


class Statements:
    """The statements of one dialect by name. A subclass says what it says differently."""

    mark: ClassVar[str] = "?"

    def __init_subclass__(cls, *, mark: str) -> None:
        """Write the driver's *mark* where `?` stands in what is inherited or said here."""
        cls.mark = mark
        for name in dir(cls):
            if name.isupper():
                setattr(cls, name, getattr(cls, name).replace("?", mark))

    @classmethod
    def marked(cls, statement: str, count: int) -> str:
        """Return *statement* with *count* marks in its list."""
        return statement.replace("(:list)", f"({', '.join([cls.mark] * count)})")

    @classmethod
    def marked_rows(cls, statement: str, rows: int, width: int) -> str:
        """Return *statement* with marks for *rows* rows of *width* values."""
        row = f"({', '.join([cls.mark] * width)})"
        return statement.replace("(:rows)", ", ".join([row] * rows))

    # Accept an order; nothing is returned when platform and number are known.
    INSERT_ORDER = """
    INSERT INTO autocard_orders
      (platform, order_no, digest, payload, buyer, contact, accepted_at, paid_at, amount_minor,
       currency, reserved_until)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (platform, order_no) DO NOTHING
    """

    # Write one line of an accepted order in the state it was placed in.
    INSERT_LINE = """
    INSERT INTO autocard_lines
      (order_id, line_no, item, quantity, sku, units, sources, outcome, reason, why, changed_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    """

    # The next cards of a warehouse: earliest expiry first, then first in, none that expires too soon.
    PICK_CARDS = """
    SELECT id, fingerprint, sealed, expires_at FROM autocard_cards
    WHERE warehouse_id = ? AND state = 'available' AND expires_at > ?
    ORDER BY expires_at, id LIMIT ?
    """

    # The next cards of one batch inside one warehouse, in the same order. The plus keeps SQLite from
    # walking the whole warehouse for them.
    PICK_BATCH_CARDS = """
    SELECT id, fingerprint, sealed, expires_at FROM autocard_cards
    WHERE batch_id = ? AND +warehouse_id = ? AND state = 'available' AND expires_at > ?
    ORDER BY expires_at, id LIMIT ?
    """

    # Give one available card to a line.
    TAKE_CARD = """
    UPDATE autocard_cards SET state = ?, order_id = ?, line_no = ?
    WHERE id = ? AND state = 'available'
    """

    # Give several available cards to a line.
    TAKE_CARDS = """
    UPDATE autocard_cards SET state = ?, order_id = ?, line_no = ?
    WHERE state = 'available' AND id IN (:list)
    """

    # Shared cards of a warehouse that may still be sold: earliest expiry first, then first in.
    PICK_SHARED = """
    SELECT id, fingerprint, sealed, expires_at, uses FROM autocard_cards
    WHERE warehouse_id = ? AND state = 'available' AND expires_at > ? AND uses < ?
    ORDER BY expires_at, id LIMIT ?
    """

    # Shared cards of one batch inside one warehouse that may still be sold, in the same order.
    PICK_BATCH_SHARED = """
    SELECT id, fingerprint, sealed, expires_at, uses FROM autocard_cards
    WHERE batch_id = ? AND +warehouse_id = ? AND state = 'available' AND expires_at > ? AND uses < ?
    ORDER BY expires_at, id LIMIT ?
    """

    # Sell a shared card once more; it leaves stock when its cap is reached.
    USE_SHARED = """
    UPDATE autocard_cards SET uses = uses + ?, state = ?
    WHERE id = ? AND state = 'available' AND uses = ?
    """

    # Note which line had how many units of a shared card.
    INSERT_SHARE = """
    INSERT INTO autocard_shares (order_id, line_no, card_id, units, sku, buyer)
    VALUES (?, ?, ?, ?, ?, ?)
    """

    # How many of a shared sku one buyer has had.
    COUNT_SHARES = """
    SELECT COALESCE(SUM(units), 0) FROM autocard_shares WHERE buyer = ? AND sku = ?
    """

    # Write down that cards went from one state to another in one warehouse.
    INSERT_MOVEMENT = """
    INSERT INTO autocard_movements (warehouse_id, origin, target, quantity, cause, cause_id, at)
    VALUES (?, ?, ?, ?, ?, ?, ?)
    """

    # What is not rolled up yet, oldest first.
    OPEN_MOVEMENTS = """
    SELECT id, warehouse_id, origin, target, quantity, at FROM autocard_movements
    WHERE folded = FALSE ORDER BY id LIMIT ?
    """

    # Mark movements as rolled up, once.
    FOLD_MOVEMENTS = (
        "UPDATE autocard_movements SET folded = TRUE WHERE folded = FALSE AND id IN (:list)"
    )

    # Raise or lower a level by what was rolled up.
    RAISE_LEVEL = """
    INSERT INTO autocard_levels (warehouse_id, state, quantity) VALUES (?, ?, ?)
    ON CONFLICT (warehouse_id, state)
    DO UPDATE SET quantity = autocard_levels.quantity + excluded.quantity
    """

    # Count what was sold on a day, as it is rolled up.
    RAISE_SALES = """
    INSERT INTO autocard_sales (warehouse_id, day, quantity) VALUES (?, ?, ?)
    ON CONFLICT (warehouse_id, day)
    DO UPDATE SET quantity = autocard_sales.quantity + excluded.quantity
    """

    # Append one event.
    INSERT_EVENT = """
    INSERT INTO autocard_events (kind, at, order_id, line_no, detail) VALUES (?, ?, ?, ?, ?)
    """

    # Commit to one outside call.
    INSERT_INTENT = """
    INSERT INTO autocard_intents
      (kind, order_id, line_no, route, reference, state, attempts, due_at, created_at, amount_minor,
       currency, remote, problem)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', '')
    """

    # Take a line from the status we saw to another one.
    SETTLE_LINE = """
    UPDATE autocard_lines SET outcome = ?, reason = ?, why = ?, changed_at = ?
    WHERE order_id = ? AND line_no = ? AND outcome = ? AND reason = ?
    """

    # Write what a line was matched to, while it is in the status we saw.
    REMATCH_LINE = """
    UPDATE autocard_lines SET sku = ?, units = ?, sources = ?, changed_at = ?
    WHERE order_id = ? AND line_no = ? AND outcome = ? AND reason = ?
    """

    # Join an unpaid or lineless order with what has now become known of it.
    ATTACH_ORDER = """
    UPDATE autocard_orders
    SET digest = ?, payload = ?, buyer = ?, contact = ?, paid_at = ?, amount_minor = ?,
        currency = ?, reserved_until = ?, archive = NULL
    WHERE id = ? AND (paid_at IS NULL OR digest IS NULL)
    """

    # How many cards of a line are in one state, by warehouse.
    COUNT_LINE_CARDS = """
    SELECT warehouse_id, COUNT(*) FROM autocard_cards
    WHERE order_id = ? AND line_no = ? AND state = ? GROUP BY warehouse_id
    """

    # Take the cards of a line onward.
    MOVE_LINE_CARDS = """
    UPDATE autocard_cards SET state = ? WHERE order_id = ? AND line_no = ? AND state = ?
    """

    # Give the reserved cards of a line back; only RESERVED cards ever return.
    RELEASE_LINE_CARDS = """
    UPDATE autocard_cards SET state = 'available', order_id = NULL, line_no = NULL
    WHERE order_id = ? AND line_no = ? AND state = 'reserved'
    """

    # The cards of a line in one state, in the order they were taken.
    LINE_CARDS = """
    SELECT id, fingerprint, sealed, expires_at FROM autocard_cards
    WHERE order_id = ? AND line_no = ? AND state = ? ORDER BY expires_at, id
    """

    # All cards of an order that may be shown, by line.
    ORDER_CARDS = """
    SELECT line_no, id, fingerprint, sealed, expires_at, 1 FROM autocard_cards
    WHERE order_id = ? AND state IN ('issued', 'delivered')
    UNION ALL
    SELECT s.line_no, c.id, c.fingerprint, c.sealed, c.expires_at, s.units
    FROM autocard_shares s JOIN autocard_cards c ON c.id = s.card_id WHERE s.order_id = ?
    ORDER BY 1, 5, 2
    """

    # One order by the name its platform gave it.
    FIND_ORDER = f"""
    SELECT {ORDER_COLUMNS} FROM autocard_orders WHERE platform = ? AND order_no = ?
    """

    # The same, so that nobody else changes the order until the end of this change.
    LOCK_ORDER = f"""
    SELECT {ORDER_COLUMNS} FROM autocard_orders WHERE platform = ? AND order_no = ?
    """

    # One order by our own id.
    FIND_ORDER_BY_ID = f"""
    SELECT {ORDER_COLUMNS} FROM autocard_orders WHERE id = ?
    """

    # The lines of an order by number.
    FIND_LINES = f"""
    SELECT {LINE_COLUMNS} FROM autocard_lines WHERE order_id = ? ORDER BY line_no
    """

    # Take an intent from the state and try we own to another state.
    SETTLE_INTENT = """
    UPDATE autocard_intents SET state = ?, due_at = ?, problem = ?, remote = ?
    WHERE id = ? AND state = ? AND attempts = ?
    """

    # Intents whose time has come, and those whose sender's lease ran out.
    DUE_INTENTS = f"""
    SELECT {INTENT_COLUMNS} FROM autocard_intents
    WHERE due_at <= ? AND state IN ('due', 'sending', 'unknown') ORDER BY due_at, id LIMIT ?
    """

    # The same, of one order.
    DUE_INTENTS_OF = f"""
    SELECT {INTENT_COLUMNS} FROM autocard_intents
    WHERE due_at <= ? AND state IN ('due', 'sending', 'unknown') AND order_id = ?
    ORDER BY due_at, id LIMIT ?
    """

    # Own an intent until a moment; the number of attempts is the fence against a late sender.
    CLAIM_INTENT = """
    UPDATE autocard_intents SET state = ?, due_at = ?, attempts = attempts + 1
    WHERE id = ? AND state = ? AND attempts = ?
    """

    # How many deliveries of a line are neither done nor given up.
    OPEN_INTENTS = """
    SELECT COUNT(*) FROM autocard_intents
    WHERE order_id = ? AND line_no = ? AND kind = 'deliver'
      AND state NOT IN ('done', 'failed')
    """

    # What was intended for an order, in the order it was committed.
    INTENTS_OF = f"""
    SELECT {INTENT_COLUMNS} FROM autocard_intents WHERE order_id = ? ORDER BY id
    """

    # The warehouse of a sku by name.
    FIND_WAREHOUSE = "SELECT id FROM autocard_warehouses WHERE sku = ? AND name = ?"

    # The same, so that one buyer's orders for a shared sku are counted one after the other.
    LOCK_WAREHOUSE = "SELECT id FROM autocard_warehouses WHERE sku = ? AND name = ?"

    # Make a warehouse where it is new.
    INSERT_WAREHOUSE = """
    INSERT INTO autocard_warehouses (sku, name) VALUES (?, ?) ON CONFLICT (sku, name) DO NOTHING
    """

    # Begin an import.
    INSERT_BATCH = """
    INSERT INTO autocard_batches
      (warehouse_id, format, supplier, cost_minor, currency, provenance, imported_by, imported_at,
       added, undone)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, FALSE)
    """

    # Where the cards of a batch were brought.
    BATCH_WAREHOUSE = "SELECT warehouse_id FROM autocard_batches WHERE id = ?"

    # Count what a batch brought, while nobody has taken it back.
    GROW_BATCH = "UPDATE autocard_batches SET added = added + ? WHERE id = ? AND NOT undone"

    # Take a batch back, once.
    CLOSE_BATCH = "UPDATE autocard_batches SET undone = TRUE WHERE id = ? AND NOT undone"

    # The number of the newest card.
    NEWEST_CARD = "SELECT COALESCE(MAX(id), 0) FROM autocard_cards"

    # Bring cards into stock, all but those that are known.
    INSERT_CARDS = """
    INSERT INTO autocard_cards (warehouse_id, batch_id, state, expires_at, fingerprint, sealed)
    VALUES (:rows) ON CONFLICT (fingerprint) DO NOTHING
    """

    # Cards of a batch that can still be taken back, by warehouse they lie in now. The order is that
    # of the index; without one, a planner may rather walk the table over all that was sold.
    PICK_UNDO = """
    SELECT id, warehouse_id FROM autocard_cards WHERE batch_id = ? AND state = 'available'
    ORDER BY expires_at, id LIMIT ?
    """

    # Forget a card that was never sold: it may be imported again. A shared one that was sold leaves
    # stock too, but its buyers may ask for it again, so it stays readable.
    FORGET_CARD = """
    UPDATE autocard_cards SET state = 'void',
      fingerprint = CASE WHEN uses = 0 THEN NULL ELSE fingerprint END,
      sealed = CASE WHEN uses = 0 THEN x'' ELSE sealed END
    WHERE id = ? AND state = 'available'
    """

    # Which of these fingerprints are known, and where.
    FIND_KNOWN = """
    SELECT fingerprint, id, state, batch_id FROM autocard_cards WHERE fingerprint IN (:list)
    """

    # Where a card lies.
    CARD_WAREHOUSE = "SELECT warehouse_id FROM autocard_cards WHERE id = ?"

    # The sku of what lies in a warehouse.
    WAREHOUSE_SKU = "SELECT sku FROM autocard_warehouses WHERE id = ?"

    # Take a card out of use. One that was sold stays with its line.
    VOID_CARD = "UPDATE autocard_cards SET state = 'void' WHERE id = ? AND state = ?"

    # Take a card out of use that nobody has had; a reservation loses it.
    VOID_UNSOLD_CARD = """
    UPDATE autocard_cards SET state = 'void', order_id = NULL, line_no = NULL
    WHERE id = ? AND state = ?
    """

    # Carry one available card to another warehouse.
    CARRY_CARD = """
    UPDATE autocard_cards SET warehouse_id = ? WHERE id = ? AND state = 'available'
    """

    # Paid lines that wait for stock, first come first, beyond an order and line. Those that wait are
    # few; without the hint SQLite would rather walk every line that was ever sold than sort them.
    WAITING_LINES = f"""
    SELECT {LINE_COLUMNS} FROM autocard_lines INDEXED BY autocard_lines_waiting
    WHERE outcome = 'pending' AND reason IN ('short', 'manual') AND (order_id, line_no) > (?, ?)
    ORDER BY order_id, line_no LIMIT ?
    """

    # The same for one sku.
    WAITING_LINES_OF = f"""
    SELECT {LINE_COLUMNS} FROM autocard_lines
    WHERE outcome = 'pending' AND reason IN ('short', 'manual') AND sku = ?
      AND (order_id, line_no) > (?, ?)
    ORDER BY order_id, line_no LIMIT ?
    """

    # Whether a paid line of the same sku waits before this one.
    WAITS_BEFORE = """
    SELECT 1 FROM autocard_lines
    WHERE outcome = 'pending' AND reason IN ('short', 'manual') AND sku = ?
      AND (order_id, line_no) < (?, ?) LIMIT 1
    """

    # A reservation that is over is noted once.
    END_RESERVATION = """
    UPDATE autocard_orders SET reserved_until = NULL
    WHERE id = ? AND paid_at IS NULL AND reserved_until <= ?
    """

    # Store one wrapped data key.
    INSERT_DATA_KEY = """
    INSERT INTO autocard_data_keys (number, purpose, keyring_id, wrapped, created_at)
    VALUES (?, ?, ?, ?, ?)
    """

    # --- buying ---

    # Write a purchase down; nothing is written while its need has an open one.
    INSERT_PURCHASE = """
    INSERT INTO autocard_purchases
      (reference, slot, need, supplier, sku, item, quantity, order_id, line_no, warehouse,
       price_minor, ceiling_minor, currency, worth_minor, state, created_at, due_at, lease_until,
       attempts, calls, misses, remote, arrived, problem, changed_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, '', 0, '', ?)
    ON CONFLICT (slot) DO NOTHING
    """

    # The newest purchase for a need beside one that was just begun.
    PURCHASE_BEFORE = """
    SELECT id FROM autocard_purchases WHERE need = ? AND id <> ? ORDER BY id DESC LIMIT 1
    """

    # Own a purchase until a moment; the number of attempts is the fence against whoever is late.
    CLAIM_PURCHASE = """
    UPDATE autocard_purchases
    SET state = ?, due_at = ?, lease_until = ?, attempts = attempts + 1, calls = calls + ?
    WHERE id = ? AND state = ? AND attempts = ?
    """

    # Take a purchase from the state and try we own to another state, and give it free.
    SETTLE_PURCHASE = """
    UPDATE autocard_purchases
    SET state = ?, slot = ?, due_at = ?, lease_until = NULL, calls = COALESCE(?, calls),
        misses = COALESCE(?, misses), remote = COALESCE(?, remote),
        arrived = COALESCE(?, arrived), cost_minor = COALESCE(?, cost_minor),
        worth_minor = COALESCE(?, worth_minor), problem = COALESCE(?, problem), changed_at = ?
    WHERE id = ? AND state = ? AND attempts = ?
    """

    # Purchases whose time has come, and those whose owner's lease ran out.
    DUE_PURCHASES = f"""
    SELECT {PURCHASE_COLUMNS} FROM autocard_purchases
    WHERE due_at <= ? AND state IN ('due', 'sending', 'unknown', 'accepted')
    ORDER BY due_at, id LIMIT ?
    """

    # One purchase by our reference.
    FIND_PURCHASE = f"SELECT {PURCHASE_COLUMNS} FROM autocard_purchases WHERE reference = ?"

    # The newest purchase that a supplier knows under its own number.
    FIND_REMOTE_PURCHASE = f"""
    SELECT {PURCHASE_COLUMNS} FROM autocard_purchases
    WHERE supplier = ? AND remote = ? ORDER BY id DESC LIMIT 1
    """

    # How many purchases of a supplier somebody owns.
    OWNED_PURCHASES = """
    SELECT COUNT(*) FROM autocard_purchases WHERE supplier = ? AND lease_until > ?
    """

    # How many purchases for an order are not over.
    OPEN_PURCHASES = """
    SELECT COUNT(*) FROM autocard_purchases
    WHERE order_id = ? AND state NOT IN ('done', 'failed')
    """

    # What is known of a supplier, so that nobody else changes it until the end of this change.
    LOCK_SUPPLIER = f"SELECT {SUPPLIER_COLUMNS} FROM autocard_suppliers WHERE name = ?"

    # Begin to know a supplier.
    INSERT_SUPPLIER = f"""
    INSERT INTO autocard_suppliers ({SUPPLIER_COLUMNS})
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING
    """

    # Write over what is known of a supplier whose row this change has locked.
    WRITE_SUPPLIER = """
    UPDATE autocard_suppliers
    SET day = ?, spent_minor = ?, failures = ?, pauses = ?, paused_until = ?, balance_minor = ?,
        currency = ?, balance_at = ?, is_low = ?, looked_at = ?, served = ?, asked = ?, took_ms = ?
    WHERE name = ?
    """

    # Write over the last offer of a supplier for a sku.
    WRITE_OFFER = """
    INSERT INTO autocard_offers
      (supplier, sku, item, price_minor, currency, available, on_sale, seen_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (supplier, sku) DO UPDATE
    SET item = excluded.item, price_minor = excluded.price_minor, currency = excluded.currency,
        available = excluded.available, on_sale = excluded.on_sale, seen_at = excluded.seen_at
    """

    # --- archives ---

    # The archive whose file is not complete; there is at most one.
    FIND_WRITING = "SELECT name FROM autocard_archives WHERE state = 'writing'"

    # The number of the newest archive.
    LAST_ARCHIVE = "SELECT COALESCE(MAX(id), 0) FROM autocard_archives"

    # Begin an archive under a number that nobody has.
    INSERT_ARCHIVE = """
    INSERT INTO autocard_archives
      (id, name, replaces, state, before_at, made_at, made_by, why, orders, intents, events,
       movements, size, cleared)
    VALUES (?, ?, '', 'writing', ?, ?, ?, ?, 0, 0, 0, 0, 0, 0)
    """

    # Begin in place of somebody who did not come to the end; his file counts no more.
    TAKE_OVER_ARCHIVE = """
    UPDATE autocard_archives
    SET name = ?, replaces = ?, before_at = ?, made_at = ?, made_by = ?, why = ?
    WHERE name = ? AND state = 'writing'
    """

    # From here on the file counts.
    SEAL_ARCHIVE = """
    UPDATE autocard_archives
    SET state = 'clearing', since_at = ?, until_at = ?, orders = ?, intents = ?, events = ?,
        movements = ?, size = ?, sha256 = ?
    WHERE name = ? AND state = 'writing'
    """

    # One at a time takes out of the store what an archive holds.
    HOLD_ARCHIVE = """
    UPDATE autocard_archives SET cleared = cleared + ? WHERE name = ? AND state = 'clearing'
    """

    # What an archive holds is out of the store.
    CLOSE_ARCHIVE = (
        "UPDATE autocard_archives SET state = 'done' WHERE name = ? AND state = 'clearing'"
    )

    # Payloads that are here, so that nobody changes their orders until the end of this change.
    LOCK_PAYLOADS = """
    SELECT id, payload FROM autocard_orders
    WHERE archive IS NULL AND reserved_until IS NULL AND id IN (:list)
    """

    # Which of these orders have a line that is not finished.
    UNFINISHED_LINES = """
    SELECT DISTINCT order_id FROM autocard_lines
    WHERE outcome IN ('pending', 'held') AND order_id IN (:list)
    """

    # Which of these orders have something left to be sent.
    UNFINISHED_INTENTS = """
    SELECT DISTINCT order_id FROM autocard_intents
    WHERE state IN ('due', 'sending', 'unknown') AND order_id IN (:list)
    """

    # Which of these orders have a purchase that is not over.
    UNFINISHED_PURCHASES = """
    SELECT DISTINCT order_id FROM autocard_purchases
    WHERE state NOT IN ('done', 'failed') AND order_id IN (:list)
    """

    # Which of these orders something happened to since a moment.
    STIRRED_ORDERS = """
    SELECT DISTINCT order_id FROM autocard_events WHERE at >= ? AND order_id IN (:list)
    """

    # Empty the payloads of orders that are in an archive now.
    EMPTY_PAYLOADS = """
    UPDATE autocard_orders SET payload = ?, archive = ? WHERE archive IS NULL AND id IN (:list)
    """

    # Which of these orders are in an archive.
    ARCHIVED_ORDERS = """
    SELECT id FROM autocard_orders WHERE archive IS NOT NULL AND id IN (:list)
    """

    # Take events out.
    DELETE_EVENTS = "DELETE FROM autocard_events WHERE id IN (:list)"

    # Take intents out that are over.
    DELETE_INTENTS = """
    DELETE FROM autocard_intents WHERE state IN ('done', 'failed') AND id IN (:list)
    """

    # Take movements out that the levels hold.
    DELETE_MOVEMENTS = "DELETE FROM autocard_movements WHERE folded = TRUE AND id IN (:list)"

    # Give an order its payload back.
    RESTORE_ORDER = """
    UPDATE autocard_orders SET payload = ?, archive = NULL WHERE id = ? AND archive = ?
    """

    # Give an order an intent back as it was.
    RESTORE_INTENT = """
    INSERT INTO autocard_intents
      (id, kind, order_id, line_no, route, reference, state, attempts, due_at, created_at,
       amount_minor, currency, remote, problem)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    """

    # Note the payment of an unpaid order whose payload is in an archive.
    PAY_ARCHIVED = """
    UPDATE autocard_orders SET payload = ?, paid_at = ?, amount_minor = ?, currency = ?
    WHERE id = ? AND paid_at IS NULL AND archive IS NOT NULL
    """
