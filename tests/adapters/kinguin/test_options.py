"""The settings of the Kinguin adapter and its registration."""

from __future__ import annotations

import attrs
import pytest

from autocard.adapters import kinguin
from autocard.adapters.kinguin import KinguinOptions, KinguinSupplier
from autocard.config.structure import structure_options
from autocard.spi import ConfigurationError, Secret

GOOD = {"credential": Secret("secret-text")}


def test_adapter_registers_itself() -> None:
    """Asked to register, the package offers the Kinguin supplier and nothing else."""

    class Registry:
        def __init__(self) -> None:
            self.suppliers = []

        def supplier(self, adapter) -> None:
            self.suppliers.append(adapter)

    registry = Registry()
    kinguin.autocard_register(registry)
    assert registry.suppliers == [KinguinSupplier]
    assert KinguinSupplier.name == "kinguin"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("credential", Secret("")), ("credential", Secret("secret-text\n")),
        ("credential", Secret("secret text")), ("credential", Secret("钥匙")),
        ("webhook_secret", Secret("secret-text\n")), ("webhook_secret", Secret(" secret-text")),
        ("webhook_secret", Secret("secret\x00text")), ("webhook_secret", Secret("secret-\ud800")),
        ("base_url", ""), ("base_url", "gateway.kinguin.net"), ("base_url", "http://h/esa/api"),
        ("base_url", "https://u:p@h/"), ("base_url", "https://h/?a=1"), ("base_url", "https://h/#a"),
    ],
)  # fmt: skip
def test_wrong_settings_are_named(field, value) -> None:
    """A setting that cannot work is refused with its name, and a secret is not quoted."""
    with pytest.raises(ValueError, match=field) as caught:
        KinguinOptions(**{**GOOD, field: value})
    assert "secret" not in str(caught.value).replace("webhook_secret", "")


def test_plain_http_has_to_be_allowed() -> None:
    """An address without TLS is taken where the connection settings allow it."""
    table = {"credential": "secret-text", "base_url": "http://127.0.0.1:1/esa/api"}
    with pytest.raises(ConfigurationError, match="allow_http"):
        structure_options(KinguinOptions, table, "suppliers.k")
    options = structure_options(KinguinOptions, {**table, "allow_http": True}, "suppliers.k")
    assert options.url("v1/balance") == "http://127.0.0.1:1/esa/api/v1/balance"


def test_only_the_credential_is_needed() -> None:
    """The credential is enough: production, text keys, and no messages."""
    options = KinguinOptions(**GOOD)
    assert options.base_url == "https://gateway.kinguin.net/esa/api"
    assert options.text_only
    assert not options.webhook_secret


def test_options_show_no_secret() -> None:
    """The repr of options and adapter shows no secret."""
    options = attrs.evolve(KinguinOptions(**GOOD), webhook_secret=Secret("other-text"))
    text = repr(options) + repr(KinguinSupplier(options, client=None))
    assert "secret-text" not in text
    assert "other-text" not in text
