"""Processes that die at chosen points: what kills them, how they are begun, what they begin with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from autocard.plugins import Plugins
from autocard.store import server, sqlite

_ROOT = Path(__file__).parents[2]
_DIED_AT = "died-at"


# --- in the process that dies ---------------------------------------------------------------


class Fuse:
    """Counts the points that a process passes, and ends it at one of them as a power cut would."""

    def __init__(self, folder=None, at=0):
        self.folder, self.at, self.passed = folder, at, 0

    def point(self, name):
        if self.at == 0:
            return
        self.passed += 1
        if self.passed == self.at:
            (self.folder / _DIED_AT).write_text(name)
            os._exit(1)

    def around(self, place, name, what):
        """Let every call of what *place* has under *name* pass a point before and one after it."""
        act = getattr(place, name)

        def act_with_points(*arguments, **options):
            self.point(f"before {what}")
            done = act(*arguments, **options)
            self.point(f"after {what}")
            return done

        setattr(place, name, act_with_points)

    def around_commits(self):
        """Let every commit of the store pass a point before and one after it."""
        for change_class in (sqlite._Change, server._Change):
            self._around_leaving(change_class, change_class.__exit__)

    def _around_leaving(self, change_class, leave):
        def leave_with_points(change, kind, error, trace):
            if error is None:
                self.point("before a commit")
            answer = leave(change, kind, error, trace)
            if error is None:
                self.point("after a commit")
            return answer

        change_class.__exit__ = leave_with_points


def victim(act, *arguments):
    """Return how a forked process ends that acts: 0 it came through, 1 it died at its point."""
    pid = os.fork()
    if pid == 0:
        try:
            act(*arguments)
            os._exit(0)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def be_victims(act):
    """Fork one that acts for every `POINT FOLDER` on standard input, and print how each ended."""
    know_plugins()
    for line in sys.stdin:
        point, folder = line.rstrip("\n").split(" ", 1)
        print(victim(act, Path(folder), int(point)), flush=True)


def know_plugins():
    """Look for entry points once, not in each victim."""
    found = Plugins()._published()
    Plugins._published = lambda _: found


# --- in the test ----------------------------------------------------------------------------


class Victims:
    """A process that forks victims; the next one may be dying while one is looked at."""

    def __init__(self, process):
        self._process = process

    def begin(self, folder, point):
        """Let one act in *folder* and die at *point*."""
        self._process.stdin.write(f"{point} {folder}\n")

    def death(self, folder):
        """Wait for the one that was begun first; return where it died, "" if it came through."""
        code = self._process.stdout.readline().strip()
        assert code in {"0", "1"}, f"the victim in {folder} failed with {code}"
        return (folder / _DIED_AT).read_text() if code == "1" else ""


@contextmanager
def victims_of(module, *arguments):
    """Give the victims of a module under `tests`."""
    with subprocess.Popen(
        [sys.executable, "-m", module, *arguments], cwd=_ROOT, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True, bufsize=1,
    ) as process:  # fmt: skip
        yield Victims(process)
        process.stdin.close()
        assert process.wait(timeout=60) == 0


class Scene:
    """A store as it is before the first victim, and folders for those who act on copies of it."""

    def __init__(self, folder, url, stores):
        self.folder = folder
        self.template = folder / "template"
        self.template.mkdir()
        self._url, self._stores, self._rows = url, stores, None
        if not url.startswith("sqlite"):
            (self.template / "store").write_text(url)

    @property
    def is_many(self):
        """Say whether each victim has a store of its own."""
        return self._rows is None

    def close_template(self):
        """Nobody has it open any more: what it holds is what every victim begins with."""
        # Everything is in the database file now, so that copying the folder copies the store.
        assert not list(self.template.glob("*-wal"))
        if (self.template / "store").exists():
            self._rows = self._stores.rows(self._url)

    def place(self, point):
        """Return the folder of a new victim. On a server there is one at a time."""
        place = self.folder / str(point)
        shutil.copytree(self.template, place)
        if self._rows is not None:
            self._stores.refill(self._url, self._rows)
        return place

    def kill_everywhere(self, victims):
        """Yield the folder of each victim and where it died; the last one came through."""
        following = self._begun(victims, 1)
        for point in range(1, 100):
            place = following
            death = victims.death(place)
            if death and self.is_many:  # the next one dies while this one's store is looked at
                following = self._begun(victims, point + 1)
            yield place, death or "nowhere"
            if not death:
                return
            if not self.is_many:
                following = self._begun(victims, point + 1)
        raise AssertionError("it never comes through")

    def _begun(self, victims, point):
        place = self.place(point)
        victims.begin(place, point)
        return place
