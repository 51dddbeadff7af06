"""What a server refuses is told by what to do about it, and without a secret."""

from __future__ import annotations

import re
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pymysql
import pytest
import sqlalchemy as sa

from autocard.errors import ConfigurationError, StoreError, StoreUnavailable
from autocard.store.mysql import MysqlPool
from autocard.store.mysql_address import KNOWN, arguments_of
from autocard.store.opening import migrate, open_pool, place_of
from autocard.store.postgresql import PostgresPool
from autocard.store.problems import Conflict, Lost, Unforeseen
from autocard.store.urls import Host, parse
from autocard.testing.shelf import insert, intent, order, place, sell

MARKER = "TH1S-1S-4-P4SSW0RD"


@pytest.fixture(name="postgres", scope="module")
def _postgres():
    """Return a pool that is never connected."""
    at = parse("postgresql+psycopg://h/x")
    return PostgresPool(at.url, hosts=at.hosts)


@pytest.fixture(name="maria", scope="module")
def _maria():
    at = parse("mysql+pymysql://h/x")
    return MysqlPool(at.url, hosts=at.hosts)


# --- by number ------------------------------------------------------------------------------

STATES = {
    "40001": (Conflict, "busy"), "40P01": (Conflict, "busy"), "55P03": (Conflict, "busy"),
    "26000": (Conflict, "busy"),
    "57P01": (Lost, "broke"), "57P02": (Lost, "broke"), "57P03": (Lost, "broke"),
    "25006": (Lost, "broke"), "08006": (Lost, "broke"), "08P01": (Lost, "broke"),
    "53100": (StoreUnavailable, "disk"), "53300": (StoreUnavailable, "pool_size"),
    "53200": (StoreUnavailable, "out of resources"), "28P01": (StoreUnavailable, "password"),
    "28000": (StoreUnavailable, "password"), "3D000": (StoreUnavailable, "no such database"),
    "42501": (StoreUnavailable, "rights"), "42P01": (StoreUnavailable, "autocard migrate"),
    "57014": (StoreUnavailable, "statement_timeout"),
    "23505": (StoreError, "stored already"), "22003": (StoreError, "too large"),
    "22021": (StoreError, "Unicode"), "23502": (StoreError, "nothing was stored"),
    "42601": (Unforeseen, "refused"), "XX000": (Unforeseen, "refused"),
}  # fmt: skip
NUMBERS = {
    1205: (Conflict, "busy"), 1213: (Conflict, "busy"), 1180: (Conflict, "busy"),
    1047: (Lost, "broke"), 1053: (Lost, "broke"), 1927: (Lost, "broke"), 4031: (Lost, "broke"),
    2006: (Lost, "broke"), 2013: (Lost, "broke"), 1290: (Lost, "broke"),
    2002: (Lost, "no database answers"), 2003: (Lost, "no database answers"),
    2005: (Lost, "no database answers"),
    1021: (StoreUnavailable, "disk"), 1114: (StoreUnavailable, "disk"),
    1040: (StoreUnavailable, "pool_size"), 1203: (StoreUnavailable, "pool_size"),
    1044: (StoreUnavailable, "password"), 1045: (StoreUnavailable, "password"),
    1698: (StoreUnavailable, "password"), 1049: (StoreUnavailable, "no such database"),
    1142: (StoreUnavailable, "rights"), 1146: (StoreUnavailable, "autocard migrate"),
    1153: (StoreUnavailable, "max_allowed_packet"),
    1062: (StoreError, "stored already"), 1264: (StoreError, "too large"),
    1366: (StoreError, "Unicode"), 1406: (StoreError, "nothing was stored"),
    1048: (StoreError, "nothing was stored"),
    1064: (Unforeseen, "refused"), 1105: (Unforeseen, "refused"),
}  # fmt: skip


