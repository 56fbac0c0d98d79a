"""`omniroute-ctl password`: set the panel's password."""

import sys

import click

from omniroute.cli.base import Group, State
from omniroute.cli.common_options import on_terminal
from omniroute.cli.output import say, show_json
from omniroute.store.state import password as kept


@click.group(cls=Group)
def password() -> None:
    """The password of the management pages."""


@password.command("set")
@click.option("--stdin", "from_stdin", is_flag=True, help="Read it from stdin instead of asking for it twice.")
@click.pass_obj
def set_(state: State, from_stdin: bool) -> None:
    r"""Set the password. Whoever is logged in has to log in anew.

    \b
    omniroute-ctl password set
    pass show omniroute | omniroute-ctl password set --stdin
    """
    if from_stdin:
        text = sys.stdin.read().removesuffix("\n").removesuffix("\r")
    elif on_terminal():
        text = click.prompt("New password", hide_input=True, confirmation_prompt="The same again", err=True)
    else:
        raise click.UsageError("no terminal to ask on: give it with --stdin")
    with state.store() as store:
        kept.put(store, text)
    if state.as_json:
        show_json({"set": True})
    else:
        say("The password is set; every session has ended.")
