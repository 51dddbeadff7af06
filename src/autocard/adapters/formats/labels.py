"""Labelled cards: `卡号：… 卡密：…` on a line, in a block, or as a JSON object."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final

import attrs

from autocard.adapters.formats.characters import STRIP, UNIT, strip
from autocard.adapters.formats.layouts import BEIJING, Layout, parts_of
from autocard.spi import CardParts

_NUMBER: Final = frozenset(
    {
        *("卡号", "账号", "帐号", "账户", "序列号", "email"),
        *("card_number", "card_no", "cardno", "cardnumber", "card_num", "card", "no", "c"),
        *("card number", "card no", "serial"),
    }
)
_SECRET: Final = frozenset(
    {
        *("卡密", "密码", "激活码", "兑换码", "card_password", "card_pwd", "cardpwd", "cardpass"),
        *("card_pass", "password", "pwd", "pass", "p", "pin", "key", "cdkey", "ticket", "secret"),
        *("code", "access_token"),
    }
)
_EXPIRY: Final = frozenset(
    {
        *("有效期", "到期时间", "过期时间", "card_deadline", "expired_at", "expires_at"),
        *("end_time", "expiretime", "expiredate", "expirydate", "card_expire_at"),
        *("valid_end_time", "d"),
    }
)
_LINK: Final = frozenset({"链接", "短链", "url", "cardlink", "link", "qrcodeurl", "cpdurl"})
_OTHER: Final = frozenset({"备注", "邮箱", "面值", "2fa", "token"})
_LABELS: Final = _NUMBER | _SECRET | _EXPIRY | _LINK | _OTHER


def _alternatives(names: Iterable[str]) -> str:
    """Return *names* as a pattern; a longer name comes before one it begins with."""
    return "|".join(sorted(names, key=lambda name: (-len(name), name)))


_INDEX: Final = re.compile(r"(?:【\d{1,9}】|\d{1,9}\|)", re.ASCII)
_CHINESE: Final = _alternatives(name for name in _LABELS if not name.isascii())
# One letter is a label in a JSON object, but not in running text.
_LATIN: Final = _alternatives(name for name in _LABELS if name.isascii() and len(name) > 1)
_FIELD: Final = re.compile(
    # Chinese labels may follow anything; Latin ones stand alone, or `?code:` in a URL would count.
    rf"(?:(?P<chinese>{_CHINESE})|(?<![^\s,，;；|、-])(?P<latin>{_LATIN}))[ \t]*[:：]",
    re.IGNORECASE,
)
_BETWEEN: Final = STRIP + ",，;；|、"
_NEVER: Final = re.compile(r"|0|-|null|1970\b.*|0000-00-00.*|永久|永久有效|长期|长期有效")
_MOMENT: Final = re.compile(
    r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?"
    r"(?:[ T](\d{1,2}):(\d{1,2})(?::(\d{1,2}))?)?",
    re.ASCII,
)
_EPOCH_SECONDS: Final = re.compile(r"[1-9]\d{9}", re.ASCII)


def expiry_from_text(text: str) -> datetime | None:
    """
    Return the moment written as *text* in Beijing time; None where it means "never".

    A date without a time lasts to the end of that day. Ten digits are seconds since 1970.

    Raises:
        ValueError: It is neither; the message does not quote it.
    """
    if _NEVER.fullmatch(text):
        return None
    moment = _moment(text)
    if moment is None:
        raise ValueError("the expiry must be a date such as 2026-12-31 or 2026-12-31 23:59:59")
    return moment.astimezone(UTC)


def _moment(text: str) -> datetime | None:
    if _EPOCH_SECONDS.fullmatch(text):
        return datetime.fromtimestamp(int(text), UTC)
    match = _MOMENT.fullmatch(text)
    if match is None or match[1] < "1970":
        return None
    year, month, day = (int(match[group]) for group in (1, 2, 3))
    clock = (23, 59, 59) if match[4] is None else (int(match[4]), int(match[5]), int(match[6] or 0))
    try:
        return datetime(year, month, day, *clock, tzinfo=BEIJING)
    except ValueError:
        return None


def _between(value: str) -> str:
    """Return *value* without what separates it from the next label, such as `--` or `，`."""
    bare = value.rstrip(_BETWEEN)
    if bare.endswith("--"):
        bare = bare.rstrip("-" + _BETWEEN)
    return bare.lstrip(STRIP)


def fields_of(line: str) -> list[tuple[str, str]]:
    """Return label and value of every field of *line*; none unless it begins with a label."""
    found = list(_FIELD.finditer(line))
    if not found or found[0].start() != 0:
        return []
    labels = [(match["chinese"] or match["latin"]).lower() for match in found]
    values = [_between(line[one.end() : two.start()]) for one, two in pairwise(found)]
    return list(zip(labels, [*values, strip(line[found[-1].end() :])], strict=True))


def pieces_of(fields: list[tuple[str, str]]) -> tuple[str, ...]:
    """Return number, secret and then `label：value` for everything else; () without a card."""
    number = secret = ""
    rest: list[str] = []
    for label, value in fields:
        if label in _NUMBER and not number:
            number = value
        elif label in _SECRET and not secret:
            secret = value
        else:
            rest.append(f"{label}：{value}")
    if not secret and not number:
        link = next((value for label, value in fields if label in _LINK), "")
        return ("", link) if link else ()
    return (number, secret, *rest)


def with_rest(parts: CardParts, rest: Sequence[str]) -> CardParts:
    """
    Return *parts* with the expiry and the further parts that *rest* names as `label：value`.

    Raises:
        ValueError: The expiry is not a date.
    """
    if not rest:
        return parts
    extra: list[tuple[str, str]] = []
    expires_at = None
    for place, piece in enumerate(rest, 3):
        label, found, value = piece.partition("：")
        if found and label in _EXPIRY:
            expires_at = expiry_from_text(strip(value))
        elif piece:
            extra.append((label, strip(value)) if found else (f"part-{place}", strip(piece)))
    return attrs.evolve(parts, extra=tuple(extra), expires_at=expires_at)


class Labelled(Layout):
    """Every value has its label in front: `卡号：0001 卡密：PW01`, `账号:name--密码:pw`."""

    indexed = False

    def split(self, text: str) -> tuple[str, ...]:
        line = strip(text)
        if UNIT in line:
            return tuple(line.split(UNIT, 1))
        if self.indexed and (index := _INDEX.match(line)):
            line = strip(line[index.end() :])
        return pieces_of(fields_of(line)) or (line,)

    def parse(self, text: str, pieces: tuple[str, ...]) -> CardParts:
        """
        Make a card of number, secret and further `label：value` pieces.

        Raises:
            ValueError: There is no label in front, no card, or an unreadable expiry.
        """
        if len(pieces) < 2:
            raise ValueError("there is no label such as 卡号： or 卡密： in front")
        return with_rest(parts_of(text, *map(strip, pieces[:2])), pieces[2:])


class IndexedLabels(Labelled):
    """Labelled, after a running number such as `【3】` that does not belong to the card."""

    indexed = True


class JsonObject(Labelled):
    """One JSON object on a line; its names say which value is the number and which the secret."""

    def split(self, text: str) -> tuple[str, ...]:
        line = strip(text)
        if UNIT in line:
            return tuple(line.split(UNIT, 1))
        return pieces_of(_members(line)) or (line,)

    def parse(self, text: str, pieces: tuple[str, ...]) -> CardParts:
        if len(pieces) < 2:
            raise ValueError("there is no JSON object with a card in it, such as a password")
        return super().parse(text, pieces)


def _members(line: str) -> list[tuple[str, str]]:
    try:
        # Numbers stay the text they are: a card number is not a quantity.
        value = json.loads(line, parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError):
        return []
    if not isinstance(value, dict):
        return []
    return [(name.lower(), strip(_plain(member))) for name, member in value.items()]


def _plain(member: Any) -> str:
    if isinstance(member, str):
        return member
    return "" if member is None else json.dumps(member, ensure_ascii=False)
