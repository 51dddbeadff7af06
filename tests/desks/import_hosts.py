"""
Host programs for the tests of long imports, each run in a process of its own.

None has an import guard at its end: whoever imports this module anew does everything again.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from pathlib import Path

from autocard import Engine
from autocard.desks import workers

FOLDER, HOST = Path(sys.argv[1]), sys.argv[2]
ROWS = 12_000

workers.PAYS_FROM = 0
used = []
unpacked = workers.Prepared.unpacked


def counting(data):
    """Note that a chunk came from another process."""
    used.append(len(data))
    return unpacked(data)


workers.Prepared.unpacked = counting


def engine():
    """Open the store of the test."""
    table = {
        "store": f"sqlite:///{FOLDER}/shop.db",
        "keyring": f"file:{FOLDER}/shop.keyring",
        "skus": {"steam": {}},
        "import_processes": 1,
    }
    return Engine.open(table, create=True)


def bring(opened, first):
    """Import, waiting until processes have taken part, and say so."""
    report = None
    for start in range(first, first + 100 * ROWS, ROWS):
        lines = (f"CARD-{number:09d}" for number in range(start, start + ROWS))
        report = opened.cards.add("steam", lines)
        if used:
            break
    with (FOLDER / "runs").open("a") as file:
        file.write(f"{report.added} {report.rejected} {bool(used)}\n")


def as_daemon():
    """Import in a process that may have no children of multiprocessing's."""
    opened = engine()
    bring(opened, 0)
    opened.close()


if HOST == "plain":
    opened = engine()
    bring(opened, 0)
    opened.close()
elif HOST == "daemon":
    process = multiprocessing.get_context("fork").Process(target=as_daemon, daemon=True)
    process.start()
    process.join()
elif HOST == "forked":
    opened = engine()
    child = os.fork()
    bring(opened, 0 if child else 10_000_000)
    if child:
        assert os.waitpid(child, 0)[1] == 0
    opened.close()
