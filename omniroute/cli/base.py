"""What every command shares: `--json` and `--data-dir`, the store, and errors in one line."""

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
"""Characters of a file's name that an error repeats."""

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def clean(text: str) -> str:
    """Take out what would steer the terminal: names and answers come from elsewhere."""
    return CONTROL.sub("", text)


@dataclass(slots=True)
class State:
    """What the options that every command takes have said so far; the innermost wins."""

    as_json: bool = False
    chosen_dir: Path | None = None
    debug: bool = False

    @property
    def data_dir(self) -> Path:
        """Where everything is kept; SettingsError when the environment says nonsense."""
        said = str(self.chosen_dir or os.environ.get("DATA_DIR", ""))
        return env.read({"DATA_DIR": said}).data_dir  # what else the environment says matters to `serve` alone

    @contextmanager
    def store(self) -> "Iterator[Store]":
        """Open the data directory's store for one command; StoreError says why it cannot be.

        What it has changed is in force in a running gateway when the command ends: the next line of a script may
        count on it.
        """
        from omniroute.cli.gateway_process import wait_for  # not at the top: `--help` needs neither
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
    """A directory, which may be yet to be made. None at all would be where one happens to stand."""

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
    """A command that takes the shared options after its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += _shared()
        self.help = _with_lines(self.help)


class Group(click.Group):
    """A group that takes the shared options, as all its commands do."""

    command_class = Command
    group_class = type

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += _shared()
        self.help = _with_lines(self.help)


def _with_lines(help: str | None) -> str | None:
    """Mark lines that stay lines as click wants it: by the character itself, which no raw text can have."""
    return help and help.replace("\\b\n", "\b\n")


def _foreseen() -> tuple[type[Exception], ...]:
    """List the errors whose words are meant for people: late, since only a failure needs their modules."""
    from omniroute.errors import GatewayError
    from omniroute.store.db.files import StoreError

    return GatewayError, env.EnvironmentError_, StoreError


def explain_error(error: Exception, words: Sequence[str]) -> int:
    """Say `error` in one line on stderr, as JSON when `words` asked for that, and give the exit code.

    Only its traceback, when that is wanted, takes more lines.
    """
    code = 1
    if isinstance(error, click.UsageError) and type(error).__name__ == "NoArgsIsHelpError":  # not in all clicks
        error.show()  # a group without a command: its help is the answer
        return error.exit_code
    if isinstance(error, click.ClickException):
        code, text = error.exit_code, error.format_message()
        if isinstance(error, click.UsageError) and error.ctx is not None:
            text = f"{text.rstrip('.')} (see `{error.ctx.command_path} --help`)"
    elif "--debug" in words or os.environ.get("OMNIROUTE_DEBUG"):
        click.echo(redact("".join(traceback.format_exception(error))), err=True, nl=False)
        return code
    elif (found := explain(error)) is not None:  # before the modules of the foreseen errors, which it may be about
        text = found
    elif isinstance(error, _foreseen()):
        text = str(error)
    elif isinstance(error, OSError) and error.strerror:  # a full disk, a name that is too long: the machine's own words
        text = error.strerror + (f": {str(error.filename)[:NAME_SHOWN]!r}" if error.filename else "")
    else:
        text = f"unexpected {type(error).__name__}: {error} (`omniroute-ctl --debug …` shows where)"
    line = clean(redact(" ".join(text.split())))
    click.echo(json.dumps({"error": line}) if "--json" in words else f"Error: {line}", err=True)
    return code
