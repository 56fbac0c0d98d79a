"""`omniroute-ctl responses …`: show and delete stored conversations, without showing any content."""

import time

import click

from omniroute.cli.base import Group, State
from omniroute.cli.output import iso, local, say, show_json, table
from omniroute.store.config import rows as read
from omniroute.store.state import conversations


@click.group(cls=Group)
def responses() -> None:
    """Replies that are kept so that clients of OpenAI Responses can go on from them."""


@responses.command("list")
@click.pass_obj
def list_(state: State) -> None:
    """List the replies that are kept, the newest first."""
    with state.store() as store:
        found = [one for one in conversations.shown(store) if one.expires > time.time()]
        names = {key.id: key.name for key in read.keys(store)}
    if state.as_json:
        show_json(
            [
                {
                    "id": one.id,
                    "key": one.owner or None,
                    "bytes": one.bytes,
                    "at": iso(one.at),
                    "until": iso(one.expires),
                }
                for one in found
            ]
        )
    elif not found:
        say("No replies are kept.")
    else:
        rows = [
            (one.id, names.get(one.owner, one.owner) or "no key", one.bytes, local(one.at), local(one.expires))
            for one in found
        ]
        table(["id", "key", "bytes", "made", "kept until"], rows)


@responses.command()
@click.argument("id", required=False)
@click.option("--all", "everything", is_flag=True, help="Forget every reply.")
@click.pass_obj
def forget(state: State, id: str | None, everything: bool) -> None:
    """Forget the reply ID, whoever asked for it.

    What goes on from it keeps what was said until then.
    """
    if (id is None) is not everything:
        raise click.UsageError("say the ID of a reply, or --all")
    with state.store() as store:
        number = conversations.forget_all(store) if id is None else conversations.forget(store, id)
    if id is not None and not number:
        raise click.ClickException(f"no reply {id!r} is kept: `omniroute-ctl responses list` shows those that are")
    if state.as_json:
        show_json({"forgotten": number})
    else:
        say(f"Forgotten: {number}.")
