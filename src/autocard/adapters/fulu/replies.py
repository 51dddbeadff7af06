"""What Fulu answers, as offers, purchases, cards and money. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Any, Final

import attrs

from autocard.adapters.fulu.options import CURRENCY, FuluOptions
from autocard.adapters.fulu.signature import is_signed, parsed
from autocard.adapters.fulu.translate import BEIJING, NUMBER, TIME
from autocard.spi import (
    AdapterError,
    BoughtCard,
    Money,
    Offer,
    Purchase,
    RejectedError,
    Response,
    Secret,
    Shape,
    Stage,
    Supplied,
    TransientError,
    UnknownOutcome,
    aes_ecb_decrypt,
)

_ON_SALE: Final = "上架"
_SOLD_OUT: Final = "断货"
_LINK_TYPES: Final = frozenset({"1", "2"})  # a picture's address, and a short link
_EXACT: Final = Context(prec=60)
_FEN: Final = Decimal("0.01")
_AMOUNT: Final = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,8})?")
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_LONGEST_NAME: Final = 200
_TURNED_AWAY: Final = (
    (re.compile("签名"), "check app_key and credential"),
    (
        re.compile(r"(?<![A-Za-z])IP(?![A-Za-z])", re.IGNORECASE),
        "list this host's address in Fulu's console",
    ),
    (re.compile("时间"), "check the clock of this host"),
)
"""Words of messages about the call itself: they say nothing about what it asked for."""
_HINTS: Final = (*_TURNED_AWAY, (re.compile("余额"), "pay into the balance at Fulu"))


# --- the envelope ---------------------------------------------------------------------------


@attrs.frozen
class Said:
    """One answer in Fulu's own form. `result` may hold cards and an account that was charged."""

    code: int
    message: str = attrs.field(repr=False)
    result: str = attrs.field(repr=False)
    sign: str = attrs.field(repr=False)

    @property
    def is_success(self) -> bool:
        """Whether the call did what it asked for."""
        return self.code == 0

    @property
    def has_result(self) -> bool:
        """Whether there is anything in `result`."""
        return self.result not in {"", "null"}

    def refusal(self) -> str:
        """Return for people that it was refused and, where the message gives one, a hint."""
        hints = [advice for word, advice in _HINTS if word.search(self.message)]
        return f"Fulu refused with code {self.code}{''.join(f'; {hint}' for hint in hints)}"


def said_from_response(response: Response, options: FuluOptions, *, safe: bool) -> Said:
    """
    Return an answer in Fulu's own form, its signature proved where it has one.

    Args:
        response: The answer.
        options: Whose account it should be about.
        safe: True when the call was a query.

    Raises:
        TransientError: No usable answer to a query.
        UnknownOutcome: No usable answer to anything else.

    Source: Fulu open platform, response envelope and its signature.
    """
    if response.status != 200:
        raise _useless(f"Fulu answered HTTP {response.status}", safe=safe)
    said = _said(parsed(response.body))
    if said is None:
        raise _useless("the answer is not in Fulu's form", safe=safe)
    # Errors come without a signature, and an answer without a result has nothing to sign.
    if said.sign and said.result and not is_signed(said.result, said.sign, options.credential):
        raise _useless("the answer is not proved to be Fulu's; check the credential", safe=safe)
    return said


def _useless(problem: str, *, safe: bool) -> AdapterError:
    if safe:
        return TransientError(f"{problem}; ask again later")
    return UnknownOutcome(f"{problem}; look the order up before anything else")


def _said(members: Any) -> Said | None:
    if not isinstance(members, dict) or not {"code", "message", "result"} <= members.keys():
        return None
    code = members["code"]
    texts = [members.get(name) for name in ("message", "result", "sign")]
    if not _is_whole(code) or not all(text is None or isinstance(text, str) for text in texts):
        return None
    return Said(code, *(text or "" for text in texts))


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


# --- goods and balance ----------------------------------------------------------------------


def offers_from_response(
    response: Response, items: Sequence[str], options: FuluOptions
) -> tuple[Offer, ...]:
    """
    Return the offers of those *items* that are listed with a price; in yuan, rounded up to fen.

    Fulu lists what is on sale, and says of stock only whether there is any.

    Raises:
        TransientError: No usable answer.

    Source: Fulu open platform, `fulu.goods.list.get`.
    """
    said = _answered(response, options)
    rows = parsed(said.result) if said.has_result else []
    if not isinstance(rows, list):
        raise TransientError("Fulu's list of products is not a list; ask again later")
    listed = {offer.item: offer for row in reversed(rows) if (offer := _offer(row))}
    return tuple(listed[item] for item in dict.fromkeys(items) if item in listed)