@pytest.mark.parametrize("state", STATES)
def test_every_state_of_postgresql_asks_for_something(postgres, state):
    """The state stands in the message; what the server said does not."""
    kind, words = STATES[state]
    error = type("Raised", (psycopg.Error,), {"sqlstate": state})(MARKER)
    problem = postgres.problem(error)
    assert (type(problem), words in str(problem)) == (kind, True), problem
    assert MARKER not in str(problem)


@pytest.mark.parametrize("number", NUMBERS)
def test_every_number_of_mariadb_asks_for_something(maria, number):
    """The number stands in the message; what the server said does not."""
    kind, words = NUMBERS[number]
    problem = maria.problem(pymysql.err.OperationalError(number, MARKER))
    assert (type(problem), words in str(problem)) == (kind, True), problem
    assert MARKER not in str(problem)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (psycopg.OperationalError("the connection is closed"), Lost, "broke"),
        (psycopg.InterfaceError("closed"), Lost, "broke"),
        (psycopg.DatabaseError("server closed the connection"), Lost, "broke"),
        (psycopg.OperationalError("connection failed: Connection refused"), Lost, "no database"),
        (psycopg.OperationalError("connection is bad: No such file"), Lost, "no database"),
        (psycopg.OperationalError("failed to resolve host"), Lost, "host and port"),
        (psycopg.OperationalError("connection timeout expired"), Lost, "no database answers"),
        (psycopg.OperationalError('connection failed: FATAL:  role "x"'), StoreUnavailable, "user"),
        (
            psycopg.OperationalError('connection failed: FATAL:  database "x" does not exist'),
            StoreUnavailable, "no such database",
        ),
        (
            psycopg.OperationalError("connection failed: FATAL:  password authentication failed"),
            StoreUnavailable, "password",
        ),
        (
            psycopg.OperationalError('failed: FATAL:  no pg_hba.conf entry, database "x"'),
            StoreUnavailable, "user and password",
        ),
        (psycopg.OperationalError("FATAL:  too many clients"), StoreUnavailable, "pool_size"),
        (psycopg.OperationalError("FATAL:  remaining slots"), StoreUnavailable, "pool_size"),
        (
            psycopg.OperationalError("connection failed: FATAL:  the database is starting up"),
            Lost, "no database answers",
        ),
        (psycopg.DataError("NUL"), StoreError, "Unicode"),
        (psycopg.ProgrammingError("placeholders"), StoreUnavailable, "driver refused"),
        (psycopg.NotSupportedError("x"), StoreUnavailable, "driver refused"),
        (UnicodeEncodeError("utf-8", "x", 0, 1, MARKER), StoreError, "Unicode"),
        (OverflowError(MARKER), StoreError, "too large"),
    ],
)  # fmt: skip
def test_what_psycopg_finds_out_by_itself(postgres, error, kind, words):
    """There is no state then; the kind of error and the words of the server must do."""
    problem = postgres.problem(error)
    assert (type(problem), words in str(problem)) == (kind, True), problem
    assert MARKER not in str(problem)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (pymysql.err.InterfaceError(0, ""), Lost, "broke"),
        (pymysql.err.InterfaceError("closed"), Lost, "broke"),
        (pymysql.err.DataError("?"), StoreError, "Unicode"),
        (pymysql.err.MySQLError(), Unforeseen, "refused"),
        (OverflowError(MARKER), StoreError, "too large"),
    ],
)
def test_what_pymysql_finds_out_by_itself(maria, error, kind, words):
    """There is no number then."""
    problem = maria.problem(error)
    assert (type(problem), words in str(problem)) == (kind, True), problem


def test_a_repeated_number_is_told_alike_everywhere(store_url):
    """References and numbers of data keys are given once in a whole store."""
    pool = open_pool(store_url, base=Path(), create=False)
    sell(pool, "A1")
    insert(pool, intent("r1"))
    with pytest.raises(StoreError, match="stored already") as caught:
        insert(pool, intent("r1"))
    assert not isinstance(caught.value, StoreUnavailable)
    pool.close()


