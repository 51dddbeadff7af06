"""What suppliers promise about the messages they send, for the conformance suite."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar

import attrs
import pytest

from autocard.spi import Answer, Hint, Inbound, Reply, Supplier, VerificationError
from autocard.testing.mutations import flipped, noise, without_parameter


class MessagePromises:
    """Tests of the conformance suite about messages."""

    window_s: ClassVar[float | None] = None
    """How many seconds a signed time may be away from now; None where no time is signed."""

    def signs_time(self, inbound: Inbound) -> bool:  # noqa: ARG002 - for subclasses
        """Say whether *inbound* carries a signed time. May be overridden."""
        return self.window_s is not None

    def test_genuine_messages_are_accepted(
        self, supplier: Supplier, received: list[Inbound], now: datetime, hints: list[Hint]
    ) -> None:
        """Each genuine message gives a hint that names something, and the one expected."""
        found = [supplier.parse(inbound, now=now) for inbound in received]
        assert all(hint.reference or hint.remote or hint.items for hint in found), (
            "a genuine message gave a hint that names nothing"
        )
        assert not hints or found == hints, "a genuine message gave another hint"

    def test_flipped_bytes_are_refused(
        self, supplier: Supplier, received: list[Inbound], now: datetime
    ) -> None:
        """A message with one changed byte is refused, or gives the same hint all the same."""
        for inbound in received:
            genuine = supplier.parse(inbound, now=now)
            for where, changed in flipped(inbound):
                hint = _hint_of(supplier, changed, now)
                assert hint in (None, genuine), f"another hint with a changed {where}"

    def test_dropped_parts_are_refused(
        self, supplier: Supplier, received: list[Inbound], now: datetime
    ) -> None:
        """A message that lost a parameter or a header is refused, or gives the same hint."""
        for inbound in received:
            genuine = supplier.parse(inbound, now=now)
            for where, changed in without_parameter(inbound):
                hint = _hint_of(supplier, changed, now)
                assert hint in (None, genuine), f"another hint without {where}"
            for name in inbound.headers:
                kept = {other: text for other, text in inbound.headers.items() if other != name}
                hint = _hint_of(supplier, attrs.evolve(inbound, headers=kept), now)
                assert hint in (None, genuine), f"another hint without header {name}"

    def test_stale_messages_are_refused(
        self, supplier: Supplier, received: list[Inbound], now: datetime
    ) -> None:
        """A message whose signed time is too far from now, in either direction, is refused."""
        timed = [inbound for inbound in received if self.signs_time(inbound)]
        if not timed or self.window_s is None:
            pytest.skip("this supplier signs no time")
        # Twice the window: a sample may have been signed up to one window before `now`.
        away = timedelta(seconds=2 * self.window_s + 2)
        for inbound in timed:
            assert _hint_of(supplier, inbound, now + away) is None, "accepted long after its time"
            assert _hint_of(supplier, inbound, now - away) is None, "accepted long before its time"

    def test_anything_is_a_hint_or_refused(
        self, supplier: Supplier, received: list[Inbound], now: datetime
    ) -> None:
        """Whatever is received gives a hint or is refused with `VerificationError`."""
        for inbound in noise(received):
            hint = _hint_of(supplier, inbound, now)
            assert hint is None or isinstance(hint, Hint)

    def test_every_answer_has_a_reply(
        self, supplier: Supplier, received: list[Inbound], now: datetime
    ) -> None:
        """Each answer has a reply, accepted differs from the others, and a refusal says nothing."""
        before = supplier.acknowledge(Answer.REFUSED)
        hint = supplier.parse(received[0], now=now)
        replies = {answer: supplier.acknowledge(answer) for answer in Answer}
        assert all(isinstance(reply, Reply) for reply in replies.values()), "not a Reply"
        refused = replies[Answer.REFUSED]
        assert refused == before, "the refusal depends on what was received"
        for named in filter(None, (hint.reference, hint.remote, *hint.items)):
            assert named.encode() not in refused.body, "the refusal quotes the message"
        accepted = replies.pop(Answer.ACCEPTED)
        assert accepted not in replies.values(), "what is not accepted is answered as if it were"


def parsed(supplier: Supplier, inbound: Inbound, now: datetime) -> Hint | VerificationError:
    """Return the hint of *inbound*, or the error that refuses it."""
    try:
        return supplier.parse(inbound, now=now)
    except VerificationError as error:
        return error


def _hint_of(supplier: Supplier, inbound: Inbound, now: datetime) -> Hint | None:
    """Return the hint of *inbound*, None when it is refused."""
    found = parsed(supplier, inbound, now)
    return None if isinstance(found, VerificationError) else found
