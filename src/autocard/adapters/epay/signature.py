"""What epay signs and how: one string for MD5 and RSA, built from all parameters."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import unquote_plus

from autocard.spi import Secret, VerificationError, rsa_sign, rsa_verify, same

_UNSIGNED: Final = frozenset({"sign", "sign_type"})
# What PHP's trim() takes away; Python's strip() would take more.
_BLANK: Final = " \t\n\r\0\x0b"
_MD5_HEX: Final = re.compile(r"[0-9a-fA-F]{32}")


def form_pairs(text: str) -> Iterator[tuple[str, str]]:
    """
    Yield the names and values of a query string or form, decoded, in their order.

    Bytes that are not UTF-8 become lone surrogates, so that `form_bytes` gives them back.
    """
    for part in filter(None, text.split("&")):
        name, _, value = part.partition("=")
        yield (
            unquote_plus(name, errors="surrogateescape"),
            unquote_plus(value, errors="surrogateescape"),
        )


def form_bytes(text: str) -> bytes:
    """Return the bytes that *text* was decoded from; `UnicodeEncodeError` when there are none."""
    return text.encode("utf-8", "surrogateescape")


def signing_text(fields: Mapping[str, str], *, keep_blank: bool = False) -> str:
    """
    Return the string that is signed, for MD5 without the key.

    All parameters are in it, sorted by the bytes of their names, except `sign`, `sign_type` and
    empty ones. A value of nothing but white space counts as empty unless *keep_blank*.

    Source: epay specification, section 3.1.
    """
    signed = {
        name: value
        for name, value in fields.items()
        if name not in _UNSIGNED and (value if keep_blank else value.strip(_BLANK))
    }
    # Code points and UTF-8 bytes sort alike.
    return "&".join(f"{name}={signed[name]}" for name in sorted(signed))


def md5_signature(
    fields: Mapping[str, str], credential: Secret, *, keep_blank: bool = False
) -> str:
    """
    Return the V1 signature of *fields*: lower-case hex.

    Secrets: reveals *credential* once, into the digest only.
    Source: epay specification, section 3.2.
    """
    digest = hashlib.md5(form_bytes(signing_text(fields, keep_blank=keep_blank)))
    digest.update(credential.reveal().encode())
    return digest.hexdigest()


def rsa_signature(fields: Mapping[str, str], private_key: Secret) -> str:
    """
    Return the V2 signature of *fields*: RSA, SHA-256, PKCS #1 v1.5, base64.

    Raises:
        ConfigurationError: The key cannot be read.

    Source: epay specification, section 3.3.
    """
    return rsa_sign(private_key, form_bytes(signing_text(fields)))


def is_md5_signed(fields: Mapping[str, str], credential: Secret) -> bool:
    """
    Say whether `sign` is the MD5 signature of all other *fields*; its case does not matter.

    Build 3096 drops values of white space only, older builds sign them: either will do.
    """
    sign = fields.get("sign", "")
    if not _MD5_HEX.fullmatch(sign):
        return False
    return any(
        same(sign.lower(), md5_signature(fields, credential, keep_blank=keep_blank))
        for keep_blank in (False, True)
    )


def is_rsa_signed(fields: Mapping[str, str], public_key: str) -> bool:
    """Say whether `sign` is the RSA signature of all other *fields*."""
    texts = {signing_text(fields), signing_text(fields, keep_blank=True)}
    return any(_verifies(public_key, form_bytes(text), fields.get("sign", "")) for text in texts)


def _verifies(public_key: str, message: bytes, signature: str) -> bool:
    try:
        rsa_verify(public_key, message, signature)
    except VerificationError:
        return False
    return True
