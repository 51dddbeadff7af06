"""What kasushou signs and how: a time, compact JSON and the API key, by SHA-1."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from autocard.spi import EPOCH, Secret

_MILLISECOND: Final = timedelta(milliseconds=1)
_UNIT_ENDS: Final = str.maketrans({"\u2028": "\\u2028", "\u2029": "\\u2029"})


class Numeral(str):
    """A number of a JSON text, as it was written there: 19.80 stays 19.80."""

    __slots__ = ()


def read_json(body: bytes | str) -> Any:
    """Return the JSON value in *body* with its numbers as `Numeral`; None where there is none."""
    try:
        text = body.decode("utf-8-sig") if isinstance(body, bytes) else body
        return json.loads(text, parse_int=Numeral, parse_float=Numeral, parse_constant=Numeral)
    except (ValueError, RecursionError):
        return None  # not raised from here: the parser's error holds the whole body


def compact_json(value: Any, *, escapes_slashes: bool = False) -> str:
    r"""
    Return *value* as PHP writes it: compact, in its own order, characters as they are.

    Args:
        value: Mappings, lists, texts, whole numbers, `Numeral`, booleans and None.
        escapes_slashes: Write `/` as `\/`, as PHP does unless it is told not to.
    """
    match value:
        case Numeral():
            return str(value)
        case str():
            # These two characters end a line in old JavaScript, so PHP escapes them.
            text = json.dumps(value, ensure_ascii=False).translate(_UNIT_ENDS)
            return text.replace("/", "\\/") if escapes_slashes else text
        case Mapping():
            members = [
                f"{compact_json(name, escapes_slashes=escapes_slashes)}:"
                f"{compact_json(member, escapes_slashes=escapes_slashes)}"
                for name, member in value.items()
            ]
            return "{" + ",".join(members) + "}"
        case list() | tuple():
            items = [compact_json(item, escapes_slashes=escapes_slashes) for item in value]
            return "[" + ",".join(items) + "]"
        case _:
            return json.dumps(value)


def sorted_json(members: Mapping[str, Any], *, escapes_slashes: bool = False) -> str:
    """
    Return the JSON that is signed: *members* sorted by name, what is inside them as it is.

    Source: 卡速售 API 2.0, sections on the request signature and on callbacks.
    """
    # Code points and UTF-8 bytes sort alike.
    in_order = {name: members[name] for name in sorted(members)}
    return compact_json(in_order, escapes_slashes=escapes_slashes)


def timestamp(moment: datetime) -> str:
    """Return *moment* as 13 digits: milliseconds since 1970."""
    return str((moment - EPOCH) // _MILLISECOND)


def signature(time: str, text: str, credential: Secret) -> str:
    """
    Return the lower-case hex SHA-1 of *time*, the JSON *text* and the API key, in this order.

    Secrets: reveals *credential* once, into the digest only.
    """
    digest = hashlib.sha1(f"{time}{text}".encode("utf-8", "surrogatepass"))
    digest.update(credential.reveal().encode())
    return digest.hexdigest()
