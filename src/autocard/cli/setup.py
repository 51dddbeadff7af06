"""Begin, and see whether everything is well: `init`, `migrate`, `check`, `demo`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import attrs
import click

from autocard.cli.exits import Exit
from autocard.cli.program import Command, Invocation, option, pass_invocation
from autocard.cli.shapes import check_json
from autocard.config import Settings, load_settings, sample_toml
from autocard.errors import ConfigurationError

_STORE: Final = "sqlite:///autocard.db"
_KEYRING: Final = "file:autocard.keyring"
_SHOP: Final = "shop"


# --- init -----------------------------------------------------------------------------------


@click.command("init", cls=Command)
@option("--yes", "-y", is_flag=True)
@option("--store", default=_STORE, show_default=True, metavar="URL")
@option("--keyring", default=_KEYRING, show_default=True, metavar="SPEC")
@option("--shop", default=_SHOP, show_default=True, metavar="NAME")
@option("--force", is_flag=True)
@pass_invocation
def init(
    invocation: Invocation, *, yes: bool, store: str, keyring: str, shop: str, force: bool
) -> Exit:
    """Write a configuration; make its keyring and its store where there are none."""
    screen = invocation.screen
    path = invocation.config
    if path.exists() and not force:
        raise ConfigurationError(screen.phrase("init_exists", path=path))
    if not yes:
        store = _ask(screen.phrase("ask_store"), store)
        keyring = _ask(screen.phrase("ask_keyring"), keyring)
        shop = _ask(screen.phrase("ask_shop"), shop)
    text = sample_toml(store=store, keyring=keyring, shop=shop, language=invocation.language)
    settings = _written(path, text, is_private=_holds_password(store), force=force)
    if screen.as_json:
        screen.document({"config": str(path), "keyring": settings.keyring})
        return Exit.DONE
    screen.say("init_written", path=path)
    screen.say("init_keyring", keyring=settings.keyring)
    screen.say("init_next", path=path)
    return Exit.DONE


def _ask(question: str, default: str) -> str:
    # On the error stream, so that the answer of the command stays clean.
    return str(click.prompt(question, default=default, err=True))


def _written(path: Path, text: str, *, is_private: bool, force: bool) -> Settings:
    """Write *text* to *path* once a keyring and a store could be made from it."""
    from autocard.engine import Engine

    draft = path.with_name(f"{path.name}.new")
    try:
        _create(draft, text, mode=0o600 if is_private else 0o644)
        try:
            settings = load_settings(draft)
            Engine.open(settings, create=True).close()
            _publish(draft, path, force=force)
        finally:
            draft.unlink(missing_ok=True)
    except FileExistsError:
        raise ConfigurationError(
            f"{path} or {draft} exists; if nobody else is writing it, remove {draft}"
        ) from None
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written: {error.strerror}") from None
    return settings


def _create(path: Path, text: str, *, mode: int) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)


def _publish(draft: Path, path: Path, *, force: bool) -> None:
    if force:
        draft.replace(path)
    else:
        os.link(draft, path)  # unlike a rename it refuses to replace


def _holds_password(store: str) -> bool:
    try:
        return bool(urlsplit(store).password)
    except ValueError:
        return True  # who knows what it holds


# --- migrate --------------------------------------------------------------------------------


@click.command("migrate", cls=Command)
@pass_invocation
def migrate(invocation: Invocation) -> Exit:
    """Bring the store to the schema of this version; say which it had."""
    # Here and not above, so that `autocard --help` does not load a database.
    from autocard.store.opening import migrate as bring_up_to_date

    settings = load_settings(invocation.config)
    before, now = bring_up_to_date(settings.store, base=settings.base)
    screen = invocation.screen
    if screen.as_json:
        screen.document({"before": before, "now": now})
    elif before == now:
        screen.say("migrated_nothing", now=now)
    elif before is None:
        screen.say("migrated_new", now=now)
    else:
        screen.say("migrated", before=before, now=now)
    return Exit.DONE


# --- check ----------------------------------------------------------------------------------


@click.command("check", cls=Command)
@click.argument("platform", required=False)
@pass_invocation
def check(invocation: Invocation, *, platform: str | None) -> Exit:
    """Look at the configuration, the keyring, the store, and the platforms."""
    screen = invocation.screen
    with invocation.engine() as engine:
        report = engine.check(platform)
    if screen.as_json:
        screen.document(check_json(report))
    else:
        for item in report.items:
            mark, style = ("✓", "green") if item.ok else ("✗", "red")
            screen.line(f"{mark} {item.name}: {item.detail}", style=style)
    return Exit.DONE if report.ok else Exit.ATTENTION


# --- demo -----------------------------------------------------------------------------------


@click.command("demo", cls=Command)
@option("--keep", is_flag=True)
@pass_invocation
def demo(invocation: Invocation, *, keep: bool) -> Exit:
    """Play the whole story; 0 only when every claim in it held."""
    from autocard.demo import play

    screen = invocation.screen
    steps = iter(range(1, 1_000))

    def show(kind: str, text: str) -> None:
        if screen.as_json:
            return
        if kind == "step":
            screen.line("")
            screen.line(f"{next(steps)}. {text}", style="bold")
        else:
            mark, style = _MARKS[kind]
            screen.line(f"   {mark}{text}", style=style)

    story = play(invocation.language, show, keep=keep)
    if screen.as_json:
        screen.document({"ok": story.ok, **attrs.asdict(story)})
    else:
        held = sum(claim.holds for claim in story.claims)
        screen.line("")
        screen.table(
            ("claims", "held", "seconds"), [(len(story.claims), held, f"{story.seconds:.1f}")]
        )
        screen.say("demo_ok" if story.ok else "demo_broken", style="bold")
    return Exit.DONE if story.ok else Exit.ATTENTION


_MARKS: Final = {"said": ("", ""), "held": ("✓ ", "green"), "broken": ("✗ ", "bold red")}

COMMANDS: Final = (init, migrate, check, demo)
