"""The `store` setting is read as it was meant, or refused by name without telling a secret."""

from __future__ import annotations

import pytest

from autocard.errors import ConfigurationError
from autocard.store.urls import Host, parse

MARKER = "TH1S-1S-4-P4SSW0RD"
SERVERS = ("postgresql+psycopg", "mysql+pymysql")


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg", "mysql", "mysql+pymysql"])
def test_a_server_is_found_with_or_without_its_driver(scheme):
    """The name of the database is needed, the driver's is not."""
    at = parse(f"{scheme}://user:{MARKER}@db.example.com:5433/shop")
    assert at.backend == scheme.split("+", maxsplit=1)[0]
    assert (at.url.username, at.url.password, at.url.database) == ("user", MARKER, "shop")
    assert at.hosts == (Host("db.example.com", 5433),)
    assert (at.wait_s, at.pool_size, at.spread) == (30.0, None, 1)


@pytest.mark.parametrize("scheme", SERVERS)
def test_several_hosts_are_kept_in_their_order(scheme):
    """Each may have a port of its own; an IPv6 address stands in brackets."""
    at = parse(f"{scheme}://u:p@one,two:77,[::1]:5,[fe80::1]/shop")
    assert at.hosts == (Host("one"), Host("two", 77), Host("[::1]", 5), Host("[fe80::1]"))
    assert at.url.host == "one"
    assert at.shown == f"{at.backend}://one,two:77,[::1]:5,[fe80::1]/shop"


def test_a_password_may_hold_what_a_url_is_made_of():
    """Percent signs bring an at sign, a slash or a comma along."""
    at = parse("postgresql+psycopg://us%40er:p%40s%2Fw%2Cd@one,two/shop")
    assert (at.url.username, at.url.password) == ("us@er", "p@s/w,d")
    assert [x.name for x in at.hosts] == ["one", "two"]


@pytest.mark.parametrize("scheme", SERVERS)
@pytest.mark.parametrize("password", ["12/ab", "/", "a?b=c", "p:w,d", "12/a?b/c"])
def test_a_password_may_hold_most_of_it_as_it_is(scheme, password):
    """SQLAlchemy reads such a one too: the password ends where the at sign is."""
    at = parse(f"{scheme}://root:{password}@db.example.com:77,two/shop?wait_s=2")
    assert (at.url.username, at.url.password, at.url.database) == ("root", password, "shop")
    assert at.hosts == (Host("db.example.com", 77), Host("two"))
    assert (at.url.host, at.url.port, at.wait_s) == ("db.example.com", 77, 2)


@pytest.mark.parametrize("scheme", SERVERS)
def test_an_at_sign_behind_the_host_is_no_end_of_a_password(scheme):
    """The user was named already, so it belongs to a setting."""
    at = parse(f"{scheme}://u@h:77/sh%40op?a=b@c:1/d")
    assert (at.url.username, at.url.password, at.hosts) == ("u", None, (Host("h", 77),))
    assert (at.url.host, at.url.database) == ("h", "sh@op")
    assert dict(at.url.query) == {"a": "b@c:1/d"}


def test_our_settings_are_taken_out_and_the_drivers_stay():
    """What the driver of a server knows is seen when its pool is made."""
    at = parse("mysql+pymysql://u@h/shop?wait_s=2.5&pool_size=7&spread=200&ssl_ca=%2Fetc%2Fca.pem")
    assert (at.wait_s, at.pool_size, at.spread) == (2.5, 7, 200)
    assert dict(at.url.query) == {"ssl_ca": "/etc/ca.pem"}


def test_a_socket_needs_no_host():
    """What stands behind the question mark says where the server is."""
    at = parse("mysql+pymysql://root@/shop?unix_socket=%2Frun%2Fmysqld.sock")
    assert at.hosts == (Host(""),)
    assert at.url.host in (None, "")


