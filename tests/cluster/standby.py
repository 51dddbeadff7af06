"""
A PostgreSQL primary with a synchronous hot standby, on loopback, each in a folder of its own.

A commit returns when both have it on disk. Debian's package `postgresql` is enough.
"""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import attrs

from .servers import (
    HOST,
    Account,
    Server,
    free_ports,
    need,
    wait_until,
    working_folder,
)

_SETTINGS: Final = """
listen_addresses = '{host}'
unix_socket_directories = '{folder}'
max_connections = 100
shared_buffers = 32MB
dynamic_shared_memory_type = mmap  # in the folder, so that it goes with it

# What an acknowledged order rests on.
fsync = on
synchronous_commit = on
synchronous_standby_names = 'standby'
"""
_NAME: Final = "standby"


class PostgresServer:
    """One PostgreSQL server."""

    def __init__(self, folder: Path, port: int, account: Account, programs: dict[str, str]) -> None:
        self.port = port
        self.data = folder / "data"
        self._account = account
        self._programs = programs
        self._server = Server(account, folder / "log")

    def start(self) -> None:
        """It runs and answers, reading at least."""
        self._server.start(
            self._programs["postgres"], "-D", str(self.data), "-c", f"port={self.port}"
        )
        wait_until(self._answers, f"PostgreSQL on port {self.port} up", 20)

    def _answers(self) -> bool:
        self._server.must_run()
        try:
            self.query("SELECT 1")
        except OSError:
            return False
        return True

    def kill(self) -> None:
        """It is gone like a machine without power."""
        self._server.kill()

    def promote(self) -> None:
        """A standby is a primary afterwards, one that waits for no standby."""
        self._account.run(self._programs["pg_ctl"], "promote", "-w", "-D", str(self.data))
        self.query("ALTER SYSTEM SET synchronous_standby_names = ''")
        self.query("SELECT pg_reload_conf()")

    def stop(self) -> None:
        """It has ended and no memory of it is left; a killed one stays killed."""
        segment = self._segment()
        self._server.stop(signal.SIGINT)
        if segment:
            subprocess.run(["ipcrm", "-m", segment], check=False, capture_output=True)

    def _segment(self) -> str:
        """Return the number of the memory segment that a killed server leaves behind, or ''."""
        try:
            lines = (self.data / "postmaster.pid").read_text("ascii").splitlines()
            return lines[6].split()[1]
        except (OSError, IndexError):
            return ""

    def query(self, statement: str, *, database: str = "postgres") -> list[Any]:
        """Return the rows of a statement; `OSError` when the server does not answer."""
        import psycopg

        try:
            connection = psycopg.connect(
                host=HOST,
                port=self.port,
                user="autocard",
                dbname=database,
                autocommit=True,
                connect_timeout=5,
            )
        except psycopg.OperationalError as error:
            raise ConnectionError(str(error)) from error
        with contextlib.closing(connection):
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []


@attrs.frozen
class StandbyPair:
    """A primary, and a standby that knows all that was ever acknowledged."""

    primary: PostgresServer
    standby: PostgresServer

    def url(self, database: str, *, query: str = "") -> str:
        """Return the URL of a store on both."""
        hosts = ",".join(f"{HOST}:{one.port}" for one in (self.primary, self.standby))
        return f"postgresql+psycopg://autocard@{hosts}/{database}{query}"

    def wait(self) -> None:
        """The standby follows, and every commit waits for it."""
        look = "SELECT sync_state FROM pg_stat_replication"
        wait_until(lambda: self.primary.query(look) == [("sync",)], "the standby in step", 20)


@contextlib.contextmanager
def standby_pair() -> Iterator[StandbyPair]:
    """
    Give a running pair; its servers and files are gone afterwards.

    Raises:
        CannotRun: A package is missing; the message names it.
    """
    programs = need(
        "postgresql", "postgres", "initdb", "pg_basebackup", "pg_ctl", also=_program_folders()
    )
    account = Account.of("postgres")
    with working_folder(account) as folder, contextlib.ExitStack() as stack:
        servers = []
        for name, port in zip(("primary", _NAME), free_ports(2), strict=True):
            home = account.folder(folder / name)
            servers.append(PostgresServer(home, port, account, programs))
            stack.callback(servers[-1].stop)
        pair = StandbyPair(*servers)
        _make_primary(pair.primary, account, programs)
        pair.primary.start()
        _make_standby(pair, account, programs)
        pair.standby.start()
        pair.wait()
        yield pair


def _program_folders() -> list[str]:
    """Return where Debian keeps the programs of PostgreSQL, the newest version first."""

    def version(path: Path) -> int:
        return int(re.sub(r"\D", "", path.parent.name) or 0)

    found = Path("/usr/lib/postgresql").glob("*/bin")
    return [str(path) for path in sorted(found, key=version, reverse=True)]


def _make_primary(primary: PostgresServer, account: Account, programs: dict[str, str]) -> None:
    account.run(
        programs["initdb"],
        f"--pgdata={primary.data}",
        "--username=autocard",
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C",
        "--no-instructions",
        "--no-sync",  # what is not on disk yet is only lost with this machine, and these tests
    )
    with (primary.data / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write(_SETTINGS.format(host=HOST, folder=primary.data.parent))


def _make_standby(pair: StandbyPair, account: Account, programs: dict[str, str]) -> None:
    """Copy the primary; `--write-recovery-conf` makes the copy follow it."""
    account.run(
        programs["pg_basebackup"],
        f"--pgdata={pair.standby.data}",
        f"--dbname=host={HOST} port={pair.primary.port} user=autocard application_name={_NAME}",
        "--checkpoint=fast",
        "--wal-method=stream",
        "--write-recovery-conf",
        "--no-sync",
    )
