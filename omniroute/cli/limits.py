"""`omniroute-ctl limits …`: manage the rate limits of accounts and show their use."""

from dataclasses import replace
from typing import Any

import click

from omniroute.cli.base import Group, State
from omniroute.cli.gateway_process import read_runtime
from omniroute.cli.health_text import show_limited
from omniroute.cli.output import say, show_json
from omniroute.config.model import Limit
from omniroute.store.config import limits as kept
from omniroute.store.config import rows as read
from omniroute.store.state.health import as_json, limited


@click.group(cls=Group)
def limits() -> None:
    """What accounts may be asked: requests a minute, the gap between two, how many at once."""


@limits.command()
@click.argument("ref", metavar="[ACCOUNT]", required=False)
@click.pass_obj
def show(state: State, ref: str | None) -> None:
    """Show what is set, what providers allow, and what is in use now: of ACCOUNT, or of all that are limited."""
    running = read_runtime(state.data_dir) is not None
    with state.store() as store:
        chosen = None if ref is None else kept.find(store, ref).id
        rows = limited(store, running=running, only=chosen)
    if state.as_json:
        show_json(rows)
    elif not rows:
        say("No account is limited. Limit one: omniroute-ctl limits set ACCOUNT --concurrency 4")
    else:
        show_limited(rows)


@limits.command("set")
@click.argument("ref", metavar="ACCOUNT")
@click.option("--rpm", type=int, metavar="N", help="Requests in any 60 seconds; 0 for no limit.")
@click.option("--gap", type=float, metavar="MS", help="Milliseconds between two requests; 0 for no limit.")
@click.option("--concurrency", type=int, metavar="N", help="Exchanges at once, streams included; 0 for no limit.")
@click.option("--default", "reset", is_flag=True, help="Limit it no more.")
@click.pass_obj
def set_(state: State, ref: str, rpm: int | None, gap: float | None, concurrency: int | None, reset: bool) -> None:
    """Limit ACCOUNT, or the node of that prefix; what is not said stays. It acts at once."""
    said: dict[str, Any] = {"rpm": rpm, "gap": None if gap is None else gap / 1000, "concurrency": concurrency}
    said = {name: value for name, value in said.items() if value is not None}
    if bool(said) == reset:
        raise click.UsageError("say a limit, or --default")
    with state.store() as store, store.change():
        account = kept.find(store, ref)
        before = Limit() if reset else read.limits(store).get(account.id, Limit())
        made = replace(before, **{name: value or None for name, value in said.items()})
        kept.put(store, account.id, made)
    if state.as_json:
        show_json({"account": account.name, "account_id": account.id, **as_json(made)})
    else:
        say(f"{account.name} ({account.provider}) {_said(made)} from now on.")


def _said(limit: Limit) -> str:
    parts = [] if limit.rpm is None else [f"{limit.rpm:,} requests a minute"]
    parts += [] if limit.gap is None else [f"a request every {limit.gap * 1000:g} ms"]
    parts += [] if limit.concurrency is None else [f"{limit.concurrency:,} at once"]
    return f"takes at most {' and '.join(parts)}" if parts else "is not limited"
