"""
A process that dispatches orders until it dies: `python -m autocard.demo.victim CONFIG FATE COUNT`.

With the fate `killed` it goes round and round through *COUNT* orders, so that only a kill ends it.
With `before-push` it dies by itself in the moment in which the first delivery file would be made:
after the order was committed, before anything went out.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

from autocard.demo.orders import BEFORE_PUSH, DEAD, pushed_order, till_orders
from autocard.engine import Engine


def die_before_push(event: str, arguments: tuple[object, ...]) -> None:
    """Hear what the interpreter is about to do; when it opens a delivery file, stop at once."""
    if event == "open" and is_delivery(arguments[0]):
        os._exit(DEAD)  # nothing is flushed, closed or rolled back, as in a power failure


def is_delivery(path: object) -> bool:
    """Say whether *path* is a draft of the `file` channel."""
    return isinstance(path, str) and Path(path).name.startswith(".delivery-")


def main(arguments: Sequence[str]) -> None:
    """Dispatch until the end comes; print each order number once its cards are in hand."""
    config, fate, count = arguments
    with Engine.open(config) as engine:
        if fate == BEFORE_PUSH:
            # Not a hook of autocard: it shall not know what is going to happen to it.
            sys.addaudithook(die_before_push)
            engine.dispatch(pushed_order())
            return
        for order in cycle(till_orders(int(count))):
            engine.dispatch(order)
            sys.stdout.write(f"{order.order_no}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
