"""`omniroute-ctl status` and `omniroute-ctl doctor`: show the gateway's state, and check what it needs."""

import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import click

from omniroute.cli.base import Command, State
from omniroute.cli.gateway_process import Running, answers, read_runtime
from omniroute.cli.health_text import show, show_limited
from omniroute.cli.output import fields, iso, local, say, show_json, table
from omniroute.store.config import snapshot
from omniroute.store.db.files import NeedsMigration
from omniroute.store.state import conversations
from omniroute.store.state.health import Rows, breakers, cooling, limited, locked

COUNTED = ("accounts", "nodes", "combos", "keys")
SECTIONS = {
    "cooling": "Cooling down",
    "breakers": "Circuit breakers that are not closed",
    "limits": "Accounts with limits",
    "locked": "Locked out after wrong keys or log-ins",
}


@click.command(cls=Command)
@click.option(
    "--watch", type=click.FloatRange(0.2, 3600), metavar="SECONDS", help="Show it again and again, until Ctrl-C."
)
@click.pass_obj
def status(state: State, watch: float | None) -> None:
    """Say whether the gateway runs, where, what it has, and who is held back right now."""
    _show(state)
    while watch:
        time.sleep(watch)
        if not state.as_json:
            click.clear()
        _show(state)


def _show(state: State) -> None:
    running = read_runtime(state.data_dir)
    answering = running is not None and answers(running)
    needs = None
    try:
        counts, (number, size), now = _read(state, running=running is not None)
    except NeedsMigration as error:
        needs, (counts, (number, size), now) = str(error), _nothing()
    if state.as_json:
        show_json(
            {
                "running": running is not None,
                "answers": answering,
                "pid": running and running.pid,
                "version": running and running.version,
                "started_at": running and iso(running.started_at),
                "endpoint": running and running.url,
                "panel": running and f"{running.url}/omniroute/",
                "mitmweb": running and running.web_url,
                "data_dir": str(state.data_dir),
                "needs_migration": needs,
                **counts,
                "kept_responses": number,
                "kept_bytes": size,
                **now,
            }
        )
        return
    fields(
        [
            *_life(running, answering),
            ("data", state.data_dir),
            *counts.items(),
            ("responses", f"{number} kept, {size:,} bytes"),
        ]
    )
    if needs:
        say(needs[0].upper() + needs[1:] + ".")
    elif running is None:
        say("Start it: omniroute-ctl serve")
    elif not counts["accounts"] and not counts["nodes"]:
        say("Nobody can be asked yet: omniroute-ctl provider add PROVIDER")
    _show_now(now)


def _show_now(now: dict[str, Rows]) -> None:
    """Print the non-empty sections: cooldowns, breakers, limits and lockouts."""
    for name, said in SECTIONS.items():
        if rows := now[name]:
            say(f"\n{said}:")
            show_limited(rows) if name == "limits" else show(rows)


def _life(running: Running | None, answering: bool) -> list[tuple[str, object]]:
    if running is None:
        return [("gateway", "not running")]
    return [
        ("gateway", f"{'running' if answering else 'does not answer'}, process {running.pid}, {running.version}"),
        ("since", local(running.started_at)),
        ("endpoint", running.url),
        ("panel", f"{running.url}/omniroute/"),
        ("mitmweb", running.web_url or "none"),
    ]


def _read(state: State, *, running: bool) -> tuple[dict[str, int], tuple[int, int], dict[str, Rows]]:
    """Read the counts of configured entries, the number and bytes of stored conversations, and the health sections."""
    if not Path(state.data_dir, "storage.sqlite").exists():
        return _nothing()  # `status` does not create a database
    with state.store() as store:
        config, kept = snapshot.load(store), conversations.count(store)
        now = {
            "cooling": cooling(store),
            "breakers": [row for row in breakers(store) if row["state"] != "CLOSED"],
            "limits": limited(store, running=running),
            "locked": locked(store),
        }
    found = (config.accounts, config.nodes, config.combos, config.keys)
    return {name: len(each) for name, each in zip(COUNTED, found, strict=True)}, kept, now


def _nothing() -> tuple[dict[str, int], tuple[int, int], dict[str, Rows]]:
    return dict.fromkeys(COUNTED, 0), (0, 0), {name: [] for name in SECTIONS}


@click.command(cls=Command)
@click.pass_context
def doctor(ctx: click.Context) -> None:
    """Check what the gateway needs, and say what to do where it fails.

    Exit 1 when a check fails.
    """
    from omniroute.cli.doctor import check_all  # imported here, as `status` does not need it

    state: State = ctx.obj
    checks = list(check_all(state))
    verdicts = Counter(check.verdict for check in checks)
    if state.as_json:
        show_json({"ok": not verdicts["fail"], "checks": [asdict(check) for check in checks]})
    else:
        table(["", "check", "found", "what to do"], [(c.verdict, c.name, c.found, c.advice or "") for c in checks])
        say(f"{verdicts['ok']} ok, {verdicts['warn']} to look at, {verdicts['fail']} failed")
    if verdicts["fail"]:
        ctx.exit(1)
