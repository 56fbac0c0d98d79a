"""`omniroute-ctl key …`: manage gateway API keys."""

import time
from collections.abc import Callable
from typing import Any

import click

from omniroute.cli.base import Group, State
from omniroute.cli.output import fields as show_fields
from omniroute.cli.output import iso, local, say, show_json, table
from omniroute.cli.time_args import later_or_never
from omniroute.config.model import Key
from omniroute.store.config import keys, snapshot
from omniroute.store.config.keys import KeyEdit


@click.group(cls=Group)
def key() -> None:
    """Keys that clients show to the gateway."""


def as_json(shown: Key, used: tuple[float, str] | None = None) -> dict[str, object]:
    return {
        "id": shown.id,
        "name": shown.name,
        "hint": shown.hint,
        "state": _state(shown),
        "scopes": list(shown.scopes),
        "allow": list(shown.allow),
        "ips": list(shown.ips.texts),
        "rpm": shown.limit.rpm,
        "concurrency": shown.limit.concurrency,
        "expires_at": iso(shown.expires_at),
        "created_at": iso(shown.created_at),
        "revoked_at": iso(shown.revoked_at),
        "last_used_at": iso(used[0]) if used else None,
        "last_used_from": used[1] if used else None,
    }


def _options[F: Callable[..., Any]](command: F) -> F:
    """Add the options common to creating and editing a key."""
    for option in (
        click.option("--concurrency", type=int, metavar="N", help="Exchanges at once, streams included; 0: no limit."),
        click.option("--rpm", type=int, metavar="N", help="Requests in any 60 seconds; 0: no limit."),
        click.option("--ip", "ips", multiple=True, metavar="CIDR", help="Where it may be used; may be repeated."),
        click.option(
            "--expires",
            "expires_at",
            type=later_or_never,
            metavar="WHEN",
            help="30m, 12h, 30d, 4w, a date such as 2030-01-31, or never.",
        ),
        click.option(
            "--scope",
            "scopes",
            multiple=True,
            metavar="SCOPE",
            help="inference or admin; say both for a key that may ask models and administer.",
        ),
        click.option(
            "--allow", multiple=True, metavar="PATTERN", help="A model it may use, `*` for any run; may be repeated."
        ),
    ):
        command = option(command)
    return command


def _change(said: dict[str, Any]) -> KeyEdit:
    """Build the change of a key from its options: omitted ones keep their value, and `any` clears a list."""
    for name in ("allow", "ips"):
        if said[name] == ("any",):
            said[name] = ()
        elif not said[name]:
            said[name] = None
    return KeyEdit(**said | {"scopes": said["scopes"] or None})


@key.command()
@click.argument("name")
@_options
@click.pass_obj
def create(state: State, /, name: str, **said: Any) -> None:
    r"""Make a key and show it, once.

    \b
    omniroute-ctl key create laptop
    omniroute-ctl key create team --allow 'openai/*' --ip 10.0.0.0/8 --rpm 60 --concurrency 5 --expires 90d
    omniroute-ctl key create ops --scope admin
    """
    change = _change(said)
    with state.store() as store:
        made, secret = keys.create(store, name, change.allow or (), change)
    _tell_once(state, made, secret)


@key.command("list")
@click.pass_obj
def list_(state: State) -> None:
    """List the keys that are not revoked, without what opens anything."""
    with state.store() as store:
        found, used = snapshot.load(store).keys, keys.uses(store)
    if state.as_json:
        show_json([as_json(each, used.get(each.id)) for each in found])
    elif not found:
        say("No keys yet: without one, requests from this machine are served. Make one: omniroute-ctl key create NAME")
    else:
        rows = [
            (
                *(k.id, k.name, k.hint, ", ".join(k.scopes), k.allow or "every model", _limits(k)),
                *(_end(k), local(used[k.id][0]) if k.id in used else "never"),
            )
            for k in found
        ]
        table(["id", "name", "ends with", "for", "allowed", "limits", "expires", "last used"], rows)


@key.command()
@click.argument("ref")
@click.pass_obj
def show(state: State, ref: str) -> None:
    """Show all of a key but what opens anything: REF is its id or name."""
    with state.store() as store:
        found = keys.find(store, ref)
        used = keys.uses(store).get(found.id)
    _show(state, found, used)


@key.command()
@click.argument("ref")
@click.option("--name", help="Another name.")
@_options
@click.pass_obj
def edit(state: State, /, ref: str, **said: Any) -> None:
    r"""Change the key REF; what is not said stays. A running gateway goes by it at once.

    \b
    omniroute-ctl key edit laptop --rpm 30 --expires never
    omniroute-ctl key edit laptop --allow any --ip any
    """
    change = _change(said)
    if change == KeyEdit():
        raise click.UsageError("say what to change")
    with state.store() as store:
        changed = keys.edit(store, ref, change)
        used = keys.uses(store).get(changed.id)
    _show(state, changed, used)


@key.command()
@click.argument("ref")
@click.pass_obj
def rotate(state: State, ref: str) -> None:
    """Give the key REF another secret and show it, once; the old one opens nothing any more."""
    with state.store() as store:
        changed, secret = keys.rotate(store, ref)
    _tell_once(state, changed, secret)


@key.command()
@click.argument("ref")
@click.pass_obj
def revoke(state: State, ref: str) -> None:
    """End a key for good: REF is its id or name. What it has asked already is answered."""
    with state.store() as store:
        ended = keys.revoke(store, ref)
    if state.as_json:
        show_json(as_json(ended))
    else:
        say(f"Revoked the key {ended.name!r}: it opens nothing any more.")


def _tell_once(state: State, made: Key, secret: str) -> None:
    if state.as_json:
        show_json(as_json(made) | {"key": secret})
        return
    say(secret)
    say(f"This is the key {made.name!r}. It is not shown again: put it where the client reads it now.")


def _show(state: State, found: Key, used: tuple[float, str] | None) -> None:
    if state.as_json:
        show_json(as_json(found, used))
        return
    show_fields(
        (
            ("id", found.id),
            ("name", found.name),
            ("ends with", found.hint),
            ("for", ", ".join(found.scopes)),
            ("allowed", found.allow or "every model"),
            ("from", found.ips.texts or "everywhere"),
            ("limits", _limits(found)),
            ("expires", _end(found)),
            ("made", local(found.created_at)),
            ("last used", f"{local(used[0])} from {used[1]}" if used else "never"),
        )
    )


def _state(shown: Key) -> str:
    if shown.revoked_at is not None:
        return "revoked"
    return "expired" if shown.expires_at is not None and shown.expires_at <= time.time() else "valid"


def _end(shown: Key) -> str:
    if shown.expires_at is None:
        return "never"
    return f"{local(shown.expires_at)}{' (over)' if _state(shown) == 'expired' else ''}"


def _limits(shown: Key) -> str | None:
    rpm, concurrency = shown.limit.rpm, shown.limit.concurrency
    parts = [] if rpm is None else [f"{rpm:,} a minute"]
    parts += [] if concurrency is None else [f"{concurrency:,} at once"]
    return ", ".join(parts) or None
