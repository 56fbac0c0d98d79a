"""`omniroute-ctl token`: show or renew the admin token of the management API."""

import click

from omniroute.cli.base import Command, State
from omniroute.cli.output import note, say, show_json
from omniroute.store.state import sessions


@click.command(cls=Command)
@click.option("--rotate", is_flag=True, help="Make another one; the one before opens nothing any more.")
@click.pass_obj
def token(state: State, rotate: bool) -> None:
    r"""Print the admin token of this data directory, which opens the management API.

    \b
    curl -H "Authorization: Bearer $(omniroute-ctl token)" http://127.0.0.1:20128/api/settings
    """
    with state.store() as store:
        found = sessions.rotate(store) if rotate else sessions.token(store)
    if state.as_json:
        show_json({"token": found})
        return
    say(found)
    if rotate:
        note("The token before it opens nothing any more.")
