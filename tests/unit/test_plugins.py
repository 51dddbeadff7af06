"""Plugins: loading by name, refusing what does not fit, asking hooks one by one."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from types import ModuleType, SimpleNamespace

import attrs
import pytest

from autocard import hookspecs
from autocard.bargain import Offer
from autocard.errors import (
    AdapterBroken,
    AdapterConflict,
    AdapterNotFound,
    ConfigurationError,
)
from autocard.model import Event, History, Hold, Match, Order, OrderLine, Reject
from autocard.money import Money
from autocard.plugins import Plugins, PolicyFailed
from autocard.ports import Platform
from autocard.spi import hookimpl

LINE = OrderLine(item="1024")
ORDER = Order(platform="shop", order_no="A1", lines=[LINE])
HISTORY = History()
EVENT = Event(kind="line.delivered", at=datetime(2026, 1, 1, tzinfo=UTC), detail={"x": "CANARY"})


class Epay(Platform):
    name = "epay"


class OtherEpay(Platform):
    name = "epay"


def module(name: str, *adapters, **hooks) -> ModuleType:
    """Return a module as an adapter package would have it."""
    made = ModuleType(name)

    def autocard_register(registry):
        for adapter in adapters:
            registry.platform(adapter)

    made.autocard_register = hookimpl(autocard_register)
    for hook, function in hooks.items():
        setattr(made, hook, function)
    if hooks.get("autocard_register", True) is None:
        del made.autocard_register
    return made


@attrs.frozen
class Entry:
    """An entry point that needs no installed package."""

    name: str
    thing: object
    distribution: str | None = "dist"
    value: str = "some.module"

    @property
    def dist(self):
        return self.distribution and SimpleNamespace(name=self.distribution, version="1.0")

    def load(self):
        if isinstance(self.thing, BaseException):
            raise self.thing
        return self.thing


def installed(*entries):
    calls = []

    def entry_points(*, group):
        assert group == "autocard"
        calls.append(group)
        return entries

    entry_points.calls = calls
    return entry_points


def plugin(**hooks) -> object:
    """Return a host plugin whose hooks answer with, raise or call what is given."""

    def answering(hook, answer):
        arguments = ", ".join(hookspecs.__dict__[hook].__code__.co_varnames)
        scope = {"answer": answer}
        exec(
            f"def {hook}({arguments}):\n"
            "    if isinstance(answer, BaseException): raise answer\n"
            f"    return answer({arguments}) if callable(answer) else answer\n",
            scope,
        )
        return hookimpl(scope[hook])

    made = ModuleType("rules")
    for hook, answer in hooks.items():
        setattr(made, hook, answering(hook, answer))
    return made


# --- loading --------------------------------------------------------------------------------


def test_nothing_is_imported_until_it_is_asked_for():
    """A broken package that nobody configured does not matter."""
    found = installed(Entry("epay", module("m", Epay)), Entry("bad", ImportError("no")))
    plugins = Plugins(entry_points=found)
    assert found.calls == []
    plugins.load("epay")
    plugins.load("epay")
    assert plugins.registry.get_platform("epay") is Epay
    assert plugins.published == ("bad", "epay")
    assert found.calls == ["autocard"]


def test_installed_packages_are_found_without_being_told():
    """By default the packages of this environment are looked at."""
    assert isinstance(Plugins().published, tuple)


def test_a_missing_adapter_comes_with_close_names():
    """Either the name is misspelt or a package is missing."""
    plugins = Plugins(entry_points=installed(Entry("epay", module("m", Epay))))
    with pytest.raises(AdapterNotFound, match="'epya'; did you mean 'epay'"):
        plugins.load("epya")
    with pytest.raises(AdapterNotFound, match="'zzz'; install the package that offers it"):
        plugins.load("zzz")


def test_two_distributions_with_one_name_are_a_conflict():
    """No stranger replaces an adapter in silence; both are named."""
    entry = Entry("epay", module("m", Epay), "autocard")
    plugins = Plugins(entry_points=installed(entry, Entry("epay", module("n"), "evil-epay")))
    with pytest.raises(AdapterConflict, match=r"autocard 1\.0 and evil-epay 1\.0 both offer"):
        plugins.load("epay")


def test_a_distribution_that_is_found_twice_counts_once():
    """An editable install beside an old copy is one distribution; the first on the path wins."""
    entry = Entry("epay", module("m", Epay), "Auto_Card")
    copy = Entry("epay", ImportError("the copy"), "auto.card")
    plugins = Plugins(entry_points=installed(entry, copy))
    plugins.load("epay")
    assert plugins.registry.get_platform("epay") is Epay


def test_without_a_distribution_the_module_is_named():
    """Entry points made by hand belong to no distribution."""
    entries = Entry("x", ImportError("no"), None, "a.b:c"), Entry("x", ImportError(), None, "d.e")
    with pytest.raises(AdapterConflict, match=r"a\.b and d\.e both offer"):
        Plugins(entry_points=installed(*entries)).load("x")


@pytest.mark.parametrize("error", [ImportError("no module y"), SyntaxError("odd"), SystemExit(3)])
def test_an_adapter_that_cannot_be_imported_is_broken(error):
    """The message names the distribution, the module and what went wrong."""
    plugins = Plugins(entry_points=installed(Entry("x", error, "autocard-x")))
    with pytest.raises(AdapterBroken, match=r"autocard-x 1\.0 .* some\.module cannot be imported"):
        plugins.load("x")


def test_an_adapter_that_fails_to_register_is_broken():
    """The distribution is named, whether the hook raises, offers nonsense or is not there."""

    def raising(registry):
        raise RuntimeError("odd")

    broken = ModuleType("broken")
    broken.autocard_register = hookimpl(raising, specname="autocard_register")
    nonsense = module("nonsense", str)
    empty = ModuleType("empty")
    rules = plugin(autocard_match=None)
    misspelt = module("misspelt", autocard_registr=hookimpl(lambda registry: None))
    for thing, message in [
        (broken, "autocard_register failed: RuntimeError: odd"),
        (nonsense, "offers a platform that is none"),
        (empty, "implements no hook"),
        (rules, "implements no autocard_register"),
        (misspelt, "did you mean 'autocard_register'"),
    ]:
        plugins = Plugins(entry_points=installed(Entry("x", thing, "autocard-x")))
        with pytest.raises(AdapterBroken, match=message) as caught:
            plugins.load("x")
        assert "autocard-x 1.0" in str(caught.value)


@pytest.mark.parametrize("hook", [lambda odrer: None, lambda: None])
def test_a_package_that_failed_fails_again(hook):
    """Asking twice does not turn a refusal into success."""
    bad = module("bad", autocard_match=hookimpl(hook), autocard_register=None)
    plugins = Plugins(entry_points=installed(Entry("bad", bad)))
    for _ in range(2):
        with pytest.raises(AdapterBroken):
            plugins.load("bad")


def test_a_package_that_failed_does_not_spoil_the_next():
    """What was refused is forgotten, hooks and all."""
    bad = module("bad", str, autocard_match=hookimpl(lambda: Match("a")), autocard_macth=None)
    bad.autocard_macth = hookimpl(lambda: None)
    plugins = Plugins(entry_points=installed(Entry("bad", bad), Entry("epay", module("m", Epay))))
    with pytest.raises(AdapterBroken, match="autocard_macth"):
        plugins.load("bad")
    plugins.load("epay")
    assert not plugins.has_match


def test_two_different_adapters_under_one_name_are_a_conflict():
    """Names are taken from what is registered, not only from entry points."""
    plugins = Plugins(
        entry_points=installed(
            Entry("epay", module("m", Epay), "autocard"),
            Entry("more", module("n", OtherEpay), "autocard-more"),
        )
    )
    plugins.load("epay")
    with pytest.raises(
        AdapterConflict, match=r"autocard 1\.0 and the distribution autocard-more 1\.0 both offer"
    ):
        plugins.load("more")


def test_one_module_may_stand_behind_two_names():
    """It is registered once."""
    made = module("m", Epay)
    plugins = Plugins(entry_points=installed(Entry("epay", made), Entry("alias", made)))
    plugins.load("epay")
    plugins.load("alias")
    assert plugins.registry.names == {"epay"}


def test_hosts_may_offer_adapters_themselves():
    """What the host hands over goes before what is installed, and needs no package."""
    entry = Entry("epay", module("m", OtherEpay))
    plugins = Plugins([module("own", Epay)], entry_points=installed(entry))
    plugins.load("epay")
    assert plugins.registry.get_platform("epay") is Epay


def test_hooks_of_an_adapter_package_count_too():
    """A package may bring a policy along with its adapter."""
    entry = Entry("x", module("m", autocard_match=hookimpl(lambda: Match("a"))))
    plugins = Plugins(entry_points=installed(entry))
    assert not plugins.has_match
    plugins.load("x")
    assert plugins.has_match
    assert plugins.match(ORDER, LINE) == Match("a")


# --- refusing -------------------------------------------------------------------------------


class Shop(Platform):
    name = "shop"


def test_each_host_plugin_offers_once():
    """Registering a second plugin does not register the first again."""
    plugins = Plugins([module("a", Epay), module("b", Shop)], entry_points=installed())
    assert plugins.registry.names == {"epay", "shop"}


class Methods:
    """A host plugin as an object."""

    @hookimpl
    def autocard_match(self, line):
        return Match(line.item)


def test_objects_are_plugins_too():
    """Methods work like functions, and ask for the arguments they need only."""
    assert Plugins([Methods()]).match(ORDER, LINE) == Match("1024")


def test_a_module_that_imports_a_hook_specification_is_fine():
    """Only implementations without a mark are suspicious."""
    made = plugin(autocard_match=Match("a"))
    made.autocard_assess = hookspecs.autocard_assess
    assert not Plugins([made]).has_assess


def _wrapper(order, line):
    return (yield)


async def _later(order, line):
    return None


class _Property:
    @property
    def broken(self):
        raise RuntimeError("not now")


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        (Methods, "Methods is a class; give an instance"),
        (
            module("m", autocard_asess=hookimpl(lambda: None)),
            "'autocard_asess'; did you mean 'autoc",
        ),
        (
            module("m", autocard_match=lambda order: None),
            "autocard_match is not marked with @hooki",
        ),
        (module("m", autocard_match=hookimpl(lambda odrer: None)), "m does not fit.*odrer"),
        (module("m", autocard_match=hookimpl(_wrapper, wrapper=True)), "is a wrapper"),
        (module("m", autocard_match=hookimpl(_later)), "must be a plain function"),
        (_Property(), "_Property implements no hook; is @hookimpl missing"),
    ],
)
def test_a_plugin_that_does_not_fit_is_refused(thing, message):
    """What pluggy would take in silence, and never call, is an error that names plugin and hook."""
    with pytest.raises(ConfigurationError, match=f"(?s)the plugin .*{message}"):
        Plugins([thing])


def test_a_plugin_given_twice_is_refused():
    """Two objects of one class are two plugins, though."""
    one = Methods()
    with pytest.raises(ConfigurationError, match="given twice"):
        Plugins([one, one])
    assert Plugins([one, Methods()]).has_match


def test_a_failing_host_plugin_is_broken():
    """The engine does not open with half of its adapters."""
    with pytest.raises(AdapterBroken, match="the plugin rules: autocard_register failed: OSError"):
        Plugins([plugin(autocard_register=OSError("x"))])


# --- asking ---------------------------------------------------------------------------------

HOLD, LATER, REJECT = Hold("look"), Hold("later"), Reject("no")
FAILED = Hold("a review hook failed")


@pytest.mark.parametrize(
    ("answers", "verdict"),
    [
        ([], None),
        ([None], None),
        ([HOLD, None], HOLD),
        ([REJECT, HOLD, None], REJECT),
        ([HOLD, REJECT], REJECT),
        ([LATER, HOLD], HOLD),  # the latest plugin is asked first
        ([ValueError("CANARY")], FAILED),
        ([REJECT, ValueError()], REJECT),
        ([ValueError(), REJECT], REJECT),
        (["hold"], FAILED),
        ([True], FAILED),
        ([Hold(why=3)], FAILED),
        ([Match("a")], FAILED),
    ],
)
def test_the_strictest_verdict_wins(answers, verdict):
    """Reject before hold before nothing; a failure is a hold, and hides no rejection."""
    plugins = Plugins([plugin(autocard_assess=answer) for answer in answers])
    assert plugins.has_assess is bool(answers)
    assert plugins.assess(ORDER, LINE, HISTORY) == verdict


def test_assess_gets_order_line_and_history():
    """The hook sees what the flow sees."""
    seen = []
    made = plugin(autocard_assess=lambda order, line, history: seen.append((order, line, history)))
    assert Plugins([made]).assess(ORDER, LINE, HISTORY) is None
    assert seen == [(ORDER, LINE, HISTORY)]


def test_the_first_match_counts():
    """The latest plugin is asked first; None passes the question on."""
    plugins = Plugins([plugin(autocard_match=Match("a")), plugin(autocard_match=Match("b"))])
    assert plugins.match(ORDER, LINE) == Match("b")
    plugins = Plugins([plugin(autocard_match=Match("a")), plugin(autocard_match=None)])
    assert plugins.match(ORDER, LINE) == Match("a")
    assert Plugins().match(ORDER, LINE) is None
    assert not Plugins().has_match


def test_first_and_last_are_obeyed():
    """`trylast` lets others speak before."""
    last = module("m", autocard_match=hookimpl(lambda: Match("last"), trylast=True))
    plugins = Plugins([plugin(autocard_match=Match("a")), last])
    assert plugins.match(ORDER, LINE) == Match("a")


@pytest.mark.parametrize(
    "answer",
    [
        ValueError("CANARY"),
        "steam-50",
        Match(5),
        Match("a", quantity=0),
        Match("a", quantity=True),
        Match("a", None, ["warehouse:main"]),
        Match("a", None, (), [1]),
    ],
)
def test_a_failing_match_hook_is_told_apart(answer, caplog):
    """The flow holds the line; the error of the hook goes no further."""
    plugins = Plugins([plugin(autocard_match=Match("a")), plugin(autocard_match=answer)])
    with pytest.raises(PolicyFailed, match=r"^a match hook failed$") as caught:
        plugins.match(ORDER, LINE)
    assert caught.value.why == "a match hook failed"
    assert caught.value.__context__ is None
    assert plugins.failures == 1
    assert "CANARY" not in caplog.text


def offer(amount: str, supplier: str = "s") -> Offer:
    return Offer(supplier=supplier, sku="a", price=Money.parse(amount))


CHEAP, FAIR, DEAR, FOREIGN = offer("1 CNY"), offer("2 CNY"), offer("3 CNY"), offer("1 USD")
CEILING = Money("2", "CNY")


@pytest.mark.parametrize(
    ("offers", "ceiling", "chosen"),
    [
        ([], None, None),
        ([DEAR, CHEAP, FAIR], None, CHEAP),
        ([DEAR, FAIR], CEILING, FAIR),
        ([DEAR], CEILING, None),
        ([FOREIGN, FAIR], CEILING, FAIR),
        ([FOREIGN], CEILING, None),
        ([FOREIGN, CHEAP], None, None),
    ],
)
def test_the_cheapest_offer_within_the_ceiling_is_chosen(offers, ceiling, chosen):
    """Currencies that cannot be compared, and prices above the ceiling, buy nothing."""
    assert Plugins().choose_offer(Match("a"), offers, ceiling) == chosen


def test_of_equal_offers_the_one_that_served_better_then_faster_is_chosen():
    """The share that was served counts before the time it took, and neither before the price."""
    slow, fast = (
        attrs.evolve(CHEAP, supplier=name, delay_s=delay_s)
        for name, delay_s in (("slow", 9.0), ("fast", 1.0))
    )
    poor = attrs.evolve(fast, supplier="poor", success_rate=0.5)
    for offers in ([poor, slow, fast], [fast, slow, poor]):
        assert Plugins().choose_offer(Match("a"), offers, CEILING) == fast
    assert Plugins().choose_offer(Match("a"), [poor, slow], CEILING) == slow
    assert Plugins().choose_offer(Match("a"), [poor, FAIR], CEILING) == poor


@pytest.mark.parametrize(
    ("answer", "chosen"),
    [
        (None, CHEAP),
        (FAIR, FAIR),
        (DEAR, None),
        (offer("1 CNY", "stranger"), None),
        ("cheap", None),
        (ValueError(), None),
    ],
)
def test_a_hook_chooses_among_the_offers(answer, chosen):
    """What it invents, what is too dear and a failure buy nothing."""
    plugins = Plugins([plugin(autocard_choose_offer=answer)])
    assert plugins.choose_offer(Match("a"), [CHEAP, FAIR, DEAR], CEILING) == chosen


def test_news_reach_everyone_although_one_fails(caplog):
    """A failure is logged and counted; neither the event nor the error's text is shown."""
    heard = []
    plugins = Plugins(
        [
            plugin(autocard_recorded=heard.append),
            plugin(autocard_recorded=ValueError("CANARY-TEXT")),
            plugin(autocard_recorded=lambda event: heard.append(event) or "ignored"),
        ]
    )
    with caplog.at_level(logging.DEBUG):
        plugins.recorded(EVENT)
    assert heard == [EVENT, EVENT]
    assert plugins.failures == 1
    assert [record.name for record in caplog.records] == ["autocard.plugins"]
    assert caplog.messages == ["the plugin rules: autocard_recorded failed: ValueError"]
    assert caplog.records[0].exc_info is None


def test_each_engine_has_its_own_plugins():
    """Nothing is shared between two managers."""
    made = plugin(autocard_match=Match("a"))
    assert Plugins([made]).has_match
    assert not Plugins().has_match
    assert Plugins([made]).has_match
