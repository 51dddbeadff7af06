"""The settings of the acg_faka adapter, its items, its registration and its page."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from autocard.adapters import acg_faka
from autocard.adapters.acg_faka import AcgFakaOptions, AcgFakaSupplier
from autocard.adapters.acg_faka.goods import Good, code_of, good_from_item
from autocard.adapters.acg_faka.ini import sections_from_ini
from autocard.spi import Capability, RejectedError, Secret
from autocard.testing import CountingClient

GOOD = {
    "base_url": "https://up.example.com", "app_id": "1000", "credential": Secret("SECRETTEXT123"),
}  # fmt: skip
PAGE = Path(__file__).parents[3] / "docs" / "adapters" / "acg_faka.md"


def test_adapter_registers_itself() -> None:
    """Asked to register, the package offers the acg_faka supplier and nothing else."""

    class Registry:
        def __init__(self) -> None:
            self.suppliers = []

        def supplier(self, adapter) -> None:
            self.suppliers.append(adapter)

    registry = Registry()
    acg_faka.autocard_register(registry)
    assert registry.suppliers == [AcgFakaSupplier]
    assert AcgFakaSupplier.name == "acg_faka"
    assert AcgFakaSupplier.calls_at_once == 1


def test_only_v3_may_repeat() -> None:
    """What a v4 shop makes of a repetition is not known, so that it is not promised."""
    for dialect, may_repeat in (("v3", True), ("v4", False)):
        supplier = AcgFakaSupplier(AcgFakaOptions(**GOOD, dialect=dialect), CountingClient(None))
        assert (Capability.REPEAT_PURCHASE in supplier.capabilities) is may_repeat
        assert Capability.FIND_PURCHASE not in supplier.capabilities


def test_address_loses_its_last_slash() -> None:
    """The address of the shop may end with a slash."""
    assert AcgFakaOptions(**{**GOOD, "base_url": "https://h/"}).base_url == "https://h"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("base_url", ""), ("base_url", "up.example.com"), ("base_url", "ftp://h"),
        ("base_url", "https://h?a=1"), ("base_url", "https://u:p@h"), ("base_url", "https://h#x"),
        ("app_id", ""), ("app_id", "shop"), ("app_id", "10 01"), ("credential", Secret("")),
        ("credential", Secret("SECRETTEXT123\n")), ("credential", Secret("SECRET%20TEXT")),
        ("dialect", "v2"), ("currency", "yuan"), ("contact", ""), ("contact", "x" * 33),
        ("contact", "a\nb"), ("apologies", [""]), ("doubtful", ["x", " "]),
    ],
)  # fmt: skip
def test_wrong_settings_are_named(field, value) -> None:
    """A setting that cannot work is refused with its name, and a credential is not quoted."""
    with pytest.raises(ValueError, match=f"^{field}: ") as caught:
        AcgFakaOptions(**{**GOOD, field: value})
    assert "SECRET" not in str(caught.value)


def test_settings_do_not_change() -> None:
    """Options are frozen, and texts of waiting are compared without their blanks."""
    options = AcgFakaOptions(**GOOD, waiting={"MAN0001": " 请稍候\r\n谢谢 \n"})
    assert options.waiting == {"MAN0001": "请稍候\n谢谢"}
    with pytest.raises(TypeError):
        options.waiting["MAN0001"] = "x"
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        options.app_id = "1"


# --- items ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("item", "good"),
    [
        ("AUTO0001", Good(code="AUTO0001")),
        (" AUTO0001 ", Good(code="AUTO0001")),
        ("RACE0001?race=月卡", Good(code="RACE0001", race="月卡")),
        (
            "SKUA?race=a b&sku[颜色]=红&sku[尺寸]=L&acct=12345",
            Good(
                code="SKUA", race="a b", choices={"颜色": "红", "尺寸": "L"},
                fields={"acct": "12345"},
            ),
        ),
        ("A1?race=50%25 off%26more&sku[a%3Db]=1+1", Good(
            code="A1", race="50% off&more", choices={"a=b": "1+1"}
        )),
    ],
)  # fmt: skip
def test_items_say_what_is_chosen(item, good) -> None:
    """An item is a code, and after ? race, choices and fields, escaped as in an address."""
    assert good_from_item(item, "v3") == good
    assert list(good_from_item(item, "v3").choices) == list(good.choices)
    assert code_of(item) == good.code


@pytest.mark.parametrize(
    "item",
    [
        "", "?race=a", "A B", "A1?race", "A1?race=", "A1?=x", "A1?race=a&race=b", "A1?num=5",
        "A1?sku=x", "A1?sku[a=x", "A1?sku[a][b]=x", "A1?my.field=x", "A1?my field=x", "A1?9=x",
        "A1?sign=x", "A1?acct=%00", "A1?acct=\ud800", "A" * 65, "A1&race=a",
    ],
)  # fmt: skip
def test_malformed_items_are_refused(item) -> None:
    """An item that the shop would misread is refused before anything is sent."""
    with pytest.raises(ValueError, match="item"):
        good_from_item(item, "v3")


@pytest.mark.parametrize("item", ["AUTO0001", "12?race=月卡", "12?sku[颜色]=红", "-1", "١٢"])
def test_v4_items_are_numbers(item, v4, order) -> None:
    """With v4 an item is the number of a sku, perhaps with fields."""
    assert good_from_item("12?acct=1", "v4") == Good(code="12", fields={"acct": "1"})
    client = CountingClient(None)
    with pytest.raises(RejectedError, match="v4"):
        AcgFakaSupplier(v4, client).buy(order(item))
    with pytest.raises(RejectedError, match="v4"):
        AcgFakaSupplier(v4, client).offers(["12", item])
    assert client.requests == []


def test_long_references_are_not_sent(v3, order) -> None:
    """The shop would cut a number of more than 19 characters and mistake it for another one."""
    client = CountingClient(None)
    with pytest.raises(RejectedError, match="19"):
        AcgFakaSupplier(v3, client).buy(order(reference="a" * 20))
    assert client.requests == []


def test_ini_text_is_read() -> None:
    """Sections, names with dots, and lines that are no assignment."""
    text = (
        "lost=1\r\n[category]\r\nmonth=10\nyear=90\n\n[sku]\ncolor.red=1\ncolor.blue=2\nnonsense\n"
        "color.red.deep=3\n[category]\nday=1"
    )
    assert sections_from_ini(text) == {
        "category": {"month": "10", "year": "90", "day": "1"},
        "sku": {"color": {"red": "1", "blue": "2"}},
    }


# --- the page ---------------------------------------------------------------------------------


def test_page_names_every_setting() -> None:
    """The page of the adapter has a row for each setting, and for nothing else."""
    table = PAGE.read_text("utf-8").partition("## Settings")[2].partition("## ")[0]
    named = [line.split("`")[1] for line in table.splitlines() if line.startswith("| `")]
    assert named == [field.name for field in attrs.fields(AcgFakaOptions)]
