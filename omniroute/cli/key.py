"""`omniroute-ctl key …`: what clients show to the gateway."""

import click

from omniroute.cli.base import Group, State
from omniroute.cli.output import iso, local, say, show_json, table
from omniroute.routing.config import Key
from omniroute.store import keys, snapshot


@click.group(cls=Group)
def key() -> None:
    """Keys that clients show to the gateway."""


def as_json(shown: Key) -> dict[str, object]:
    return {
        "id": shown.id,
        "name": shown.name,
        "hint": shown.hint,
        "allow": list(shown.allow),
        "created_at": iso(shown.created_at),
        "revoked_at": iso(shown.revoked_at),
    }


@key.command()
@click.argument("name")
@click.option("--allow", multiple=True, metavar="PATTERN", help="A model it may use, `*` for any run; may be repeated.")
@click.pass_obj
def create(state: State, name: str, allow: tuple[str, ...]) -> None:
    """Make a key and show it, once."""
    with state.store() as store:
        made, secret = keys.create(store, name, allow)
    if state.as_json:
        show_json({"id": made.id, "name": made.name, "key": secret, "allow": list(made.allow)})
        return
    say(secret)
    say(f"This is the key {made.name!r}. It is not shown again: put it where the client reads it now.")


@key.command("list")
@click.pass_obj
def list_(state: State) -> None:
    """List the keys that are valid, without what opens anything."""
    with state.store() as store:
        found = snapshot.load(store).keys
    if state.as_json:
        show_json([as_json(each) for each in found])
    elif not found:
        say("No keys yet: without one, requests from this machine are served. Make one: omniroute-ctl key create NAME")
    else:
        rows = [(k.id, k.name, k.hint, k.allow or "every model", local(k.created_at)) for k in found]
        table(["id", "name", "ends with", "allowed", "made"], rows)


@key.command()
@click.argument("ref")
@click.pass_obj
def revoke(state: State, ref: str) -> None:
    """End a key for good: REF is its id or name."""
    with state.store() as store:
        ended = keys.revoke(store, ref)
    if state.as_json:
        show_json(as_json(ended))
    else:
        say(f"Revoked the key {ended.name!r}: it opens nothing any more.")
