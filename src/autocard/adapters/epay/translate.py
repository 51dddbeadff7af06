"""Between epay's parameters and autocard's values. Pure: no network, no clock, no file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final
from urllib.parse import urlencode, urlsplit

from autocard.adapters.epay.options import EpayOptions
from autocard.adapters.epay.signature import (
    form_pairs,
    is_md5_signed,
    is_rsa_signed,
    md5_signature,
    rsa_signature,
    signing_text,
)
from autocard.spi import (
    Inbound,
    Money,
    Order,
    Payment,
    Refund,
    RejectedError,
    Secret,
    VerificationError,
)

__all__ = [
    "PLATFORM",
    "check_notification",
    "credential_fields",
    "fields_from_inbound",
    "md5_signature",
    "money_from_text",
    "order_from_fields",
    "payment_form",
    "payment_link",
    "readable",
    "refund_fields",
    "rsa_signature",
    "sign_notification",
    "signed_fields",
    "signing_text",
]

PLATFORM: Final = "epay"
_MAX_BYTES: Final = 65_536
_MAX_FIELDS: Final = 200
ORDER_NO: Final = re.compile(r"[a-zA-Z0-9._\-|]{1,128}")
_MONEY: Final = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,4})?")
_SECONDS: Final = re.compile(r"[0-9]{10}")
_LONE: Final = re.compile("[\ud800-\udfff]+")
_METHOD: Final = re.compile(r"[a-zA-Z0-9_]{0,32}")
_ESCAPED: Final = frozenset("&<>\"'")
_SHORTEST_REFUND_NO: Final = 6
_NOT_PROVED: Final = "epay: the notification is not proved genuine"


# --- notifications --------------------------------------------------------------------------


def fields_from_inbound(inbound: Inbound, notify_query: str = "") -> dict[str, str]:
    """
    Return the parameters of a notification, decoded; your own of *notify_query* are set aside.

    A GET has them in its query string; some forks POST them as a form.

    Raises:
        VerificationError: It is no such message, is too large, or names a parameter twice.

    Source: epay specification, section 8.
    """
    own = set(form_pairs(notify_query))
    # The gateway escapes a stored address for HTML, so "&b=2" is called as "&amp;b=2".
    own |= {(f"amp;{name}", value) for name, value in own}
    pairs = [pair for pair in form_pairs(_form_text(inbound)) if pair not in own]
    fields = dict(pairs)
    if len(fields) != len(pairs) or len(pairs) > _MAX_FIELDS:
        raise VerificationError(_NOT_PROVED)
    return fields


def _form_text(inbound: Inbound) -> str:
    if len(inbound.query) + len(inbound.body) > _MAX_BYTES:
        raise VerificationError(_NOT_PROVED)
    if inbound.method.upper() == "GET":
        return inbound.query
    kind = inbound.headers.get("content-type", "").partition(";")[0].strip().lower()
    if inbound.method.upper() != "POST" or kind != "application/x-www-form-urlencoded":
        raise VerificationError(_NOT_PROVED)
    return f"{inbound.query}&{inbound.body.decode('utf-8', 'surrogateescape')}"


def check_notification(fields: Mapping[str, str], options: EpayOptions, now: datetime) -> None:
    """
    Return when *fields* are signed by our gateway for our merchant.

    MD5 counts only where an MD5 key is configured, RSA only where a public key is; what the
    message says about itself can never choose a weaker rule. RSA messages must also be recent.

    Raises:
        VerificationError: They are not; the message is the same whatever is wrong.

    Source: epay specification, sections 3 and 8.
    """
    try:
        genuine = fields.get("pid") == options.pid and _is_signed(fields, options, now)
    except UnicodeEncodeError:
        genuine = False  # text that no bytes on the wire decode to
    if not genuine:
        raise VerificationError(_NOT_PROVED)


def _is_signed(fields: Mapping[str, str], options: EpayOptions, now: datetime) -> bool:
    match fields.get("sign_type"):
        case "MD5" if options.credential:
            return is_md5_signed(fields, options.credential)
        case "RSA" if options.platform_public_key:
            recent = _is_recent(fields.get("timestamp", ""), now, options.window_s)
            return recent and is_rsa_signed(fields, options.platform_public_key)
        case _:
            return False


def _is_recent(timestamp: str, now: datetime, window_s: int) -> bool:
    return bool(_SECONDS.fullmatch(timestamp)) and (
        abs(now.timestamp() - int(timestamp)) <= window_s
    )


def readable(fields: Mapping[str, str]) -> dict[str, str]:
    """Return *fields* as valid Unicode: a name that the gateway cut in a character is mended."""
    return {_LONE.sub("\ufffd", name): _LONE.sub("\ufffd", fields[name]) for name in fields}


def order_from_fields(fields: Mapping[str, str], currency: str) -> Order:
    """
    Return the paid order of a notification: its number and payment, without lines.

    The amount is the order's, not what the buyer sent: a cashier may add cents or a fee. The
    item's `name` says nothing (many sites replace it by "product").

    Raises:
        VerificationError: The notification does not say that an order is paid, or how much.
        InvalidOrder: The order number is missing or malformed.

    Source: epay specification, section 8.
    """
    if fields.get("trade_status") != "TRADE_SUCCESS":
        raise VerificationError("epay: the notification does not say that an order is paid")
    paid = money_from_text(fields.get("money", ""), currency)
    if paid is None:
        raise VerificationError("epay: money in the notification is not an amount such as 9.9")
    payment = Payment(paid=paid, reference=fields.get("trade_no", ""))
    return Order(platform=PLATFORM, order_no=fields.get("out_trade_no", ""), payment=payment)


def money_from_text(text: str, currency: str) -> Money | None:
    """Return an amount above zero; gateways print 9.90 as `9.9` and 8.00 as `8`."""
    if not _MONEY.fullmatch(text) or Decimal(text) == 0:
        return None
    try:
        return Money(text, currency)
    except ValueError:  # more decimals than the currency has
        return None


# --- calls ----------------------------------------------------------------------------------


class _Concealed(dict[str, str]):
    """Parameters whose values a crash report that shows local variables does not see."""

    def __repr__(self) -> str:
        return f"<{', '.join(self)}>"


def credential_fields(options: EpayOptions, **fields: str) -> dict[str, str]:
    """
    Return the parameters of a V1 call, which carries the MD5 key itself.

    Secrets: reveals the credential once, into the returned parameters; their repr hides values.
    """
    return _Concealed(pid=options.pid, key=options.credential.reveal(), **fields)


def signed_fields(options: EpayOptions, now: datetime, **fields: str) -> dict[str, str]:
    """Return the parameters of a V2 call with its time and RSA signature."""
    dated = {"pid": options.pid, **fields, "timestamp": str(int(now.timestamp()))}
    return {**dated, "sign": rsa_signature(dated, options.private_key), "sign_type": "RSA"}


def refund_fields(refund: Refund, options: EpayOptions) -> dict[str, str]:
    """
    Return what a refund call says, without what authenticates it.

    Raises:
        RejectedError: The refund cannot be expressed; nothing was sent.
    """
    try:
        fields = {
            "out_trade_no": _order_no(refund.order_no),
            "money": _amount(refund.amount, options),
        }
    except ValueError as error:
        raise RejectedError(f"the refund was not sent: {error}") from None
    if options.version == "v1":
        return fields
    if len(refund.reference) < _SHORTEST_REFUND_NO:
        # The gateway would take it, but would pay again when it comes again.
        raise RejectedError("the refund was not sent: its reference has fewer than 6 characters")
    return {**fields, "out_refund_no": refund.reference}


def payment_form(
    options: EpayOptions,
    *,
    order_no: str,
    amount: Money,
    name: str,
    notify_url: str,
    return_url: str,
    method: str = "",
    param: str = "",
    now: datetime | None = None,
) -> dict[str, str]:
    """
    Return the signed parameters with which a buyer's browser opens the gateway's pay page.

    Args:
        options: The merchant account that is paid.
        order_no: Your order number, 1 to 128 of `a-z A-Z 0-9 . _ - |`. Use a new one for a
            changed price or name.
        amount: Above zero, in the currency of the account.
        name: What the buyer sees; the gateway cuts it at 127 bytes.
        notify_url: Where the gateway tells you about the payment.
        return_url: Where the gateway sends the browser afterwards; only a hint.
        method: `alipay`, `wxpay`, `qqpay`, …; "" lets the buyer choose.
        param: Comes back with the notification; a lone "0" does not.
        now: The present, aware; needed with V2.

    Raises:
        ValueError: An argument is malformed; the message begins with its name.

    Source: epay specification, sections 4.1, 5.1 and 8.
    """
    if not _METHOD.fullmatch(method):
        raise ValueError("method: give the gateway's name for it, such as alipay")
    fields = {
        "pid": options.pid,
        "type": method,
        "out_trade_no": _order_no(order_no),
        "notify_url": _notify_url(notify_url, options),
        "return_url": _url("return_url", return_url),
        "name": _plain("name", name),
        "money": _amount(amount, options),
        "param": _unescaped("param", param),
    }
    fields = {field: value for field, value in fields.items() if value}
    if options.version == "v1":
        sign = md5_signature(fields, options.credential)
        return {**fields, "sign": sign, "sign_type": "MD5"}
    if now is None:
        raise ValueError("now: version v2 signs the time; give an aware datetime")
    return signed_fields(options, now, **fields)


def payment_link(options: EpayOptions, form: Mapping[str, str]) -> str:
    """Return the address that submits *form*, for a redirect of the buyer's browser."""
    v1 = options.version == "v1"
    page = options.page("submit.php") if v1 else options.method("pay/submit")
    return f"{page}{'&' if '?' in page else '?'}{urlencode(form)}"


