"""The story in five scenes. What each claims is checked, not only printed."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterator, Mapping
from typing import Final

from autocard.demo.kills import kill_in_the_loop, let_die_before_push
from autocard.demo.orders import CONTACT, COUNTER, PRICE, SKU, ordered, pushed_order, till_orders
from autocard.demo.shop import PLATFORM, Shop, notify, notify_at_once
from autocard.demo.stage import KEYRING, STORE, Stage
from autocard.engine import Engine
from autocard.model import Receipt, StockLevel
from autocard.states import Outcome

GENUINE: Final = "A1001"
FORGED: Final = "A1002"
NOTICES: Final = 10
ORDERS: Final = 40
KILLS: Final = ((4, 0.0), (12, 0.001), (20, 0.002))
"""After how many lines of output each process is killed, and how many seconds later."""
_PATIENCE_S: Final = 10.0


def play_scenes(stage: Stage) -> None:
    """Play all scenes; the stage's teller keeps what was claimed."""
    with Engine.open(stage.config, create=True) as engine:
        bring_cards_in(stage, engine)
        with _open_shop(stage, engine) as shop:
            forge_a_notice(stage, engine, shop)
            notify_ten_times(stage, engine, shop)
    stage.teller.step("kills")
    rounds = kill_in_the_loop(stage, ORDERS, KILLS)
    with Engine.open(stage.config) as engine:
        recover_from_kills(stage, engine, rounds)
    died = let_die_before_push(stage)
    leftovers = _stored_bytes(stage)  # with what the dead process left beside the database
    with Engine.open(stage.config) as engine:
        recover_the_push(stage, engine, died=died)
        verify_books(stage, engine)
    search_for_cards(stage, leftovers | _stored_bytes(stage))


# --- 1: stock -------------------------------------------------------------------------------


def bring_cards_in(stage: Stage, engine: Engine) -> None:
    """Import the shipped file, and the same file again."""
    teller = stage.teller
    teller.step("stock")
    teller.say("stock_folder", folder=stage.folder)
    teller.say("stock_file", file=stage.card_file.name, bytes=stage.card_file.stat().st_size)
    report = engine.cards.add(SKU, stage.card_file, supplier="acme", provenance="invoice 2026-118")
    teller.say("stock_read", detected=report.detected)
    for row in report.problems:
        teller.say(f"row_{row.verdict}", line=row.line, shown=row.shown, why=row.why)
    teller.claim(
        "imported",
        (report.added, report.duplicate_in_file, report.malformed) == (len(stage.cards), 1, 1),
        added=report.added,
    )
    again = engine.cards.add(SKU, stage.card_file, provenance="invoice 2026-118")
    teller.claim(
        "imported_again",
        (again.added, again.in_stock) == (0, len(stage.cards)),
        in_stock=again.in_stock,
    )
    mode = (stage.folder / KEYRING).stat().st_mode
    # Windows keeps access lists elsewhere and shows every file as readable by all.
    teller.claim("keyring_private", os.name == "nt" or not stat.S_IMODE(mode) & 0o077)


# --- 2 and 3: the shop ----------------------------------------------------------------------


@contextlib.contextmanager
def _open_shop(stage: Stage, engine: Engine) -> Iterator[Shop]:
    stage.teller.step("shop")
    shop = Shop(engine.receive)
    stage.teller.say("shop_open", shop_port=shop.port, gateway_port=stage.gateway.port)
    try:
        yield shop
    finally:
        shop.close()


def forge_a_notice(stage: Stage, engine: Engine, shop: Shop) -> None:
    """Send a genuine notice with one byte changed, so that it names another order."""
    teller = stage.teller
    for order_no in (GENUINE, FORGED):
        receipt = engine.expect(ordered(PLATFORM, order_no, paid=False))
        teller.claim("expected", not receipt.cards, order_no=order_no)
    teller.step("notices")
    stage.gateway.pay(GENUINE, PRICE)
    before = _fingerprint(engine)
    status, body = notify(shop.port, stage.gateway.notice(GENUINE).replace(GENUINE, FORGED))
    teller.claim("forged", status >= 400 and body == b"fail", status=status, body=body.decode())
    teller.claim("forged_stored", _fingerprint(engine) == before)


def notify_ten_times(stage: Stage, engine: Engine, shop: Shop) -> None:
    """Send the genuine notice from many threads at once."""
    teller = stage.teller
    answers = notify_at_once(shop.port, stage.gateway.notice(GENUINE), NOTICES)
    teller.claim("acknowledged", set(answers) == {(200, b"success")}, count=len(answers))
    asked = stage.gateway.asked.count(GENUINE)
    teller.claim("confirmed", asked > 0, asked=asked)
    receipt = engine.receipt(PLATFORM, GENUINE)
    teller.claim("one_card", receipt is not None and len(receipt.cards) == 1)
    level = _level(engine)
    teller.claim(
        "one_card_taken",
        (level.available, level.delivered) == (len(stage.cards) - 1, 1),
        available=level.available,
        total=len(stage.cards),
    )


