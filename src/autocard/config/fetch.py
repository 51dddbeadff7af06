"""Credentials that a configuration only points at: environment variables and files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from autocard.config.fields import Wrong

_MAX_SECRET_BYTES: Final = 65_536


def fetch(text: str, base: Path) -> str:
    """
    Return what `env:NAME` or `file:PATH` points at; any other text is returned as it is.

    Line ends at the end of a file are left out.

    Raises:
        Wrong: The variable or file is missing, empty or unreadable; it is named.

    Effects: reads one environment variable or file.
    """
    kind, _, rest = text.partition(":")
    if kind == "env":
        return _from_environment(rest)
    if kind == "file":
        return _from_file(base, rest)
    return text


def _from_environment(name: str) -> str:
    try:
        value = os.environ.get(name, "")
    except ValueError:  # a name that the system cannot even spell
        value = ""
    if not value:
        raise Wrong(f"the environment variable {name} is not set, or empty; set it and try again")
    return value


def _from_file(base: Path, name: str) -> str:
    problem = "is empty"
    try:
        with (base / name).open("rb") as file:
            data = file.read(_MAX_SECRET_BYTES + 1)
        if len(data) > _MAX_SECRET_BYTES:
            problem = "is too long to be a credential"
        elif text := data.decode().rstrip("\r\n"):
            return text
    except UnicodeDecodeError:
        problem = "is not UTF-8 text"
    except OSError as error:
        problem = f"cannot be read: {error.strerror or type(error).__name__}"
    except ValueError:
        problem = "has a name that cannot be a file"
    raise Wrong(f"the file {name} {problem}")
