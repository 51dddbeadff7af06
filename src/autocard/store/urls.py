"""The `store` setting: a database URL, with our own settings behind the question mark."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

import attrs
import sqlalchemy as sa

from autocard.errors import ConfigurationError
from autocard.spelling import close_names

OURS: Final = ("wait_s", "pool_size", "spread")
"""The settings that are not the driver's."""

_LONGEST_WAIT_S: Final = 3600
_LAST_PORT: Final = 65_535
_MOST_CONNECTIONS: Final = 1000
_WIDEST_SPREAD: Final = 100_000
_DRIVERS: Final = {"sqlite": "pysqlite", "postgresql": "psycopg", "mysql": "pymysql"}
# A password ends at the first at sign, as for SQLAlchemy, so it may hold a slash. Where another at
# sign follows before the settings, it was meant to hold that, too: we would go to a wrong host.
_SCHEME: Final = re.compile(r"^(?P<scheme>[\w+]+)://")
_AUTHORITY: Final = re.compile(
    r"(?P<user>[^:/@]*(?::[^@]*)?@)?(?P<hosts>[^/?@]*)(?P<path>(?:/[^?@]*)?)(?P<query>(?:\?.*)?)$"
)
_HOST: Final = re.compile(r"^(?P<name>\[[^\]]+\]|[^:\[\]]*)(?::(?P<port>\d{1,5}))?$")


@attrs.frozen
class Host:
    """One database server of several that hold the same store."""

    name: str
    port: int | None = None

    @property
    def bare(self) -> str:
        """The name as a driver takes it: an IPv6 address without its brackets."""
        return self.name.strip("[]")


@attrs.frozen(kw_only=True)
class StoreUrl:
    """
    Where the store is, and how patiently it is used.

    Args:
        url: The database, without our settings; of several hosts the first.
        hosts: Every host in the order they are tried; empty for a file.
        wait_s: How long a change goes on trying before `StoreUnavailable`, in seconds.
        pool_size: The most connections one engine opens; None means as usual.
        spread: Over how many cards of a warehouse takes are spread; 1 takes strictly in order.
    """

    url: sa.URL
    hosts: tuple[Host, ...] = ()
    wait_s: float = 30.0
    pool_size: int | None = None
    spread: int = 1

    @property
    def backend(self) -> str:
        """`sqlite`, `postgresql` or `mysql`."""
        return self.url.get_backend_name()

    @property
    def shown(self) -> str:
        """What may be shown of it: no user, no password."""
        places = ",".join(f"{x.name}:{x.port}" if x.port else x.name for x in self.hosts)
        return f"{self.backend}://{places}/{self.url.database}"


def parse(text: str) -> StoreUrl:
    """
    Return what the `store` setting says.

    Raises:
        ConfigurationError: It is no URL of a supported database, or a setting is out of range.
    """
    single, hosts = _hosts(text)
    try:
        url = sa.make_url(single)
    except (sa.exc.ArgumentError, ValueError):
        raise _malformed() from None
    _check_backend(url)
    # Left to itself SQLAlchemy would pick a driver that depends on its version.
    url = url.set(drivername=f"{url.get_backend_name()}+{_DRIVERS[url.get_backend_name()]}")
    settings: dict[str, Any] = dict(url.query)
    found = StoreUrl(
        url=url,
        hosts=hosts,
        wait_s=_number(settings, "wait_s", 30.0, 0, _LONGEST_WAIT_S, "seconds"),
        pool_size=_whole(settings, "pool_size", None, 1, _MOST_CONNECTIONS),
        spread=_whole(settings, "spread", 1, 1, _WIDEST_SPREAD) or 1,
    )
    if found.backend == "sqlite" and found.pool_size is not None:
        raise ConfigurationError("store: pool_size is for database servers; leave it out")
    if found.backend != "mysql" and found.spread != 1:
        raise ConfigurationError("store: spread is for a Galera cluster; leave it out")
    if found.backend == "sqlite":
        refuse_unknown(settings, OURS[:1])
    # The driver's own settings stay where they were.
    return attrs.evolve(found, url=url.set(query=settings))


