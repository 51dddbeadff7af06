"""The settings of the fulu adapter, and its registration."""

from __future__ import annotations

import attrs
import pytest

from autocard.adapters import fulu
from autocard.adapters.fulu import FuluOptions, FuluSupplier
from autocard.config import structure_options
from autocard.spi import Secret

SECRET = "9f8e7d6c5b4a39281706f5e4d3c2b1a0"
GOOD = {"app_key": Secret("i4esv1l+76l/7NQCL3QudG90Fq+YgVfF="), "credential": Secret(SECRET)}


def test_adapter_registers_itself() -> None:
    """Asked to register, the package offers the fulu supplier and nothing else."""

    class Registry:
        def __init__(self) -> None:
            self.suppliers = []

        def supplier(self, adapter) -> None:
            self.suppliers.append(adapter)

    registry = Registry()
    fulu.autocard_register(registry)
    assert registry.suppliers == [FuluSupplier]
    assert FuluSupplier.name == "fulu"


def test_two_settings_are_enough() -> None:
    """With the two credentials alone the adapter speaks to Fulu itself, codes included."""
    options = FuluOptions(**GOOD)
    assert options.gateway_url == "https://openapi.fulu.com/api/getway"
    assert options.refused_codes == (3001, 3002, 3003, 3004, 3005, 3008)
    assert options.missing_codes == ()
    assert not options.require_callback_sign


def test_settings_are_read_from_a_table() -> None:
    """Every setting can stand in a configuration file."""
    table = {
        "app_key": "demoAppKey0001", "credential": SECRET, "shop_type": "淘宝",
        "gateway_url": "https://cards.example.com/api/rechargeapi/gateway",
        "refused_codes": [3001], "missing_codes": [4004], "require_callback_sign": True,
        "option_fields": {"大区": "charge_game_region", "备注": ""},
    }  # fmt: skip
    options = structure_options(FuluOptions, table)
    assert options.app_key == Secret("demoAppKey0001")
    assert (options.refused_codes, options.missing_codes) == ((3001,), (4004,))
    assert options.option_fields["备注"] == ""


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("app_key", Secret("")), ("app_key", Secret("demo key")), ("app_key", Secret("demo\n")),
        ("credential", Secret("")), ("credential", Secret(SECRET + "\n")),
        ("credential", Secret(SECRET[:-1])), ("credential", Secret("密" * 32)),
        ("gateway_url", ""), ("gateway_url", "openapi.fulu.com"), ("gateway_url", "ftp://h/"),
        ("gateway_url", "https://u:p@h/"), ("gateway_url", "https://[::1"), ("shop_type", "拼多多"),
        ("refused_codes", (0,)), ("missing_codes", (3001, 0)),
        ("option_fields", {"大区": "charge_account"}),
    ],
)  # fmt: skip
def test_wrong_settings_are_named(field, value) -> None:
    """A setting that cannot work is refused with its name, and a credential is not quoted."""
    with pytest.raises(ValueError, match=f"^{field}: ") as caught:
        FuluOptions(**{**GOOD, field: value})
    assert SECRET[:-1] not in str(caught.value)


def test_options_show_no_secret() -> None:
    """The repr of options and adapter shows no credential; options are values."""
    options = FuluOptions(**GOOD, option_fields={"大区": "charge_game_region"})
    text = repr(options) + repr(FuluSupplier(options, client=None))
    assert SECRET not in text
    assert GOOD["app_key"].reveal() not in text
    assert options == attrs.evolve(options)
    assert hash(options) == hash(attrs.evolve(options))
