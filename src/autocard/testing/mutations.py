"""What conformance suites do to messages, and the client they watch adapters with."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from types import MappingProxyType
from typing import Any, Final

import attrs

from autocard.spi import Inbound, Response, Secret, UnknownOutcome

_EVERY_BYTE_UP_TO: Final = 2048
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_FORM: Final = "application/x-www-form-urlencoded"
GARBAGE: Final = (
    b"",
    b"\xff\xfe\x00",
    b"<html><title>502</title></html>",
    b"null",
    b"[]",
    b'"text"',
    b"0",
    b"{}",
    b"[" * 100_000,
    b'{"code": 0}',
    b'{"code": 1, "data": {}}',
    b'{"code": [], "data": [1, null, {}]}',
    b'{"code": "\\ud800", "status": "\\ud800"}',
)
"""Bodies that no API should send, and some do."""
_MAINTENANCE: Final = "<html><body>系统维护中，请稍后再试</body></html>"
NO_ANSWERS: Final = (
    b"",
    b"\xff\xfe\x00",
    b"<html><title>502</title></html>",
    _MAINTENANCE.encode(),
    _MAINTENANCE.encode("gb18030"),
    b"null",
    b'"text"',
    b"0",
    b"true",
    b"{}",
    b"[" * 100_000,
    *(random.Random(seed).randbytes(40) for seed in range(20)),  # noqa: S311 - the same in every run
)
"""Bodies that are no API's words at all: nothing may be concluded from them."""
_MOST_PLACES: Final = 60
_MOST_CUTS: Final = 40
_DROPPED: Final = object()


@attrs.frozen
class SentRequest:
    """One request that went through the client of a test; `repr` shows no contents."""

    method: str
    url: str
    safe: bool
    params: Mapping[str, str] = attrs.field(default=_NOTHING, repr=False)
    headers: Mapping[str, str] = attrs.field(default=_NOTHING, repr=False)
    form: Mapping[str, str] = attrs.field(default=_NOTHING, repr=False)
    json: Any = attrs.field(default=None, repr=False)
    body: bytes = attrs.field(default=b"", repr=False)


class CountingClient:
    """A client that notes every request and gives one answer, or raises one error."""

    def __init__(self, answer: Response | Exception) -> None:
        self._answer = answer
        self.requests: list[SentRequest] = []

    def request(
        self,
        method: str,
        url: str,
        *,
        safe: bool,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        json: Any = None,
        body: bytes | None = None,
        **_: Any,
    ) -> Response:
        """Note the request, then answer or raise."""
        sent = SentRequest(
            method, url, safe, params or {}, headers or {}, form or {}, json, body or b""
        )
        answer = self.answer(len(self.requests))
        self.requests.append(sent)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def answer(self, number: int) -> Response | Exception:  # noqa: ARG002 - for subclasses
        """Return what request *number*, counted from 0, is answered. May be overridden."""
        return self._answer


class RehearsedClient(CountingClient):
    """
    A client that notes every request and gives *answers* one after another.

    With *trouble*, request number *at* gets that in place of its answer. A request for which no
    answer is left is an `AssertionError`.
    """

    def __init__(
        self,
        answers: Sequence[Response],
        *,
        at: int | None = None,
        trouble: Response | Exception | None = None,
    ) -> None:
        super().__init__(trouble or AssertionError("no trouble was given"))
        self._answers = answers
        self._at = at

    def answer(self, number: int) -> Response | Exception:
        """Return what request *number* was to be answered."""
        if number == self._at:
            return self._answer
        if number >= len(self._answers):
            return AssertionError(
                f"a call made request number {number + 1}; {len(self._answers)} were expected"
            )
        return self._answers[number]


def _positions(length: int) -> Sequence[int]:
    if length <= _EVERY_BYTE_UP_TO:
        return range(length)
    return sorted(random.Random(length).sample(range(length), _EVERY_BYTE_UP_TO))  # noqa: S311 - a sample


def flipped(inbound: Inbound) -> Iterator[tuple[str, Inbound]]:
    """Yield *inbound* with the lowest bit of one character of query, body or header turned over."""
    query, body = inbound.query, inbound.body
    for name, text in inbound.headers.items():
        for at in _positions(len(text)):
            changed_text = text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :]
            headers = {**inbound.headers, name: changed_text}
            yield f"character {at} of the header {name}", attrs.evolve(inbound, headers=headers)
    for at in _positions(len(query)):
        other = query[:at] + chr(ord(query[at]) ^ 1) + query[at + 1 :]
        yield f"character {at} of the query", attrs.evolve(inbound, query=other)
    for at in _positions(len(body)):
        changed = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        yield f"byte {at} of the body", attrs.evolve(inbound, body=changed)