def balance_from_response(response: Response, options: FuluOptions) -> Money:
    """
    Return what the account holds; parts of a fen are left out.

    Raises:
        TransientError: No usable answer.

    Source: Fulu open platform, `fulu.user.info.get`.
    """
    members = _members(_answered(response, options).result)
    balance = _money(members.get("balance"), rounding=ROUND_FLOOR)
    if balance is None:
        raise TransientError("Fulu did not say how much the account holds; ask again later")
    return balance


def _answered(response: Response, options: FuluOptions) -> Said:
    said = said_from_response(response, options, safe=True)
    if not said.is_success:
        raise TransientError(said.refusal())
    return said


def _members(result: str) -> Mapping[str, Any]:
    members = parsed(result)
    return members if isinstance(members, dict) else {}


def _offer(row: Any) -> Offer | None:
    if not isinstance(row, dict):
        return None
    item, price = _item(row.get("product_id")), _money(row.get("purchase_price"))
    if not item or price is None or price.amount <= 0:
        return None
    return Offer(
        item=item,
        price=price,
        available=0 if row.get("stock_status") == _SOLD_OUT else None,
        on_sale=row.get("sales_status", _ON_SALE) == _ON_SALE,
        name=_name(row.get("product_name")),
    )


def _item(value: Any) -> str:
    """Return a product's number, which comes as a number here and as a text there, or ""."""
    return str(value) if _is_whole(value) or isinstance(value, str) else ""


def _name(value: Any) -> str:
    return _UNPRINTABLE.sub("", value)[:_LONGEST_NAME] if isinstance(value, str) else ""


def _money(value: Any, *, times: int = 1, rounding: str = ROUND_CEILING) -> Money | None:
    """Return *value* yuan, *times* over, in whole fen; None where it is no amount."""
    is_text = isinstance(value, str) and _AMOUNT.fullmatch(value) is not None
    if not (is_text or _is_whole(value) or isinstance(value, Decimal)):
        return None
    try:
        whole = _EXACT.multiply(Decimal(value), Decimal(times))
        return Money(whole.quantize(_FEN, rounding=rounding, context=_EXACT), CURRENCY)
    except (ArithmeticError, ValueError):
        return None


# --- orders ---------------------------------------------------------------------------------


@attrs.frozen(kw_only=True, repr=False)
class Order:
    """An order as Fulu shows it; what it does not say is "" or None."""

    reference: str
    remote: str
    item: str
    quantity: int | None
    price: Any
    state: str
    cards: Any

    def is_of(self, purchase: Purchase) -> bool:
        """Say whether it is for what *purchase* asked for, as far as it says."""
        return self.item in {"", purchase.item} and self.quantity in {None, purchase.quantity}


def supplied_from_placing(response: Response, purchase: Purchase, options: FuluOptions) -> Supplied:
    """
    Return what Fulu says of an order that it was just given; as a rule that it works on it.

    Raises:
        RejectedError: The product cannot be bought now; nothing was bought.
        UnknownOutcome: The answer is lost or is a refusal that has to be looked up.

    Source: Fulu open platform, `fulu.order.card.add` and `fulu.order.direct.add`.
    """
    said = said_from_response(response, options, safe=False)
    if not said.is_success:
        # Sent again, a refusal may only mean that the first one was taken.
        if said.code in options.refused_codes and purchase.attempts == 1:
            raise RejectedError(f"{said.refusal()}: the product cannot be bought now")
        raise UnknownOutcome(f"{said.refusal()}; look the order up before anything else")
    order = _order(said.result)
    if order.reference != purchase.reference:
        raise UnknownOutcome("Fulu took an order and did not say that it is ours; look it up")
    return _supplied(order, purchase, options)


def supplied_from_look_up(
    response: Response, purchase: Purchase, options: FuluOptions
) -> Supplied | None:
    """
    Return what became of *purchase*; None when Fulu says that there is no such order.

    Raises:
        TransientError: No usable answer, or one that says nothing about the order.

    Source: Fulu open platform, `fulu.order.info.get`.
    """
    said = said_from_response(response, options, safe=True)
    if not said.is_success:
        if _says_missing(said, options):
            return None
        raise TransientError(f"{said.refusal()}; it says nothing about the order")
    order = _order(said.result)
    if order.reference != purchase.reference:
        raise TransientError("Fulu answered about another order, or none; ask again later")
    return _supplied(order, purchase, options)


