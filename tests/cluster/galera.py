"""
A Galera cluster of MariaDB: three nodes on loopback, each in a folder of its own.

Debian's packages are enough: `apt-get install galera-4 mariadb-server rsync`. A node that joins
takes the whole state of another one with rsync; one that comes back after a crash first looks up
how far it came, as Debian's service does, and takes only what it missed.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import attrs

from .servers import (
    HOST,
    Account,
    CannotRun,
    Server,
    free_ports,
    need,
    wait_until,
    working_folder,
)

_PACKAGES: Final = "galera-4 mariadb-server rsync"
_PROVIDERS: Final = (
    "/usr/lib/galera/libgalera_smm.so",
    "/usr/lib64/galera-4/libgalera_smm.so",
    "/usr/lib/libgalera_smm.so",
)
_SETTINGS: Final = """\
[mysqld]
datadir = {folder}/data
tmpdir = {folder}
socket = {folder}/socket
pid-file = {folder}/pid
bind-address = {host}
port = {ports.sql}
skip-name-resolve
skip-log-bin
max_connections = 200
character-set-server = utf8mb4

# Small, because three of them share one machine with the tests.
performance_schema = OFF
innodb_buffer_pool_size = 48M
innodb_log_file_size = 32M
innodb_log_buffer_size = 4M

# What an acknowledged order rests on.
innodb_flush_log_at_trx_commit = 1
# What Galera asks for.
binlog_format = ROW
default_storage_engine = InnoDB
innodb_autoinc_lock_mode = 2

