"""Database servers of a test's own: on free ports, in temporary folders, to be stopped and killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
import pymysql

_START_S = 60


class _Server:
    """One server process with its data in a folder of its own; it ends when the tests do."""

    user = ""
    """Whom it runs as when the tests run as root."""
    needs = ()
    """Programs that have to be installed."""

    def __init__(self):
        # Not below a folder of pytest: the server's own user may not enter those.
        self.folder = Path(tempfile.mkdtemp(prefix="autocard-server-"))
        self.port = _free_port()
        self._process = None
        try:
            if _is_root():
                shutil.chown(self.folder, self.user, self.user)
            self._make()
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self):
        """Start it and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*_dying_with_us(), *self._command()],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                **self._as_user(),
            )
        deadline = time.monotonic() + _START_S
        while not self.answers():
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)

    def stop(self, how):
        """Send it the signal *how* and wait until it is gone."""
        self._process.send_signal(how)
        self._process.wait(timeout=_START_S)
        self._process = None

    def kill(self):
        """Let it die without a word, as when the power fails."""
        self.stop(signal.SIGKILL)

    def close(self):
        """End it and remove its data."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=_START_S)
        deadline = time.monotonic() + _START_S
        while True:  # its children may need a moment to see that it is gone
            shutil.rmtree(self.folder, ignore_errors=True)
            if not self.folder.exists() or time.monotonic() > deadline:
                return
            time.sleep(0.1)

    @contextlib.contextmanager
    def frozen(self):
        """Let it stand still, with all its connections."""
        processes = self._processes()
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                os.kill(process, signal.SIGCONT)

    def wait_until_somebody_waits(self):
        """Return once a statement waits for a lock of another transaction."""
        deadline = time.monotonic() + _START_S
        while not self._waiting():
            assert time.monotonic() < deadline, "nobody waits for anybody"
            time.sleep(0.02)

    def log(self):
        """Return what it has written."""
        return (self.folder / "log").read_text("utf-8", "replace")

    def _run(self, *words):
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, timeout=_START_S, cwd=self.folder,
            **self._as_user(),
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    def _as_user(self):
        return {"user": self.user, "group": self.user, "extra_groups": []} if _is_root() else {}


class OwnPostgres(_Server):
    """A PostgreSQL with a database `autocard`, once it was renewed."""

    user = "postgres"
    needs = ("initdb", "postgres")

    @property
    def url(self):
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/autocard"

    def _make(self):
        data = str(self.folder / "data")
        self._run(
            _found("initdb"),
            "-D",
            data,
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-locale",
            "--no-sync",
        )

    def _command(self):
        return [
            _found("postgres"), "-D", str(self.folder / "data"), "-p", str(self.port),
            "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self.folder}",
        ]  # fmt: skip

    def connect(self, database="postgres"):
        """Return a connection of the superuser."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="postgres", dbname=database, autocommit=True,
            connect_timeout=5,
        )  # fmt: skip

    def answers(self):
        try:
            self.connect().close()
        except psycopg.Error:
            return False
        return True

    def renew(self):
        """Put an empty database in the place of the one there was."""
        with self.connect() as connection:
            connection.execute("DROP DATABASE IF EXISTS autocard WITH (FORCE)")
            connection.execute("CREATE DATABASE autocard")

    def serialize(self):
        """Let every transaction that says nothing else be serializable."""
        with self.connect() as connection:
            connection.execute(
                "ALTER DATABASE autocard SET default_transaction_isolation = 'serializable'"
            )

    def cut_connections(self):
        """Break every connection to the database off; return how many there were."""
        with self.connect() as connection:
            return connection.execute(
                "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE datname = 'autocard' AND backend_type = 'client backend'"
            ).fetchone()[0]

    def deadlocks(self):
        """Return how many there have been."""
        return self.log().count("deadlock detected")

    def _waiting(self):
        with self.connect() as connection:
            return connection.execute(
                "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            ).fetchone()[0]

    @contextlib.contextmanager
    def rival(self):
        """Give another program that works on the same rows, and outlasts others in a deadlock."""
        with self.connect("autocard") as connection:
            connection.execute("SET deadlock_timeout = '60s'")
            connection.execute("BEGIN")
            yield Rival(connection.cursor())

    def stop(self, how=signal.SIGINT):
        """Break all connections off and shut down; SIGTERM would wait for them instead."""
        super().stop(how)

    def kill(self):
        """Kill the postmaster and wait until its children have seen it."""
        super().kill()
        # Shared memory is free once the last of them is gone; a new one starts only then.
        deadline = time.monotonic() + _START_S
        while self._in_data_folder():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def _processes(self):
        return [self._process.pid, *self._in_data_folder()]

    def _in_data_folder(self):
        """Return the processes that work there; they leave the group of the postmaster."""
        found = set()
        for each in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (each / "cwd").readlink() == self.folder / "data":
                    found.add(int(each.name))
        return found


class OwnMariaDb(_Server):
    """A MariaDB with a database `autocard`, once it was renewed."""

    user = "mysql"
    needs = ("mariadb-install-db", "mariadbd")

    @property
    def url(self):
        return f"mysql+pymysql://root@127.0.0.1:{self.port}/autocard"

    def _make(self):
        self._run(
            _found("mariadb-install-db"), "--no-defaults", f"--datadir={self.folder / 'data'}",
            "--auth-root-authentication-method=normal", "--skip-test-db",
            *(["--user=mysql"] if _is_root() else []),
        )  # fmt: skip

    def _command(self):
        return [
            _found("mariadbd"), "--no-defaults", f"--datadir={self.folder / 'data'}",
            f"--port={self.port}", "--bind-address=127.0.0.1",
            f"--socket={self.folder / 'socket'}", f"--pid-file={self.folder / 'pid'}",
            "--character-set-server=utf8mb4", "--innodb-buffer-pool-size=64M",
            *(["--user=mysql"] if _is_root() else []),
        ]  # fmt: skip

    def _as_user(self):
        return {}  # it changes its user by itself

    def connect(self, database=None):
        """Return a connection of root."""
        return pymysql.connect(
            host="127.0.0.1", port=self.port, user="root", database=database, autocommit=True,
            connect_timeout=5,
        )  # fmt: skip

    def answers(self):
        try:
            self.connect().close()
        except pymysql.MySQLError:
            return False
        return True

    def renew(self):
        """Put an empty database in the place of the one there was."""
        self.cut_connections()
        self._ask("DROP DATABASE IF EXISTS autocard")
        self._ask("CREATE DATABASE autocard")

    def cut_connections(self):
        """Break every connection to the database off; return how many there were."""
        found = self._ask("SELECT id FROM information_schema.processlist WHERE db = 'autocard'")
        for (number,) in found:
            with contextlib.suppress(pymysql.MySQLError):  # it may be gone by now
                self._ask(f"KILL {number}")
        return len(found)

    def deadlocks(self):
        """Return how many there have been."""
        return int(self._ask("SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'")[0][1])

    def _waiting(self):
        return self._ask(
            "SELECT 1 FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"
        )

    @contextlib.contextmanager
    def rival(self):
        """Give another program that works on the same rows, and outlasts others in a deadlock."""
        with self.connect("autocard") as connection, connection.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
            cursor.execute("CREATE TABLE rival (number INT PRIMARY KEY)")
            # The one that has changed least is the victim.
            cursor.execute("BEGIN")
            cursor.executemany("INSERT INTO rival VALUES (%s)", [(x,) for x in range(500)])
            yield Rival(cursor)

    def _ask(self, statement):
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()

    def _processes(self):
        return [self._process.pid]

    def stop(self, how=signal.SIGTERM):
        """Break all connections off and shut down."""
        super().stop(how)


class Rival:
    """Another program inside a transaction."""

    def __init__(self, cursor):
        self._cursor = cursor

    def lock(self, sku):
        """Lock every card of *sku* until it gives up."""
        self._cursor.execute("SELECT id FROM autocard_warehouses WHERE sku = %s", (sku,))
        (warehouse,) = self._cursor.fetchone()
        self._cursor.execute(
            "SELECT id FROM autocard_cards WHERE warehouse_id = %s ORDER BY id FOR UPDATE",
            (warehouse,),
        )
        assert self._cursor.fetchall()

    def give_up(self):
        """Roll back."""
        self._cursor.execute("ROLLBACK")


def missing(server):
    """Return which programs a kind of server needs that are not installed."""
    return [name for name in server.needs if _find(name) is None]


def _found(program):
    found = _find(program)
    assert found is not None
    return found


def _dying_with_us():
    """Return what to put before a command that is to be killed when this process ends."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []


def _find(program):
    """Return where a program is; Debian keeps those of PostgreSQL out of the path."""
    places = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), "/usr/sbin"]
    path = os.pathsep.join([*map(str, places), os.environ.get("PATH", "")])
    return shutil.which(program, path=path)


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _is_root():
    return os.geteuid() == 0
