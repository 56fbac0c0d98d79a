"""`omniroute-ctl route …`: what the gateway would do, without doing it."""

import random
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import Any, BinaryIO

import click
import orjson

from omniroute.catalog.provider import DialectName, Provider
from omniroute.cli.base import Group, State
from omniroute.cli.crowded import at_limits, limited
from omniroute.cli.options import dialect
from omniroute.cli.output import say, show_json, table
from omniroute.cli.paths import way_to
from omniroute.cli.patience import Patience, hedged, lines, resumed
from omniroute.cli.running import read_runtime
from omniroute.dialects.needs import Needs
from omniroute.routing.config import Account, Config, Key
from omniroute.routing.known import NO_NEEDS, by_catalog
from omniroute.routing.near import near
from omniroute.routing.network import Path
from omniroute.routing.patience import asked_to_think, said_for
from omniroute.routing.plan import Plan, plan
from omniroute.routing.rules import Rules
from omniroute.routing.standing import Health, Rest, whom
from omniroute.routing.strategies import Seen
from omniroute.routing.switches import switched
from omniroute.store import health, limits, snapshot, turns


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
        config, memory, felt = snapshot.load(store), turns.load(store), health.load(store)
        used = limits.seen(store)
    key = None if key_name is None else _find_key(key_name, config)
    now = datetime.now(UTC)
    seen = Seen(memory, rest=partial(_rest, felt, now.timestamp()), now=now.timestamp())
    known = by_catalog(config, seen if config.rules.cooldowns else Seen(memory), random.random, now)
    made = plan(model, config, client=dialect, key=key, needs=needs, known=known)
    ways = [way_to(target, config) for target in made.targets]
    full = at_limits(config, used, now.timestamp()) if read_runtime(state.data_dir) else {}
    stops = [limited(target, full) for target in made.targets]
    thinking = asked_to_think(needs.body, config.rules)
    waits = [said_for(target, config.rules, thinking=thinking) for target in made.targets]
    if state.as_json:
        show_json(as_json(made, ways, stops, waits, config.rules))
        return
    said = " → ".join([model, *(alias.target for alias in made.aliases)])
    say(f"{said}: a combo" if made.combo else said)
    for alias in made.aliases[:1]:
        over = ", ".join(f"{other.pattern} → {other.target}" for other in made.passed_over)
        say(f"by the alias {alias.pattern}" + (f", which is more specific, or older, than {over}" if over else ""))
    if made.targets:
        headers, rows = ["order", "target", "account", "dialect", "why"], []
        for n, (t, way, stop) in enumerate(zip(made.targets, ways, stops, strict=True), 1):
            why = f"{t.why}; at its limit now: {stop}" if stop else t.why
            rows.append([n, t.name, t.account.name, t.dialect, why, str(way)])
        if any(way.proxy or way.place for way in ways):
            table([*headers, "path"], rows)
        else:
            table(headers, [row[:-1] for row in rows])
        for line in (*lines(waits), *hedged(made.targets, config.rules), *resumed(made.targets, config.rules)):
            say(line)
    else:
        say("Nobody can serve it now.")
    if made.left:
        say("\nLeft out:")
        table(["target", "account", "why"], [(out.name, out.account, out.why) for out in made.left])


def _rest(felt: Health, now: float, provider: Provider, account: Account, model: str) -> Rest | None:
    return felt.rest(whom(provider, account, model), now)


def _read(body: BinaryIO) -> dict[str, Any]:
    try:
        found = orjson.loads(body.read())
    except orjson.JSONDecodeError as error:
        raise click.ClickException(f"{body.name} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise click.ClickException(f"{body.name} is no request: it takes a JSON object")
    return found


def as_json(
    made: Plan,
    ways: Sequence[Path],
    stops: Sequence[str | None],
    waits: Sequence[Patience],
    rules: Rules,
) -> dict[str, object]:
    return {
        "asked": made.asked,
        "kind": made.kind,
        "combo": made.combo,
        "aliases": [{"pattern": alias.pattern, "target": alias.target} for alias in made.aliases],
        "passed_over": [{"pattern": alias.pattern, "target": alias.target} for alias in made.passed_over],
        "targets": [
            {
                "target": t.name,
                "account": t.account.name,
                "account_id": t.account.id,
                "model": t.model,
                "dialect": t.dialect,
                "why": t.why,
                "proxy": way.proxy.masked if way.proxy else None,
                "proxy_from": way.said_by or None,
                "limited": stop,
                "deadlines": {phase: asdict(said) for phase, said in patience.items()},
                "hedge": asdict(switched("hedge", t, rules)),
                "resume": asdict(switched("resume", t, rules)),
            }
            for t, way, stop, patience in zip(made.targets, ways, stops, waits, strict=True)
        ],
        "left_out": [{"target": out.name, "account": out.account, "why": out.why} for out in made.left],
    }


def _find_key(name: str, config: Config) -> Key:
    if found := [key for key in config.keys if name in {key.name, key.id}]:
        return found[0]
    like = near(name, [key.name for key in config.keys])
    hint = f"did you mean {' or '.join(like)}?" if like else "`omniroute-ctl key list` shows them"
    raise click.ClickException(f"there is no key {name!r}: {hint}")