def _says_missing(said: Said, options: FuluOptions) -> bool:
    if said.has_result:
        return False
    if options.missing_codes:
        return said.code in options.missing_codes
    # Fulu publishes no code for it. One that turns the call away has not looked for the order.
    return not any(word.search(said.message) for word, _ in _TURNED_AWAY)


def _order(result: str) -> Order:
    members = _members(result)
    remote, quantity = members.get("order_id"), members.get("buy_num")
    return Order(
        reference=_text(members.get("customer_order_no")),
        remote=remote if isinstance(remote, str) and NUMBER.fullmatch(remote) else "",
        item=_item(members.get("product_id")),
        quantity=quantity if _is_whole(quantity) else None,
        price=members.get("order_price"),
        state=_text(members.get("order_state")),
        cards=members.get("cards"),
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _supplied(order: Order, purchase: Purchase, options: FuluOptions) -> Supplied:
    working = Supplied(stage=Stage.WORKING, remote=order.remote, cost=_cost(order, purchase))
    is_final = order.state in {"success", "failed"}
    if is_final or not order.is_of(purchase):
        return _settled(order, purchase, options, working)
    return working


def _cost(order: Order, purchase: Purchase) -> Money | None:
    cost = _money(order.price, times=purchase.quantity)  # what Fulu names is the price of one
    return cost if cost is not None and cost.amount >= 0 else None


def _settled(order: Order, purchase: Purchase, options: FuluOptions, working: Supplied) -> Supplied:
    """Return what an order came to that does not move any more, or is not what was asked for."""
    cards, flaw = _cards(order.cards, options.credential)
    found = attrs.evolve(working, cards=cards)
    if not order.is_of(purchase):
        return _unclear(found, "Fulu has another product or number of units under this reference")
    if order.state == "failed":
        if cards or flaw:
            return _unclear(found, "Fulu calls the order failed and sent cards for it")
        problem = "Fulu could not serve the order and returned the money"
        return attrs.evolve(found, stage=Stage.FAILED, refunded=found.cost, problem=problem)
    if flaw:
        return _unclear(found, flaw)
    if cards or purchase.target:
        return attrs.evolve(found, stage=Stage.DONE)
    return working  # the state is ahead of the cards


def _unclear(found: Supplied, problem: str) -> Supplied:
    return attrs.evolve(found, stage=Stage.UNCLEAR, problem=problem)


# --- cards ----------------------------------------------------------------------------------


def _cards(rows: Any, credential: Secret) -> tuple[tuple[BoughtCard, ...], str]:
    """Return the cards that could be opened, and what is wrong with the rest in a few words."""
    if rows is None:
        return (), ""
    if not isinstance(rows, list):
        return (), "Fulu's list of cards is not a list"
    opened = [_card(row, credential) for row in rows]
    flaws = [flaw for _, flaw in opened if flaw]
    problem = f"{len(flaws)} of {len(rows)} cards {flaws[0]}" if flaws else ""
    return tuple(card for card, _ in opened if card is not None), problem


def _card(row: Any, credential: Secret) -> tuple[BoughtCard | None, str]:
    """Return one card and what is wrong with it, or ""; the card may be there all the same."""
    if not isinstance(row, dict):
        return None, "not in Fulu's form"
    number, password = (_opened(row.get(name), credential) for name in ("card_number", "card_pwd"))
    if number is None or password is None:
        return None, "cannot be opened with the credential"
    if not number and not password:
        return None, "empty"
    shape = Shape.LINK if _item(row.get("card_type")) in _LINK_TYPES else Shape.TEXT
    card = BoughtCard(
        secret=password or number,
        number=number.reveal() if password else "",
        expires_at=_moment(row.get("card_deadline")),
        shape=shape,
    )
    # A code alone comes as the password; a number alone is half a card, unless it is a link.
    is_whole = bool(password) or shape is Shape.LINK
    return card, "" if is_whole else "without a password"


def _opened(value: Any, credential: Secret) -> Secret | None:
    """Return what is behind one field of a card, "" for nothing; None where it does not open."""
    if value is None or value == "":
        return Secret("")
    opened = aes_ecb_decrypt(credential, value) if isinstance(value, str) else None
    return None if opened is None else Secret(opened.reveal().strip())


def _moment(value: Any) -> datetime | None:
    try:
        moment = datetime.strptime(_text(value), TIME).replace(tzinfo=BEIJING)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
