"""What Fulu signs and how: every character of a compact JSON text, sorted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from autocard.spi import Secret, same


def compact(members: Mapping[str, Any]) -> str:
    """Return *members* as JSON without blanks, with `/` and Chinese text as they are."""
    return json.dumps(members, ensure_ascii=False, separators=(",", ":"))


def parsed(text: str | bytes) -> Any:
    """Return the value of a JSON *text*, its fractions as `Decimal`; None where it is not JSON."""
    try:
        plain = text if isinstance(text, str) else text.decode("utf-8-sig")
        return json.loads(plain, parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, ArithmeticError, RecursionError):
        return None  # not raised from here: the parser's error holds the whole text


def _no_number(_: str) -> Any:
    raise ValueError("JSON has no such number")


def signing_text(text: str) -> str:
    """Return the characters of *text* by code point, which is what is signed."""
    return "".join(sorted(text))


def signature(text: str, credential: Secret) -> str:
    """
    Return the signature of *text*: MD5 over its sorted characters and the secret, in hex.

    Secrets: reveals *credential* once, into the digest only.
    Source: Fulu open platform, signature rules; samples of its Java and PHP kits.
    """
    # A lone surrogate is nothing that Fulu could have signed, and must not become an error.
    digest = hashlib.md5(signing_text(text).encode("utf-8", "surrogatepass"))
    digest.update(credential.reveal().encode())
    return digest.hexdigest()


def is_signed(text: str, sign: str, credential: Secret) -> bool:
    """Say whether *sign* is the signature of *text*; its case does not matter."""
    return same(sign.lower(), signature(text, credential))
