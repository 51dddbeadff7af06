"""Purchases: written down once per need, owned by one at a time, settled by who owns them."""

from __future__ import annotations

from typing import Any, Final

import attrs

from autocard.errors import IllegalTransition
from autocard.model import OrderId, PurchaseId
from autocard.records import (
    OfferRecord,
    PurchaseEntry,
    Settlement,
    StoredPurchase,
    SupplierRecord,
)
from autocard.states import FINAL, PurchaseState, check_purchase_move
from autocard.store.guarded import Guarded
from autocard.store.rows import supplier_record

REMOTE_LENGTH: Final = 255
"""So much of a supplier's own number is kept and looked for."""


class Purchasing(Guarded):
    """The part of a change that is about buying."""

    def begin_purchase(self, entry: PurchaseEntry) -> PurchaseId | None:
        row_id = self._insert(self.sql.INSERT_PURCHASE, _purchase_values(entry))
        return None if row_id is None else PurchaseId(row_id)

    def purchase_before(self, purchase: PurchaseId, need: str) -> PurchaseId | None:
        self._cursor.execute(self.sql.PURCHASE_BEFORE, (need, purchase))
        row = self._cursor.fetchone()
        return None if row is None else PurchaseId(row[0])

    def claim_purchase(
        self, purchase: StoredPurchase, state: PurchaseState, until_ms: int
    ) -> StoredPurchase | None:
        check_purchase_move(purchase.state, state)
        if state in FINAL:
            raise IllegalTransition(f"a purchase that is {state} is nobody's to work on")
        called = int(state is PurchaseState.SENDING)
        self._cursor.execute(
            self.sql.CLAIM_PURCHASE,
            (
                state, until_ms, until_ms, called, purchase.id, purchase.state,
                purchase.attempts,
            ),
        )  # fmt: skip
        if self._cursor.rowcount != 1:
            return None
        return attrs.evolve(
            purchase,
            state=state,
            due_ms=until_ms,
            attempts=purchase.attempts + 1,
            calls=purchase.calls + called,
        )

    def settle_purchase(
        self, purchase: StoredPurchase, settlement: Settlement, *, now_ms: int
    ) -> None:
        check_purchase_move(purchase.state, settlement.state)
        remote = settlement.remote
        self._change(
            self.sql.SETTLE_PURCHASE,
            [
                (
                    settlement.state, None if settlement.state in FINAL else purchase.need,
                    settlement.due_ms, settlement.calls, settlement.misses,
                    None if remote is None else remote[:REMOTE_LENGTH], settlement.arrived,
                    settlement.cost_minor, settlement.worth_minor, settlement.problem, now_ms,
                    purchase.id, purchase.state, purchase.attempts,
                )
            ],
            "somebody else works on this purchase",
        )  # fmt: skip

    def calls_open(self, supplier: str, now_ms: int) -> int:
        return self._counted(self.sql.OWNED_PURCHASES, (supplier, now_ms))

    def open_purchases(self, order_id: OrderId) -> int:
        return self._counted(self.sql.OPEN_PURCHASES, (order_id,))

    def _counted(self, statement: str, parameters: tuple[Any, ...]) -> int:
        self._cursor.execute(statement, parameters)
        return int(self._cursor.fetchone()[0])

    # --- suppliers ---

    def supplier(self, name: str) -> SupplierRecord:
        found = self._locked_supplier(name)
        if found is None:
            self._cursor.execute(
                self.sql.INSERT_SUPPLIER, (name, *_supplier_values(SupplierRecord(name=name)))
            )
            found = self._locked_supplier(name)
            assert found is not None
        return found

    def _locked_supplier(self, name: str) -> SupplierRecord | None:
        self._cursor.execute(self.sql.LOCK_SUPPLIER, (name,))
        row = self._cursor.fetchone()
        return None if row is None else supplier_record(row)

    def write_supplier(self, record: SupplierRecord) -> None:
        self._change(
            self.sql.WRITE_SUPPLIER,
            [(*_supplier_values(record), record.name)],
            "nothing is known of this supplier; read it in the same change",
        )

    def write_offer(self, record: OfferRecord) -> None:
        self._later(
            self.sql.WRITE_OFFER,
            (
                record.supplier, record.sku, record.item, record.price_minor, record.currency,
                record.available, record.on_sale, record.seen_ms,
            ),
        )  # fmt: skip


def _purchase_values(entry: PurchaseEntry) -> tuple[Any, ...]:
    is_ours = entry.state is PurchaseState.SENDING
    return (
        entry.reference, entry.need, entry.need, entry.supplier, entry.sku, entry.item,
        entry.quantity, entry.order_id, entry.line_no, entry.warehouse, entry.price_minor,
        entry.ceiling_minor, entry.currency, entry.worth_minor, entry.state, entry.created_ms,
        entry.due_ms, entry.due_ms if is_ours else None, int(is_ours), int(is_ours),
        entry.created_ms,
    )  # fmt: skip


def _supplier_values(record: SupplierRecord) -> tuple[Any, ...]:
    """Return what stands in the row of a supplier, beside its name."""
    return (
        record.day, record.spent_minor, record.failures, record.pauses, record.paused_until_ms,
        record.balance_minor, record.currency, record.balance_ms, record.is_low,
        record.looked_ms, record.served, record.asked, record.took_ms,
    )  # fmt: skip
