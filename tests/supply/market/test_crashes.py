"""A merchant's host dies before or after every commit and request; each supplier is paid once."""

from __future__ import annotations

import json
import shutil

import pytest
from tests.harness.crashing import victims_of

from autocard import Outcome
from autocard.codec import order_to_json

from .merchant import Merchant
from .sellers import AcgFaka, Fulu, Kasushou, Kinguin

pytestmark = pytest.mark.usefixtures("known_plugins")
MOST = 100
# Nothing goes wrong but the death; or the request, or its answer, was lost as well.
TROUBLES = ("", "drop_before", "drop_after")
CARDS = [(kind, "game", x) for kind in (Fulu, Kasushou, AcgFaka, Kinguin) for x in TROUBLES]
CHARGES = [(kind, "phone", "drop_after") for kind in (Fulu, Kasushou)]


def _id(value):
    return getattr(value, "name", value) or "fine"


@pytest.fixture(name="victims", scope="module")
def _victims():
    with victims_of("tests.supply.market.victim") as victims:
        yield victims


class Attempt:
    """One merchant and one supplier, and a host that dies at a point."""

    def __init__(self, folder, seller):
        self.folder, self.seller = folder, seller
        self.merchant = Merchant(folder, [seller])
        self.begun = self.merchant.clock.now()

    def order(self, sku):
        """Write the order down that the victim is to serve."""
        order = self.merchant.order((sku, 1 if sku == "phone" else 2))
        (self.folder / "order.json").write_text(json.dumps(order_to_json(order)))

    def message(self):
        """Buy, and write down what the supplier then posts, before anybody has asked it."""
        with self.merchant as merchant:
            merchant.engine.dispatch(merchant.order(("game", 2)))
            self.seller.work()
            (purchase,) = merchant.purchases()
            message = self.seller.message(purchase.reference, merchant.clock.now())
        said = (self.seller.name, dict(message.headers), message.body.decode())
        (self.folder / "message.json").write_text(json.dumps(said))

    def die(self, victims, point):
        """Let the victim die; return where, "" when it came through."""
        passed = self.merchant.clock.now() - self.begun
        (self.folder / "seconds").write_text(str(passed.total_seconds()))
        victims.begin(self.folder, point)
        return victims.death(self.folder)

    def recover(self):
        """Go on as another host, as the caller who never got an answer, and as a diligent person."""
        self.merchant.clock.advance(600)
        with self.merchant as merchant:
            merchant.settle()
            (order,) = merchant.orders.values()
            merchant.engine.dispatch(order)
            merchant.settle()
            merchant.check()
            merchant.decide()
            merchant.check()
            (line,) = merchant.engine.receipt("shop", order.order_no).lines
            assert line.outcome is Outcome.DELIVERED, line
            (sale,) = self.seller.sales().values()
            assert sale.is_charged or len(sale.cards) == 2


def _kill_everywhere(kind, template, folder, victims, prepare):
    """Let a victim die at each point there is, and recover; return where they died."""
    deaths = []
    for point in range(1, MOST):
        place = folder / str(point)
        shutil.copytree(template, place)
        with kind() as seller:
            attempt = Attempt(place, seller)
            prepare(attempt)
            death = attempt.die(victims, point)
            try:
                attempt.recover()
            except AssertionError as error:
                error.add_note(f"died {death or 'nowhere'} (point {point})")
                raise
        if not death:
            return deaths
        deaths.append(death)
    raise AssertionError("it never comes through")


def _insist_on_points(deaths):
    """The instruments work: there are deaths before and after requests and commits."""
    assert set(deaths) == {
        f"{moment} a {what}" for moment in ("before", "after") for what in ("request", "commit")
    }


@pytest.mark.parametrize(("kind", "sku", "trouble"), CARDS + CHARGES, ids=_id)
def test_whoever_comes_next_pays_once(kind, sku, trouble, template, tmp_path, victims):
    """Wherever a host dies, the order is served by one sale, and the books agree to the cent."""

    def prepare(attempt):
        attempt.order(sku)
        if kind is Kinguin:
            attempt.seller.site.duplicates = "created"  # the worst that may become of a repetition
        if trouble:
            name = "drop" if (kind, trouble) == (Kinguin, "drop_before") else trouble
            attempt.seller.spoil(name)

    _insist_on_points(_kill_everywhere(kind, template, tmp_path, victims, prepare))


@pytest.mark.parametrize("kind", [Fulu, Kasushou, Kinguin], ids=_id)
def test_a_message_is_heard_by_a_host_that_dies(kind, template, tmp_path, victims):
    """What the message would have told is found out by a later question."""
    _insist_on_points(_kill_everywhere(kind, template, tmp_path, victims, Attempt.message))