def _fingerprint(engine: Engine) -> tuple[object, ...]:
    """Return all that a message could have changed."""
    return engine.ledger.events(), engine.orders(), _level(engine)


def _level(engine: Engine) -> StockLevel:
    (level,) = engine.cards.stock(SKU)
    return level


# --- 4: kills -------------------------------------------------------------------------------


def recover_from_kills(stage: Stage, engine: Engine, rounds: int) -> None:
    """Dispatch everything again after the kills."""
    teller = stage.teller
    teller.claim("killed", rounds == len(KILLS), rounds=rounds)
    engine.resume()
    receipts = [engine.dispatch(order) for order in till_orders(ORDERS)]
    before = sum(receipt.replayed for receipt in receipts)
    teller.claim(
        "kill_served",
        before > 0 and all(receipt.outcome is Outcome.DELIVERED for receipt in receipts),
        count=ORDERS,
        before=before,
        after=ORDERS - before,
    )
    again = [engine.dispatch(order) for order in till_orders(ORDERS)]
    teller.claim("kill_once", _are_served_once(receipts, again), count=ORDERS)


def _are_served_once(receipts: list[Receipt], again: list[Receipt]) -> bool:
    first = [[card.id for card in receipt.cards] for receipt in receipts]
    second = [[card.id for card in receipt.cards] for receipt in again]
    distinct = {card for cards in first for card in cards}
    return (
        first == second
        and all(len(cards) == 1 for cards in first)
        and (len(distinct) == len(receipts))
    )


def recover_the_push(stage: Stage, engine: Engine, *, died: bool) -> None:
    """Finish the delivery that was interrupted between commit and push."""
    teller = stage.teller
    order = pushed_order()
    teller.claim("push_died", died)
    receipt = engine.receipt(COUNTER, order.order_no)
    line = receipt.lines[0] if receipt else None
    teller.claim(
        "push_visible",
        line is not None and line.outcome is Outcome.PENDING and not list(stage.tray.iterdir()),
        outcome=line.outcome if line else "-",
        reason=line.reason if line else "-",
    )
    teller.claim("push_resumed", _resume_until_pushed(stage, engine))
    receipt = engine.dispatch(order)
    written = [file.read_text("utf-8").split() for file in stage.tray.iterdir()]
    texts = [card.text().reveal() for card in receipt.cards]
    teller.claim("push_once", receipt.replayed and len(texts) == 1 and written == [texts])


def _resume_until_pushed(stage: Stage, engine: Engine) -> bool:
    # The dead process's lease has to run out first; then its work may be taken over.
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end:
        engine.resume()
        if list(stage.tray.iterdir()):
            return True
        time.sleep(0.1)
    return False


# --- 5: books -------------------------------------------------------------------------------


def verify_books(stage: Stage, engine: Engine) -> None:
    """Let the ledger verify itself, and count the cards."""
    teller = stage.teller
    teller.step("books")
    report = engine.ledger.verify()
    teller.claim(
        "verified",
        report.ok,
        cards=report.cards,
        events=len(engine.ledger.events(limit=10_000)),
        faults=len(report.faults),
    )
    level = _level(engine)
    sold = ORDERS + 2  # the one that was notified, and the one that was pushed
    teller.claim(
        "conserved",
        level.delivered == sold and level.available + sold == len(stage.cards),
        available=level.available,
        delivered=level.delivered,
        total=len(stage.cards),
    )


def search_for_cards(stage: Stage, stored: Mapping[str, bytes]) -> None:
    """Search every byte that autocard stored for what it must not hold."""
    teller = stage.teller
    data = b"\n".join(stored.values())
    hits = _found(data, (*stage.cards, CONTACT))
    teller.claim(
        "searched",
        bool(data) and not hits,
        cards=len(stage.cards),
        bytes=len(data),
        files=", ".join(sorted({name.partition(" ")[0] for name in stored})),
    )
    # A search that finds nothing anywhere would prove nothing.
    source = _found(stage.card_file.read_bytes(), stage.cards)
    teller.claim("search_works", source == len(stage.cards), cards=source)


def _stored_bytes(stage: Stage) -> dict[str, bytes]:
    """Return what lies in the files of the store; each size of a file is another entry."""
    # Only while no engine is open here: closing a file drops this process's locks on it.
    found = ((file.name, file.read_bytes()) for file in stage.folder.glob(f"{STORE}*"))
    return {f"{name} {len(data)}": data for name, data in found if data}


def _found(data: bytes, texts: tuple[str, ...]) -> int:
    folded = data.upper()
    return sum(
        any(text.upper().encode(codec) in folded for codec in ("utf-8", "utf-16-le"))
        or text.replace("-", "").upper().encode() in folded
        for text in texts
    )
