"""`omniroute-ctl settings …`: show and change settings, also of a running gateway."""

from operator import attrgetter
from typing import Any, BinaryIO

import click

from omniroute.cli.base import Group, State
from omniroute.cli.output import say, show_json, table
from omniroute.config.deadlines import split
from omniroute.config.settings import settings_of
from omniroute.config.settings_registry import SETTINGS
from omniroute.store.config import rows
from omniroute.store.config import settings as kept

LONGEST = 1024 * 1024
"""Bytes read of a value's file at most."""
LINE = 60
MAY_BE_NOTHING = ("system_prompt", "thinking.effort")
"""Settings that are empty by default, shown as `nothing`."""


@click.group(cls=Group)
def settings() -> None:
    """Settings; they act at once."""


@settings.command()
@click.argument("name", required=False)
@click.pass_obj
def get(state: State, name: str | None) -> None:
    """Show a setting, or all of them with what they do.

    `strategy.PROVIDER` and `deadlines.PROVIDER.PHASE` are those of one provider, where that has its own.
    """
    with state.store() as store:
        said = rows.settings(store)
        if name is not None:
            name, _ = kept.known(store, name)
    said = {each: value for each, value in said.items() if kept.is_setting(each)}
    names = [name] if name is not None else list(dict.fromkeys((*SETTINGS, *said)))
    if state.as_json:
        show_json({each: _value(each, said) for each in names})
    elif name is not None:
        say(_shown(_value(name, said)))
    else:
        table(
            ["setting", "value", "", "what it does"],
            [(n, _shortly(n, _value(n, said)), "set" if n in said else "default", _help(n)) for n in names],
        )


@settings.command("set")
@click.argument("name")
@click.argument("value", required=False)
@click.option("--from", "file", type=click.File("rb"), help="Take the value from a file; `-` is standard input.")
@click.option("--default", "reset", is_flag=True, help="Go back to the default instead.")
@click.pass_obj
def set_(state: State, name: str, value: str | None, file: BinaryIO | None, reset: bool) -> None:
    r"""Set NAME to VALUE.

    \b
    omniroute-ctl settings set thinking.mode adaptive
    omniroute-ctl settings set system_prompt "Answer in British English."
    omniroute-ctl settings set system_prompt --from prompt.md
    """
    if (value is not None) + (file is not None) + reset != 1:
        raise click.UsageError("say a value, or --default, or --from a file")
    if file is not None:
        value = _read(file)
    with state.store() as store:
        if value is None:
            name = kept.unset(store, name)
        else:
            name, _ = kept.put(store, name, value)
        now = _value(name, rows.settings(store))
    if state.as_json:
        show_json({name: now})
    else:
        say(f"{name} is {_shortly(name, now)} from now on.")


def _read(file: BinaryIO) -> str:
    """Read a value from a file, at most LONGEST bytes. Raises ClickException if it is not UTF-8."""
    try:
        return file.read(LONGEST).decode()
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{file.name} is not in UTF-8: {error}") from error


def _shortly(name: str, value: Any) -> str:
    """Format a value on one line, shortened to LINE characters."""
    if name not in MAY_BE_NOTHING:
        return _shown(value)
    if not value:
        return "nothing"
    line = " ".join(str(value).split())
    return line if len(line) <= LINE else f"{line[:LINE]}… ({len(value)} characters)"


def _value(name: str, said: dict[str, Any]) -> Any:
    """Return the effective value of a setting: as set, else the value that it inherits or its default."""
    if name in said:
        return said[name]
    held = settings_of(said)
    if name.startswith(kept.PER_PROVIDER):
        return held.strategy_of(name.removeprefix(kept.PER_PROVIDER))
    if place := split(name):
        name = f"deadlines.{place[1]}"
    return attrgetter(name)(held)


def _shown(value: Any) -> str:
    match value:
        case None:
            return "as for all requests"
        case bool():
            return "on" if value else "off"
        case float():
            return f"{value:g}"
        case _:
            return str(value)


def _help(name: str) -> str:
    if name in SETTINGS:
        return SETTINGS[name].help
    place = split(name)
    return f"The same for {place[0] if place else name.partition('.')[2]} alone."
