"""The base of all commands: the options `--json` and `--data-dir`, access to the store, and error output."""

import json
import os
import re
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from omniroute import env
from omniroute.distribution.requirements import explain
from omniroute.redaction import redact

if TYPE_CHECKING:
    from omniroute.store.db.database import Store


NAME_SHOWN = 200
"""Characters of a file name shown in an error."""

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def clean(text: str) -> str:
    """Remove control characters, which could control the terminal, from text that is not the program's own."""
    return CONTROL.sub("", text)


@dataclass(slots=True)
class State:
    """Values of the options shared by all commands; those of the innermost command override outer ones."""

    as_json: bool = False
    chosen_dir: Path | None = None
    debug: bool = False

    @property
    def data_dir(self) -> Path:
        """The data directory from `--data-dir`, $DATA_DIR or the default. Raises InvalidEnvironment."""
        said = str(self.chosen_dir or os.environ.get("DATA_DIR", ""))
        return env.read({"DATA_DIR": said}).data_dir  # only `serve` needs the other variables

    @contextmanager
    def store(self) -> "Iterator[Store]":
        """Open the data directory's store for one command. Raises StoreError if it cannot be opened.

        After a change, wait until a running gateway has applied it, so that the next command can rely on it.
        """
        from omniroute.cli.gateway_process import wait_for  # imported here, as `--help` does not need them
        from omniroute.store.db.database import Store

        store = Store(self.data_dir, upgrade=False)
        try:
            before = store.revision()
            yield store
            after = store.revision()
        finally:
            store.close()
        if after != before:
            wait_for(self.data_dir, after)


def _set(field: str) -> Any:
    def remember(ctx: click.Context, _param: click.Parameter, value: Any) -> None:
        if value:
            setattr(ctx.ensure_object(State), field, value)

    return remember


class _Directory(click.Path):
    """A directory, which need not exist yet. An empty value is refused, as it would be the working directory."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not str(value):
            self.fail("it is empty: name a directory, or leave it out", param, ctx)
        return super().convert(value, param, ctx)


def _shared() -> list[click.Parameter]:
    return [
        click.Option(["--json"], is_flag=True, expose_value=False, callback=_set("as_json"), help="Print JSON."),
        click.Option(
            ["--data-dir"],
            type=_Directory(file_okay=False, path_type=Path),
            expose_value=False,
            callback=_set("chosen_dir"),
            help="Where everything is kept; else $DATA_DIR, else ~/.omniroute.",
        ),
    ]


def shared_debug() -> click.Option:
    return click.Option(
        ["--debug"],
        is_flag=True,
        expose_value=False,
        callback=_set("debug"),
        help="Show the traceback of an unexpected error; so does OMNIROUTE_DEBUG=1.",
    )


class Command(click.Command):
    """A command with the shared options after its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += _shared()
        self.help = _with_lines(self.help)


class Group(click.Group):
    """A group with the shared options, as on all its commands."""

    command_class = Command
    group_class = type

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += _shared()
        self.help = _with_lines(self.help)


def _with_lines(help: str | None) -> str | None:
    """Replace click's marker of paragraphs not to be re-wrapped, as raw docstrings spell it, by the character."""
    return help and help.replace("\\b\n", "\b\n")


def _foreseen() -> tuple[type[Exception], ...]:
    """Return the errors with messages for users; their modules are imported only after a failure."""
    from omniroute.errors import GatewayError
    from omniroute.store.db.files import StoreError

    return GatewayError, env.InvalidEnvironment, StoreError


def explain_error(error: Exception, words: Sequence[str]) -> int:
    """Print an error on one line of stderr, as JSON if `words` contains `--json`, and return the exit code.

    With `--debug` in `words` or OMNIROUTE_DEBUG set, print a traceback instead, unless it is an error of click's.
    """
    code = 1
    if isinstance(error, click.UsageError) and type(error).__name__ == "NoArgsIsHelpError":  # not in every click
        error.show()  # a group without a command shows its help
        return error.exit_code
    if isinstance(error, click.ClickException):
        code, text = error.exit_code, error.format_message()
        if isinstance(error, click.UsageError) and error.ctx is not None:
            text = f"{text.rstrip('.')} (see `{error.ctx.command_path} --help`)"
    elif "--debug" in words or os.environ.get("OMNIROUTE_DEBUG"):
        click.echo(redact("".join(traceback.format_exception(error))), err=True, nl=False)
        return code
    elif (found := explain(error)) is not None:  # before importing the modules of _foreseen, which may be missing
        text = found
    elif isinstance(error, _foreseen()):
        text = str(error)
    elif isinstance(error, OSError) and error.strerror:  # such as a full disk
        text = error.strerror + (f": {str(error.filename)[:NAME_SHOWN]!r}" if error.filename else "")
    else:
        text = f"unexpected {type(error).__name__}: {error} (`omniroute-ctl --debug …` shows where)"
    line = clean(redact(" ".join(text.split())))
    click.echo(json.dumps({"error": line}) if "--json" in words else f"Error: {line}", err=True)
    return code
