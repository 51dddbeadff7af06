"""What kasushou says of an order: when it is placed, and when it is looked up. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Final

import attrs

from autocard.adapters.kasushou.answers import (
    Envelope,
    costing,
    decimal_of,
    had,
    refusal,
    said,
    text_of,
)
from autocard.adapters.kasushou.options import KasushouOptions
from autocard.adapters.kasushou.signature import read_json
from autocard.spi import (
    EPOCH,
    BoughtCard,
    Purchase,
    RejectedError,
    Response,
    Secret,
    Stage,
    Supplied,
    TransientError,
    UnknownOutcome,
)

_BEIJING: Final = timezone(timedelta(hours=8))  # no summer time since 1991
_NUMBER: Final = re.compile(r"[!-~]{1,64}")
_SECONDS: Final = re.compile(r"[1-9][0-9]{9}")
_MILLISECONDS: Final = re.compile(r"[1-9][0-9]{12}")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NO_END: Final = re.compile(r"0?|0000-.*|1970-.*")


# --- buying ---------------------------------------------------------------------------------


def accepted(response: Response, purchase: Purchase, options: KasushouOptions) -> Supplied:
    """
    Return what the answer to buying says; at best that the purchase is being worked on.

    Raises:
        RejectedError: Nothing was bought.
        UnknownOutcome: It may have been bought: the answer is none, is about another purchase,
            says that our number was used before, or refuses what was sent before.

    Source: 卡速售 API 2.0, section on placing orders.
    """
    envelope = said(response, options, safe=False)
    if envelope.is_refusal:
        raise _refused(envelope, purchase, options)
    row = _Row.of(envelope.data)
    if not row.remote or row.reference not in {"", purchase.reference}:
        raise UnknownOutcome("kasushou's answer does not fit the purchase; look it up")
    return Supplied(stage=Stage.WORKING, remote=row.remote, cost=costing(row.total))


def _refused(
    envelope: Envelope, purchase: Purchase, options: KasushouOptions
) -> RejectedError | UnknownOutcome:
    if any(word.lower() in envelope.words for word in options.repeated_words):
        return UnknownOutcome("kasushou says that our number was used before; look it up")
    if purchase.attempts > 1:
        # The first order may be why: it took the last card or the money, or our number. In which
        # order the site checks these, its documentation does not say.
        return UnknownOutcome(f"{refusal(envelope, again=True)}; look it up")
    return RejectedError(refusal(envelope))


# --- looking up -----------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class _Row:
    """One order as the site tells it; `repr` shows none of its cards."""

    reference: str = ""
    remote: str = ""
    status: str = ""
    total: Decimal | None = None
    paid_back: Decimal | None = None
    cards: tuple[BoughtCard, ...] = attrs.field(default=(), repr=False)

    @property
    def is_overpaid(self) -> bool:
        """Whether more was paid back than the order cost, which cannot be."""
        return self.total is not None and self.paid_back is not None and self.paid_back > self.total

    @classmethod
    def of(cls, told: Any) -> _Row:
        """Return the row that *told* is; anything but an object has nothing in it."""
        if not isinstance(told, dict):
            return cls()
        remote = text_of(told.get("ordersn"))
        cards = map(_card, _entries(told.get("card_list")))
        return cls(
            reference=text_of(told.get("external_orderno")),
            remote=remote if _NUMBER.fullmatch(remote) else "",
            status=text_of(told.get("status")),
            total=decimal_of(told.get("total_price")),
            paid_back=decimal_of(told.get("has_back_money")),
            cards=tuple(card for card in cards if card is not None),
        )

    def is_about(self, purchase: Purchase) -> bool:
        """Say whether it is *purchase*; by the site's own number where it keeps back ours."""
        if self.reference:
            return self.reference == purchase.reference
        return bool(purchase.remote) and self.remote == purchase.remote


def found(response: Response, purchase: Purchase, options: KasushouOptions) -> Supplied | None:
    """
    Return what became of *purchase*; None when the site says that it has no such order.

    Raises:
        TransientError: The answer says nothing definite of this purchase.

    Source: 卡速售 API 2.0, sections on order information and on order states.
    """
    envelope = said(response, options, safe=True)
    if envelope.is_refusal:  # it says nothing about the purchase
        raise TransientError(refusal(envelope))
    rows = _rows(envelope)
    if rows is None:
        raise TransientError("kasushou's answer holds no list of orders; ask again later")
    if not rows:
        return None
    ours = [row for row in rows if row.is_about(purchase)]
    if not ours:
        raise TransientError("kasushou's answer is about other orders; ask again later")
    if len(ours) > 1:
        return _several(ours)
    return _supplied(ours[0], is_top_up=bool(purchase.target))


