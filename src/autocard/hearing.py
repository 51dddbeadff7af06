"""Messages from suppliers: each is only a hint; what it is about is looked up, then believed."""

from __future__ import annotations

import logging
from typing import Final

import attrs

from autocard.bargain import Hint
from autocard.clock import to_ms
from autocard.errors import AutocardError, SealError, StoreError, VerificationError
from autocard.flow import Flow
from autocard.model import Answer, Inbound, Receipt, Reply
from autocard.ports import Supplier
from autocard.records import Allocation, StoredPurchase
from autocard.states import PurchaseState

_LOG: Final = logging.getLogger("autocard.hearing")
# One that is being sent is left to whoever sends it: taking it over would waste the answer.
_ASKED: Final = (PurchaseState.UNKNOWN, PurchaseState.ACCEPTED)


@attrs.frozen
class Hearing:
    """The way in for messages of suppliers."""

    flow: Flow

    def hear(self, name: str, inbound: Inbound) -> Reply:
        """
        Take a message of the supplier *name* and return the reply it expects.

        What is not proved genuine is refused and leaves nothing behind. A purchase it names is
        looked up at once; goods it names are asked for anew when they are wanted.

        Raises:
            UnsupportedFeature: Its adapter takes no messages.
        """
        supplier = self.flow.buyer.suppliers[name]
        hint = self._proved(name, supplier, inbound)
        if hint is None:
            return supplier.acknowledge(Answer.REFUSED)
        try:
            self._look(name, hint)
        except (SealError, StoreError) as error:
            _LOG.warning("%s: a message has to come again (%s)", name, type(error).__name__)
            return supplier.acknowledge(Answer.LATER)
        return supplier.acknowledge(Answer.ACCEPTED)

    def _proved(self, name: str, supplier: Supplier, inbound: Inbound) -> Hint | None:
        try:
            return supplier.parse(inbound, now=self.flow.clock.now())
        except VerificationError:
            _LOG.warning("%s: a message was refused", name)
        except AutocardError:
            raise
        except Exception as error:  # noqa: BLE001 - what an adapter stumbles over is not proved
            _LOG.error("%s: its adapter raised %s over a message", name, type(error).__name__)
        return None

    def _look(self, name: str, hint: Hint) -> None:
        if hint.items:
            self.flow.buyer.offer_book.forget(name, hint.items)
        purchase = self._purchase(name, hint)
        if purchase is None or purchase.state not in _ASKED:
            return
        claimed = self.flow.buyer.claim(purchase)
        if claimed is None:  # whoever asks just now will hear it anyway
            return
        if hint.reference and not claimed.remote:  # some can be asked by their own number only
            claimed = attrs.evolve(claimed, remote=hint.remote)
        # Messages come in bursts; how often a purchase was not to be found is counted by the clock.
        is_ahead = purchase.due_ms > to_ms(self.flow.clock.now())
        look_ms = purchase.due_ms if is_ahead else None
        supply = self.flow.buyer.carry_out(claimed, look_ms=look_ms)
        stored = None if claimed.order_id is None else self.flow.pool.order_by_id(claimed.order_id)
        if stored is None:
            self.flow.buyer.tell(None, supply.events)
            return
        receipt = Receipt(platform=stored.platform, order_no=stored.order_no, lines=())
        allocation = Allocation(
            order_id=stored.id, receipt=receipt, events=supply.events, pushed=supply.pushed
        )
        self.flow.record(self.flow.deliver(allocation))

    def _purchase(self, name: str, hint: Hint) -> StoredPurchase | None:
        pool = self.flow.pool
        found = pool.purchase(hint.reference) if hint.reference else None
        if found is None and hint.remote:
            found = pool.purchase_of(name, hint.remote)
        return found if found is not None and found.supplier == name else None
