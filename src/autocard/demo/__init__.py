"""`autocard demo`: the whole story on real files, sockets and processes, each claim checked."""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autocard.demo.telling import BROKEN, HELD, SAID, STEP, Claim, Show, Story, Teller
from autocard.demo.texts import Language

__all__ = ["BROKEN", "HELD", "SAID", "STEP", "Claim", "Show", "Story", "play"]


def play(language: Language, show: Show, *, keep: bool = False) -> Story:
    """
    Play the story and return what was claimed and whether it held.

    Args:
        language: Of what is said.
        show: Takes each line.
        keep: Leave the folder with everything in it.

    Effects: a temporary folder, two servers on 127.0.0.1, some processes; all gone at the end.
    """
    began = time.monotonic()
    teller = Teller(language, show)
    folder = Path(tempfile.mkdtemp(prefix="autocard-demo-"))
    try:
        with _quiet():
            _play(folder, teller)
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    if keep:
        teller.say("kept", folder=folder, config=folder / "autocard.toml")
    else:
        teller.claim("cleaned", not folder.exists())
    seconds = round(time.monotonic() - began, 2)
    return Story(claims=tuple(teller.claims), seconds=seconds, folder=str(folder) if keep else "")


def _play(folder: Path, teller: Teller) -> None:
    # Here and not above: the engine is not needed to say what this package is.
    from autocard.demo.gateway import Gateway
    from autocard.demo.scenes import play_scenes
    from autocard.demo.stage import CREDENTIAL, PID, set_stage

    gateway = Gateway(PID, CREDENTIAL)
    try:
        play_scenes(set_stage(folder, gateway, teller))
    finally:
        gateway.close()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the refusals that the story provokes out of the terminal; they are told in words."""
    handler = logging.NullHandler()
    logger = logging.getLogger("autocard")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
