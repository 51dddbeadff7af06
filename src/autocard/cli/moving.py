"""Outgrow a database: `copy`."""

from __future__ import annotations

from typing import Final

import click

from autocard.cli.exits import Exit
from autocard.cli.program import Command, Invocation, option, pass_invocation


@click.command("copy", cls=Command)
@option("--to", "destination", required=True, metavar="URL", text="option.copy_to")
@pass_invocation
def copy(invocation: Invocation, *, destination: str) -> Exit:
    """Copy the store into an empty one on another database."""
    # Here and not above, so that `autocard --help` does not load a database.
    from autocard.config import load_settings
    from autocard.store.copying import copy_store

    settings = load_settings(invocation.config)
    # Read the way the configuration will read it, once the address stands there.
    target = load_settings({"store": destination}).store
    counts = copy_store(settings.store, target, base=settings.base)
    screen = invocation.screen
    if screen.as_json:
        screen.document({"rows": dict(counts)})
    else:
        screen.say("copied", rows=f"{sum(counts.values()):,}", style="green")
    return Exit.DONE


COMMANDS: Final = (copy,)
