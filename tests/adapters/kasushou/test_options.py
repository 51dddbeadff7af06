"""The settings of the kasushou adapter, and its registration."""

from __future__ import annotations

import pytest

from autocard.adapters import kasushou
from autocard.adapters.kasushou import KasushouOptions, KasushouSupplier
from autocard.config.structure import structure_options
from autocard.spi import Secret

GOOD = {
    "base_url": "https://cards.example.com", "user_id": "10086",
    "credential": Secret("secret-api-key-text"),
}  # fmt: skip


def test_adapter_registers_itself() -> None:
    """Asked to register, the package offers the kasushou supplier and nothing else."""

    class Registry:
        def __init__(self) -> None:
            self.suppliers = []

        def supplier(self, adapter) -> None:
            self.suppliers.append(adapter)

    registry = Registry()
    kasushou.autocard_register(registry)
    assert registry.suppliers == [KasushouSupplier]
    assert KasushouSupplier.name == "kasushou"


@pytest.mark.parametrize("written", ["https://h.example.com/shop", "https://h.example.com/shop//"])
def test_address_may_have_a_folder(written) -> None:
    """The address of the site may have a sub-folder, with or without its last slash."""
    options = KasushouOptions(**{**GOOD, "base_url": written})
    assert options.page("order/buy") == "https://h.example.com/shop/api/v1/order/buy"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("base_url", ""), ("base_url", "cards.example.com"), ("base_url", "ftp://h/"),
        ("base_url", "https://h/?a=1"), ("base_url", "https://h/#a"), ("base_url", "https://u:p@h/"),
        ("base_url", "https://[::1"), ("user_id", ""), ("user_id", "10 86"), ("user_id", "1\r\nX: y"),
        ("credential", Secret("")), ("credential", Secret("secret-api-key-text\n")),
        ("credential", Secret("密钥")), ("notify_url", "/hooks"), ("notify_url", "ftp://h/"),
        ("success_codes", ()), ("success_codes", (200, 400)), ("success_codes", (500,)),
        ("repeated_words", ()), ("repeated_words", ("重复", "")), ("target_field", ""),
        ("window_s", 0), ("option_fields", {"区服": "recharge_account"}),
    ],
)  # fmt: skip
def test_wrong_settings_are_named(field, value) -> None:
    """A setting that cannot work is refused with its name, and a credential is not quoted."""
    with pytest.raises(ValueError, match=f"^{field}: ") as caught:
        KasushouOptions(**{**GOOD, field: value})
    assert "secret-api-key-text" not in str(caught.value)


def test_settings_of_a_file_are_read() -> None:
    """Lists, tables and numbers of a TOML table become settings that nobody can change."""
    table = {
        "base_url": "https://cards.example.com", "user_id": "10086", "credential": "secret-text",
        "success_codes": [0, 1], "repeated_words": ["重复"], "option_fields": {"区服": "lblName1"},
    }  # fmt: skip
    options = structure_options(KasushouOptions, table, "suppliers.kss")
    assert options.success_codes == (0, 1)
    assert options.repeated_words == ("重复",)
    assert options.credential == Secret("secret-text")
    with pytest.raises(TypeError):
        options.option_fields["区服"] = "other"
    assert hash(options) == hash(structure_options(KasushouOptions, table, "suppliers.kss"))


def test_options_show_no_secret() -> None:
    """The repr of options and adapter shows no credential."""
    options = KasushouOptions(**GOOD)
    shown = repr(options) + repr(KasushouSupplier(options, client=None))
    assert "secret-api-key-text" not in shown
