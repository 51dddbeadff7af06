"""
Archives, and dies at one point after the other; run as a script by `test_crashes`.

Points lie before and after every commit, every flush to the disk, every rename and every removal,
and after everything that is written to a file.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from datetime import timedelta
from pathlib import Path

from autocard import Engine
from autocard.archiving import files, making
from autocard.plugins import Plugins
from autocard.seal.frames import FrameWriter
from autocard.store import old
from autocard.testing import FakeClock, Script, ScriptedAdapters


class Fuse:
    """Counts points, and ends the process at one of them as a power cut would."""

    def __init__(self):
        self.at = 0
        self.seen = 0

    def point(self):
        self.seen += 1
        if self.seen == self.at:
            os._exit(1)

    def around(self, place, name):
        act = getattr(place, name)

        def noted(*arguments, **options):
            self.point()
            done = act(*arguments, **options)
            self.point()
            return done

        setattr(place, name, noted)


FUSE = Fuse()


def opened(url, folder, days):
    table = {
        "store": url,
        "keyring": f"file:{folder}/shop.keyring",
        "skus": {"steam": {}, "hand": {"sources": ["manual"]}},
        "platforms": {"push": {"adapter": "scripted", "script": Script()}},
    }
    clock = FakeClock()
    clock.advance(days * 86_400)
    return Engine.open(table, clock=clock, plugins=[ScriptedAdapters()]), clock


def act(url, folder, days, point):
    making.MOST, making.AT_ONCE, old.PAGE = 12, 6, 4
    engine, clock = opened(url, folder, days)
    FUSE.at = point
    FUSE.around(files.os, "fsync")
    FUSE.around(Path, "rename")
    FUSE.around(Path, "unlink")
    FUSE.around(FrameWriter, "_put")
    FUSE.around(type(engine._flow.pool), "_changed")
    engine.ledger.archive(clock.now() - timedelta(days=0.5), to=Path(folder) / "archives", by="ann")
    os._exit(0)


def victim(url, folder, days, point):
    """Return how somebody ends who dies at *point*."""
    pid = os.fork()
    if pid == 0:
        try:
            act(url, folder, days, point)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main(url, folder, days, template=None):
    """Be victims, each dying one point later, until one comes through; tell how each ended."""
    codes = []
    while not codes or codes[-1] == 1:
        place = Path(folder)
        if template is not None:  # each begins with the same
            place /= str(len(codes) + 1)
            shutil.copytree(template, place)
            url = f"sqlite:///{place}/shop.db"
        codes.append(victim(url, place, float(days), len(codes) + 1))
    print(json.dumps(codes))


if __name__ == "__main__":
    # Looked for once, not by each victim.
    found = Plugins()._published()
    Plugins._published = lambda _: found
    main(*sys.argv[1:])