@pytest.mark.parametrize("text", ["\ud800", "A\0B"])
def test_a_text_is_kept_whole_or_refused(store_url, text):
    """No store cuts off what it cannot hold."""
    pool = open_pool(store_url, base=Path(), create=False)
    sell(pool, "A1")
    order_id = pool.order("shop", "A1").id
    uses = {
        "route": lambda: insert(pool, intent("r1", route=text)),
        "order_no": lambda: sell(pool, text),
    }
    kept, refusals = {}, []
    for name, use in uses.items():
        try:
            use()
        except (StoreError, UnicodeEncodeError) as error:  # the shelf encodes a number itself
            refusals.append(str(error))
        else:
            kept[name] = text
    assert all("nothing was stored" in x or "surrogates" in x for x in refusals)
    assert [x.route for x in pool.intents_of(order_id)] == [
        kept[x] for x in ("route",) if x in kept
    ]
    assert {x.order_no for x in pool.orders()} == {"A1", kept.get("order_no", "A1")}
    pool.close()


def test_a_number_that_is_too_large_is_refused(store_url):
    """Nothing of the order is stored."""
    pool = open_pool(store_url, base=Path(), create=False)
    with pytest.raises(StoreError, match="too large"):
        place(pool, order("A1", accepted_ms=2**70))
    for amount in (2**63, 2**70):
        with pytest.raises(StoreError, match="too large"):
            pool.change(lambda change, amount=amount: _intend(change, amount))
    assert pool.orders() == []
    pool.close()


def _intend(change, amount):
    change.insert_intents(1, 1, [intent("r1", amount_minor=amount)], now_ms=0)


# --- by doing it ----------------------------------------------------------------------------


@contextmanager
def somebody(stores, url, begin, end):
    """Let there be another user of the server for a while, where this one may make some."""
    try:
        for statement in begin:
            stores.run(url, statement)
    except sa.exc.DBAPIError:
        pytest.skip("this user may not make others")
    try:
        yield
    finally:
        for statement in end:
            with suppress(sa.exc.DBAPIError):
                stores.run(url, statement)


def refused(url):
    """Return how opening is refused, and after how long."""
    began_s = time.monotonic()
    with pytest.raises((StoreUnavailable, ConfigurationError)) as caught:
        open_pool(url, base=Path(), create=True)
    assert time.monotonic() - began_s < 8
    error = caught.value
    text = ""
    while error is not None:
        text += f"{error} {error!r} {error.args}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    assert MARKER not in text
    return str(caught.value)


def changed(url, **parts):
    return sa.make_url(url).set(**parts).render_as_string(hide_password=False)


def with_query(url, query):
    """Return *url* with another setting, written as an operator writes it."""
    return f"{url}{'&' if '?' in url else '?'}{query}"


def looked_at(pool):
    """Connect, and leave."""
    try:
        with pool.looking() as connection:
            return connection.exec_driver_sql("SELECT 1").scalar()
    finally:
        pool.close()