def refuse_unknown(settings: Mapping[str, Any], known: Collection[str]) -> None:
    """
    Raise unless every setting is known, and given once.

    Raises:
        ConfigurationError: The setting is named, but not its value, which may be a secret.
    """
    for name, value in settings.items():
        if not name.replace(
            "-", "_"
        ).isidentifier():  # rather the rest of a value, and that may be a secret
            raise ConfigurationError(
                "store: what stands behind the question mark is name=value; "
                "in a value write %26 for & and %25 for a percent sign"
            )
        if name not in known:
            raise ConfigurationError(f"store: unknown setting {name!r}{close_names(name, known)}")
        if not isinstance(value, str):
            raise ConfigurationError(f"store: {name} stands there more than once; keep one of them")


def untakeable(error: BaseException) -> ConfigurationError:
    """Say that a driver failed over the address itself; what it says may quote a password."""
    return ConfigurationError(
        f"store: the driver does not take it ({type(error).__name__}); look at user, password and "
        "host in `store`, and at the settings behind its question mark"
    )


def _hosts(text: str) -> tuple[str, tuple[Host, ...]]:
    """Return the URL with its first host alone, and all its hosts."""
    begun = _SCHEME.match(text)
    if begun is None or begun["scheme"].startswith("sqlite"):
        return text, ()
    found = _AUTHORITY.match(text, begun.end())
    if found is None:
        raise _malformed_server()
    hosts = tuple(_host(part) for part in found["hosts"].split(","))
    first = hosts[0].name + ("" if hosts[0].port is None else f":{hosts[0].port}")
    # SQLAlchemy would take an at sign in a setting for the end of a password.
    query = found["query"].replace("@", "%40")
    return f"{begun[0]}{found['user'] or ''}{first}{found['path']}{query}", hosts


def _host(text: str) -> Host:
    found = _HOST.match(text.strip())
    if found is None:
        raise _malformed_server()
    port = None if found["port"] is None else int(found["port"])
    if port is not None and not 1 <= port <= _LAST_PORT:
        raise ConfigurationError(f"store: a port must be 1 to {_LAST_PORT:,}")
    return Host(found["name"], port)


def _check_backend(url: sa.URL) -> None:
    backend = url.get_backend_name()
    if backend not in _DRIVERS:
        raise ConfigurationError(
            f"store: {backend} is not supported; write sqlite:///shop.db, "
            "postgresql+psycopg://user@host/name or mysql+pymysql://user@host/name"
        )
    if url.drivername != backend and not url.drivername.endswith(f"+{_DRIVERS[backend]}"):
        raise ConfigurationError(
            f"store: {url.drivername} is not supported; write {backend}+{_DRIVERS[backend]}://"
        )
    if backend != "sqlite" and not url.database:
        raise ConfigurationError("store: name the database, for instance …@host/autocard")


def _number(
    settings: dict[str, Any], name: str, default: float, least: float, most: float, unit: str
) -> float:
    text = settings.pop(name, None)
    if text is None:
        return default
    try:
        value = float(str(text))
    except ValueError:
        value = -1.0
    if not least <= value <= most:  # also what is not a number at all
        raise ConfigurationError(
            f"store: {name} must be {least:g} to {most:,} {unit}, for instance ?{name}=5"
        )
    return value


def _whole(
    settings: dict[str, Any], name: str, default: int | None, least: int, most: int
) -> int | None:
    text = settings.pop(name, None)
    if text is None:
        return default
    digits = str(text)
    if not digits.isdecimal() or not least <= int(digits[:9]) <= most:
        raise ConfigurationError(f"store: {name} must be a whole number from {least} to {most:,}")
    return int(digits)


def _malformed() -> ConfigurationError:
    return ConfigurationError("store: not a database URL; write for instance sqlite:///autocard.db")


def _malformed_server() -> ConfigurationError:
    return ConfigurationError(
        "store: not a database URL; write for instance mysql+pymysql://user:password@host/name, "
        "and in user and password write %40 for an at sign, %3A for a colon and %2F for a slash"
    )
