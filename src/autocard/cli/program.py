"""What all commands share: their common options, their help in two languages, how they end."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs
import click

from autocard.cli.exits import Exit, code_of
from autocard.cli.screen import Screen
from autocard.cli.texts import LANGUAGES, Language, help_text, language_of
from autocard.errors import AutocardError

if TYPE_CHECKING:
    from autocard.engine import Engine

F = TypeVar("F", bound=Callable[..., Any])

CONFIG_VARIABLE: Final = "AUTOCARD_CONFIG"
LANGUAGE_VARIABLE: Final = "AUTOCARD_LANG"
DEFAULT_CONFIG: Final = "autocard.toml"


def _default_config() -> Path:
    return Path(os.environ.get(CONFIG_VARIABLE) or DEFAULT_CONFIG)


def _default_language() -> Language:
    return language_of(os.environ)


@attrs.define(slots=False)
class Invocation:
    """One run of the command: what its common options said."""

    config: Path = attrs.field(factory=_default_config)
    language: Language = attrs.field(factory=_default_language)
    as_json: bool = False
    is_debug: bool = False
    so_far: dict[str, Any] = attrs.field(factory=dict)
    """What the answer in JSON holds already; it stands beside an error, too."""

    @cached_property
    def screen(self) -> Screen:
        """Where the outcome is shown."""
        return Screen(self.language, self.as_json)

    def engine(self) -> Engine:
        """Return the engine of the configuration, open; close it when you are done."""
        # Here and not above, so that `autocard --help` does not load a database.
        from autocard.engine import Engine

        return Engine.open(self.config)


pass_invocation = click.make_pass_decorator(Invocation, ensure=True)


# --- help in two languages ------------------------------------------------------------------


def _current_language() -> Language:
    context = click.get_current_context(silent=True)
    found = context.find_object(Invocation) if context else None
    return found.language if found else _default_language()


class Option(click.Option):
    """An option whose help text is looked up when it is shown; *text* names it."""

    def __init__(self, declarations: list[str], *, text: str = "", **settings: Any) -> None:
        super().__init__(declarations, **settings)
        self._text = text or f"option.{self.name}"

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the two columns of the help page."""
        self.help = help_text(_current_language(), self._text)
        return super().get_help_record(ctx)


def option(*declarations: str, **settings: Any) -> Callable[[F], F]:
    """Declare an option; its help is `option.<name>`, or what *text* names."""
    return click.option(*declarations, cls=Option, **settings)


def _note(name: str) -> Any:
    def note(context: click.Context, _: click.Parameter, value: Any) -> None:
        if value is not None and value is not False:
            setattr(context.ensure_object(Invocation), name, value)

    return note


def common_options() -> list[click.Parameter]:
    """Return the options that every command takes, before or after its name."""
    return [
        Option(
            ["--config"], type=click.Path(dir_okay=False, path_type=Path), metavar="PATH",
            expose_value=False, callback=_note("config"),
        ),
        Option(["--json"], is_flag=True, expose_value=False, callback=_note("as_json")),
        Option(
            ["--lang"], type=click.Choice(LANGUAGES), is_eager=True, expose_value=False,
            callback=_note("language"),
        ),
        Option(["--debug"], is_flag=True, expose_value=False, callback=_note("is_debug")),
    ]  # fmt: skip


class Command(click.Command):
    """A command with the common options; its help is `command.<name>`."""

    def __init__(self, name: str | None, *, text: str = "", **settings: Any) -> None:
        super().__init__(name, **settings)
        self._text = text or f"command.{self.name}"
        self.params += common_options()

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what the command is for."""
        self.help = help_text(_current_language(), self._text)
        super().format_help_text(ctx, formatter)

    def get_short_help_str(self, limit: int = 45) -> str:
        """Return its line in the list of commands."""
        self.help = help_text(_current_language(), self._text)
        return super().get_short_help_str(limit)


class Group(click.Group):
    """A group with the common options; its help is `command.<name>`."""

    command_class = Command

    def __init__(self, name: str, **settings: Any) -> None:
        super().__init__(name, **settings)
        self.params += common_options()

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what the group is for."""
        self.help = help_text(_current_language(), f"command.{self.name}")
        super().format_help_text(ctx, formatter)

    def get_short_help_str(self, limit: int = 45) -> str:
        """Return its line in the list of commands."""
        self.help = help_text(_current_language(), f"command.{self.name}")
        return super().get_short_help_str(limit)


# --- how a command ends ---------------------------------------------------------------------


class Program(Group):
    """The root: runs a command and turns what comes of it into an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; its answer, or the error it met, becomes the exit code."""
        invocation = ctx.ensure_object(Invocation)
        try:
            code = super().invoke(ctx)
        except click.exceptions.Exit:
            raise
        except (click.Abort, KeyboardInterrupt):
            code = Exit.INTERRUPTED
        except click.ClickException as error:
            if not invocation.as_json:
                raise
            code = Exit(error.exit_code)  # as click itself ends
            _report(invocation, error, error.format_message(), code)
        except AutocardError as error:
            code = code_of(error)
            _report(invocation, error, str(error), code)
        except Exception as error:  # the last door: nothing may end in a traceback
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise  # whoever read us has heard enough; click ends quietly
            code = Exit.UNEXPECTED
            # Not its text: an error nobody foresaw may hold what it was working on.
            text = invocation.screen.phrase("unexpected", kind=type(error).__name__)
            _report(invocation, error, text, code)
        ctx.exit(int(code or 0))


def _report(invocation: Invocation, error: Exception, text: str, code: Exit) -> None:
    if invocation.is_debug:
        sys.stderr.write("".join(traceback.format_exception(error)))
    if invocation.as_json:
        told = {"error": _error_json(error, text, code)}
        invocation.screen.document({**told, **invocation.so_far})
    else:
        invocation.screen.problem(text)


def _error_json(error: Exception, text: str, code: Exit) -> Mapping[str, Any]:
    shape: dict[str, Any] = {"kind": type(error).__name__, "message": text, "exit": int(code)}
    field = getattr(error, "field", None)
    return {**shape, "field": field} if isinstance(field, str) else shape
