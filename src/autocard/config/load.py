"""From a file, a mapping or settings to checked settings."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from autocard.config.origin import Origin, Spot, lines_of
from autocard.config.settings import Settings, SkuSettings
from autocard.config.structure import anchored, structure_settings
from autocard.errors import ConfigurationError
from autocard.spelling import close_names

_MAX_BYTES: Final = 8 * 1_048_576
_MAX_NAME: Final = 64
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_ROUTES: Final = ("direct", "platform", "channel:")
_SOURCES: Final = ("warehouse:", "supplier:", "manual")


def load_settings(source: str | Path | Mapping[str, Any] | Settings) -> Settings:
    """
    Return the settings in *source*, complete and consistent.

    Args:
        source: The path of a TOML file, a mapping of the same shape, or settings.

    Raises:
        ConfigurationError: The file cannot be read, a name is unknown, a value cannot be, or
            parts contradict each other. The message names line, table and field.

    Effects: reads the file, and the variable or file that `store` points at.
    Secrets: messages name fields, never values of credentials.
    """
    if isinstance(source, Settings):
        settings, origin = source, Origin(base=source.base)
    elif isinstance(source, Mapping):
        origin = Origin()
        settings = structure_settings(source, origin)
    elif isinstance(source, (str, Path)):
        table, origin = _read(Path(source))
        settings = structure_settings(table, origin)
    else:
        raise ConfigurationError(
            "a configuration is the path of a TOML file, a mapping of the same shape, or "
            f"Settings; not {type(source).__name__}"
        )
    problems = [f"{origin.describe(spot)}: {text}" for spot, text in _contradictions(settings)]
    if problems:
        raise ConfigurationError("\n".join(problems))
    return anchored(settings, origin)


# --- files ----------------------------------------------------------------------------------


def _read(path: Path) -> tuple[dict[str, Any], Origin]:
    text = _decoded(_bytes_of(path), path)
    problem = "is nested too deeply"
    try:
        return tomllib.loads(text), Origin(
            name=str(path), base=path.parent.absolute(), lines=lines_of(text)
        )
    except RecursionError:
        pass
    except ValueError as error:
        problem = str(error)
    # Outside the except block: the error may hold the whole text.
    raise ConfigurationError(f"{path}: not valid TOML: {problem}")


def _bytes_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigurationError(
            f"{path}: there is no such file; `autocard init` writes a first one"
        ) from None
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from None
    if len(data) > _MAX_BYTES:
        raise ConfigurationError(f"{path}: longer than {_MAX_BYTES:,} bytes, so not settings")
    return data


def _decoded(data: bytes, path: Path) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
    raise ConfigurationError(f"{path}, line {line}: not UTF-8 text; save the file as UTF-8")


# --- what fits together ---------------------------------------------------------------------


def _contradictions(settings: Settings) -> Iterator[tuple[Spot, str]]:
    for family in ("platforms", "channels", "suppliers", "skus"):
        yield from _bad_names(family, getattr(settings, family))
    for name, platform in settings.platforms.items():
        for route in platform.deliver or ():
            if problem := _route_problem(route, settings):
                yield ("platforms", name, "deliver"), problem
    for name in settings.suppliers:
        if name in settings.platforms:  # their messages would come in under one name
            yield ("suppliers", name), "a platform has the same name; rename one of them"
    for name, sku in settings.skus.items():
        for problem in _source_problems(sku.sources, sku, settings):
            yield ("skus", name, "sources"), problem
    yield from _rule_problems(settings)


def _bad_names(family: str, names: Iterable[str]) -> Iterator[tuple[Spot, str]]:
    for name in names:
        if not 1 <= len(name) <= _MAX_NAME or _CONTROL.search(name):
            yield (
                (family, name),
                f"a name has 1 to {_MAX_NAME} characters and no control characters",
            )


def _rule_problems(settings: Settings) -> Iterator[tuple[Spot, str]]:
    for index, rule in enumerate(settings.rules):
        sku = settings.skus.get(rule.sku)
        if sku is None:
            known = close_names(rule.sku, settings.skus) or f"; add [skus.{rule.sku}]"
            yield ("rules", index, "sku"), f"there is no sku {rule.sku!r}{known}"
            continue
        for problem in _source_problems(rule.sources, sku, settings):
            yield ("rules", index, "sources"), problem


def _source_problems(sources: Iterable[str], sku: SkuSettings, settings: Settings) -> Iterator[str]:
    for source in sources:
        kind, _colon, name = source.partition(":")
        if source == "manual":
            continue
        if kind not in {"warehouse", "supplier"} or not name:
            close = "" if source in _SOURCES else close_names(source, _SOURCES)
            yield f"{source!r} is not warehouse:NAME, supplier:NAME or manual{close}"
        elif kind == "supplier" and sku.kind == "shared":
            yield f"a shared card is not bought, so {source!r} cannot serve it"
        elif kind == "supplier" and name not in settings.suppliers:
            close = close_names(name, settings.suppliers) or f"; add [suppliers.{name}]"
            yield f"there is no supplier {name!r}{close}"
        elif kind == "warehouse" and sku.kind == "topup":
            yield f"a top-up takes no card, so {source!r} cannot serve it"
        elif kind == "warehouse" and (len(name) > _MAX_NAME or _CONTROL.search(name)):
            yield f"the name of a warehouse has 1 to {_MAX_NAME} plain characters"


def _route_problem(route: str, settings: Settings) -> str:
    kind, _, name = route.partition(":")
    if route in {"direct", "platform"}:
        return ""
    if kind != "channel" or not name:
        close = "" if route in _ROUTES else close_names(route, _ROUTES)
        return f"{route!r} is not direct, platform or channel:NAME{close}"
    if name not in settings.channels:
        close = close_names(name, settings.channels) or f"; add [channels.{name}]"
        return f"there is no channel {name!r}{close}"
    return ""
