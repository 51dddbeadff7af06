"""From plain tables to typed settings: strict about names and types, with errors that say where."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, cast, get_args, get_origin

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, make_mapping_structure_fn, override

from autocard.clock import as_utc
from autocard.config.adapters import (
    AdapterSettings,
    ChannelSettings,
    PlatformSettings,
    SupplierSettings,
)
from autocard.config.fetch import fetch
from autocard.config.fields import Wrong
from autocard.config.origin import Origin, Spot, Table
from autocard.config.problems import (
    LISTS,
    MAPPINGS,
    RENAMED,
    TYPE_NAMES,
    Problem,
    Reading,
    expected,
    names_of,
    problems,
    report,
)
from autocard.config.settings import (
    RuleSettings,
    Settings,
)
from autocard.errors import AdapterBroken, ConfigurationError
from autocard.money import Money
from autocard.secret import Secret

C = TypeVar("C")
Hook = Callable[[Any, Any], Any]

_CONNECTION: Final = ("timeout_s", "max_bytes", "allow_http")

# --- public ---------------------------------------------------------------------------------


def structure_settings(table: Mapping[str, Any], origin: Origin) -> Settings:
    """
    Return *table*, in the shape of the TOML file, as settings.

    Raises:
        ConfigurationError: A name is unknown or a value cannot be; all such places are named.
    """
    return _structure(Settings, table, (), origin)


def structure_options(options_class: type[C], table: Mapping[str, Any], where: str = "") -> C:
    """
    Return the rest of an adapter's *table* as an instance of its *options_class*.

    Fields typed `Secret` take a literal text, `env:NAME` or `file:PATH`; a relative path starts
    from the folder of the configuration. `timeout_s`, `max_bytes` and `allow_http` are handed on
    when *options_class* has fields of these names and the table sets them.

    Args:
        options_class: Frozen attrs class of the settings.
        table: `PlatformSettings.options` and its like, or any mapping.
        where: The table, such as `platforms.shop`, when *table* does not know its own place.

    Raises:
        ConfigurationError: A name is unknown or a value cannot be; table and field are named.
        AdapterBroken: *options_class* itself cannot be used.

    Effects: reads environment variables and files that secrets are fetched from.
    Secrets: no message holds the value of any field typed `Secret`.
    """
    if not isinstance(table, Table):
        table = Table(table, {}, tuple(where.split(".", 1)) if where else (), Origin())
    names = {field.name for field in _fields(options_class, where)}
    values = {name: value for name, value in table.connection.items() if name in names}
    return _structure(options_class, {**values, **table}, table.spot, table.origin)


def anchored(settings: Settings, origin: Origin) -> Settings:
    """Return *settings* with `base`, its store fetched, and options that know their place."""
    return attrs.evolve(
        settings,
        base=origin.base,
        store=_store(settings.store, origin),
        platforms=_anchored(settings.platforms, "platforms", origin),
        channels=_anchored(settings.channels, "channels", origin),
        suppliers=_anchored(settings.suppliers, "suppliers", origin),
    )


# --- walking --------------------------------------------------------------------------------


def _structure(cls: type[C], table: Mapping[str, Any], spot: Spot, origin: Origin) -> C:
    reading = Reading(_neighbours(spot))
    converter = _converter(origin.base, reading.secrets)
    hook = _hook_of(converter, cls, origin.describe(spot))
    found: list[Problem] = []
    try:
        return cast("C", hook(table, cls))
    except Exception as error:  # noqa: BLE001 - an adapter's own checks may raise anything
        found.extend(problems(error, (), cls, table, reading))
    # Outside the except block, so that no error hangs on to what it saw.
    raise ConfigurationError(report(found, spot, origin))


def _hook_of(converter: cattrs.Converter, cls: type[Any], where: str) -> Hook:
    try:
        return converter.get_structure_hook(cls)
    except Exception as error:
        raise AdapterBroken(
            f"{where}: the class {cls.__qualname__} cannot be filled from settings: {error}"
        ) from error


def _fields(cls: type[Any], where: str) -> tuple[attrs.Attribute[Any], ...]:
    if not attrs.has(cls):
        raise AdapterBroken(f"{where}: {cls.__qualname__} must be an attrs class")
    return cast("tuple[attrs.Attribute[Any], ...]", attrs.fields(cls))


def _neighbours(spot: Spot) -> tuple[str, ...]:
    """Return the names that the core itself understands in the table of an adapter."""
    families: dict[str, type[AdapterSettings]] = {
        "platforms": PlatformSettings,
        "channels": ChannelSettings,
        "suppliers": SupplierSettings,
    }
    if len(spot) != 2:
        return ()
    return tuple(names_of(families.get(str(spot[0]), AdapterSettings)))


# --- hooks ----------------------------------------------------------------------------------


def _is_list(kind: Any) -> bool:
    origin: Any = get_origin(kind)
    return origin in LISTS and (origin is not tuple or get_args(kind)[1:] == (Ellipsis,))


def _is_mapping(kind: Any) -> bool:
    origin: Any = get_origin(kind)
    return origin in MAPPINGS


def _converter(base: Path, secrets: list[str]) -> cattrs.Converter:
    """Return a converter without cattrs' own leniency; it notes in *secrets* what it reveals."""
    converter = cattrs.Converter(forbid_extra_keys=True, detailed_validation=True)
    for kind in (str, bool, int):
        converter.register_structure_hook(kind, _exactly(kind))
    converter.register_structure_hook(float, _number)
    converter.register_structure_hook(Money, _money)
    converter.register_structure_hook(datetime, _moment)
    converter.register_structure_hook(Path, _path_hook(base))
    converter.register_structure_hook(Secret, _secret_hook(base, secrets))
    converter.register_structure_hook_factory(_is_choice, _choice_hook)
    for is_kind, factory in (
        (_is_list, _list_hook),
        (_is_mapping, _mapping_hook),
        (lambda kind: attrs.has(kind) and kind is not Money, _class_hook),
    ):
        converter.register_structure_hook_factory(is_kind, _bound(factory, converter))
    return converter