wsrep_on = ON
wsrep_provider = {provider}
wsrep_cluster_name = autocard-test
wsrep_cluster_address = gcomm://{members}
wsrep_node_name = node{number}
wsrep_node_address = {host}:{ports.group}
wsrep_node_incoming_address = {host}:{ports.sql}
wsrep_sst_method = rsync
wsrep_sst_receive_address = {host}:{ports.state}
wsrep_slave_threads = 2
wsrep_provider_options = "{options}"
"""
# A dead node is noticed after two seconds instead of five: the tests wait for it.
_OPTIONS: Final = (
    "base_port={ports.group}; gmcast.listen_addr=tcp://{host}:{ports.group};"
    " ist.recv_addr={host}:{ports.increment}; gcache.size=64M;"
    " evs.keepalive_period=PT0.5S; evs.inactive_check_period=PT0.5S;"
    " evs.suspect_timeout=PT2S; evs.inactive_timeout=PT6S"
)


@attrs.frozen
class _Ports:
    sql: int
    group: int
    increment: int
    state: int


class Node:
    """One MariaDB server of the cluster."""

    def __init__(self, folder: Path, ports: _Ports, account: Account, mariadbd: str) -> None:
        self.port = ports.sql
        self._folder = folder
        self._account = account
        self._command = (mariadbd, f"--defaults-file={folder}/my.cnf")
        self._server = Server(account, folder / "log")

    def start(self, *options: str) -> None:
        """The process runs afterwards; `wait` until it serves."""
        self._server.start(*self._command, *options)

    def rejoin(self) -> None:
        """A killed node runs again; `wait` until it serves."""
        self.start(f"--wsrep_start_position={self._recovered()}")

    def _recovered(self) -> str:
        """Return the last change that the database of a killed node holds."""
        self._account.run(
            *self._command, "--wsrep-recover", f"--log-error={self._folder}/recovery.log"
        )
        told = (self._folder / "recovery.log").read_text("utf-8", "replace")
        return re.findall(r"Recovered position:\s*(\S+)", told)[-1]

    def wait(self, within_s: float = 60.0) -> None:
        """The node is a part of the cluster and has caught up with it."""
        wait_until(self._is_synced, f"node on port {self.port} in step", within_s)

    def _is_synced(self) -> bool:
        self._server.must_run()
        try:
            return self.status("wsrep_local_state_comment") == "Synced"
        except OSError:
            return False

    def kill(self) -> None:
        """The node is gone like a machine without power."""
        self._server.kill()

    def isolate(self, *, ends: bool = False) -> None:
        """The node runs, but the others cannot reach it; or, where that *ends*, they can again."""
        with self._cursor() as cursor:
            cursor.execute(f"SET GLOBAL wsrep_provider_options = 'gmcast.isolate={not ends:d}'")

    def freeze(self, *, ends: bool = False) -> None:
        """The node hangs: nobody is told, nothing answers; or, where that *ends*, it goes on."""
        self._server.freeze(ends=ends)

    def stop(self) -> None:
        """The node has left the cluster in good order; a killed one stays killed."""
        self._server.stop()
        # rsync waits for a state in a session of its own, and is left over when its node is.
        with contextlib.suppress(OSError, ValueError):
            pid = int((self._folder / "data" / "rsync_sst.pid").read_text("ascii"))
            self._account.run("kill", str(pid))

    def status(self, name: str) -> str:
        """Return what the node says of itself; `OSError` when it does not answer."""
        with self._cursor() as cursor:
            cursor.execute("SHOW GLOBAL STATUS LIKE %s", (name,))
            return str(cursor.fetchone()[1])

    def query(self, statement: str, database: str = "") -> list[Any]:
        """Return the rows of a statement, which sees all that any node committed before it."""
        with self._cursor() as cursor:
            cursor.execute("SET SESSION wsrep_sync_wait = 7")
            if database:
                cursor.execute(f"USE {database}")
            cursor.execute(statement)
            return list(cursor.fetchall())

    @contextlib.contextmanager
    def _cursor(self) -> Iterator[Any]:
        import pymysql

        try:
            connection = pymysql.connect(
                host=HOST, port=self.port, user="root", autocommit=True, connect_timeout=5
            )
        except pymysql.err.OperationalError as error:
            raise ConnectionError(str(error)) from error
        with contextlib.closing(connection), connection.cursor() as cursor:
            yield cursor


@attrs.frozen
class GaleraCluster:
    """Nodes that hold the same data; each may be written to."""

    nodes: tuple[Node, ...]

    def url(self, database: str, *numbers: int, query: str = "") -> str:
        """Return the URL of a store on the nodes with these *numbers*, the first one preferred."""
        hosts = ",".join(f"{HOST}:{self.nodes[number].port}" for number in numbers)
        return f"mysql+pymysql://root@{hosts}/{database}{query}"

    def create(self, database: str) -> None:
        """There is an empty database of this name on every node."""
        self.nodes[0].query(f"DROP DATABASE IF EXISTS {database}")
        self.nodes[0].query(f"CREATE DATABASE {database} CHARACTER SET utf8mb4")
        self.level()

    def level(self) -> None:
        """Every node that runs has applied all that was committed on any."""
        for node in self.nodes:
            node.query("SELECT 1")


@contextlib.contextmanager
def galera_cluster(size: int = 3) -> Iterator[GaleraCluster]:
    """
    Give a running cluster; its servers and files are gone afterwards.

    Raises:
        CannotRun: A package is missing; the message names it.
    """
    programs = need(_PACKAGES, "mariadbd", "mariadb-install-db", "rsync")
    provider = next((path for path in _PROVIDERS if Path(path).exists()), None)
    if provider is None:
        raise CannotRun(f"libgalera_smm.so not found: apt-get install {_PACKAGES}")
    account = Account.of("mysql")
    with working_folder(account) as folder, contextlib.ExitStack() as stack:
        ports = free_ports(4 * size)
        each = [_Ports(*ports[4 * number : 4 * number + 4]) for number in range(size)]
        members = ",".join(f"{HOST}:{one.group}" for one in each)
        nodes = []
        for number, own in enumerate(each):
            home = account.folder(folder / f"node{number}")
            account.folder(home / "data")
            text = _SETTINGS.format(
                folder=home,
                host=HOST,
                ports=own,
                provider=provider,
                members=members,
                number=number,
                options=_OPTIONS.format(host=HOST, ports=own),
            )
            (home / "my.cnf").write_text(text, "utf-8")
            nodes.append(Node(home, own, account, programs["mariadbd"]))
        account.run(
            programs["mariadb-install-db"],
            f"--defaults-file={folder}/node0/my.cnf",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--skip-name-resolve",
        )
        for number, node in enumerate(nodes):
            stack.callback(node.stop)
            node.start(*(["--wsrep-new-cluster"] if number == 0 else []))
            if number == 0:
                node.wait()
        for node in nodes:
            node.wait()
        yield GaleraCluster(tuple(nodes))
