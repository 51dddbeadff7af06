"""
Plugins: adapters that load by name, and hooks that decide or bring news.

pluggy checks and orders the implementations; each is then called alone, so that one that fails
neither hides the others nor decides anything.
"""

from __future__ import annotations

import importlib.metadata
import inspect
import logging
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol, final

import attrs
import pluggy

from autocard import hookspecs
from autocard.bargain import Offer
from autocard.errors import (
    AdapterBroken,
    AdapterConflict,
    AdapterNotFound,
    AutocardError,
    ConfigurationError,
)
from autocard.model import Event, History, Hold, Match, Order, OrderLine, Reject
from autocard.money import Money
from autocard.registry import AdapterRegistry
from autocard.spelling import close_names

GROUP: Final = "autocard"
_HOOKS: Final = (
    "autocard_register",
    "autocard_assess",
    "autocard_match",
    "autocard_choose_offer",
    "autocard_recorded",
)
_FAILED_REVIEW: Final = Hold(why="a review hook failed")
_FAILED: Final = object()
"""Stands for the answer of an implementation that gave none."""
_log: Final = logging.getLogger(__name__)


class PolicyFailed(AutocardError):
    """A hook that decides has failed; `why` says for people which. The line is held."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class EntryPoint(Protocol):
    """What is used of an entry point of `importlib.metadata`."""

    @property
    def name(self) -> str: ...
    @property
    def value(self) -> str: ...
    @property
    def dist(self) -> Any: ...
    def load(self) -> Any: ...


EntryPoints = Callable[..., Iterable[EntryPoint]]


@attrs.frozen
class _Implementation:
    """One plugin's implementation of one hook."""

    origin: str
    plugin: object
    function: Callable[..., Any]
    asks_for: tuple[str, ...]

    def __call__(self, **values: Any) -> Any:
        return self.function(**{name: values[name] for name in self.asks_for})