def without_parameter(inbound: Inbound) -> Iterator[tuple[str, Inbound]]:
    """Yield *inbound* without one parameter of its query or form, each in turn."""
    for at, left in _shortened(inbound.query):
        yield f"parameter {at} of the query", attrs.evolve(inbound, query=left)
    if inbound.headers.get("content-type", "").startswith(_FORM):
        for at, left in _shortened(inbound.body.decode("latin-1")):
            changed = attrs.evolve(inbound, body=left.encode("latin-1"))
            yield f"parameter {at} of the form", changed


def _shortened(form: str) -> Iterator[tuple[int, str]]:
    parts = form.split("&") if form else []
    for at in range(len(parts)):
        yield at, "&".join(parts[:at] + parts[at + 1 :])


def noise(received: list[Inbound]) -> Iterator[Inbound]:
    """Yield messages that nobody would send: cut, doubled, mangled, empty, of odd types."""
    chance = random.Random(len(received))  # noqa: S311 - the same noise in every run
    for inbound in received:
        for method in ("GET", "POST", "PUT", ""):
            yield attrs.evolve(inbound, method=method)
        for body in GARBAGE:
            yield attrs.evolve(inbound, body=body)
        for query in (
            "",
            "&&=&",
            "%",
            "%ff=%ff",
            "\ud800=\ud800",
            "a=1&a=2",
            "sign=" + "A" * 70_000,
        ):
            yield attrs.evolve(inbound, query=query)
        yield attrs.evolve(inbound, query=inbound.query * 2, body=inbound.body * 2)
        yield attrs.evolve(inbound, headers={})
        for _ in range(50):
            raw = chance.randbytes(chance.randrange(80))
            yield attrs.evolve(inbound, query=raw.decode("latin-1"), body=raw)


def scrambled(fields: Mapping[str, str], seed: int) -> dict[str, str]:
    """Return *fields* with some values replaced by odd ones, the same for the same *seed*."""
    chance = random.Random(seed)  # noqa: S311 - the same noise in every run
    odd = ("", "0", "-1", "1e9", "99999999999999999999", "NaN", "\x00", "\ud800", "9.999999")
    return {name: chance.choice((value, *odd)) for name, value in fields.items()}


def refusals() -> Iterator[Response | Exception]:
    """Yield answers that no call can make much of, a lost one first."""
    yield UnknownOutcome("lost")
    for status in (200, 403, 500):
        for body in (b"<html>", b'{"code": -1}', b'{"code": 1}'):
            yield Response(status=status, body=body)


def secrets_of(options: Any) -> Iterator[tuple[str, Secret]]:
    """Yield the secrets among *options*, an attrs value, with the names of their fields."""
    for field in attrs.fields(type(options)):
        value = getattr(options, field.name)
        several = value if isinstance(value, (list, tuple)) else (value,)
        yield from ((field.name, one) for one in several if isinstance(one, Secret))


def cut_short(body: bytes) -> Iterator[bytes]:
    """Yield beginnings of *body* that have lost more than white space, evenly spread."""
    length = len(body.rstrip())
    yield from (body[:at] for at in _spread(range(length), _MOST_CUTS))


def reworded(body: bytes) -> Iterator[tuple[str, bytes]]:
    """
    Yield the JSON *body* with one of its values dropped or replaced by one that nobody says.

    Each comes with the name of its place. A body that is no JSON object or list yields nothing.
    """
    said = read_json(body)
    for path in _spread(list(_paths(said)), _MOST_PLACES):
        where = ".".join(map(str, path))
        for odd in (None, [], {}, "autocard-odd", -987_654_321, _DROPPED):
            yield where, json.dumps(_changed(said, path, odd)).encode()


def read_json(body: bytes) -> Any:
    """Return the JSON value in *body*; None where there is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _spread(things: Sequence[Any], most: int) -> Sequence[Any]:
    """Return at most about *most* of *things*, evenly spread."""
    return things[:: max(1, -(-len(things) // most))]


def _paths(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    names: Any = ()
    if isinstance(value, dict):
        names = value
    elif isinstance(value, list):
        names = range(len(value))
    for name in names:
        yield (*above, name)
        yield from _paths(value[name], (*above, name))


def _changed(said: Any, path: tuple[Any, ...], odd: Any) -> Any:
    changed = deepcopy(said)
    place = changed
    for name in path[:-1]:
        place = place[name]
    if odd is _DROPPED:
        del place[path[-1]]
    else:
        place[path[-1]] = odd
    return changed
