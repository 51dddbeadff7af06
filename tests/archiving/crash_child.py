"""
Archives, and dies at one point after the other; run as a script by `test_crashes`.

Points lie before and after every commit, every flush to the disk, every rename and every removal,
and after everything that is written to a file.
"""

from __future__ import annotations

import json
import shutil
import sys
from datetime import timedelta
from pathlib import Path

from tests.harness.crashing import Fuse, know_plugins, victim

from autocard import Engine
from autocard.archiving import files, making
from autocard.seal.frames import FrameWriter
from autocard.store import old
from autocard.testing import FakeClock, Script, ScriptedAdapters


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
    fuse = Fuse(Path(folder), at=point)
    fuse.around(files.os, "fsync", "a flush")
    fuse.around(Path, "rename", "a rename")
    fuse.around(Path, "unlink", "a removal")
    fuse.around(FrameWriter, "_put", "a part of a file")
    fuse.around(type(engine._flow.pool), "_changed", "a commit")
    engine.ledger.archive(clock.now() - timedelta(days=0.5), to=Path(folder) / "archives", by="ann")


def main(url, folder, days, template=None):
    """Be victims, each dying one point later, until one comes through; tell how each ended."""
    codes = []
    while not codes or codes[-1] == 1:
        place = Path(folder)
        if template is not None:  # each begins with the same
            place /= str(len(codes) + 1)
            shutil.copytree(template, place)
            url = f"sqlite:///{place}/shop.db"
        codes.append(victim(act, url, place, float(days), len(codes) + 1))
    print(json.dumps(codes))


if __name__ == "__main__":
    know_plugins()
    main(*sys.argv[1:])
