"""`omniroute-ctl route …`: explain how a request would be routed, without sending it."""

import os
from typing import Any, BinaryIO

import click
import orjson

from omniroute.catalog.provider import DialectName
from omniroute.cli.base import Group, State
from omniroute.cli.common_options import dialect
from omniroute.cli.gateway_process import read_runtime
from omniroute.cli.output import say, show_json, table
from omniroute.cli.timeout_text import hedged, lines, resumed
from omniroute.dialects.requirements import Needs
from omniroute.gateway import explain as explaining
from omniroute.netproxy.env_proxies import read_environment
from omniroute.routing.target import NO_NEEDS


@click.group(cls=Group)
def route() -> None:
    """Where a request would go, and why."""


@route.command()
@click.argument("model")
@click.option("--key", "key_name", metavar="NAME", help="As the client with this key would see it.")
@click.option("--dialect", type=dialect, help="As a client of this dialect would see it; else of any.")
@click.option("--body", type=click.File("rb"), metavar="FILE", help="For this request; else for a short one of text.")
@click.pass_obj
def explain(state: State, model: str, key_name: str | None, dialect: DialectName | None, body: BinaryIO | None) -> None:
    """Show who would be asked for MODEL, in which order and why. No request is made, and nobody's turn taken.

    Strategies that draw lots draw anew each time.
    """
    needs = Needs(_read(body)) if body else NO_NEEDS
    with state.store() as store:
        found = explaining.explain(
            store,
            model,
            read_environment(os.environ),
            running=read_runtime(state.data_dir) is not None,
            key=key_name,
            dialect=dialect,
            needs=needs,
        )
    if state.as_json:
        show_json(explaining.as_json(found))
        return
    made, rules = found.made, found.config.rules
    said = " → ".join([model, *(alias.target for alias in made.aliases)])
    say(f"{said}: a combo" if made.combo else said)
    for alias in made.aliases[:1]:
        over = ", ".join(f"{other.pattern} → {other.target}" for other in made.shadowed_aliases)
        say(f"by the alias {alias.pattern}" + (f", which is more specific, or older, than {over}" if over else ""))
    if made.targets:
        headers, rows = ["order", "target", "account", "dialect", "why"], []
        for n, (t, way, stop) in enumerate(zip(made.targets, found.ways, found.stops, strict=True), 1):
            why = f"{t.reason}; at its limit now: {stop}" if stop else t.reason
            rows.append([n, t.name, t.account.name, t.dialect, why, str(way)])
        if any(way.proxy or way.place for way in found.ways):
            table([*headers, "path"], rows)
        else:
            table(headers, [row[:-1] for row in rows])
        for line in (*lines(found.waits), *hedged(made.targets, rules), *resumed(made.targets, rules)):
            say(line)
    else:
        say("Nobody can serve it now.")
    if made.excluded:
        say("\nLeft out:")
        table(["target", "account", "why"], [(out.name, out.account, out.reason) for out in made.excluded])


def _read(body: BinaryIO) -> dict[str, Any]:
    try:
        found = orjson.loads(body.read())
    except orjson.JSONDecodeError as error:
        raise click.ClickException(f"{body.name} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise click.ClickException(f"{body.name} is no request: it takes a JSON object")
    return found
