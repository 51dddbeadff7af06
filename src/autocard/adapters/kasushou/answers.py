"""The envelope of what kasushou answers, and the texts and amounts in it. Pure."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Any, Final

import attrs

from autocard.adapters.kasushou.options import BROKEN, REFUSED, KasushouOptions
from autocard.adapters.kasushou.signature import read_json
from autocard.spi import (
    Money,
    RejectedError,
    Response,
    TransientError,
    UnknownOutcome,
    check_status,
)

CURRENCY: Final = "CNY"
"""Amounts are in 元; there is nothing else."""
_MONEY: Final = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,8})?")
_WHOLE: Final = re.compile(r"-?[0-9]{1,9}")
_CENT: Final = Decimal("0.01")
# The host may have set the precision of its own decimals to a few digits.
_EXACT: Final = Context(prec=40)
UNKNOWN_GOOD: Final = "the good is not known there or not sold now; check the item"
"""The reason of a refusal that speaks of the good."""
# Sites word their refusals freely. These words only choose what people read, except that an
# unknown good has no offer.
_REASONS: Final = (
    (("订单", "单号"), ""),
    (("余额",), "the balance there is not enough; pay money in"),
    (("库存", "缺货"), "there is not enough stock"),
    (("价",), "the price is above the ceiling"),
    (("签名", "密钥", "用户", "sign"), "user_id or credential is wrong; check the settings"),
    (("充值", "账号"), "the account to be charged is not accepted"),
    (("商品",), UNKNOWN_GOOD),
)


@attrs.frozen(kw_only=True)
class Envelope:
    """The three members of every answer; `repr` shows the code only."""

    code: str = ""
    words: str = attrs.field(default="", repr=False)
    data: Any = attrs.field(default=None, repr=False)

    @property
    def is_refusal(self) -> bool:
        """Whether it says that what was asked for was not done."""
        return self.code == str(REFUSED)

    @property
    def reason(self) -> str:
        """Why it refuses, for people; "" where its words are not known. Quotes nothing."""
        known = (text for parts, text in _REASONS if any(part in self.words for part in parts))
        return next(known, "")


def _envelope(response: Response) -> Envelope:
    members = read_json(response.body)
    if not isinstance(members, dict):
        return Envelope()
    code = text_of(members.get("code"))
    return Envelope(
        code=code if _WHOLE.fullmatch(code) else "",
        words=text_of(members.get("msg")).lower(),
        data=members.get("data"),
    )


def said(response: Response, options: KasushouOptions, *, safe: bool) -> Envelope:
    """
    Return an answer that is a success or a refusal.

    Raises:
        TransientError: No such answer to a query.
        UnknownOutcome: No such answer to anything else.

    Source: 卡速售 API 2.0, section on answers: 200 success, 400 failure, 500 unknown.
    """
    envelope = _envelope(response)
    # The site may send its own refusals with a status of refusal.
    if not (envelope.is_refusal and response.status < 500):
        _check_status(response, safe=safe)
    if envelope.is_refusal or envelope.code in {str(code) for code in options.success_codes}:
        return envelope
    if envelope.code == str(BROKEN):
        raise _doubt("kasushou says that it does not know what happened", safe=safe)
    if envelope.code:
        raise _doubt("kasushou gave a code that is not known; see success_codes", safe=safe)
    raise _doubt("the answer is not JSON with a code; is it kasushou at base_url?", safe=safe)


def _check_status(response: Response, *, safe: bool) -> None:
    """
    Return when the status is a success; a web server does not speak for the site.

    Not even one that says to be busy: the documentation calls every HTTP 500 and above unknown,
    and nowhere says that a call may be sent away before anything is done.
    """
    try:
        check_status(response, safe=True)
    except (RejectedError, TransientError) as error:
        if safe and isinstance(error, TransientError):
            raise  # it knows how long we are asked to wait
        problem = str(error)
    else:
        return
    raise _doubt(problem, safe=safe)


def _doubt(problem: str, *, safe: bool) -> TransientError | UnknownOutcome:
    if safe:
        return TransientError(f"{problem}; ask again later")
    return UnknownOutcome(f"{problem}; look the purchase up")


def refusal(envelope: Envelope, *, again: bool = False) -> str:
    """Return in our words that, and as far as it is known why, the site refused."""
    what = "refused a repeated purchase" if again else "refused"
    return f"kasushou {what}: {envelope.reason or 'it gave a reason that is not known here'}"


# --- texts and numbers ----------------------------------------------------------------------


def text_of(value: Any) -> str:
    """Return a JSON text or number as text, without the blanks around it; else ""."""
    if not isinstance(value, str):
        return ""
    text = str(value).strip()
    try:
        text.encode()
    except UnicodeEncodeError:
        return ""  # half a character, which no store takes
    return text


def whole_of(value: Any) -> int | None:
    """Return a whole number, a text or a JSON number; None where it is none."""
    text = text_of(value)
    return int(text) if _WHOLE.fullmatch(text) else None


def decimal_of(value: Any, *, lowest: int | None = 0) -> Decimal | None:
    """Return an amount, a text or a JSON number; None where it is none or below *lowest*."""
    text = text_of(value)
    amount = Decimal(text) if _MONEY.fullmatch(text) else None
    if amount is None or (lowest is not None and amount < lowest):
        return None
    return amount


def costing(amount: Decimal | None) -> Money | None:
    """Return what we pay, in whole cents; sites count to four decimals, so round against us."""
    return _rounded(amount, ROUND_CEILING)


def had(amount: Decimal | None) -> Money | None:
    """Return what we get or have, in whole cents; round against us here too."""
    return _rounded(amount, ROUND_FLOOR)


def _rounded(amount: Decimal | None, rounding: str) -> Money | None:
    return None if amount is None else Money(amount.quantize(_CENT, rounding, _EXACT), CURRENCY)