def sign_notification(fields: Mapping[str, str], credential: Secret) -> str:
    """
    Return the query string of a V1 notification, for demonstrations and tests of a shop.

    Secrets: reveals *credential* once, into the digest only.
    """
    return urlencode({**fields, "sign": md5_signature(fields, credential), "sign_type": "MD5"})


def _order_no(order_no: str) -> str:
    if not ORDER_NO.fullmatch(order_no):
        raise ValueError("order_no: use 1 to 128 of a-z A-Z 0-9 . _ - |")
    return order_no


def _amount(amount: Money, options: EpayOptions) -> str:
    if amount.currency != options.currency:
        raise ValueError(f"amount: this account takes {options.currency}, not {amount.currency}")
    if amount.amount <= 0:
        raise ValueError("amount: must be above zero")
    return str(amount).partition(" ")[0]


def _plain(field: str, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{field}: must be valid Unicode") from None
    if not text.strip():
        raise ValueError(f"{field}: must not be blank")
    return text


def _unescaped(field: str, text: str) -> str:
    if not text:
        return text
    if _ESCAPED.intersection(text):
        raise ValueError(f"{field}: the gateway changes & < > and quotes; leave them out")
    return _plain(field, text)


def _url(field: str, url: str) -> str:
    if not url.startswith(("https://", "http://")):
        raise ValueError(f"{field}: give an absolute address, such as https://shop.example.com/")
    return _unescaped(field, url)


def _notify_url(url: str, options: EpayOptions) -> str:
    own = tuple(form_pairs(options.notify_query))
    if any(pair not in own for pair in form_pairs(urlsplit(url).query)):
        raise ValueError(
            "notify_url: its query string is not signed; leave it out or name it in notify_query"
        )
    return _url("notify_url", url)
