"""Ciphers that other people's wire formats use. What autocard itself seals is in `autocard.seal`."""

from __future__ import annotations

import base64
import contextlib

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from autocard.errors import ConfigurationError
from autocard.secret import Secret


def aes_ecb_decrypt(credential: Secret, sealed_b64: str) -> Secret | None:
    """
    Return the text behind *sealed_b64*; None when there is none that *credential* opens.

    The scheme is AES in ECB mode with PKCS #7 padding over UTF-8. It proves nothing: a text that
    opens may still have been changed on its way, so look at the signature of its message too.

    Args:
        credential: 16, 24 or 32 ASCII characters; their bytes are the AES key.
        sealed_b64: Standard base64, as it came.

    Raises:
        ConfigurationError: *credential* has another length.

    Secrets: reveals *credential* once, into the cipher only.
    """
    decryptor = Cipher(_algorithm(credential), modes.ECB()).decryptor()  # noqa: S305 - their scheme
    opened = None
    # Nothing is raised from in here, so that no error has the plaintext in its frames.
    with contextlib.suppress(ValueError):
        raw = base64.b64decode(sealed_b64, validate=True)
        unpadder = PKCS7(algorithms.AES.block_size).unpadder()
        padded = decryptor.update(raw) + decryptor.finalize()
        opened = Secret((unpadder.update(padded) + unpadder.finalize()).decode())
    return opened


def _algorithm(credential: Secret) -> algorithms.AES:
    with contextlib.suppress(ValueError):
        return algorithms.AES(credential.reveal().encode())
    raise ConfigurationError(
        "the credential that opens cards has 16, 24 or 32 ASCII characters; copy it again"
    )
