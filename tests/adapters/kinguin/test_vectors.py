"""What the Kinguin adapter says, byte by byte, and how it compares the webhook secret."""

from __future__ import annotations

import hashlib
from decimal import Decimal, localcontext

import attrs
import pytest

from autocard.adapters.kinguin import KinguinOptions, KinguinSupplier
from autocard.adapters.kinguin.replies import euros
from autocard.adapters.kinguin.translate import headers, is_secret, order_body
from autocard.spi import Money, RejectedError, Response, Secret
from autocard.testing.mutations import CountingClient

SANDBOX = "https://gateway.sandbox.kinguin.net/esa/api"
BODY = (
    b'{"products":[{"productId":"65a0c0ffee00112233445566","qty":1,"price":5.79,'
    b'"keyType":"text"}],"orderExternalId":"ord-1001-1"}'
)
SHA256 = "cd38bd867c04330ff07d6990bfa3a1d382e9419da930ace5d5d7a63efdad9367"


def test_v1_balance_is_asked_with_the_key_in_a_header() -> None:
    """Asking for the balance is a GET without query and body that carries the API key."""
    options = KinguinOptions(base_url=SANDBOX, credential=Secret("kgn_demo_4f1d"))
    client = CountingClient(Response(status=200, body=b'{"balance": 12.45}'))
    assert KinguinSupplier(options, client).balance() == Money("12.45", "EUR")
    [request] = client.requests
    assert (request.method, request.url) == ("GET", f"{SANDBOX}/v1/balance")
    assert request.safe
    assert headers(options)["X-Api-Key"] == "kgn_demo_4f1d"
    assert "Api-Ecommerce-Auth" not in headers(options)


def test_v2_search_encodes_the_number(sim, store, wish) -> None:
    """A number with a slash and a blank is encoded in the query, and found."""
    sim.sell("65a0c0ffee00112233445566", "5.79", ["AAAAA-BBBBB-CCCCC"])
    purchase = wish(reference="ord-1001/1 a")
    store.buy(purchase)
    assert store.find_purchase(purchase).cards[0].secret.reveal() == "AAAAA-BBBBB-CCCCC"
    assert list(sim.sold) == ["ord-1001/1 a"]


def test_v3_secret_may_be_decoded_in_two_ways() -> None:
    """A secret beyond ASCII is accepted as text, and as one character for each byte."""
    secret = Secret("s3cret-ü")
    assert is_secret("s3cret-Ã¼", secret)
    assert is_secret("s3cret-ü", secret)
    assert not is_secret("s3cret-u", secret)


def test_v4_trailing_blank_is_another_secret() -> None:
    """A blank after the secret is not stripped here."""
    assert is_secret("abc", Secret("abc"))
    assert not is_secret("abc ", Secret("abc"))


@pytest.mark.parametrize("said", ["", "abc", "\ud800", "汉"])
def test_v5_empty_secret_accepts_nothing(said) -> None:
    """Without a configured secret every message is refused, an empty one too."""
    assert not is_secret(said, Secret(""))


def test_order_is_written_byte_by_byte(wish) -> None:
    """The body of an order for one text key is exactly the documented JSON."""
    purchase = wish(reference="ord-1001-1", ceiling=Money("5.79", "EUR"))
    body = order_body(purchase, text_only=True)
    assert body == BODY
    assert len(body) == 124
    assert hashlib.sha256(body).hexdigest() == SHA256


def test_any_key_may_be_ordered(wish) -> None:
    """Without `text_only` nothing is said of the kind of key; prices have two decimals."""
    body = order_body(wish(quantity=9, ceiling=Money(6, "EUR")), text_only=False)
    assert body == (
        b'{"products":[{"productId":"65a0c0ffee00112233445566","qty":9,"price":6.00}],'
        b'"orderExternalId":"a1reference0000001"}'
    )


@pytest.mark.parametrize(
    "item", ["", "1949", "Counter-Strike", '65a0c0ff"}', "65a0c0ffee,65a0c0ff"]
)
def test_items_that_are_no_product_ids_are_not_sent(item, wish) -> None:
    """A `kinguinId` and anything else that is no `productId` is refused before it is sent."""
    with pytest.raises(RejectedError, match="productId"):
        order_body(wish(item=item), text_only=True)


def test_ceiling_is_in_euros(wish) -> None:
    """A ceiling in another currency is refused before anything is sent."""
    with pytest.raises(RejectedError, match="EUR"):
        order_body(wish(ceiling=Money(6, "USD")), text_only=True)


@pytest.mark.parametrize(
    ("said", "cents"),
    [
        (Decimal("5.79"), 579), ("5.79", 579), (6, 600), ("6", 600), (0, 0),
        (Decimal("17.369999999999997"), 1737), (Decimal("5.790000000000001"), 579),
        (Decimal("-3.50"), -350), (Decimal("1E+2"), 10_000), (Decimal("0.005"), 1),
    ],
)  # fmt: skip
def test_amounts_become_whole_cents(said, cents) -> None:
    """JSON numbers and their texts are read exactly, and the noise of floats is rounded away."""
    with localcontext(prec=3):
        assert euros(said).minor == cents


@pytest.mark.parametrize(
    "said",
    [None, True, "", "5,79", "NaN", " 5", "1e3", "-1", [], {}, 5.79, Decimal("NaN"),
     Decimal("Infinity"), Decimal("1E+999"), 10**30, "٥"],
)  # fmt: skip
def test_what_is_no_amount_is_none(said) -> None:
    """What is no amount, a float among it, is none."""
    assert euros(said) is None


def test_addresses_are_made_of_the_base(options) -> None:
    """A slash at the end of the base address makes no difference."""
    assert options.url("v1/balance") == "https://gateway.kinguin.net/esa/api/v1/balance"
    slashed = attrs.evolve(options, base_url=f"{SANDBOX}/")
    assert slashed.url("v2/order") == f"{SANDBOX}/v2/order"