@final
class Plugins:
    """
    The plugins of one engine; there is no state anywhere else.

    Args:
        plugins: The host's own: modules or objects with `@hookimpl` functions. The latest is
            asked first. An adapter that one of them offers goes before an installed one.
        entry_points: Who lists installed packages; `importlib.metadata.entry_points` when None.

    Raises:
        ConfigurationError: A hook is misspelt, unmarked or asks for what it cannot get.
        AdapterBroken: `autocard_register` of one of *plugins* failed.
        AdapterConflict: Two of *plugins* offer different adapters under one name.

    `registry` holds what the plugins offer, `failures` counts implementations that failed since
    the start, `has_assess`, `has_match` and `has_recorded` say whether anybody implements these
    hooks.
    """

    def __init__(
        self, plugins: Sequence[object] = (), entry_points: EntryPoints | None = None
    ) -> None:
        self.registry = AdapterRegistry()
        self.failures = 0
        self.has_assess = False
        self.has_match = False
        self.has_recorded = False
        self._counting = threading.Lock()
        self._find = entry_points or importlib.metadata.entry_points
        self._found: dict[str, list[tuple[str, EntryPoint]]] | None = None
        self._origins: dict[int, str] = {}  # by id(plugin); the manager keeps plugins alive
        self._hooks: dict[str, tuple[_Implementation, ...]] = dict.fromkeys(_HOOKS, ())
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(hookspecs)
        for plugin in plugins:
            self._add(plugin, f"the plugin {_plugin_name(plugin)}")
        ours = (self.registry.platforms, self.registry.suppliers, self.registry.channels)
        self._loaded: set[str] = set().union(*ours)

    # --- loading ----------------------------------------------------------------------------

    @property
    def published(self) -> tuple[str, ...]:
        """The adapter names that installed packages publish, sorted; nothing is imported."""
        return tuple(sorted(self._published()))

    def load(self, adapter_name: str) -> None:
        """
        See to it that what *adapter_name* stands for is in `registry`; import it if need be.

        Raises:
            AdapterNotFound: No installed package publishes it.
            AdapterConflict: Two packages do, or it offers a name that is taken; both are named.
            AdapterBroken: It cannot be imported, or offers nothing, or fails while it does.

        Effects: imports at most one module.
        """
        if adapter_name in self._loaded:
            return
        published = self._published().get(adapter_name, [])
        if not published:
            known = {*self._published(), *self.registry.names}
            advice = close_names(adapter_name, known) or "; install the package that offers it"
            raise AdapterNotFound(
                f"no installed package offers the adapter {adapter_name!r}{advice}"
            )
        if len(published) > 1:
            who = " and ".join(sorted(distribution for distribution, _ in published))
            raise AdapterConflict(f"{who} both offer the adapter {adapter_name!r}; remove one")
        self._add_adapter(*published[0])
        self._loaded.add(adapter_name)

    def _published(self) -> dict[str, list[tuple[str, EntryPoint]]]:
        """Return who publishes which name. A distribution that is found twice counts once."""
        if self._found is None:
            found: dict[str, dict[str, tuple[str, EntryPoint]]] = {}
            for entry_point in self._find(group=GROUP):
                name, version = _distribution(entry_point)
                same_name = found.setdefault(entry_point.name, {})
                same_name.setdefault(_canonical(name), (f"{name} {version}".strip(), entry_point))
            self._found = {name: list(each.values()) for name, each in found.items()}
        return self._found

    def _add_adapter(self, distribution: str, entry_point: EntryPoint) -> None:
        origin = f"the distribution {distribution}"
        try:
            plugin = entry_point.load()
        except (Exception, SystemExit) as error:
            raise AdapterBroken(
                f"{origin} offers the adapter {entry_point.name!r}, but {entry_point.value} "
                f"cannot be imported: {type(error).__name__}: {error}"
            ) from error
        if self._manager.is_registered(plugin):  # one module may stand behind several names
            return
        try:
            self._add(plugin, origin, is_adapter=True)
        except (AdapterBroken, AdapterConflict):
            raise
        except ConfigurationError as error:
            raise AdapterBroken(f"{error} (adapter {entry_point.name!r})") from error

    # --- registering ------------------------------------------------------------------------

    def _add(self, plugin: object, origin: str, *, is_adapter: bool = False) -> None:
        _refuse_unfit(plugin, origin)
        if self._manager.is_registered(plugin):
            raise ConfigurationError(f"{origin} is given twice; leave one out")
        try:
            self._register(plugin, origin)
            self._refuse_misspelt(origin)
            self._refresh()
            if not self._offer(plugin) and is_adapter:
                raise ConfigurationError(f"{origin} implements no autocard_register")
        except ConfigurationError:
            if self._manager.is_registered(plugin):
                self._manager.unregister(plugin)
            self._refresh()
            raise

    def _register(self, plugin: object, origin: str) -> None:
        self._origins[id(plugin)] = origin
        try:
            self._manager.register(plugin, name=f"{origin} {id(plugin)}")
        except pluggy.PluginValidationError as error:
            raise ConfigurationError(f"{origin} does not fit: {error}") from error
        if not self._manager.get_hookcallers(plugin):
            raise ConfigurationError(f"{origin} implements no hook; is @hookimpl missing?")

    def _refuse_misspelt(self, origin: str) -> None:
        try:
            self._manager.check_pending()
        except pluggy.PluginValidationError:
            hooks = vars(self._manager.hook)
            unknown = sorted(n for n, hook in hooks.items() if _is_unknown(hook))
        else:
            return
        told = ", ".join(repr(name) + close_names(name, _HOOKS) for name in unknown)
        raise ConfigurationError(f"{origin} implements a hook that does not exist: {told}")

    def _refresh(self) -> None:
        """Take over all implementations as plain calls, in the order that pluggy says."""
        for name in _HOOKS:
            in_order = reversed(getattr(self._manager.hook, name).get_hookimpls())
            self._hooks[name] = tuple(
                _Implementation(
                    self._origins[id(each.plugin)], each.plugin, each.function, each.argnames
                )
                for each in in_order
            )
        self.has_assess = bool(self._hooks["autocard_assess"])
        self.has_match = bool(self._hooks["autocard_match"])
        self.has_recorded = bool(self._hooks["autocard_recorded"])

    def _offer(self, plugin: object) -> bool:
        """Let *plugin* offer its adapters; return False when it has no hook for that."""
        ours = [each for each in self._hooks["autocard_register"] if each.plugin is plugin]
        for each in ours:
            try:
                with self.registry.on_behalf_of(each.origin):
                    each(registry=self.registry)
            except ConfigurationError:
                raise
            except Exception as error:
                raise AdapterBroken(
                    f"{each.origin}: autocard_register failed: {type(error).__name__}: {error}"
                ) from error
        return bool(ours)

    # --- asking -----------------------------------------------------------------------------

    def assess(self, order: Order, line: OrderLine, history: History) -> Hold | Reject | None:
        """
        Return the strictest verdict of all implementations: Reject, else Hold, else None.

        One that fails, or answers with anything else, counts as a hold.
        """
        verdict: Hold | None = None
        for each in self._hooks["autocard_assess"]:
            answer = self._ask(each, _is_verdict, order=order, line=line, history=history)
            if isinstance(answer, Reject):
                return answer
            if verdict is None and answer is not None:
                verdict = answer if isinstance(answer, Hold) else _FAILED_REVIEW
        return verdict

    def match(self, order: Order, line: OrderLine) -> Match | None:
        """
        Return the first answer of an implementation that is not None, else None.

        Raises:
            PolicyFailed: An implementation failed, or answered with anything else, before that.
        """
        for each in self._hooks["autocard_match"]:
            answer = self._ask(each, _is_match, order=order, line=line)
            if answer is _FAILED:
                raise PolicyFailed("a match hook failed")
            if isinstance(answer, Match):
                return answer
        return None

    def choose_offer(
        self, match: Match, offers: Sequence[Offer], ceiling: Money | None
    ) -> Offer | None:
        """
        Return the offer to buy: the first choice of a hook, else the cheapest; None buys nothing.

        Nothing above *ceiling* is ever returned, and nothing when a hook fails or chooses what
        was not offered.
        """
        offers = tuple(offers)
        for each in self._hooks["autocard_choose_offer"]:
            answer = self._ask(each, _is_offer, match=match, offers=offers, ceiling=ceiling)
            if answer is _FAILED:
                return None
            if isinstance(answer, Offer):
                return answer if answer in _affordable(offers, ceiling) else None
        return min(_affordable(offers, ceiling), key=_preference, default=None)

    def recorded(self, event: Event) -> None:
        """Tell all implementations of *event*, each alone. Never raises what they raise."""
        for each in self._hooks["autocard_recorded"]:
            self._ask(each, _is_anything, event=event)

    def _ask(self, each: _Implementation, fits: Callable[[object], bool], **values: Any) -> object:
        """Return the answer of one implementation, or `_FAILED`."""
        try:
            answer = each(**values)
        except Exception as error:  # noqa: BLE001 - a hook may raise anything
            failure = type(error).__name__
        else:
            if answer is None or fits(answer):
                return answer
            failure = f"it answered with an unfit {type(answer).__name__}"
        with self._counting:
            self.failures += 1
        # Neither the message of the error nor the values: both may hold what is secret.
        _log.error("%s: %s failed: %s", each.origin, each.function.__name__, failure)
        return _FAILED


