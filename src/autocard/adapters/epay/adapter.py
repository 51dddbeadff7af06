"""The epay platform: notifications come in, queries and refunds go out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final

from autocard.adapters.epay import replies, translate
from autocard.adapters.epay.options import EpayOptions
from autocard.spi import (
    Answer,
    Capability,
    Client,
    Inbound,
    Money,
    Order,
    Payment,
    Platform,
    Receipt,
    Refund,
    Reply,
    Response,
    Verified,
)

_REPLIES: Final = {
    Answer.ACCEPTED: (200, b"success"),
    Answer.REFUSED: (400, b"fail"),
    Answer.LATER: (503, b"fail"),
}


def _utc_now() -> datetime:
    return datetime.now(UTC)


class EpayPlatform(Platform):
    """
    One merchant account at a 易支付 (Rainbow epay) gateway, V1 (MD5) or V2 (RSA).

    Args:
        options: An `EpayOptions`.
        client: Speaks HTTP.
        now: Tells the time that V2 calls must carry. Replace it in tests.
    """

    name: ClassVar[str] = translate.PLATFORM
    capabilities = frozenset(
        {Capability.RECEIVE, Capability.CONFIRM, Capability.FETCH, Capability.REFUND}
    )
    Options: ClassVar[type[Any]] = EpayOptions
    options: EpayOptions

    def __init__(
        self, options: EpayOptions, client: Client, *, now: Callable[[], datetime] = _utc_now
    ) -> None:
        super().__init__(options, client)
        self._now = now

    def verify(self, inbound: Inbound, *, now: datetime) -> Verified:
        """
        Prove a payment notification genuine: our merchant number, the signature, its time.

        Raises:
            VerificationError: It is not; the text is the same for every cause.

        Source: epay specification, sections 3 and 8.
        """
        fields = translate.fields_from_inbound(inbound, self.options.notify_query)
        translate.check_notification(fields, self.options, now)
        return Verified(inbound, translate.readable(fields))

    def parse(self, verified: Verified) -> Order:
        """
        Translate a proved notification into a paid order without lines.

        Raises:
            VerificationError: It does not say that an order is paid, or how much.
            InvalidOrder: Its order number is missing or malformed.
        """
        return translate.order_from_fields(verified.fields, self.options.currency)

    def acknowledge(self, answer: Answer, receipt: Receipt | None) -> Reply:  # noqa: ARG002 - the gateway reads one word
        """Return `success` when the notification was taken, `fail` otherwise."""
        status, body = _REPLIES[answer]
        return Reply(status=status, headers={"content-type": "text/plain"}, body=body)

    def confirm(self, order: Order) -> Payment | None:
        """
        Ask the gateway about *order*: its payment, or None when it is not paid.

        Raises:
            RejectedError: It was refunded or is frozen; or the gateway refused to say.
            TransientError: No usable answer; ask again later.

        Effects: one safe request. V1 puts the MD5 key into its query string: use https.
        Source: epay specification, sections 4.3 and 5.3.
        """
        members = replies.members_from_reply(
            self._ask("pay/query", "order", out_trade_no=order.order_no), self.options, safe=True
        )
        return replies.payment_from_reply(members, order.order_no, self.options)

    def fetch(self, since: datetime | None) -> Iterator[Order]:
        """
        Yield the orders paid since *since*, the newest first; None: all that the gateway lists.

        With V2 the list is not signed, so each paid order in it is asked for singly and yielded
        with what that signed answer says. Paid rows without a usable number or amount are left
        out; `confirm` explains them.

        Raises:
            RejectedError: The gateway refused.
            TransientError: No usable answer; ask again later.

        Effects: one safe request per 50 orders; with V2 one more for each paid order.
        Source: epay specification, sections 4.3 and 5.8.
        """
        margin = timedelta(seconds=self.options.window_s)  # the gateway's clock is not ours
        for row in self._listed(since):
            listed = row.payment
            if listed is None or _is_before(listed.paid_at, since, margin):
                continue
            payment = listed if self.options.version == "v1" else self._proved(row)
            if payment is not None:
                yield row.order(payment)

    def refund(self, refund: Refund) -> str:
        """
        Pay *refund* back and return the gateway's number for it, or "".

        V2 sends the reference: the same refund again is answered with the first one's number.
        V1 knows no such thing: after `UnknownOutcome` look at the gateway, never repeat.

        Raises:
            RejectedError: Nothing was paid back.
            UnknownOutcome: The answer is lost, is not proved genuine, or does not fit.

        Effects: one unsafe request.
        Source: epay specification, sections 4.3 and 5.4.
        """
        fields = translate.refund_fields(refund, self.options)
        members = replies.members_from_reply(
            self._tell("pay/refund", "refund", **fields), self.options, safe=False
        )
        return replies.refund_number_from_reply(members, refund, self.options)

    def payment_url(
        self,
        order_no: str,
        amount: Money,
        name: str,
        notify_url: str,
        return_url: str,
        method: str = "alipay",
    ) -> str:
        """
        Return the address to which a buyer's browser is sent to pay. No network.

        Arguments and errors are those of `translate.payment_form`.
        """
        form = translate.payment_form(
            self.options,
            order_no=order_no,
            amount=amount,
            name=name,
            notify_url=notify_url,
            return_url=return_url,
            method=method,
            now=self._now(),
        )
        return translate.payment_link(self.options, form)

    def _listed(self, since: datetime | None) -> Iterator[replies.ListedOrder]:
        """Yield rows, newest first, until they are too old to have been paid since *since*."""
        age = timedelta(seconds=self.options.payable_s + self.options.window_s)
        seen: set[str] = set()
        offset = 0
        while True:
            page = self._ask(
                "merchant/orders", "orders", limit=str(replies.PAGE), offset=str(offset)
            )
            rows = replies.listed_from_page(page, self.options)
            fresh = [row for row in rows if row.trade_no not in seen]
            seen.update(row.trade_no for row in rows)
            offset += len(rows)
            yield from fresh
            # A gateway that ignores the offset would show its first page for ever.
            if not fresh or all(_is_before(row.added_at, since, age) for row in fresh):
                return

    def _proved(self, row: replies.ListedOrder) -> Payment | None:
        members = replies.members_from_reply(
            self._ask("pay/query", "order", out_trade_no=row.order_no), self.options, safe=True
        )
        if members["code"] == "0" and members.get("status") != "1":
            return None  # refunded or frozen since it was listed; or the hint was wrong
        return replies.payment_from_reply(members, row.order_no, self.options)

    def _ask(self, method: str, act: str, **fields: str) -> Response:
        if self.options.version == "v2":
            return self._post_v2(method, safe=True, **fields)
        return self.client.request(
            "GET",
            self.options.page("api.php"),
            safe=True,
            params=translate.credential_fields(self.options, act=act, **fields),
        )

    def _tell(self, method: str, act: str, **fields: str) -> Response:
        if self.options.version == "v2":
            return self._post_v2(method, safe=False, **fields)
        return self.client.request(
            "POST",
            self.options.page("api.php"),
            safe=False,
            params={"act": act},
            form=translate.credential_fields(self.options, **fields),
        )

    def _post_v2(self, method: str, *, safe: bool, **fields: str) -> Response:
        return self.client.request(
            "POST",
            self.options.method(method),
            safe=safe,
            form=translate.signed_fields(self.options, self._now(), **fields),
        )


def _is_before(moment: datetime | None, since: datetime | None, margin: timedelta) -> bool:
    return moment is not None and since is not None and moment < since - margin
