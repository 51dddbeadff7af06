"""What an acg-faka shop signs and how: one string of all fields, MD5."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from autocard.spi import Secret


def signing_text(fields: Mapping[str, str]) -> str:
    """
    Return the string that is signed, without the secret at its end.

    All fields but `sign` are in it, sorted by the bytes of their names. Those of one map, such as
    `sku[颜色]` and `sku[尺寸]`, stay together in the order in which they are sent. An empty value is
    left out, except within a map.

    Source: acg-faka, `app/Util/Str.php`, `generateSignature`.
    """
    signed = {
        name: value for name, value in fields.items() if name != "sign" and (value or "[" in name)
    }
    # Code points and UTF-8 bytes sort alike, and sorting keeps the order of equals.
    return "&".join(f"{name}={signed[name]}" for name in sorted(signed, key=_outer))


def _outer(name: str) -> str:
    return name.partition("[")[0]


def signature(fields: Mapping[str, str], credential: Secret) -> str:
    """
    Return the signature of *fields*: MD5, lower-case hex.

    Secrets: reveals *credential* once, into the digest only.
    Source: acg-faka, `app/Util/Str.php`, `generateSignature`.
    """
    digest = hashlib.md5(signing_text(fields).encode())
    digest.update(b"&key=" + credential.reveal().encode())
    return digest.hexdigest()
