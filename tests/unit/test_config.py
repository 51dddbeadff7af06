"""Loading settings: what is accepted, what is refused, and where the message points."""

from __future__ import annotations

import textwrap
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autocard.config import (
    RuleSettings,
    SettingError,
    Settings,
    SkuSettings,
    load_settings,
    sample_toml,
    structure_options,
)
from autocard.errors import ConfigurationError
from autocard.money import Money
from autocard.plugins import Plugins

DESIGN_SAMPLE = """\
store = "sqlite:///autocard.db"
keyring = "file:autocard.keyring"

[platforms.shop]
adapter = "epay"
base_url = "https://pay.example.com"
pid = "1001"
credential = "env:SHOP_EPAY"
confirm = true

[suppliers.fulu]
adapter = "fulu"
app_key = "k"
credential = "env:FULU_SECRET"

[skus.steam-50]
kind = "card"
format = "steam"
sources = ["warehouse:main", "warehouse:backup", "supplier:fulu", "manual"]
ceiling = "47.00 CNY"
low = 50

[skus.steam-50-vip]

[[rules]]
platform = "shop"
item = "1024"
buyer_level = ["vip", "svip"]
sku = "steam-50-vip"

[review]
amount_over = "500.00 CNY"
new_buyer_days = 7
allow = ["buyer:u1"]
"""


@pytest.fixture(name="written")
def _written(tmp_path):
    def write(text: str | bytes) -> Path:
        path = tmp_path / "shop.toml"
        path.write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).encode())
        return path

    return write


def refusal(source) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(source)
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return str(caught.value)


def outcome(source) -> Settings | ConfigurationError:
    try:
        return load_settings(source)
    except ConfigurationError as error:
        return error


# --- what is accepted -----------------------------------------------------------------------


def test_a_full_file_loads_into_typed_settings(written):
    """Every part of a typical file arrives with its type, and adapters keep their own names."""
    settings = load_settings(written(DESIGN_SAMPLE))
    shop = settings.platforms["shop"]
    assert (shop.adapter, shop.confirm, shop.deliver) == ("epay", True, None)
    assert dict(shop.options) == {
        "base_url": "https://pay.example.com",
        "pid": "1001",
        "credential": "env:SHOP_EPAY",
    }
    assert settings.skus["steam-50"].ceiling == Money("47.00", "CNY")
    assert settings.rules[0].platform == ("shop",)
    assert settings.rules[0].buyer_level == ("vip", "svip")
    assert settings.review.amount_over == Money("500.00", "CNY")


def test_relative_paths_start_from_the_folder_of_the_file(written, tmp_path, monkeypatch):
    """`base` is the file's folder, wherever the program was started."""
    path = written("")
    monkeypatch.chdir(tmp_path)
    settings = load_settings("shop.toml")
    assert settings.base == tmp_path
    assert settings.path("cards.csv") == path.parent / "cards.csv"
    assert settings.path("/srv/cards.csv") == Path("/srv/cards.csv")


def test_a_mapping_starts_from_the_current_folder(tmp_path, monkeypatch):
    """A mapping has no folder of its own."""
    monkeypatch.chdir(tmp_path)
    assert load_settings({}).base == tmp_path


def test_nothing_said_means_the_documented_defaults():
    """An empty configuration is complete."""
    settings = load_settings({})
    assert settings.store == "sqlite:///autocard.db"
    assert settings.keyring == "file:autocard.keyring"
    assert settings.default_format == "opaque"
    assert settings.late_payment == "wait"
    assert settings.delivery.tries == 10
    assert not settings.require_provenance
    assert settings.rules == ()


@pytest.mark.parametrize(
    ("kind", "sources"),
    [("card", ("warehouse:main",)), ("shared", ("warehouse:main",)), ("topup", ("manual",))],
)
def test_usual_sources_depend_on_the_kind(kind, sources):
    """A top-up is manual unless something else is said; cards come from the main warehouse."""
    assert load_settings({"skus": {"a": {"kind": kind}}}).skus["a"].sources == sources


def test_settings_are_loaded_unchanged_and_checked():
    """Settings made in code pass the same checks as a file."""
    settings = Settings(skus={"a": SkuSettings(low=1)}, rules=(RuleSettings(sku="a"),))
    assert load_settings(settings) == settings
    assert "there is no sku 'b'" in refusal(Settings(rules=(RuleSettings(sku="b"),)))


