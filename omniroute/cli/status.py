"""`omniroute-ctl status` and `omniroute-ctl doctor`: is it running, and could it."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path

import click

from omniroute.cli.base import Command, State
from omniroute.cli.output import fields, iso, local, say, show_json, table
from omniroute.cli.running import Running, answers, read_runtime
from omniroute.store import replies, snapshot


@click.command(cls=Command)
@click.pass_obj
def status(state: State) -> None:
    """Say whether the gateway runs, where, and what it has."""
    running = read_runtime(state.data_dir)
    answering = running is not None and answers(running)
    counts, (number, size) = _counts(state)
    if state.as_json:
        show_json(
            {
                "running": running is not None,
                "answers": answering,
                "pid": running and running.pid,
                "version": running and running.version,
                "started_at": running and iso(running.started_at),
                "endpoint": running and running.url,
                "panel": running and running.web_url,
                "data_dir": str(state.data_dir),
                **counts,
                "kept_responses": number,
                "kept_bytes": size,
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
    if running is None:
        say("Start it: omniroute-ctl serve")
    elif not counts["accounts"] and not counts["nodes"]:
        say("Nobody can be asked yet: omniroute-ctl provider add PROVIDER")


def _life(running: Running | None, answering: bool) -> list[tuple[str, object]]:
    if running is None:
        return [("gateway", "not running")]
    return [
        ("gateway", f"{'running' if answering else 'does not answer'}, process {running.pid}, {running.version}"),
        ("since", local(running.started_at)),
        ("endpoint", running.url),
        ("panel", running.web_url or "none"),
    ]


def _counts(state: State) -> tuple[dict[str, int], tuple[int, int]]:
    """Count what is set up, and the replies that are kept with their bytes."""
    counts = dict.fromkeys(("accounts", "nodes", "combos", "keys"), 0)
    if not Path(state.data_dir, "storage.sqlite").exists():
        return counts, (0, 0)  # asking makes nothing
    with state.store() as store:
        config, kept = snapshot.load(store), replies.count(store)
    found = (config.accounts, config.nodes, config.combos, config.keys)
    return {name: len(each) for name, each in zip(counts, found, strict=True)}, kept


@click.command(cls=Command)
@click.pass_context
def doctor(ctx: click.Context) -> None:
    """Check what the gateway needs, and say what to do where it fails.

    Exit 1 when a check fails.
    """
    from omniroute.cli.checks import check_all  # not at the top: `status` needs none of what they load

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