def _bound(
    factory: Callable[[cattrs.Converter, Any], Hook], converter: cattrs.Converter
) -> Callable[[Any], Hook]:
    return lambda kind: factory(converter, kind)


def _exactly(kind: type[Any]) -> Hook:
    def structure(value: Any, _: Any) -> Any:
        if type(value) is not kind:  # bool is an int to Python, not to a person
            raise TypeError
        return value

    return structure


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _path_hook(base: Path) -> Hook:
    return lambda value, _: base / (value if isinstance(value, Path) else _text(value))


def _number(value: Any, _: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError
    return float(value)


def _money(value: Any, _: Any) -> Money:
    if isinstance(value, Money):
        return value
    try:
        return Money.parse(_text(value))
    except ValueError as error:
        raise Wrong(f"must be {TYPE_NAMES[Money]}: {error}") from None


def _moment(value: Any, _: Any) -> datetime:
    if not isinstance(value, datetime):
        raise TypeError
    return as_utc(value, "time")


def _is_choice(kind: Any) -> bool:
    return get_origin(kind) is Literal or (isinstance(kind, type) and issubclass(kind, enum.Enum))


def _choice_hook(kind: Any) -> Hook:
    members: Any = kind if isinstance(kind, type) else ()
    # By type too: True equals 1 to Python, not to a person.
    allowed = {(type(member.value), member.value): member for member in members}
    allowed.update(((type(choice), choice), choice) for choice in get_args(kind))

    def structure(value: Any, _: Any) -> Any:
        if isinstance(value, (str, int)) and (type(value), value) in allowed:
            return allowed[type(value), value]
        if isinstance(value, str):
            raise Wrong(f"must be {expected(kind)}")
        raise TypeError

    return structure


def _list_hook(converter: cattrs.Converter, kind: Any) -> Hook:
    inner = get_args(kind)[0]
    origin: Any = get_origin(kind)

    def structure(value: Any, _: Any) -> Any:
        if isinstance(value, str) and inner is not Any:
            value = [value]  # where a list of texts is wanted, one text is a list of one
        if not isinstance(value, (list, tuple)):
            raise TypeError
        return LISTS[origin](_each(converter, inner, value, kind))

    return structure


def _each(converter: cattrs.Converter, inner: Any, values: Iterable[Any], kind: Any) -> list[Any]:
    hook = converter.get_structure_hook(inner)
    done, errors = [], []
    for index, value in enumerate(values):
        try:
            done.append(hook(value, inner))
        except Exception as error:  # noqa: BLE001 - collected, then raised together
            error.add_note(cattrs.IterableValidationNote("in a list", index, inner))
            errors.append(error)
    if errors:
        raise cattrs.IterableValidationError("in a list", errors, kind)
    return done


def _mapping_hook(converter: cattrs.Converter, kind: Any) -> Hook:
    structure_items = make_mapping_structure_fn(kind, converter, dict, detailed_validation=True)

    def structure(value: Any, _: Any) -> Any:
        if not isinstance(value, Mapping):
            raise TypeError
        return structure_items(value, kind)

    return structure


def _class_hook(converter: cattrs.Converter, cls: Any) -> Hook:
    overrides: dict[str, Any] = {}
    if cls is Settings:
        overrides = {"base": override(omit=True)}
    elif cls is RuleSettings:
        overrides = {name: override(rename=text) for name, text in RENAMED.items()}
    elif issubclass(cls, AdapterSettings):
        overrides = {"options": override(omit=True)}
    structure_fields = make_dict_structure_fn(cls, converter, **overrides)

    def structure(value: Any, _: Any) -> Any:
        if not isinstance(value, Mapping):
            raise TypeError
        if not issubclass(cls, AdapterSettings):
            return structure_fields(value, cls)
        known = set(names_of(cls))
        ours = {name: inner for name, inner in value.items() if name in known}
        rest = {name: inner for name, inner in value.items() if name not in known}
        options = Table(rest, {n: ours[n] for n in _CONNECTION if n in ours}, (), Origin())
        return attrs.evolve(structure_fields(ours, cls), options=options)

    return structure


# --- secrets and places ----------------------------------------------------------------------


def _secret_hook(base: Path, secrets: list[str]) -> Hook:
    def structure(value: Any, _: Any) -> Secret:
        secret = value if isinstance(value, Secret) else Secret(fetch(_text(value), base))
        secrets.append(secret.reveal())
        return secret

    return structure


def _store(url: str, origin: Origin) -> str:
    try:
        return fetch(url, origin.base)
    except Wrong as error:
        problem = str(error)
    raise ConfigurationError(f"{origin.describe(('store',))}: {problem}")


A = TypeVar("A", bound=AdapterSettings)


def _anchored(adapters: Mapping[str, A], family: str, origin: Origin) -> dict[str, A]:
    done = {}
    for name, settings in adapters.items():
        options = settings.options
        if not isinstance(options, Table) or not options.spot:
            connection = getattr(options, "connection", {})
            options = Table(options, connection, (family, name), origin)
        done[name] = attrs.evolve(settings, options=options)
    return done