@pytest.mark.parametrize("store_kind", ["postgresql", "mariadb"])
class TestOpening:
    def test_a_database_that_is_not_there(self, blank_url):
        """It is named by the setting that names it."""
        told = refused(changed(blank_url, database="autocard_nowhere"))
        assert "there is no such database; make it, or look at its name in `store`" in told

    def test_a_port_where_nobody_listens(self, blank_url):
        """The message says what to look at."""
        told = refused(changed(blank_url, host="127.0.0.1", port=1, password=MARKER))
        assert "no database answers; look at host and port in `store`" in told

    def test_a_host_that_is_not_there(self, blank_url):
        """A misspelt name is not retried for half a minute."""
        told = refused(changed(blank_url, host="nowhere.invalid", password=MARKER))
        assert "no database answers; look at host and port in `store`" in told

    def test_a_user_that_is_not_let_in(self, blank_url):
        """Neither user nor password are told."""
        url = changed(blank_url, username="autocard_nobody", password=MARKER)
        assert "look at user and password in `store`" in refused(url)

    def test_a_user_that_may_not_make_tables(self, stores, store_kind, blank_url):
        """The one who set the database up is told what is missing, at once."""
        name, database = "autocard_test_guest", sa.make_url(blank_url).database
        local = "'autocard_test_guest'@'%%'"
        if store_kind == "postgresql":
            begin = [f"DROP ROLE IF EXISTS {name}", f"CREATE ROLE {name} LOGIN PASSWORD '{MARKER}'"]
            end = [f"DROP ROLE {name}"]
        else:
            begin = [
                f"CREATE OR REPLACE USER {local} IDENTIFIED BY '{MARKER}'",
                f"GRANT SELECT ON {database}.* TO {local}",
            ]
            end = [f"DROP USER {local}"]
        with somebody(stores, blank_url, begin, end):
            told = refused(changed(blank_url, username=name, password=MARKER))
            assert "this user may not use the tables; grant it the rights" in told
            with pytest.raises(StoreUnavailable, match="grant it the rights"):
                migrate(changed(blank_url, username=name, password=MARKER), base=Path())

    def test_a_password_of_any_letters(self, stores, store_kind, blank_url):
        """Also of those that no Latin alphabet has."""
        name, password = "autocard_test_letters", "\u4e2d\u6587/" + MARKER
        database = sa.make_url(blank_url).database
        local = f"'{name}'@'%%'"
        if store_kind == "postgresql":
            begin = [
                f"DROP ROLE IF EXISTS {name}",
                f"CREATE ROLE {name} SUPERUSER LOGIN PASSWORD '{password}'",
            ]
            end = [f"DROP OWNED BY {name}", f"DROP ROLE {name}"]
        else:
            begin = [
                f"CREATE OR REPLACE USER {local} IDENTIFIED BY '{password}'",
                f"GRANT ALL ON {database}.* TO {local}",
            ]
            end = [f"DROP USER {local}"]
        with somebody(stores, blank_url, begin, end):
            open_pool(
                changed(blank_url, username=name, password=password), base=Path(), create=True
            ).close()

    def test_a_password_that_cannot_be_sent(self, blank_url, store_kind):
        """Half a letter is none; what is told quotes nothing, and holds nothing."""
        place = place_of(changed(blank_url, host="127.0.0.1"), Path())
        place.leave()
        url = place.pool()._engine.url.set(password=f"{MARKER}\ud800")
        kind = {"postgresql": PostgresPool, "mariadb": MysqlPool}[store_kind]
        with pytest.raises(ConfigurationError, match="`store`") as caught:
            looked_at(kind(url, hosts=[Host("127.0.0.1", url.port)]))
        assert caught.value.__cause__ is caught.value.__context__ is None
        assert MARKER not in str(caught.value)

    @pytest.mark.parametrize("query", [
        "foo=1", "autocommit=true", "prepare_threshold=0", "row_factory=1", "conv=1", "ssl=true",
        "cursorclass=x", "client_flag=0", "local_infile=1", "client_encoding=latin1", "dbname=x",
    ])  # fmt: skip
    def test_a_setting_that_is_none(self, blank_url, store_kind, query):
        """It is named; what only Python can say is none either."""
        name = query.partition("=")[0]
        assert f"store: unknown setting '{name}'" in refused(with_query(blank_url, query))

    def test_a_setting_that_is_misspelt(self, blank_url, store_kind):
        """Ours are proposed as well as those of the driver."""
        told = refused(with_query(blank_url, "conect_timeout=3"))
        assert told == "store: unknown setting 'conect_timeout'; did you mean 'connect_timeout'?"
        assert "did you mean 'pool_size'?" in refused(with_query(blank_url, "poolsize=3"))

    def test_a_setting_that_stands_there_twice(self, blank_url, store_kind):
        """Which of them is meant is not guessed."""
        told = refused(with_query(blank_url, "connect_timeout=3&connect_timeout=4"))
        assert "connect_timeout stands there more than once" in told

    def test_the_first_host_that_answers_is_taken(self, store_url, store_kind):
        """The others are tried in their order, whether they are away or not there at all."""
        at = sa.make_url(store_url)
        if not at.host:
            pytest.skip("the server is reached by a socket")
        port = at.port or {"postgresql": 5432, "mariadb": 3306}[store_kind]
        alone = changed(store_url, host="answering", port=port)
        several = alone.replace(f"answering:{port}", f"127.0.0.1:1,{at.host}:{port}")
        pool = open_pool(several, base=Path(), create=False)
        assert sell(pool, "A1")
        pool.close()

    @pytest.mark.parametrize("host", ["ex..ample", "a" * 70 + ".com"])
    def test_a_host_that_no_name_can_be(self, blank_url, store_kind, host):
        """No library's own error comes out."""
        told = refused(changed(blank_url, host=host, port=1, password=MARKER))
        assert "look at" in told
        assert "`store`" in told

    def test_an_ipv6_address_among_several_hosts(self, store_kind, monkeypatch):
        """Drivers take it without the brackets that a URL needs."""
        asked = []

        def connect(**arguments):
            asked.append((arguments["host"], arguments["port"]))
            raise {"postgresql": psycopg.OperationalError, "mariadb": pymysql.OperationalError}[
                store_kind
            ](2003, "no")

        driver = {"postgresql": psycopg, "mariadb": pymysql}[store_kind]
        monkeypatch.setattr(driver, "connect", connect)
        scheme = {"postgresql": "postgresql+psycopg", "mariadb": "mysql+pymysql"}[store_kind]
        refused(f"{scheme}://u@[::1]:5432,[fe80::1]:5433,h:1/x")
        hosts = ("::1", "fe80::1", "h")
        assert (
            asked
            == {
                "postgresql": [(",".join(hosts), "5432,5433,1")],
                "mariadb": list(zip(hosts, (5432, 5433, 1), strict=True)),
            }[store_kind]
        )

    def test_a_driver_that_is_not_installed(self, blank_url, store_kind, monkeypatch):
        """The message says what to install."""
        module = {"postgresql": "postgresql", "mariadb": "mysql"}[store_kind]
        driver = {"postgresql": "psycopg", "mariadb": "pymysql"}[store_kind]
        monkeypatch.delitem(sys.modules, f"autocard.store.{module}")
        monkeypatch.setitem(sys.modules, driver, None)
        extra = {"postgresql": "postgres", "mariadb": "mysql"}[store_kind]
        assert f"pip install 'autocard[{extra}]'" in refused(blank_url)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("read_timeout=abc", "read_timeout must be a whole number"),
        ("connect_timeout=0", "connect_timeout must be a whole number"),
        ("write_timeout=1.5", "write_timeout must be a whole number"),
        (
            "charset=nope",
            "charset must be one that the driver knows, for instance ?charset=utf8mb4",
        ),
        ("ssl_ca=/nope.pem", "ssl_ca must be the path of a file that can be read"),
        ("ssl_cert=/&ssl_key=/nope", "ssl_cert must be the path of a file that can be read"),
        ("ssl_check_hostname=x", "ssl_check_hostname must be true or false"),
        ("ssl_verify_cert=perhaps", "ssl_verify_cert must be true or false"),
        ("ssl_cipher=nope", "the driver does not take it (SSLError)"),
        ("ssl_ca={rubbish}", "the driver does not take it (SSLError)"),
    ],
)
@pytest.mark.parametrize("store_kind", ["mariadb"])
def test_a_setting_of_mariadb_that_cannot_be(blank_url, tmp_path, query, words):
    """It is named, with what it may be."""
    (tmp_path / "rubbish.pem").write_text("rubbish")
    assert words in refused(with_query(blank_url, query.format(rubbish=tmp_path / "rubbish.pem")))


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("connect_timeout=abc", "connect_timeout"), ("sslmode=nope", "sslmode"),
        ("port=99999", "port"),
        ("keepalives_idle=x", "keepalives_idle"), ("tcp_user_timeout=1.5", "tcp_user_timeout"),
        ("target_session_attrs=any-thing", "target_session_attrs"), ("gssencmode=x", "gssencmode"),
        ("channel_binding=x", "channel_binding"), ("load_balance_hosts=x", "load_balance_hosts"),
        ("ssl_min_protocol_version=x", "ssl_min_protocol_version"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("store_kind", ["postgresql"])
def test_a_setting_of_postgresql_that_cannot_be(blank_url, query, name):
    """The driver says which one it is."""
    assert f"store: {name} has a value that the driver does not know" == refused(
        with_query(blank_url, query)
    )


@pytest.mark.parametrize(
    ("store_kind", "query"),
    [
        *(("mariadb", x) for x in (
            "connect_timeout=3&read_timeout=40&write_timeout=40", "charset=utf8mb4",
            "collation=utf8mb4_bin", "ssl_disabled=true", "max_allowed_packet=1000000",
            "init_command=SELECT%201", "program_name=shop", "sql_mode=ANSI",
        )),
        *(("postgresql", x) for x in (
            "connect_timeout=3", "sslmode=prefer", "application_name=shop", "keepalives_idle=5",
            "options=-c%20work_mem%3D8MB", "target_session_attrs=any", "passfile=%2Fnope",
        )),
    ],
)  # fmt: skip
def test_what_a_driver_knows_it_gets(blank_url, query):
    """The usual settings of a driver may stand in the address."""
    open_pool(with_query(blank_url, query), base=Path(), create=True).close()


@pytest.mark.parametrize("store_kind", ["postgresql"])
def test_what_the_address_says_goes_before_what_we_would(blank_url):
    """Our own patience is for those who say nothing about it."""
    url = with_query(blank_url, "application_name=shop&keepalives_idle=7")
    place = place_of(url, Path())
    with place.looking() as connection:
        info = connection.connection.driver_connection.info.get_parameters()
    place.leave()
    assert (info["application_name"], info["keepalives_idle"]) == ("shop", "7")
    assert info["keepalives_interval"] == "10"


@pytest.mark.parametrize(
    ("query", "meant"),
    [
        ("ssl_ca={ca}", {"ca": "{ca}"}),  # checks the name of the host, too
        ("ssl_ca={ca}&ssl_check_hostname=false", {"ca": "{ca}", "check_hostname": False}),
        ("ssl_verify_cert=true", {"verify_mode": True}),
        ("ssl_ca={ca}&ssl_verify_cert=true", {"ca": "{ca}", "verify_mode": True}),
        ("ssl_verify_cert=false", {"verify_mode": False, "check_hostname": False}),
        ("ssl_verify_identity=yes", {"verify_mode": True, "check_hostname": True}),
        (
            "ssl_cert={ca}&ssl_key={ca}&ssl_key_password=x&ssl_cipher=ALL&ssl_capath=%2Fetc",
            {"cert": "{ca}", "key": "{ca}", "password": "x", "cipher": "ALL", "capath": "/etc"},
        ),
    ],
)
def test_what_is_asked_of_tls_on_mariadb(tmp_path, query, meant):
    """One setting does not undo another, as it would with the driver's own names."""
    ca = tmp_path / "ca.pem"
    ca.touch()
    at = parse(f"mysql+pymysql://u@h/x?{query.format(ca=ca)}")
    wanted = {k: v.format(ca=ca) if isinstance(v, str) else v for k, v in meant.items()}
    assert arguments_of(at.url)["ssl"] == wanted


def test_the_docs_name_every_setting_of_mariadb():
    """And no other one."""
    page = Path(__file__).parents[2] / "docs" / "how-to" / "choose-a-store.md"
    rows = [
        x for x in page.read_text().splitlines() if x.startswith(("| MariaDB, M", "| the same, e"))
    ]
    named = [x for row in rows for x in re.findall(r"`(\w+)`", row)]
    assert sorted({*named}) == sorted(KNOWN)
