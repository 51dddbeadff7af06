"""The settings of the epay adapter, the pay page made from them, and its registration."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import attrs
import pytest

from autocard.adapters import epay
from autocard.adapters.epay import EpayOptions, EpayPlatform
from autocard.adapters.epay.translate import md5_signature, payment_form
from autocard.spi import Money, Secret

GOOD = {"base_url": "https://pay.example.com", "pid": "1001", "credential": Secret("secret-text")}
FORM = {
    "order_no": "A1001", "amount": Money("9.90", "CNY"), "name": "VIP 月卡",
    "notify_url": "https://shop.example.com/n", "return_url": "https://shop.example.com/r",
}  # fmt: skip


def test_adapter_registers_itself() -> None:
    """Asked to register, the package offers the epay platform and nothing else."""

    class Registry:
        def __init__(self) -> None:
            self.platforms = []

        def platform(self, adapter) -> None:
            self.platforms.append(adapter)

    registry = Registry()
    epay.autocard_register(registry)
    assert registry.platforms == [EpayPlatform]
    assert EpayPlatform.name == "epay"


def test_address_may_have_a_folder() -> None:
    """The address of the gateway may have a sub-folder, with or without its last slash."""
    for written in ("https://h.example.com/pay", "https://h.example.com/pay/"):
        options = EpayOptions(**{**GOOD, "base_url": written})
        assert options.page("api.php") == "https://h.example.com/pay/api.php"
        assert options.method("pay/query") == "https://h.example.com/pay/api/pay/query"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("base_url", ""), ("base_url", "pay.example.com"), ("base_url", "ftp://h/"),
        ("base_url", "https://h/?a=1"), ("base_url", "https://u:p@h/"), ("base_url", "https://h:x/"),
        ("base_url", "https://[::1"), ("pid", ""), ("pid", "shop"), ("pid", "10 01"),
        ("version", "v3"), ("credential", Secret("")), ("credential", Secret("secret-text\n")),
        ("credential", Secret("密钥")), ("notify_query", "shop=1&money=2"), ("window_s", 0),
        ("payable_s", -1),
    ],
)  # fmt: skip
def test_wrong_settings_are_named(field, value) -> None:
    """A setting that cannot work is refused with its name, and a credential is not quoted."""
    with pytest.raises(ValueError, match=field) as caught:
        EpayOptions(**{**GOOD, field: value})
    assert "secret-text" not in str(caught.value)


def test_wrong_currency_is_refused() -> None:
    """A currency is an ISO 4217 code."""
    with pytest.raises(ValueError, match="ISO 4217"):
        EpayOptions(**{**GOOD, "currency": "yuan"})


def test_v2_needs_its_keys(keys) -> None:
    """V2 asks for both RSA keys by name, and refuses what cannot be read."""
    base = {"base_url": "https://h/", "pid": "1001", "version": "v2"}
    with pytest.raises(ValueError, match="private_key"):
        EpayOptions(**base)
    with pytest.raises(ValueError, match="platform_public_key"):
        EpayOptions(**base, private_key=Secret(keys.private))
    with pytest.raises(Exception, match="public key"):
        EpayOptions(**base, private_key=Secret(keys.private), platform_public_key="AAAA")
    with pytest.raises(Exception, match="private key"):
        EpayOptions(**base, private_key=Secret("AAAA"), platform_public_key=keys.public)


def test_options_show_no_secret(v2, keys) -> None:
    """The repr of options and adapter shows no credential."""
    options = attrs.evolve(v2, credential=Secret(keys.md5))
    text = repr(options) + repr(EpayPlatform(options, client=None))
    assert keys.md5 not in text
    assert keys.private not in text


def test_payment_url_opens_the_v1_page(v1) -> None:
    """The V1 address is submit.php with signed parameters, and asks nobody."""
    address = EpayPlatform(v1, client=None).payment_url(*FORM.values())
    parts, said = urlsplit(address), dict(parse_qsl(urlsplit(address).query))
    assert parts.path == "/submit.php"
    assert said["money"] == "9.90"
    assert said["type"] == "alipay"
    assert said["sign"] == md5_signature(said, v1.credential)


def test_payment_url_opens_the_v2_page(v2) -> None:
    """The V2 address is /api/pay/submit with the time it was made."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    address = EpayPlatform(v2, client=None, now=lambda: now).payment_url(*FORM.values())
    assert urlsplit(address).path == "/api/pay/submit"
    assert dict(parse_qsl(urlsplit(address).query))["timestamp"] == str(int(now.timestamp()))


def test_empty_parameters_are_left_out(v1) -> None:
    """Without a method the buyer chooses; empty parameters are not sent at all."""
    assert "type" not in payment_form(v1, **FORM)
    assert payment_form(v1, **FORM, method="wxpay", param="b1")["param"] == "b1"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("order_no", ""), ("order_no", "A 1"), ("order_no", "订单"), ("order_no", "a" * 129),
        ("amount", Money("0", "CNY")), ("amount", Money("-1", "CNY")), ("amount", Money("1", "USD")),
        ("name", ""), ("name", "  "), ("name", "\ud800"), ("notify_url", "/n"),
        ("notify_url", "https://h/n?a=1"), ("notify_url", "https://h/n&x"), ("return_url", ""),
        ("return_url", "https://h/r?a=1&b=2"), ("param", "a&b"), ("param", "  "),
        ("method", "ali pay"),
    ],
)  # fmt: skip
def test_wrong_payment_arguments_are_named(field, value, v1) -> None:
    """What the gateway would refuse or change is refused here, by the argument's name."""
    with pytest.raises(ValueError, match=field):
        payment_form(v1, **{**FORM, field: value})


def test_notify_address_may_have_the_configured_query(v1) -> None:
    """A notify address may carry the parameters that notify_query names."""
    options = attrs.evolve(v1, notify_query="shop=3")
    form = payment_form(options, **{**FORM, "notify_url": "https://shop.example.com/n?shop=3"})
    assert form["notify_url"].endswith("?shop=3")


def test_v2_form_needs_the_time(v2) -> None:
    """A V2 form is signed with a time, which must be given."""
    with pytest.raises(ValueError, match="now"):
        payment_form(v2, **FORM)
