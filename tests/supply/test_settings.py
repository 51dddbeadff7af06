"""Settings of suppliers and of what is bought: wrong ones are refused before anything is bought."""

from __future__ import annotations

import pytest

from autocard.errors import ConfigurationError


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"sku": {"sources": ["supplier:acne"]}}, r"no supplier 'acne'; .*acme"),
        ({"sku": {"kind": "shared"}}, "a shared card is not bought"),
        ({"sku": {"target": "phone"}}, "target"),
        ({"sku": {"kind": "topup", "sources": ["supplier:acme"], "target": "fax"}}, "target"),
        (
            {"sku": {"kind": "topup", "sources": ["supplier:acme"], "target": "pattern:("}},
            "regular",
        ),
        ({"sku": {"restock": {"quantity": 5}, "low": 3}}, "ceiling"),
        ({"sku": {"restock": {"quantity": 5}, "ceiling": "8.00 CNY"}}, "low"),
        ({"sku": {"restock": {"quantity": 0}, "ceiling": "8.00 CNY", "low": 1}}, "quantity"),
        ({"acme": {"rate": "0"}}, "rate"),
        ({"acme": {"rate": 7}}, "rate"),
        ({"acme": {"items": {"steem": "a1"}}}, r"no sku 'steem'; .*steam"),
        ({"acme": {"daily_budget": "5.00 EUR"}}, "daily_budget: must be in CNY"),
        ({"acme": {"timeout_s": 30.1}}, r"\[supply\] lease_s: must be at least 6 times"),
        ({"acme": {"adapter": "scripted"}}, "is no supplier"),
        ({"acme": {"adapter": "fulu2"}}, "fulu2"),
        ({"platforms": {"acme": {"adapter": "scripted"}}}, "a platform has the same name"),
    ],
)
def test_what_cannot_be_is_refused(market, tables, said):
    """The message names the table and the field."""
    with pytest.raises(ConfigurationError, match=said):
        market.open(**tables)
