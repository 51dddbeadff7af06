"""Canary cards, contacts and targets are archived; none is seen in a file, an event or a repr."""

from __future__ import annotations

import attrs
import pytest

from autocard import Buyer, OrderArchived
from autocard.testing import LeakDetector


def test_nothing_readable_is_in_an_archive(shop, engine):
    """Neither in the files, nor in what is told of them, nor in a message of an error."""
    with LeakDetector() as eyes:
        contact = eyes.plant("contact") + "@example.com"
        ip_address, target = eyes.plant("ip"), eyes.plant("target")
        engine.cards.add("steam", [eyes.plant("card")])
        order = shop.order("A1")
        (line,) = order.lines
        engine.dispatch(
            attrs.evolve(
                order,
                lines=[attrs.evolve(line, target=target, options={"note": eyes.plant("option")})],
                buyer=Buyer(id="u1", contact=contact, ip=ip_address),
            )
        )
        shop.pass_days()
        report = shop.archive(engine, why="old")
        (path,) = shop.files()
        eyes.check_tree(shop.to)
        eyes.check_value("report", report)
        eyes.check_value("archives", engine.ledger.archives())
        eyes.check_text("records", repr(list(engine.ledger.open_archive(path))))
        with pytest.raises(OrderArchived) as caught:
            engine.review.resend("till", "A1", by="ann", why="x")
        eyes.check_exception(caught.value)
        engine.ledger.restore(path, "till", "A1", by="ann")
        eyes.check_text("events", repr(engine.ledger.events(limit=1000)))
