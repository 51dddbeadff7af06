"""A merchant buys from real adapters and misbehaving suppliers, and the books balance to the cent."""

from __future__ import annotations

import pytest

from .merchant import Merchant
from .sellers import AcgFaka, Fulu, Kasushou, Kinguin

pytestmark = pytest.mark.long

ORDERS = 1000


@pytest.mark.parametrize(
    ("kinds", "seed"),
    [((Fulu, Kasushou), 1), ((AcgFaka, Kinguin), 2)],
    ids=["fulu-kasushou", "acg_faka-kinguin"],
)
def test_a_thousand_orders_in_bad_weather(kinds, seed, folder):
    """Each is served once or waits with a reason, and every cent that was taken is accounted for."""
    first, second = (kind() for kind in kinds)
    with first, second, Merchant(folder, [first, second], hosts=2) as merchant:
        merchant.import_cards(100)
        merchant.serve(ORDERS, threads=4, seed=seed)
        merchant.settle()
        merchant.check()
        merchant.decide()
        merchant.check()
        outcomes = merchant.outcomes()
        assert merchant.decided, "the weather was fine"
        assert outcomes["delivered/"] > 0.98 * outcomes.total()