def _rows(envelope: Envelope) -> Sequence[_Row] | None:
    listed = envelope.data.get("list") if isinstance(envelope.data, dict) else envelope.data
    return [_Row.of(told) for told in listed] if isinstance(listed, list) else None


def _several(rows: Sequence[_Row]) -> Supplied:
    cards = tuple(card for row in rows for card in row.cards)
    return Supplied(
        stage=Stage.UNCLEAR, cards=cards, problem="kasushou has several orders under our number"
    )


def _supplied(row: _Row, *, is_top_up: bool) -> Supplied:
    match row.status:
        case "-1":
            problem = "kasushou's order is unpaid: the balance there was not enough; pay money in"
            return Supplied(stage=Stage.FAILED, remote=row.remote, problem=problem)
        case "1" | "2":
            return Supplied(stage=Stage.WORKING, remote=row.remote, cost=costing(row.total))
        case "3" | "4" | "5" if row.is_overpaid:
            problem = "kasushou says that it paid back more than the order cost; look at it there"
            return _told(row, Stage.UNCLEAR, problem)
        case "3":
            return _served(row, is_top_up=is_top_up)
        case "4" | "5":
            return _called_off(row)
        case _:
            return _told(row, Stage.UNCLEAR, "kasushou reports an order state that is not known")


def _served(row: _Row, *, is_top_up: bool) -> Supplied:
    """Return what an order is that the site calls a success: one in part needs a person."""
    if row.paid_back:
        problem = "kasushou calls it a success and paid money back; see there what was served"
        return _told(row, Stage.UNCLEAR, problem)
    # An order of cards may be called a success before its cards are there.
    return _told(row, Stage.DONE if row.cards or is_top_up else Stage.WORKING)


def _called_off(row: _Row) -> Supplied:
    """Return what is left of an order: nothing only where all of the money came back."""
    if row.total is not None and row.paid_back == row.total:
        cost = costing(row.total)
        # Cards that it still lists are the site's again.
        return Supplied(
            stage=Stage.FAILED,
            remote=row.remote,
            cost=cost,
            refunded=cost,
            problem="kasushou called the order off and paid all of it back",
        )
    problem = "kasushou called the order off and did not pay all of it back"
    return _told(row, Stage.UNCLEAR, problem)


def _told(row: _Row, stage: Stage, problem: str = "") -> Supplied:
    back = None if row.is_overpaid else row.paid_back
    return Supplied(
        stage=stage,
        remote=row.remote,
        cards=row.cards,
        cost=costing(row.total),
        refunded=had(back) if back else None,
        problem=problem,
    )


# --- cards ----------------------------------------------------------------------------------


def _entries(listed: Any) -> Iterable[Any]:
    """Return the entries of a list of cards; in some messages and clones it is JSON in a text."""
    if isinstance(listed, str):
        listed = read_json(listed)
    return listed if isinstance(listed, list) else ()


def _card(entry: Any) -> BoughtCard | None:
    """Return the card of *entry*, an object or with some clones a text; None where it is blank."""
    if not isinstance(entry, dict):
        return BoughtCard(secret=Secret(text_of(entry))) if text_of(entry) else None
    if not text_of(entry.get("card_password")) and not text_of(entry.get("card_no")):
        return None
    ends = text_of(entry.get("end_time"))
    expires_at = _moment(ends)
    # An end that is not understood is kept as it came, for people to read.
    is_odd = expires_at is None and not _NO_END.fullmatch(ends)
    return BoughtCard(
        secret=Secret(text_of(entry.get("card_password"))),
        number=text_of(entry.get("card_no")),
        extra={"end_time": Secret(ends)} if is_odd else {},
        expires_at=expires_at,
    )


def _moment(text: str) -> datetime | None:
    """Return the end of a card in UTC: seconds, milliseconds, or a day or time in Beijing."""
    if _SECONDS.fullmatch(text):
        return EPOCH + timedelta(seconds=int(text))
    if _MILLISECONDS.fullmatch(text):
        return EPOCH + timedelta(milliseconds=int(text))
    if _NO_END.fullmatch(text):
        return None
    # A day without a time lasts to its end.
    written = f"{text} 23:59:59" if _DAY.fullmatch(text) else text
    try:
        moment = datetime.strptime(written, "%Y-%m-%d %H:%M:%S").replace(tzinfo=_BEIJING)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