def _is_verdict(answer: object) -> bool:
    return isinstance(answer, (Hold, Reject)) and isinstance(answer.why, str)


def _is_match(answer: object) -> bool:
    if not isinstance(answer, Match):
        return False
    quantity = answer.quantity
    counts = quantity is None or (type(quantity) is int and quantity >= 1)
    lists = all(isinstance(each, tuple) for each in (answer.sources, answer.batches))
    return counts and lists and isinstance(answer.sku, str)


def _is_offer(answer: object) -> bool:
    return isinstance(answer, Offer)


def _is_anything(_: object) -> bool:
    return True


def _affordable(offers: tuple[Offer, ...], ceiling: Money | None) -> tuple[Offer, ...]:
    """Return the *offers* that may be bought; without a ceiling, only of one currency."""
    if ceiling is not None:
        same = (offer for offer in offers if _cost(offer).currency == ceiling.currency)
        return tuple(offer for offer in same if _cost(offer) <= ceiling)
    return offers if len({_cost(offer).currency for offer in offers}) <= 1 else ()


def _cost(offer: Offer) -> Money:
    return offer.price if offer.cost is None else offer.cost


def _preference(offer: Offer) -> tuple[Money, float, float]:
    return _cost(offer), -offer.success_rate, offer.delay_s


def _refuse_unfit(plugin: object, origin: str) -> None:
    """Refuse what pluggy would take in silence and never, or wrongly, call."""
    if inspect.isclass(plugin):
        raise ConfigurationError(f"{origin} is a class; give an instance of it")
    for name in dir(plugin):
        member = inspect.getattr_static(plugin, name, None)
        function = getattr(member, "__func__", member)
        options = getattr(function, "autocard_impl", None)
        if options is None:
            if name in _HOOKS and not hasattr(function, "autocard_spec"):
                raise ConfigurationError(f"{origin}: {name} is not marked with @hookimpl")
        elif options["wrapper"] or options["hookwrapper"]:
            raise ConfigurationError(f"{origin}: {name} is a wrapper; hooks are plain functions")
        elif inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
            raise ConfigurationError(f"{origin}: {name} must be a plain function that returns")


def _is_unknown(hook: pluggy.HookCaller) -> bool:
    return not hook.has_spec() and bool(hook.get_hookimpls())


def _plugin_name(plugin: object) -> str:
    if inspect.ismodule(plugin):
        return plugin.__name__
    kind = plugin if inspect.isclass(plugin) else type(plugin)
    return f"{kind.__module__}.{kind.__qualname__}"


def _distribution(entry_point: EntryPoint) -> tuple[str, str]:
    """Return name and version of the distribution; the module's name when there is none."""
    distribution = entry_point.dist
    if distribution is None:
        return entry_point.value.partition(":")[0], ""
    return str(distribution.name), str(distribution.version)


def _canonical(name: str) -> str:
    """Return *name* as package indexes compare it: case, dots and underscores do not matter."""
    return re.sub(r"[-_.]+", "-", name).lower()
