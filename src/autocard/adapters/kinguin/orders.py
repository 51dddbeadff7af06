"""What Kinguin says of orders and their cards, and what that makes of a purchase. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import attrs

from autocard.adapters.kinguin.refusals import (
    check_question,
    json_value,
    raise_not_ordered,
    refusal_from_response,
)
from autocard.adapters.kinguin.replies import UNREADABLE, count_from, euros, members, rows
from autocard.spi import (
    BoughtCard,
    Money,
    Purchase,
    Response,
    Secret,
    Shape,
    Stage,
    Supplied,
    TransientError,
)

ORDER_NO: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TEXT: Final = "text/plain"
_IMAGES: Final = frozenset(("image/jpeg", "image/png", "image/gif"))


@attrs.frozen
class RemoteOrder:
    """
    One order as Kinguin keeps it.

    Args:
        remote: Kinguin's number of it.
        reference: Our number of it; "" where the answer leaves it out.
        status: Kinguin's word for how far it is.
        cost: What the balance was charged; None where the answer does not say.
    """

    remote: str
    reference: str
    status: str
    cost: Money | None


def supplied_from_creation(response: Response, purchase: Purchase) -> Supplied:
    """
    Return the accepted purchase. Its cards never come with the answer; they are looked up.

    Raises:
        RejectedError: Nothing was bought.
        UnknownOutcome: It may have been bought.

    Source: Kinguin eCommerce API, "Orders API v2", "Place an order".
    """
    is_success = 200 <= response.status < 300
    order = _order(members(response)) if is_success else None
    if order is None or order.reference != purchase.reference:
        raise_not_ordered(response, purchase)
    return Supplied(stage=Stage.WORKING, remote=order.remote, cost=order.cost)


def orders_from_search(response: Response, reference: str) -> tuple[RemoteOrder, ...]:
    """
    Return the orders with our number *reference*; none when Kinguin says that there is none.

    Raises:
        TransientError: No usable answer, or one to another question.

    Source: Kinguin eCommerce API, "Orders API v1", "Search orders".
    """
    refusal = refusal_from_response(response)
    if response.status == 404 and refusal is not None and refusal.kind == "OrderNotFound":
        return ()
    check_question(response, is_about_purchase=True)
    listed, count = _listed_orders(response)
    ours = tuple(order for order in listed or () if order.reference == reference)
    # A search that overlooked the number would show orders of others, and must not pass for
    # "there is none": that would buy again.
    if listed is None or not (ours or (not listed and count == 0)):
        raise TransientError(UNREADABLE)
    return ours


def _listed_orders(response: Response) -> tuple[list[RemoteOrder] | None, int | None]:
    """Return the orders of a search, None if any is unreadable, and how many there are."""
    page = members(response)
    listed = rows(page.get("results"))
    orders = [_order(row) for row in listed or ()]
    readable = [order for order in orders if order is not None]
    is_whole = listed is not None and len(readable) == len(orders)
    return readable if is_whole else None, count_from(page.get("item_count"))


def order_from_response(response: Response, purchase: Purchase) -> RemoteOrder:
    """
    Return the order that was asked for by Kinguin's own number `purchase.remote`.

    Raises:
        TransientError: No usable answer. "There is no such order" is none, either: Kinguin gave
            the number itself.

    Source: Kinguin eCommerce API, "Orders API v1", "Get order".
    """
    check_question(response, is_about_purchase=True)
    order = _order(members(response))
    if (
        order is None
        or order.remote != purchase.remote
        or order.reference not in {"", purchase.reference}
    ):
        raise TransientError(UNREADABLE)
    return order


def _order(row: Mapping[str, Any]) -> RemoteOrder | None:
    remote, status, reference = (row.get(name) for name in ("orderId", "status", "orderExternalId"))
    if not isinstance(remote, str) or not ORDER_NO.fullmatch(remote):
        return None
    if not isinstance(status, str) or not status:
        return None
    return RemoteOrder(
        remote=remote,
        reference=reference if isinstance(reference, str) else "",
        status=status,
        cost=_charged(row),
    )


def _charged(row: Mapping[str, Any]) -> Money | None:
    """Return what the order cost; what was asked for (`requestTotalPrice`) may have been more."""
    amounts = (euros(row.get(name)) for name in ("paymentPrice", "totalPrice"))
    return next((amount for amount in amounts if amount is not None and amount.minor >= 0), None)


# --- cards ----------------------------------------------------------------------------------


@attrs.frozen
class RemoteCard:
    """
    One delivered card.

    Args:
        identity: What is the same when the same card is listed again.
        card: None for one that is empty or of a kind that nobody can read.
    """

    identity: Secret
    card: BoughtCard | None


def cards_from_response(response: Response) -> tuple[RemoteCard, ...]:
    """
    Return the cards of one page.

    Raises:
        TransientError: No usable answer.

    Source: Kinguin eCommerce API, "Orders API v2", "Download keys" and "Key object".
    """
    check_question(response, is_about_purchase=True)
    found = _cards(response)
    if found is None:  # raised here, where no card is a local variable
        raise TransientError(UNREADABLE)
    return found


def _cards(response: Response) -> tuple[RemoteCard, ...] | None:
    listed = rows(json_value(response.body))
    return None if listed is None else tuple(_remote_card(row) for row in listed)


def _remote_card(row: Mapping[str, Any]) -> RemoteCard:
    number, serial = row.get("id"), row.get("serial")
    text = serial if isinstance(serial, str) else ""
    # Older answers have no id.
    identity = Secret(number if isinstance(number, str) and number else text)
    return RemoteCard(identity, _card(text, row.get("type")) if text.strip() else None)


def _card(serial: str, kind: object) -> BoughtCard | None:
    """Return the card; its text stays as it is, several lines and all."""
    mime = kind.partition(";")[0].strip().lower() if isinstance(kind, str) else ""
    if mime == _TEXT:
        return BoughtCard(secret=Secret(serial))
    if mime in _IMAGES:
        return BoughtCard(secret=Secret(serial), extra={"mime": Secret(mime)}, shape=Shape.IMAGE)
    return None


def fresh_cards(page: Iterable[RemoteCard], known: Iterable[RemoteCard]) -> tuple[RemoteCard, ...]:
    """Return the cards of *page* that are not among *known*, each once."""
    seen = {listed.identity for listed in known}
    return tuple(_unseen(page, seen))


def _unseen(page: Iterable[RemoteCard], seen: set[Secret]) -> Iterator[RemoteCard]:
    for listed in page:
        if listed.identity not in seen:
            seen.add(listed.identity)
            yield listed


# --- what became of a purchase --------------------------------------------------------------


def supplied_from_orders(
    found: Sequence[tuple[RemoteOrder, Sequence[RemoteCard]]], quantity: int
) -> Supplied:
    """
    Return what became of a purchase of *quantity* units that Kinguin keeps as the orders *found*.

    There should be one. Kinguin does not promise to refuse a second order of the same number; when
    two of them cost money a person has to know.
    """
    each = [supplied_from_order(order, cards, quantity) for order, cards in found]
    charged = [one for one in each if one.stage is not Stage.FAILED]
    if len(charged) > 1:
        return _bought_twice(charged)
    return charged[0] if charged else each[0]


def _bought_twice(orders: Sequence[Supplied]) -> Supplied:
    is_working = any(order.stage is Stage.WORKING for order in orders)
    costs = [order.cost for order in orders if order.cost is not None]
    total = sum(costs[1:], costs[0]) if len(costs) == len(orders) else None
    numbers = ", ".join(order.remote for order in orders)
    return Supplied(
        stage=Stage.WORKING if is_working else Stage.UNCLEAR,
        remote=orders[0].remote,
        cards=tuple(card for order in orders for card in order.cards),
        cost=total,
        problem=f"Kinguin made {len(orders)} orders of this purchase: {numbers}",
    )


def supplied_from_order(order: RemoteOrder, cards: Sequence[RemoteCard], quantity: int) -> Supplied:
    """
    Return what became of one order whose delivered cards are *cards*.

    Source: Kinguin eCommerce API, "Order statuses" and "Key object".
    """
    supplied = Supplied(
        stage=Stage.WORKING,
        remote=order.remote,
        cards=tuple(listed.card for listed in cards if listed.card is not None),
        cost=order.cost,
    )
    match order.status:
        case "completed":
            return _completed(supplied, len(cards), quantity)
        case "canceled" | "refunded":
            return _paid_back(supplied, order.status, has_cards=bool(cards))
        case "processing" if len(supplied.cards) < quantity:
            return supplied
        case "processing":  # the last card came after the order was read
            return _completed(supplied, len(cards), quantity)
        case _:
            return attrs.evolve(supplied, problem="Kinguin gives a status that is not documented")


def _completed(supplied: Supplied, listed: int, quantity: int) -> Supplied:
    problem = ""
    if len(supplied.cards) < listed:
        problem = "a card is empty or neither text nor image; look at the order at Kinguin"
    elif listed < quantity:
        problem = f"the order is completed with {listed} of {quantity} cards"
    # Keys that are readable and too few are handed over: they were paid for.
    is_clear = bool(supplied.cards) and len(supplied.cards) == listed
    stage = Stage.DONE if is_clear else Stage.UNCLEAR
    return attrs.evolve(supplied, stage=stage, problem=problem)


def _paid_back(supplied: Supplied, status: str, *, has_cards: bool) -> Supplied:
    if has_cards:
        problem = f"the order is {status} and cards of it came; ask Kinguin what was paid back"
        return attrs.evolve(supplied, stage=Stage.UNCLEAR, problem=problem)
    return attrs.evolve(
        supplied, stage=Stage.FAILED, refunded=supplied.cost, problem=f"the order is {status}"
    )
