"""What PyMySQL is told by the address of a store, and how it connects with that."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pymysql
import sqlalchemy as sa
from pymysql.charset import charset_by_name

from autocard.errors import ConfigurationError
from autocard.store.urls import OURS, refuse_unknown, untakeable

_LONGEST: Final = 31_536_000
_SWITCH: Final = {
    "true": True, "yes": True, "on": True, "1": True,
    "false": False, "no": False, "off": False, "0": False,
}  # fmt: skip


def _text(_name: str, text: str) -> str:
    return text


def _whole(name: str, text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text[:9]) <= _LONGEST:
        raise ConfigurationError(f"store: {name} must be a whole number from 1 to {_LONGEST:,}")
    return int(text)


def _switch(name: str, text: str) -> bool:
    found = _SWITCH.get(text.lower())
    if found is None:
        raise ConfigurationError(f"store: {name} must be true or false")
    return found


def _file(name: str, text: str) -> str:
    if not Path(text).is_file() or not os.access(text, os.R_OK):
        raise ConfigurationError(f"store: {name} must be the path of a file that can be read")
    return text


def _charset(name: str, text: str) -> str:
    if charset_by_name(text) is None:
        raise ConfigurationError(
            f"store: {name} must be one that the driver knows, for instance ?{name}=utf8mb4"
        )
    return text


_Kind = Callable[[str, str], Any]
# Not what only Python can say, what an address says before the question mark, nor what we decide.
_PLAIN: Final[Mapping[str, _Kind]] = {
    "unix_socket": _text,
    "bind_address": _text,
    "connect_timeout": _whole,
    "read_timeout": _whole,
    "write_timeout": _whole,
    "max_allowed_packet": _whole,
    "charset": _charset,
    "collation": _text,
    "sql_mode": _text,
    "init_command": _text,
    "program_name": _text,
    "read_default_file": _file,
    "read_default_group": _text,
    "ssl_disabled": _switch,
}
# By their names in PyMySQL's `ssl`. It takes some of them by themselves as well, but one of those
# makes it forget the others, and `ssl_ca` alone then checks nothing.
_TLS: Final[Mapping[str, tuple[str, _Kind]]] = {
    "ssl_ca": ("ca", _file),
    "ssl_capath": ("capath", _text),
    "ssl_cert": ("cert", _file),
    "ssl_key": ("key", _file),
    "ssl_key_password": ("password", _text),
    "ssl_cipher": ("cipher", _text),
    "ssl_check_hostname": ("check_hostname", _switch),
    "ssl_verify_cert": ("verify_mode", _switch),
}
_IDENTITY: Final = "ssl_verify_identity"
KNOWN: Final = (*_PLAIN, *_TLS, _IDENTITY)
"""Every setting that goes to the driver."""


def arguments_of(url: sa.URL) -> dict[str, Any]:
    """
    Return what PyMySQL is to connect with.

    Raises:
        ConfigurationError: A setting is unknown, or its value not of its kind.
    """
    settings: dict[str, Any] = dict(url.query)
    refuse_unknown(settings, (*OURS, *KNOWN))
    plain = {name: _PLAIN[name](name, text) for name, text in settings.items() if name in _PLAIN}
    tls = _tls(settings)
    named = {
        "user": url.username,
        "password": _password(url.password),
        "host": url.host,
        "port": url.port,
        "database": url.database,
        "ssl": tls,
    }
    return plain | {name: value for name, value in named.items() if value}


def connected(arguments: Mapping[str, Any]) -> Any:
    """
    Return a connection of PyMySQL.

    Raises:
        ConfigurationError: The driver cannot even try with these arguments.
    """
    try:
        return pymysql.connect(**arguments)
    except pymysql.MySQLError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a driver thinks of
        problem = untakeable(error)
    # Raised out here: the driver's own error may carry the password along.
    raise problem


def _tls(settings: Mapping[str, str]) -> dict[str, Any]:
    found = {
        asked: kind(name, settings[name])
        for name, (asked, kind) in _TLS.items()
        if name in settings
    }
    if _IDENTITY in settings and _switch(_IDENTITY, settings[_IDENTITY]):
        found |= {"verify_mode": True, "check_hostname": True}
    if found.get("verify_mode") is False:
        found.setdefault("check_hostname", False)  # Python refuses the one without the other
    return found


def _password(password: Any) -> bytes | None:
    """Encode it as servers do: by itself the driver takes Latin letters only."""
    if not password:
        return None
    try:
        return str(password).encode()
    except UnicodeEncodeError as error:
        problem = untakeable(error)
    raise problem
