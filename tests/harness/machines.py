"""How every state machine of the tests is run, and the stores that its examples begin with."""

from __future__ import annotations

import os
import shutil

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test


def run(machine, *, examples, steps, **attributes):
    """Run a subclass of *machine* with these class attributes."""
    run_state_machine_as_test(
        type(machine.__name__, (machine,), attributes),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
            # Whoever changes something is told at once; CI looks at the same cases every time.
            derandomize=bool(os.environ.get("CI")),
            # A failure replays from its blob; making it small takes longer than a test may.
            phases=(Phase.explicit, Phase.reuse, Phase.generate),
        ),
    )


class World:
    """
    A new store with its keyring, for as many examples as there are.

    Args:
        folder: Where the files are.
        url: Of the store.
        stores: The fixture of that name.
        make: Makes the store, given its URL and the folder.
    """

    def __init__(self, folder, url, stores, make):
        self._folder, self._url, self._stores = folder, url, stores
        make(url, folder)
        self._rows = None if url.startswith("sqlite") else stores.rows(url)

    def fill(self, folder):
        """Make everything new, copy the files to *folder* and return the URL of the store."""
        for file in self._folder.iterdir():
            shutil.copy(file, folder)
        if self._rows is None:
            return f"sqlite:///{folder}/shop.db"
        self._stores.refill(self._url, self._rows)
        return self._url
