"""What became of a purchase: cards, a text that says "wait", an apology, or a refusal. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from autocard.adapters.acg_faka.goods import code_of
from autocard.adapters.acg_faka.options import AcgFakaOptions, plain
from autocard.adapters.acg_faka.refusals import ALREADY_THERE, DOUBTFUL, refusal_of
from autocard.adapters.acg_faka.replies import money, said_in_reply
from autocard.spi import (
    BoughtCard,
    Money,
    Purchase,
    RejectedError,
    Response,
    Secret,
    Shape,
    Stage,
    Supplied,
    TransientError,
    UnknownOutcome,
)

_WAITING: Final = "正在发货中，请耐心等待，如有疑问，请联系客服。"
_APOLOGIES: Final = (
    "很抱歉，有人在你付款之前抢走了商品，请联系客服。",  # the cards went to somebody else
    "此商品没有发货信息或正在发货中",  # the shop bought it elsewhere and got nothing
)
_NUMBER: Final = re.compile(r"[!-~]{1,64}")
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
_LINK: Final = re.compile(r"https?://\S+")
_UNKNOWN_ORDER: Final = "订单不存在"
_PAID: Final = "1"


# --- buying -----------------------------------------------------------------------------------


def supplied_from_trade(
    response: Response, purchase: Purchase, options: AcgFakaOptions
) -> Supplied:
    """
    Return what the shop says of the trade that it was just asked for.

    Raises:
        RejectedError: Nothing was bought. Of a repetition only where the shop says so after it
            has found that our number is new.
        UnknownOutcome: The answer does not say, or it is not the shop's.

    Source: acg-faka, `app/Service/Bind/Order.php`, `trade`.
    """
    said = said_in_reply(response, options, safe=False)
    if said.refusal:
        return _refused(said.refusal, purchase, options)
    if isinstance(said.data, dict):
        return _bought(said.data, purchase, options)
    raise UnknownOutcome("the shop's answer holds nothing; what was sent may have been done")


def _refused(message: str, purchase: Purchase, options: AcgFakaOptions) -> Supplied:
    if message.startswith(ALREADY_THERE):
        return Supplied(
            stage=Stage.UNCLEAR,
            problem="the shop has an order under our number and does not say what became of it; "
            "find it in the shop by its time and our balance",
        )
    if any(text in message for text in (*DOUBTFUL, *options.doubtful)):
        raise UnknownOutcome("the shop could not finish; whether it sold is not known")
    refusal = refusal_of(message)
    if purchase.attempts == 1 or (refusal.proves and options.dialect == "v3"):
        raise RejectedError(f"the shop refused to sell: {refusal.meaning}")
    return Supplied(
        stage=Stage.UNCLEAR,
        problem=f"the shop refused the repetition ({refusal.meaning}) before it looked whether "
        "the first call was done; find out in the shop by our balance",
    )


def _bought(data: dict[str, Any], purchase: Purchase, options: AcgFakaOptions) -> Supplied:
    cost = money(data.get("amount"), options.currency)
    if cost is not None and cost.amount < 0:
        cost = None
    content = "contents" if options.dialect == "v4" else "secret"
    return _supplied(data.get(content), _number(data.get("tradeNo")), cost, purchase, options)


def _number(number: Any) -> str:
    text = str(number) if isinstance(number, int) else number
    return text if isinstance(text, str) and _NUMBER.fullmatch(text) else ""


# --- looking up -------------------------------------------------------------------------------


def supplied_from_query(
    response: Response, purchase: Purchase, options: AcgFakaOptions
) -> Supplied:
    """
    Return what the shop says of *purchase*, which it was asked for by its own number.

    Raises:
        TransientError: No definite answer. A refusal is none: it speaks of the question.

    Source: acg-faka, `app/Controller/Shared/Commodity.php`, `query`.
    """
    try:
        said = said_in_reply(response, options, safe=True)
    except RejectedError as error:
        problem = str(error)
    else:
        if said.refusal.startswith(_UNKNOWN_ORDER):
            # It told us this number itself. None would mean "never bought", and buy it again.
            return Supplied(
                stage=Stage.UNCLEAR,
                remote=purchase.remote,
                problem="the shop no longer knows the order that it had accepted",
            )
        if isinstance(said.data, dict) and "status" in said.data:
            return _found(said.data, purchase, options)
        problem = "the shop did not say what became of the order"
    raise TransientError(f"{problem}; ask again later")


def _found(data: dict[str, Any], purchase: Purchase, options: AcgFakaOptions) -> Supplied:
    if str(data["status"]) != _PAID:
        return Supplied(
            stage=Stage.UNCLEAR,
            remote=purchase.remote,
            problem="the shop says that the order is not paid",
        )
    return _supplied(data.get("secret"), purchase.remote, None, purchase, options)


# --- the text in which cards come -------------------------------------------------------------


def _supplied(
    content: Any, remote: str, cost: Money | None, purchase: Purchase, options: AcgFakaOptions
) -> Supplied:
    text = plain(content) if isinstance(content, str) else ""
    if _is_waiting(text, code_of(purchase.item), options):
        return _working(remote, cost)
    lines = text.split("\n")
    problem = _problem(text, lines, purchase, options)
    if problem:
        return Supplied(stage=Stage.UNCLEAR, remote=remote, cost=cost, problem=problem)
    cards = tuple(_card(line) for line in lines)
    return Supplied(stage=Stage.DONE, remote=remote, cost=cost, cards=cards)


def _is_waiting(text: str, code: str, options: AcgFakaOptions) -> bool:
    named = options.waiting.get(code)
    return text == _WAITING or (named is not None and text in {named, ""})


def _working(remote: str, cost: Money | None) -> Supplied:
    if remote:
        return Supplied(stage=Stage.WORKING, remote=remote, cost=cost)
    return Supplied(
        stage=Stage.UNCLEAR,
        cost=cost,
        problem="it is delivered by hand, and this shop gives no number to look it up by",
    )


def _problem(text: str, lines: Sequence[str], purchase: Purchase, options: AcgFakaOptions) -> str:
    if any(apology in text for apology in (*_APOLOGIES, *options.apologies)):
        return "the shop took the money and sent an apology instead of cards; ask for a refund"
    if _SURROGATE.search(text):
        return "the shop sent characters that are none; look at the order there"
    if not text:
        return "the shop took the money and sent nothing"
    # Delivery is all or nothing, so another number of lines is a text and not these cards.
    if len(lines) != purchase.quantity or not all(map(str.strip, lines)) or _WAITING in lines:
        return f"{purchase.quantity} cards were bought and {len(lines)} lines came; look there"
    return ""


def _card(line: str) -> BoughtCard:
    shape = Shape.LINK if _LINK.fullmatch(line) else Shape.TEXT
    return BoughtCard(secret=Secret(line), shape=shape)
