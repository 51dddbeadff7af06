"""A set of fingerprints on disk, for looking through a file of any length without storing cards."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from types import TracebackType
from typing import Self


class Scratch:
    """Remembers fingerprints in an unnamed temporary database that vanishes when it is closed."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect("", isolation_level=None)
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute("PRAGMA journal_mode = OFF")
        self._connection.execute("CREATE TABLE seen (fingerprint BLOB PRIMARY KEY) WITHOUT ROWID")

    def add(self, fingerprints: Sequence[bytes]) -> set[bytes]:
        """Remember *fingerprints*, which differ; return those that were remembered before."""
        known = set()
        self._connection.execute("BEGIN")
        for fingerprint in fingerprints:
            cursor = self._connection.execute(
                "INSERT INTO seen VALUES (?) ON CONFLICT DO NOTHING", (fingerprint,)
            )
            if cursor.rowcount == 0:
                known.add(fingerprint)
        self._connection.execute("COMMIT")
        return known

    def close(self) -> None:
        """Forget everything."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
