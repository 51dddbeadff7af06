"""
What test_processes.py runs in processes of their own.

`python process_child.py FOLDER dispatch` reads order numbers from standard input, one a line,
dispatches each, and prints `NUMBER OUTCOME CARD` for each, or `NUMBER error NAME`.
`python process_child.py FOLDER fork` shares one engine with forked children and threads.

The URL of the store is in FOLDER/store.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from autocard import Engine, Money, Order, OrderLine, Payment


def opened(folder, *, create=False):
    return Engine.open(
        {
            "store": (folder / "store").read_text(),
            "keyring": f"file:{folder}/shop.keyring",
            "skus": {"steam": {}},
        },
        create=create,
    )


def order(number, quantity=1):
    price = Money("10.00", "CNY")
    return Order(
        platform="shop",
        order_no=number,
        lines=[OrderLine(item="steam", quantity=quantity, unit_price=price)],
        payment=Payment(paid=price * quantity),
    )


def dispatch(engine, number):
    """Return one line of what became of order *number*."""
    try:
        receipt = engine.dispatch(order(number))
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent wants to see it
        return f"{number} error {type(error).__name__}:{error}"
    texts = "+".join(card.text().reveal() for card in receipt.cards)
    return f"{number} {receipt.outcome} {texts}"


def dispatch_all(folder):
    with opened(folder) as engine:
        for line in sys.stdin:
            print(dispatch(engine, line.strip()), flush=True)


def fork(folder):
    """The parent dispatches, forks while its connections are open, and all go on at once."""
    engine = opened(folder)
    print(dispatch(engine, "before"), flush=True)
    children = []
    for child in range(3):
        pid = os.fork()
        if pid == 0:
            code = 3
            try:
                threads = [
                    threading.Thread(target=_some, args=(engine, f"{child}-{part}"))
                    for part in range(2)
                ]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                code = 0
            finally:
                os._exit(code)
        children.append(pid)
    _some(engine, "parent")
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
    print(dispatch(engine, "after"), flush=True)
    engine.close()
    sys.exit(max(codes))


def _some(engine, name):
    told = [dispatch(engine, f"{name}-{number}") for number in range(20)]
    told += [dispatch(engine, f"common-{number}") for number in range(10)]
    # One write: lines of several processes do not mix.
    os.write(1, "".join(f"{line}\n" for line in told).encode())


if __name__ == "__main__":
    {"dispatch": dispatch_all, "fork": fork}[sys.argv[2]](Path(sys.argv[1]))