@pytest.mark.parametrize("url", ["sqlite:///shop.db", "sqlite:////tmp/a,b.db?wait_s=0"])
def test_a_file_has_no_hosts(url):
    """A comma in a path is part of it."""
    at = parse(url)
    assert (at.backend, at.hosts) == ("sqlite", ())


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "not a database URL"),
        ("shop.db", "not a database URL"),
        ("postgresql", "not a database URL"),
        ("postgresql+psycopg://u@h:port/shop", "not a database URL"),
        ("postgresql+psycopg://u@h:1,:x/shop", "not a database URL"),
        ("postgresql+psycopg://u@h:123456/shop", "not a database URL"),
        ("postgresql+psycopg://u@[::1/shop", "not a database URL"),
        ("postgresql+psycopg://u:p@w@h/shop", "write %40"),
        ("mysql+pymysql://u:p@w:1/x@h/shop", "write %40"),
        ("mysql+pymysql://u@h:70000/shop", "port must be 1 to 65,535"),
        ("postgresql+psycopg://u@h,two:0/shop", "port must be 1 to 65,535"),
        ("oracle://u@h/shop", "oracle is not supported"),
        ("mssql+pyodbc://u@h/shop", "is not supported"),
        ("postgresql+asyncpg://u@h/shop", r"write postgresql\+psycopg"),
        ("postgresql+psycopg2://u@h/shop", r"write postgresql\+psycopg"),
        ("mysql+mysqlconnector://u@h/shop", r"write mysql\+pymysql"),
        ("postgresql+psycopg://u@h", "name the database"),
        ("postgresql+psycopg://u@h/", "name the database"),
        ("mysql+pymysql://u@h/?wait_s=1", "name the database"),
        ("sqlite:///a.db?pool_size=3", "pool_size is for database servers"),
        ("sqlite:///a.db?spread=3", "spread is for a Galera cluster"),
        ("sqlite:///a.db?wait=5", "unknown setting 'wait'; did you mean 'wait_s'?"),
        ("sqlite:///a.db?mode=ro", "unknown setting 'mode'"),
        ("sqlite:///a.db?wait_s=1&pool=1", "unknown setting 'pool'"),
        ("sqlite:///a.db?wait_s=1&p%25w=1", "write %26"),
        ("postgresql+psycopg://u@h/shop?spread=3", "spread is for a Galera cluster"),
        ("postgresql+psycopg://u@h/shop?wait_s=soon", "wait_s must be 0 to 3,600"),
        ("postgresql+psycopg://u@h/shop?wait_s=-1", "wait_s must be"),
        ("postgresql+psycopg://u@h/shop?wait_s=nan", "wait_s must be"),
        ("postgresql+psycopg://u@h/shop?wait_s=1&wait_s=2", "wait_s must be"),
        ("postgresql+psycopg://u@h/shop?pool_size=0", "pool_size must be a whole number"),
        ("postgresql+psycopg://u@h/shop?pool_size=1.5", "pool_size must be a whole number"),
        ("postgresql+psycopg://u@h/shop?pool_size=99999999999", "pool_size must be"),
        ("mysql+pymysql://u@h/shop?spread=-4", "spread must be a whole number"),
    ],
)
def test_what_cannot_be_is_refused(url, words):
    """The message says what to write instead."""
    with pytest.raises(ConfigurationError, match=words) as told:
        parse(url)
    assert str(told.value).startswith("store: ")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://user:{0}@h:port/shop", "postgresql+psycopg://user:{0}@h/",
        "oracle://user:{0}@h/shop", "postgresql+asyncpg://user:{0}@h/shop",
        "mysql+pymysql://user:{0}@h/shop?wait_s={0}", "mysql+pymysql://user:{0}@h/shop?spread={0}",
        "postgresql://user:{0}/shop@h", "{0}", "postgresql+{0}://h/x",
        "mysql://user:x@{0}@h/shop", "mysql://user:{0}@x/y@h/shop", "mysql://user:{0}@h:70000/shop",
        "sqlite:///a.db?mode={0}", "sqlite:///a.db?wait_s=1&{0}%25=1",
    ],
)  # fmt: skip
def test_no_refusal_tells_a_password(url):
    """Neither the message nor what it was raised from."""
    with pytest.raises(ConfigurationError) as caught:
        parse(url.format(MARKER))
    error = caught.value
    while error is not None:
        assert MARKER not in f"{error} {error!r} {error.args}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


@pytest.mark.parametrize("scheme", SERVERS)
def test_what_is_shown_has_no_user_and_no_password(scheme):
    """Messages and logs name the place only."""
    at = parse(f"{scheme}://user:{MARKER}@h/shop?wait_s=1")
    assert at.shown == f"{at.backend}://h/shop"
    assert MARKER not in repr(at)