def test_loaded_settings_can_be_loaded_again(written):
    """Loading what was loaded keeps the place of every option."""
    settings = load_settings(written(DESIGN_SAMPLE))
    again = load_settings(settings)
    assert again == settings
    assert again.platforms["shop"].options is settings.platforms["shop"].options


def test_values_of_a_mapping_may_be_typed_already():
    """Money, times and tuples made in code are taken as they are."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    settings = load_settings(
        {
            "skus": {"a": {"ceiling": Money("1", "CNY"), "sources": ("manual",)}},
            "rules": [{"sku": "a", "from": moment, "until": moment}],
        }
    )
    assert settings.skus["a"].ceiling == Money("1", "CNY")
    assert settings.rules[0].from_ == moment


def test_one_text_counts_as_a_list_of_one():
    """Where a list of texts is wanted, brackets may be left out."""
    settings = load_settings(
        {
            "skus": {"a": {"sources": "manual"}},
            "platforms": {"p": {"adapter": "x", "deliver": "direct"}},
        }
    )
    assert settings.skus["a"].sources == ("manual",)
    assert settings.platforms["p"].deliver == ("direct",)


def test_a_byte_order_mark_is_no_part_of_the_text(written):
    """Editors on Windows may write one."""
    assert load_settings(written(b"\xef\xbb\xbfstore = 'sqlite:///x.db'")).store == "sqlite:///x.db"


def test_the_store_may_be_fetched(written, monkeypatch):
    """A database URL holds a password, so it may live in the environment."""
    monkeypatch.setenv("CARD_STORE", "postgresql://u:p@h/d")
    settings = load_settings(written('store = "env:CARD_STORE"'))
    assert settings.store == "postgresql://u:p@h/d"
    assert "p@h" not in repr(settings)
    monkeypatch.delenv("CARD_STORE")
    assert "line 1: store: the environment variable CARD_STORE is not set" in refusal(
        written('store = "env:CARD_STORE"')
    )


def test_settings_do_not_show_options_or_lists_of_people():
    """A repr may end in a log."""
    settings = load_settings(
        {
            "platforms": {"p": {"adapter": "x", "credential": "CANARY-1"}},
            "review": {"deny": ["contact:CANARY-2"]},
        }
    )
    assert "CANARY" not in repr(settings)
    assert repr(settings.platforms["p"].options) == "Table(credential)"


def test_settings_cannot_be_changed():
    """Nobody changes the configuration behind our back."""
    settings = load_settings({"skus": {"a": {}}})
    with pytest.raises(TypeError):
        settings.skus["b"] = SkuSettings()
    with pytest.raises(AttributeError):
        settings.store = "other"


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("shop", ["shop", "my shop", 'a"b\\c', "卡"])
def test_the_sample_loads(written, language, shop, monkeypatch):
    """What `autocard init` writes is accepted, and so is all that its comments offer."""
    text = sample_toml(store="sqlite:///C:\\x.db", keyring="env:\x7f", shop=shop, language=language)
    settings = load_settings(written(text))
    assert settings.store == "sqlite:///C:\\x.db"
    assert settings.keyring == "env:\x7f"
    assert "steam-50" in settings.skus
    whole = "\n".join(
        line[1:] if line.startswith("#") and not line.startswith("# ") else line
        for line in text.splitlines()
    )
    settings = load_settings(written(whole))
    assert list(settings.platforms) == [shop]
    assert settings.rules[0].platform == (shop,)
    assert list(settings.suppliers["acme"].items) == ["steam-50"]
    monkeypatch.setenv("AUTOCARD_SHOP_CREDENTIAL", "whsec_" + "QUJD" * 8)
    plugins = Plugins()
    plugins.load(settings.platforms[shop].adapter)
    adapter = plugins.registry.get_platform(settings.platforms[shop].adapter)
    assert structure_options(adapter.Options, settings.platforms[shop].options)
    monkeypatch.setenv("AUTOCARD_ACME_CREDENTIAL", "0123456789abcdef")
    plugins.load(settings.suppliers["acme"].adapter)
    supplier = plugins.registry.suppliers[settings.suppliers["acme"].adapter]
    assert structure_options(supplier.Options, settings.suppliers["acme"].options)


# --- what is refused: names and types -------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stor = 'x'", "line 1: stor: unknown name; did you mean 'store'?"),
        (
            "\n[platform.shop]\nadapter='x'",
            "line 2: platform: unknown name; did you mean 'platforms'?",
        ),
        ("[rollout]\npercent = 20", "line 1: rollout: unknown name"),
        ("base = '/'", "line 1: base: unknown name"),
        ("[skus.a]\n\nlwo = 1", "line 3: [skus.a] lwo: unknown name; did you mean 'low'?"),
        ("[skus.a]\nlow = '1'", "line 2: [skus.a] low: expected a whole number, got text"),
        ("[skus.a]\nlow = 1.5", "line 2: [skus.a] low: expected a whole number, got a number"),
        (
            "[skus.a]\nlow = true",
            "line 2: [skus.a] low: expected a whole number, got true or false",
        ),
        ("[skus.a]\nlow = -1", "line 2: [skus.a] low: must be 0 or more"),
        ("[skus.a]\nlow = 1" + "0" * 400, "line 2: [skus.a] low: must be 0 or more"),
        (
            "[skus.a]\novertake = 1",
            "line 2: [skus.a] overtake: expected true or false, got a whole",
        ),
        ("[skus.a]\nkind = 'crad'", 'line 2: [skus.a] kind: must be "card" or "topup" or "shared"'),
        (
            "[skus.a]\nkind = 1",
            '[skus.a] kind: expected "card" or "topup" or "shared", got a whole',
        ),
        (
            "[skus.a]\nkind = []",
            '[skus.a] kind: expected "card" or "topup" or "shared", got a list',
        ),
        ("[skus.a]\nceiling = '47'", 'line 2: [skus.a] ceiling: must be money such as "50.00 CNY"'),
        ("[skus.a]\nceiling = 47.0", "line 2: [skus.a] ceiling: expected money"),
        ("[skus.a]\nceiling = '-1 CNY'", "line 2: [skus.a] ceiling: must not be negative"),
        ("[skus.a]\ncap = 2", 'line 2: [skus.a] cap: goes only with kind = "shared"'),
        ("[skus.a]\nformat = ''", "line 2: [skus.a] format: must not be empty"),
        ("[skus.a]\nsources = 3", "line 2: [skus.a] sources: expected a list, got a whole number"),
        ("[skus.a]\nsources = []", "line 2: [skus.a] sources: must not be empty"),
        ("[skus.a]\nsources = [\n'manual',\n3]", "line 2: [skus.a] sources.2: expected text"),
        ("skus.a = 1", "line 1: [skus.a]: expected a table, got a whole number"),
        ("skus = 1", "line 1: skus: expected a table, got a whole number"),
        ("rules = {}", "line 1: rules: expected a list, got a table"),
        ("rules = ''", "line 1: [[rules]] 1: expected a table, got text"),
        ("store = 2026-01-01", "line 1: store: expected text, got date"),
        ("store = 2026-01-01T00:00:00Z", "line 1: store: expected text, got a date and time"),
        ("store = ''", "line 1: store: must not be empty"),
        ("currency = 'yuan'", "line 1: currency: must be an ISO 4217 code"),
        ("late_payment = 'never'", 'line 1: late_payment: must be "wait" or "refund"'),
        ("[platforms.p]\nadaptor = 'x'", "adapter: is missing; did you mean 'adaptor'?"),
        ("[platforms.p]\nadapter = ''", "line 2: [platforms.p] adapter: must not be empty"),
        ("[platforms.p]\nadapter = 'x'\ntimeout_s = nan", "timeout_s: must be 0.1 to 600"),
        ("[platforms.p]\nadapter = 'x'\ntimeout_s = '1'", "timeout_s: expected a number, got text"),
        ("[platforms.p]\nadapter = 'x'\ntimeout_s = 1" + "0" * 400, "timeout_s: expected a number"),
        (
            "[platforms.p]\nadapter = 'x'\nmax_bytes = 0",
            "line 3: [platforms.p] max_bytes: must be 1",
        ),
        ("[delivery]\njitter = 2", "line 2: [delivery] jitter: must be 0 to 1"),
        ("[delivery]\nlongest_retry_s = 1", "longest_retry_s: must not lie before first_retry_s"),
        ("[review]\nallow = ['u1']", 'line 2: [review] allow: takes "buyer:ID"'),
        ("[review]\nallow = ['buyer: ']", 'line 2: [review] allow: takes "buyer:ID"'),
        ("[review]\ndeny = ['ip:10.0.0.0/99']", 'line 2: [review] deny: has an "ip:" entry'),
    ],
)
def test_a_bad_name_or_value_is_refused_with_its_place(written, text, message):
    """The message says which line, which table, which field, and what would be right."""
    assert message in refusal(written(text))


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("", "[[rules]] 1, sku: is missing"),
        ("sku = 'b'", "line 3: [[rules]] 1, sku: there is no sku 'b'; add [skus.b]"),
        ("sku = 'aa'", "[[rules]] 1, sku: there is no sku 'aa'; did you mean 'a'?"),
        ("sku = 'a'\nunits = 0", "line 4: [[rules]] 1, units: must be 1 to 10000"),
        ("sku = 'a'\nquantity_from = 3\nquantity_to = 2", "line 5: [[rules]] 1, quantity_to: must"),
        ("sku = 'a'\namount_from = '3 CNY'\namount_to = '2 CNY'", "amount_to: must not lie before"),
        (
            "sku = 'a'\namount_from = '3 CNY'\namount_to = '9 USD'",
            "must have the currency of amount",
        ),
        ("sku = 'a'\nfrom = 2026-01-01T00:00:00", "line 4: [[rules]] 1, from: expected a date and"),
        ("sku = 'a'\nfrom = 2026-01-01", "[[rules]] 1, from: expected a date and time"),
        ("sku = 'a'\nfrom = 0001-01-01T00:00:00+08:00", "[[rules]] 1, from: expected a date"),
        (
            "sku = 'a'\nfrom = 2026-01-02T00:00:00Z\nuntil = 2026-01-01T00:00:00Z",
            "line 5: [[rules]] 1, until: must not lie before from",
        ),
        ("sku = 'a'\nhours = '9-17'", "line 4: [[rules]] 1, hours: must look like"),
        ("sku = 'a'\nhours = '24:00-01:00'", "hours: must lie between 00:00 and 24:00"),
        ("sku = 'a'\nhours = '10:00-10:00'", "hours: must begin and end at different times"),
        ("sku = 'a'\ndays = 'monday'", 'line 4: [[rules]] 1, days.1: must be "mon" or "tue"'),
        ("sku = 'a'\ndays = ''", 'line 4: [[rules]] 1, days.1: must be "mon" or "tue"'),
        ("sku = 'a'\ntimezone = 'Mars/Base'", "line 4: [[rules]] 1, timezone: must be a time zone"),
        ("sku = 'a'\ntimezone = '/etc'", "line 4: [[rules]] 1, timezone: must be a time zone"),
        ("sku = 'a'\nsources = ['depot:x']", "line 4: [[rules]] 1, sources: 'depot:x' is not"),
        ("sku = 'a'\nfrom_ = 1", "line 4: [[rules]] 1, from_: unknown name; did you mean 'from'?"),
    ],
)
def test_a_bad_rule_is_refused_with_its_number(written, rule, message):
    """Rules have no name, so they are counted from one."""
    assert message in refusal(written(f"[skus.a]\n[[rules]]\n{rule}"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[platforms.p]\nadapter = 'x'\ndeliver = 'channel:mial'\n[channels.mail]\nadapter = 'm'",
            "line 3: [platforms.p] deliver: there is no channel 'mial'; did you mean 'mail'?",
        ),
        (
            "[platforms.p]\nadapter = 'x'\ndeliver = 'channel:q'",
            "there is no channel 'q'; add [channels.q]",
        ),
        (
            "[platforms.p]\nadapter = 'x'\ndeliver = 'channel:'",
            "'channel:' is not direct, platform",
        ),
        ("[platforms.p]\nadapter = 'x'\ndeliver = 'dirct'", "did you mean 'direct'?"),
        ("[platforms.p]\nadapter = 'x'\ndeliver = []", "deliver: must not be empty"),
        (
            "[skus.a]\nsources = 'supplier:fulu'",
            "there is no supplier 'fulu'; add [suppliers.fulu]",
        ),
        ("[skus.a]\nsources = 'warehose:main'", "did you mean 'warehouse:'?"),
        ("[skus.a]\nsources = 'warehouse:'", "'warehouse:' is not warehouse:NAME"),
        ('[skus.a]\nsources = "warehouse:\\u0000"', "the name of a warehouse has 1 to 64 plain"),
        ("[skus.a]\nkind = 'topup'\nsources = 'warehouse:m'", "a top-up takes no card"),
        ("[skus.'']", "[skus.]: a name has 1 to 64 characters"),
        (f"[skus.{'a' * 65}]", "a name has 1 to 64 characters"),
    ],
)
def test_parts_that_contradict_each_other_are_refused(written, text, message):
    """A route, source or name that leads nowhere is found before the first order."""
    assert message in refusal(written(text))


@pytest.mark.parametrize(
    "text",
    [
        "[skus.a]\nsources = 'warehouse:'",
        "[platforms.p]\nadapter = 'x'\ndeliver = 'channel:'",
    ],
)
def test_what_was_written_is_not_suggested(written, text):
    """A name that is missing behind the colon is not mended by the same text."""
    assert "did you mean" not in refusal(written(text))


def test_what_fits_together_is_accepted(written):
    """Routes, sources and rules may name what is configured."""
    settings = load_settings(
        written("""
            [platforms.p]
            adapter = "x"
            deliver = ["platform", "direct", "channel:mail"]
            [channels.mail]
            adapter = "mail"
            [suppliers.fulu]
            adapter = "fulu"
            [skus.a]
            kind = "topup"
            sources = ["supplier:fulu", "manual"]
            [skus.b]
            kind = "shared"
            cap = 5
            per_buyer = 1
            [[rules]]
            hours = "22:00-24:00"
            timezone = "Asia/Shanghai"
            days = ["mon", "sun"]
            from = 2026-01-01T00:00:00+08:00
            sku = "b"
            sources = "warehouse:other"
        """)
    )
    assert settings.rules[0].from_ == datetime(2025, 12, 31, 16, tzinfo=UTC)
    assert settings.skus["b"].cap == 5


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(written):
    """Nobody wants to mend a file one message at a time; a flood is cut."""
    lines = refusal(written("[skus.a]\nlow = ''\nlwo = 1\n[delivery]\ntries = 0")).splitlines()
    assert [line.split(": ")[0].rpartition(" ")[2] for line in lines] == ["2", "3", "5"]
    flood = refusal({f"x{number}": 1 for number in range(30)}).splitlines()
    assert len(flood) == 21
    assert flood[-1] == "and 10 more"


def test_settings_made_in_code_are_refused_by_field():
    """The constructor checks too, and pickles what it says."""
    with pytest.raises(SettingError, match="low: must be 0 or more") as caught:
        SkuSettings(low=-1)
    kind, arguments = caught.value.__reduce__()
    assert kind(*arguments).field == "low"


# --- what is refused: files -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"store = ", "not valid TOML"),
        (b"x = 1\nx = 2\n", "at line 2, column 6"),
        (b"a = '\n\xff'", "not valid TOML|line 2: not UTF-8"),
        (b"ok = 1\n# \xff", "line 2: not UTF-8 text"),
        (b"a = " + b"[" * 100_000, "is nested too deeply"),
        (b"a = " + b"9" * 5_000, "not valid TOML"),
        (b"#" * (8 * 1_048_576 + 1), "so not settings"),
    ],
)
def test_a_file_that_is_no_toml_is_refused(written, data, message):
    """Whatever is wrong with the file, its path and place are told."""
    with pytest.raises(ConfigurationError, match=message) as caught:
        load_settings(written(data))
    assert "shop.toml" in str(caught.value)
    assert caught.value.__context__ is None


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    """A missing file says how to get one; a folder or an impossible name is refused too."""
    assert "`autocard init` writes a first one" in refusal(tmp_path / "no.toml")
    assert "cannot be read" in refusal(tmp_path)
    assert "cannot be read" in refusal("\0")


@pytest.mark.parametrize("source", [None, 3, b"x.toml", ["x"]])
def test_another_kind_of_source_is_refused(source):
    """Only a path, a mapping and settings make sense."""
    assert "path of a TOML file" in refusal(source)


@pytest.mark.parametrize("name", [5, None, ("a", "b")])
def test_names_of_a_mapping_are_text(name):
    """A mapping made in code may hold names that no file can."""
    refusal({name: 1})
    assert "expected text" in refusal({"skus": {name: {}}})
    refusal({"skus": {"a": {name: 1}}})


@given(st.binary(max_size=300))
def test_arbitrary_bytes_give_settings_or_a_documented_error(tmp_path_factory, data):
    """Whatever the file holds, nothing but `ConfigurationError` comes out."""
    path = tmp_path_factory.getbasetemp() / "bytes.toml"
    path.write_bytes(data)
    made = outcome(path)
    assert isinstance(made, Settings) or "bytes.toml" in str(made)


names = st.sampled_from(
    ["store", "skus", "rules", "platforms", "review", "sku", "item", "low", "adapter", "deny", "x"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(names | st.text(max_size=3), values, max_size=5))
def test_arbitrary_mappings_give_settings_or_a_documented_error(table):
    """Whatever a mapping holds, nothing but `ConfigurationError` comes out."""
    made = outcome(table)
    assert isinstance(made, Settings) or str(made)
