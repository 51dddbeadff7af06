"""A shop without stock: each card is bought when it is sold, even where an answer is lost."""

from __future__ import annotations

import sys
import time

from autocard import Engine, Money, Order, OrderLine, Payment, PurchaseReport, Receipt
from autocard.spi import Capability, UnknownOutcome
from autocard.testing import Good, ScriptedAdapters, Wholesaler

PRICE = Money("50.00", "CNY")


def opened(wholesaler: Wholesaler) -> Engine:
    """Return an engine that buys `steam-50` from *wholesaler*, for what a buyer pays at most."""
    settings = {
        "store": "sqlite:///shop.db",
        "keyring": "file:shop.keyring",
        "skus": {"steam-50": {"sources": ["warehouse:main", "supplier:acme"]}},
        "suppliers": {
            "acme": {
                "adapter": "fake",  # in its place: fulu, kasushou, acg_faka, kinguin
                "wholesaler": wholesaler,
                "items": {"steam-50": "A-50"},
                "daily_budget": "1000.00 CNY",
            },
        },
    }
    return Engine.open(settings, plugins=[ScriptedAdapters()], create=True)


def paid(order_no: str, quantity: int) -> Order:
    """Return a paid order of *quantity* cards."""
    lines = [OrderLine(item="steam-50", quantity=quantity, unit_price=PRICE)]
    payment = Payment(paid=PRICE * quantity)
    return Order(platform="shop", order_no=order_no, lines=lines, payment=payment)


def waited_for(engine: Engine, order_no: str) -> Receipt:
    """Resume, as cron or `autocard run` would, until the order is served or a minute is over."""
    end = time.monotonic() + 60
    while True:
        engine.resume()
        receipt = engine.receipt("shop", order_no)
        assert receipt is not None
        if receipt.outcome != "pending" or time.monotonic() > end:
            return receipt
        time.sleep(0.2)


def told(receipt: Receipt) -> str:
    """Return an order on one line, without its cards."""
    (line,) = receipt.lines
    reason = f"/{line.reason}" if line.reason else ""
    return f"{receipt.order_no}: {line.outcome}{reason}, {len(line.cards)} cards"


def bought(purchase: PurchaseReport) -> str:
    """Return a purchase on one line."""
    return (
        f"{purchase.order_no}: {purchase.quantity} from {purchase.supplier} for {purchase.cost}, "
        f"{purchase.state} after {purchase.calls} call"
    )


def main() -> None:
    """Sell twice; the second time the wholesaler sells and its answer never comes back."""
    acme = Wholesaler({"A-50": Good(Money("44.00", "CNY"))})
    with opened(acme) as engine:
        lines = [told(engine.dispatch(paid("A1", 2)))]
        acme.fail(Capability.BUY, (UnknownOutcome("the answer is lost"),))
        lines.append(told(engine.dispatch(paid("A2", 3))))
        lines.append(told(waited_for(engine, "A2")))
        lines += [bought(purchase) for purchase in reversed(engine.supply.purchases())]
        lines.append(f"the wholesaler sold {len(acme.sold)} cards for {acme.spent}")
        lines.append("the books agree" if engine.ledger.verify().ok else "the books do not agree")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
