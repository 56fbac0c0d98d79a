"""`omniroute-ctl resilience …`: show cooldowns and circuit breakers, reset them, and manage their profiles."""

from dataclasses import asdict

import click

from omniroute.cli.base import Group, State
from omniroute.cli.health_text import number
from omniroute.cli.health_text import show as show_rows
from omniroute.cli.output import say, show_json, table
from omniroute.config.resilience_profiles import FIELDS, PROFILES, Resilience
from omniroute.store.config import settings as kept
from omniroute.store.state.health import Rows, breakers, cooling


@click.group(cls=Group)
def resilience() -> None:
    """Cool-downs, circuit breakers, and how patient the gateway is."""


@resilience.command()
@click.pass_obj
def show(state: State) -> None:
    """Show the profiles as they are set, who is cooling down, and every breaker that is not closed.

    `local` counts for servers on this machine and in private networks, `apikey` for all others; a provider may
    have values of its own.
    """
    with state.store() as store:
        own = Resilience(kept.of_resilience(store))
        resting, broken = cooling(store), breakers(store)
    profiles = {name: asdict(own.of(name)) for name in PROFILES}
    profiles |= {name: dict(values) for name, values in own.own.items() if name not in PROFILES}
    if state.as_json:
        show_json({"profiles": profiles, "cooling": resting, "breakers": broken})
        return
    table(["profile", *FIELDS], [(name, *(number(p.get(field)) for field in FIELDS)) for name, p in profiles.items()])
    say("")
    _list(resting, "Nobody is cooling down.")
    say("")
    _list(broken, "Every breaker is closed, and nobody has failed of late.")


@resilience.command("set")
@click.argument("name")
@click.argument("values", nargs=-1, required=True, metavar="FIELD=VALUE...")
@click.pass_obj
def set_(state: State, name: str, values: tuple[str, ...]) -> None:
    r"""Set fields of a profile (apikey, local) or of a provider; FIELD= goes back to the default.

    \b
    failures  failures in a row that open a breaker
    recovery  seconds until an open breaker lets one exchange try
    base, rate, quota, auth   seconds of the first cool-down: after a failure, a rate limit that names no time,
              a quota that is used up, a refused credential
    factor    how much longer each further cool-down is
    most      seconds of the longest one that no provider has named
    jitter    the part of a cool-down that is left to chance
    """
    pairs = [tuple(text.split("=", 1)) for text in values]
    if bad := [pair[0] for pair in pairs if len(pair) == 1]:
        raise click.UsageError(f"{bad[0]!r} is no FIELD=VALUE, as in base=5")
    with state.store() as store:
        owner = kept.put_resilience(store, name, {field: text for field, text in pairs})
        now = Resilience(kept.of_resilience(store))
    held = asdict(now.of(owner)) if owner in PROFILES else dict(now.own.get(owner, {}))
    if state.as_json:
        show_json({owner: held})
    else:
        said = ", ".join(f"{field} {number(value)}" for field, value in held.items())
        say(f"{owner}: {said or 'as its profile'}")


@resilience.command()
@click.argument("ref", required=False)
@click.pass_obj
def reset(state: State, ref: str | None) -> None:
    """Forget cool-downs and close breakers: of everybody, or of the account or provider REF."""
    with state.store() as store:
        ids = [] if ref is None else kept.meant(store, ref)
        kept.reset_health(store, ids)
    if state.as_json:
        show_json({"reset": ids or "all"})
    else:
        say("All cool-downs are over, and all breakers closed." if ref is None else f"{ref} is as good as new.")


def _list(rows: Rows, nothing: str) -> None:
    if rows:
        show_rows(rows)
    else:
        say(nothing)
