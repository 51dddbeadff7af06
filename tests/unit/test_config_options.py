"""Options of adapters: strict names and types, fetched secrets, messages that show neither."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autocard.config import load_settings, structure_options
from autocard.errors import AdapterBroken, ConfigurationError
from autocard.money import Money
from autocard.secret import Secret

CANARY = "CANARY-7f3e-credential"


class Mode(enum.Enum):
    """A choice as an adapter might offer it."""

    FAST = "fast"
    SLOW = "slow"


@attrs.frozen(kw_only=True)
class Nested:
    """A table within the options."""

    credential: Secret
    port: int = 1


def _no_echo(instance: Any, attribute: Any, value: Any) -> None:
    if value.reveal() == "bad":
        raise ValueError(f"credential {value.reveal()} is bad")


def _loud(instance: Any, attribute: Any, value: Any) -> None:
    if not value.startswith("https://"):
        raise ValueError("base_url: must begin with https://")


@attrs.frozen(kw_only=True)
class Options:
    """One field of each kind that adapters use."""

    base_url: str = attrs.field(validator=_loud)
    credential: Secret = attrs.field(validator=_no_echo)
    spare: Secret | None = None
    mode: Mode = Mode.FAST
    level: Literal[1, 2] = 1
    ratio: float = 0.5
    price: Money | None = None
    folder: Path = Path()
    topics: tuple[str, ...] = ()
    ports: list[int] = attrs.field(factory=list)
    names: Sequence[str] = ()
    kinds: frozenset[str] = frozenset()
    pair: tuple[str, int] = ("a", 1)
    headers: Mapping[str, str] = attrs.field(factory=dict)
    extra: Any = None
    nested: Nested | None = None
    timeout_s: float = 3.0


GOOD = {"base_url": "https://x.example", "credential": CANARY}


def refusal(table: Mapping[str, Any], where: str = "platforms.p") -> str:
    with pytest.raises(ConfigurationError) as caught:
        structure_options(Options, table, where)
    assert caught.value.__context__ is None
    assert CANARY not in str(caught.value)
    return str(caught.value)


def test_options_become_an_instance_of_the_class(tmp_path, monkeypatch):
    """Every kind of field is filled with its own type."""
    monkeypatch.chdir(tmp_path)
    options = structure_options(
        Options,
        GOOD
        | {
            "mode": "slow",
            "level": 2,
            "ratio": 1,
            "price": "1.00 CNY",
            "folder": "in",
            "topics": "a",
            "ports": [1, 2],
            "names": ["b"],
            "kinds": ["c", "c"],
            "pair": ["a", 2],
            "headers": {"x": "y"},
            "extra": {"any": ["thing"]},
            "nested": {"credential": "n"},
            "timeout_s": 9,
        },
        "platforms.p",
    )
    assert options == Options(
        base_url="https://x.example",
        credential=Secret(CANARY),
        mode=Mode.SLOW,
        level=2,
        ratio=1.0,
        price=Money("1.00", "CNY"),
        folder=tmp_path / "in",
        topics=("a",),
        ports=[1, 2],
        names=("b",),
        kinds=frozenset({"c"}),
        pair=("a", 2),
        headers={"x": "y"},
        extra={"any": ["thing"]},
        nested=Nested(credential=Secret("n")),
        timeout_s=9.0,
    )
    assert CANARY not in repr(options)


def test_ready_made_values_are_taken_as_they_are():
    """Hosts that configure in code may hand over secrets and paths themselves."""
    options = structure_options(
        Options, GOOD | {"credential": Secret("env:X"), "folder": Path("/srv")}
    )
    assert options.credential == Secret("env:X")
    assert options.folder == Path("/srv")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"base_ur": "x"}, "[platforms.p] base_ur: unknown name; did you mean 'base_url'?"),
        ({"credential": 5}, "[platforms.p] credential: expected text, got a whole number"),
        ({"credential": [CANARY]}, "[platforms.p] credential: expected text, got a list"),
        ({"spare": True}, "[platforms.p] spare: expected text, got true or false"),
        ({"mode": "warp"}, '[platforms.p] mode: must be "fast" or "slow"'),
        ({"mode": CANARY}, '[platforms.p] mode: must be "fast" or "slow"'),
        ({"mode": 4}, '[platforms.p] mode: expected "fast" or "slow", got a whole number'),
        ({"level": 3}, '[platforms.p] level: expected "1" or "2", got a whole number'),
        ({"level": True}, "[platforms.p] level: expected"),
        ({"folder": 3}, "[platforms.p] folder: expected a path as text, got a whole number"),
        ({"ports": ["a"]}, "[platforms.p] ports.1: expected a whole number, got text"),
        ({"ports": 3}, "[platforms.p] ports: expected a list, got a whole number"),
        ({"headers": {"a": 1}}, "[platforms.p] headers.a: expected text, got a whole number"),
        ({"headers": CANARY}, "[platforms.p] headers: expected a table, got text"),
        ({"nested": {}}, "[platforms.p] nested.credential: is missing"),
        ({"nested": CANARY}, "[platforms.p] nested: expected a table, got text"),
        (
            {"nested": {"credential": "a", "prot": 1}},
            "[platforms.p] nested.prot: unknown name; did you mean 'port'",
        ),
        ({"pair": 3}, "[platforms.p] pair: expected a list, got a whole number"),
        ({"base_url": "ftp://x"}, "[platforms.p] base_url: must begin with https://"),
        ({"credential": "bad"}, "the adapter does not accept these settings"),
    ],
)
def test_bad_options_are_refused_with_table_and_field(change, message):
    """The message names the field and never quotes what stands there."""
    assert message in refusal(GOOD | change)


def test_missing_options_are_named():
    """A field without a default has to be given."""
    assert "[platforms.p] credential: is missing" in refusal({"base_url": "https://x"})
    assert "configuration: credential: is missing" in refusal({"base_url": "https://x"}, "")


def test_a_secret_is_fetched_from_the_environment(monkeypatch):
    """`env:NAME` stands for the variable; one that is missing or empty is named."""
    monkeypatch.setenv("SHOP_CREDENTIAL", CANARY)
    table = GOOD | {"credential": "env:SHOP_CREDENTIAL"}
    assert structure_options(Options, table).credential.reveal() == CANARY
    for spoil in (lambda: monkeypatch.setenv("SHOP_CREDENTIAL", ""), monkeypatch.undo):
        spoil()
        assert "credential: the environment variable SHOP_CREDENTIAL is not set" in refusal(table)
    assert "is not set" in refusal(GOOD | {"credential": "env:\ud800"})


def test_only_secrets_are_fetched(monkeypatch):
    """An address that happens to begin with `env:` stays what it is."""
    monkeypatch.setenv("TOPIC", "no")
    assert structure_options(Options, GOOD | {"topics": ["env:TOPIC"]}).topics == ("env:TOPIC",)


def test_a_secret_is_fetched_from_a_file(tmp_path):
    """`file:PATH` starts from the folder of the configuration; the last line end is left out."""
    (tmp_path / "credential").write_bytes(f"{CANARY}\r\n".encode())
    (tmp_path / "shop.toml").write_text(
        '[platforms.p]\nadapter = "x"\nbase_url = "https://x"\ncredential = "file:credential"\n'
    )
    table = load_settings(tmp_path / "shop.toml").platforms["p"].options
    assert structure_options(Options, table).credential.reveal() == CANARY
    for data, problem in [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\xff", "is not UTF-8 text"),
        (b"x" * 70_000, "is too long to be a credential"),
    ]:
        (tmp_path / "credential").write_bytes(data)
        message = refusal(table)
        assert (
            f"shop.toml, line 4: [platforms.p] credential: the file credential {problem}" in message
        )
    (tmp_path / "credential").unlink()
    assert "the file credential cannot be read: No such file" in refusal(table)
    assert "has a name that cannot be a file" in refusal(GOOD | {"credential": "file:\0"})


def test_options_from_a_file_are_refused_with_their_line(tmp_path):
    """Lines are remembered until the adapter is made; names of the core are suggested too."""
    (tmp_path / "shop.toml").write_text(
        '[platforms.p]\nadapter = "x"\nbase_url = 3\ncredentail = "x"\n\nconfrim = true\n'
    )
    table = load_settings(tmp_path / "shop.toml").platforms["p"].options
    lines = refusal(table, "elsewhere").splitlines()
    assert [line.partition("shop.toml, ")[2] for line in lines] == [
        "line 1: [platforms.p] credential: is missing; did you mean 'credentail'?",
        "line 3: [platforms.p] base_url: expected text, got a whole number",
        "line 4: [platforms.p] credentail: unknown name; did you mean 'credential'?",
        "line 6: [platforms.p] confrim: unknown name; did you mean 'confirm'?",
    ]


@pytest.mark.parametrize("family", ["platforms", "channels", "suppliers"])
def test_connection_settings_reach_adapters_that_ask_for_them(family):
    """`timeout_s` belongs to the core, and to the options where they have a field for it."""
    table = {"adapter": "x", "timeout_s": 7, **GOOD}
    settings = getattr(load_settings({family: {"p": table}}), family)["p"]
    assert settings.timeout_s == 7.0
    assert "timeout_s" not in settings.options
    assert structure_options(Options, settings.options).timeout_s == 7.0
    plain = getattr(load_settings({family: {"p": {"adapter": "x", **GOOD}}}), family)["p"]
    assert structure_options(Options, plain.options).timeout_s == 3.0


def test_options_made_in_code_know_their_place():
    """Settings that never were a file still name the table."""
    from autocard.config import PlatformSettings, Settings

    made = Settings(platforms={"p": PlatformSettings(adapter="x", options={"no": 1, **GOOD})})
    options = load_settings(made).platforms["p"].options
    assert len(options) == 3
    assert "configuration: [platforms.p] no: unknown name" in refusal(options)


def test_a_class_that_cannot_be_filled_is_the_adapters_fault():
    """A mistake in a package is not blamed on the configuration."""

    class Plain:
        pass

    @attrs.frozen
    class Odd:
        value: "Nowhere"  # noqa: F821, UP037 - the name is missing on purpose

    for cls in (Plain, Odd):
        with pytest.raises(AdapterBroken, match=cls.__name__):
            structure_options(cls, {}, "platforms.p")


def test_an_adapters_own_check_may_raise_anything():
    """Errors without words, or of odd types, are still a configuration error."""

    @attrs.frozen
    class Moody:
        value: int = attrs.field()

        def __attrs_post_init__(self) -> None:
            raise {0: KeyError("value"), 1: ValueError, 2: ValueError(3)}[self.value]

    for value in range(3):
        with pytest.raises(
            ConfigurationError,
            match=r"\[platforms\.p\]: the adapter does not accept these settings",
        ):
            structure_options(Moody, {"value": value}, "platforms.p")


@given(
    st.dictionaries(
        st.sampled_from([field.name for field in attrs.fields(Options)]) | st.text(max_size=3),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=8)
        | st.lists(st.integers() | st.text(max_size=3), max_size=3)
        | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    )
)
def test_arbitrary_options_give_an_instance_or_a_documented_error(table):
    """No table, however odd, raises anything else or shows the credential."""
    made: Options | str
    try:
        made = structure_options(Options, GOOD | table)
    except ConfigurationError as error:
        made = str(error)
    assert isinstance(made, Options) or CANARY not in made
