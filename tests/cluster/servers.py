"""Start database servers of our own in a temporary folder, and leave nothing of them behind."""

from __future__ import annotations

import contextlib
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

HOST: Final = "127.0.0.1"
_PORTS: Final = range(20_000, 32_000)
"""Below those that the kernel gives to outgoing connections, so that none takes one meanwhile."""


class CannotRun(Exception):
    """Something these servers need is missing; the message says what, and how to get it."""


def need(package: str, *programs: str, also: Sequence[str] = ()) -> dict[str, str]:
    """
    Return where *programs* are, by name; those of PostgreSQL are looked for in *also*, too.

    Raises:
        CannotRun: One is missing.
    """
    path = os.pathsep.join([*also, os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    found = {name: shutil.which(name, path=path) for name in programs}
    missing = [name for name, place in found.items() if place is None]
    if missing:
        raise CannotRun(f"{', '.join(missing)} not found: apt-get install {package}")
    return {name: place for name, place in found.items() if place is not None}


def free_ports(count: int) -> list[int]:
    """Return ports on loopback that nobody listens on; they are all different."""
    chosen: list[int] = []
    candidates = random.sample(_PORTS, len(_PORTS))
    while len(chosen) < count:
        port = candidates.pop()
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((HOST, port))
                chosen.append(port)
    return chosen


def wait_until(is_so: Callable[[], bool], what: str, within_s: float) -> None:
    """Return as soon as *is_so*; `TimeoutError` says *what* did not come true."""
    deadline = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {within_s:g} s")
        time.sleep(0.05)


@attrs.frozen
class Account:
    """
    Whose processes the servers are: root's are given to *name*, everyone else's stay their own.

    PostgreSQL refuses to run as root, and MariaDB's state transfer is better kept from it.
    """

    name: str | None

    @classmethod
    def of(cls, name: str) -> Account:
        """Return the account servers run under; `CannotRun` when root has no user *name*."""
        if os.geteuid() != 0:
            return cls(None)
        try:
            pwd.getpwnam(name)
        except KeyError:
            raise CannotRun(f"there is no user {name} to run the servers as") from None
        return cls(name)

    def folder(self, path: Path) -> Path:
        """Return *path*, made now, for this account alone."""
        path.mkdir(mode=0o700)
        self.owns(path)
        return path

    def owns(self, path: Path) -> None:
        """*path* belongs to this account afterwards."""
        if self.name is not None:
            shutil.chown(path, self.name, self.name)

    @property
    def popen(self) -> dict[str, Any]:
        """What `subprocess` has to be told."""
        if self.name is None:
            return {}
        group = pwd.getpwnam(self.name).pw_gid
        return {"user": self.name, "group": group, "extra_groups": []}

    def run(self, *command: str) -> str:
        """Run *command* to its end and return what it said; `RuntimeError` if it failed."""
        ran = subprocess.run(
            command,
            **self.popen,
            check=False,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=60,
        )
        if ran.returncode:
            raise RuntimeError(f"{command[0]} exited with {ran.returncode}:\n{ran.stdout[-2000:]}")
        return ran.stdout


@contextlib.contextmanager
def working_folder(account: Account) -> Iterator[Path]:
    """
    Give a folder of *account* that is gone afterwards.

    It is not pytest's: only root may look into that one. And its path is short, because that of
    a socket may have 107 characters.
    """
    path = Path(tempfile.mkdtemp(prefix="autocard-"))
    try:
        account.owns(path)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


class Server:
    """A server process that ends when we do, whatever becomes of us."""

    def __init__(self, account: Account, log: Path) -> None:
        self._account = account
        self._process: subprocess.Popen[bytes] | None = None
        self.log = log

    def start(self, *command: str) -> None:
        """The process runs afterwards; whether it serves already is for the caller to find out."""
        assert not self.runs, "it runs already"
        with self.log.open("ab") as told:
            self._process = subprocess.Popen(
                [*_dying_with_us(), *command],
                **self._account.popen,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=told,
                stderr=told,
                start_new_session=True,  # Ctrl-C is for us; we stop the servers in order
            )

    @property
    def runs(self) -> bool:
        """True while the process lives."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """Nothing of the process runs afterwards, and it was not asked."""
        if self._process is None:
            return
        children = _children(self._process.pid)
        self._process.kill()
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        self._process.wait()

    def freeze(self, *, ends: bool = False) -> None:
        """The process stands still and keeps its connections; or, where that *ends*, goes on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT if ends else signal.SIGSTOP)

    def stop(self, how: signal.Signals = signal.SIGTERM, *, within_s: float = 15.0) -> None:
        """The process has ended, by itself if it could within *within_s*."""
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def must_run(self) -> None:
        """Raise `RuntimeError` with the end of the log when the process has ended."""
        if not self.runs:
            raise RuntimeError(f"a server ended by itself; the end of its log:\n{self.tail()}")

    def tail(self) -> str:
        """Return the end of the log."""
        return self.log.read_text("utf-8", "replace")[-3000:]


def _children(pid: int) -> list[int]:
    """Return the processes that *pid* started; PostgreSQL's leave its group and session."""
    try:
        told = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
    except OSError:
        return []
    return [int(child) for child in told.split()]


def _dying_with_us() -> tuple[str, ...]:
    """Return what to put before a command whose process is to be killed when ours ends."""
    setpriv = shutil.which("setpriv")  # of util-linux; without it a killed test leaves servers
    return (setpriv, "--pdeathsig", "KILL") if setpriv else ()
