"""`omniroute-ctl policy …`: show lockouts and circuit breakers, and remove lockouts."""

import time

import click

from omniroute.cli.base import Group, State
from omniroute.cli.output import iso, local, say, show_json, table
from omniroute.store.config import rows
from omniroute.store.state import health, lockouts


@click.group(cls=Group)
def policy() -> None:
    """Who is locked out after wrong keys or log-ins, and which breakers are open."""


@policy.command("list")
@click.pass_obj
def list_(state: State) -> None:
    """List who is refused for a while, and every circuit breaker that is not closed.

    An identifier is `key:` or `login:` and an address, or a network of IPv6. One that is slowed waits only seconds.
    """
    now = time.time()
    with state.store() as store:
        held = {name: each for name, each in lockouts.load(store).items() if each.until > now}
        seen = health.read(store)
        names = {account.id: f"{account.provider} {account.name}" for account in rows.accounts(store)}
    locked = [
        {
            "identifier": name,
            "state": "locked" if each.locked else "slowed",
            "failures": each.failures,
            "locked_until": iso(each.until),
            "remaining_ms": round((each.until - now) * 1000),
        }
        for name, each in sorted(held.items())
    ]
    breakers = [
        {
            "scope": scope,
            "whose": names.get(whose, whose),
            "state": each.state(now),
            "failures": each.failures,
            "until": iso(each.until),
        }
        for (scope, whose), each in seen.breakers.items()
        if each.opened is not None
    ]
    if state.as_json:
        show_json({"circuit_breakers": breakers, "locked_identifiers": locked})
        return
    if locked:
        shown = [(*list(row.values())[:3], local(held[str(row["identifier"])].until)) for row in locked]
        table(["identifier", "", "wrong tries", "until"], shown)
    else:
        say("Nobody is locked out.")
    say("")
    if breakers:
        table(["breaker of", "", "state", "failures"], [list(row.values())[:4] for row in breakers])
    else:
        say("Every circuit breaker is closed.")


@policy.command()
@click.argument("identifier", required=False)
@click.option("--all", "everybody", is_flag=True, help="Unlock everybody.")
@click.pass_obj
def unlock(state: State, identifier: str | None, everybody: bool) -> None:
    r"""Forget the wrong tries of IDENTIFIER, as `policy list` names it; a running gateway does so at once.

    \b
    omniroute-ctl policy unlock key:203.0.113.7
    omniroute-ctl policy unlock --all
    """
    if (identifier is None) != everybody:
        raise click.UsageError("say whom to unlock, or --all")
    with state.store() as store:
        found = lockouts.unlock(store, lockouts.EVERYBODY if identifier is None else identifier)
    if state.as_json:
        show_json({"unlocked": found})
    else:
        say(f"Unlocked {', '.join(found)}." if found else "Nobody was locked out.")
