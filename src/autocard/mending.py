"""A change that meets a card whose seal does not open: the card is voided, the shop goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

from autocard.clock import Clock, to_ms
from autocard.errors import IllegalTransition
from autocard.events import event
from autocard.model import CardId
from autocard.ports import Pool, Transaction
from autocard.states import CardState
from autocard.vault import BrokenCard

_LOG: Final = logging.getLogger("autocard.mending")
_T = TypeVar("_T")


def change_mended(
    pool: Pool, clock: Clock, work: Callable[[Transaction], _T], connection: Any = None
) -> _T:
    """
    Do *work* in one commit; a card whose seal does not open must not stop the shop.

    It is voided, and the work is done once more without it. In the host's transaction that is
    left to the host.

    Raises:
        BrokenCard: Somebody has the card already, and trying again is no help.
    """
    met: set[CardId] = set()
    while True:
        try:
            return pool.change(work, connection)
        except BrokenCard as error:
            if connection is not None or error.card in met:
                raise
            broken = error.card
        met.add(broken)
        _void(pool, clock, broken)


def _void(pool: Pool, clock: Clock, card: CardId) -> None:
    found = pool.sealed_card(card)
    state = CardState.AVAILABLE if found is None else found[0].state
    if state not in (CardState.AVAILABLE, CardState.RESERVED):
        return
    now_ms = to_ms(clock.now())

    def void(change: Transaction) -> None:
        change.void_card(card, state, now_ms=now_ms)
        change.record([event("card.broken", now_ms, None, card=card)])

    with suppress(IllegalTransition):  # somebody else was faster
        pool.change(void)
        _LOG.error("the seal of card %s does not open; it was voided", card)
