"""`omniroute-ctl usage`: show requests, tokens and cost."""

import re
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import cast, get_args

import click

from omniroute.catalog.pricing import cost
from omniroute.catalog.providers import PROVIDERS, find
from omniroute.cli.base import Group, State
from omniroute.cli.output import iso, local, say, show_json, table
from omniroute.config.model import Config
from omniroute.dialects.ir import Usage
from omniroute.store.config import prices, snapshot
from omniroute.store.history import reprice as repricing
from omniroute.store.history.summaries import By, UsageSum, summary, totals

UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
NOBODY = {"key": "no key", "account": "nobody answered", "provider": "nobody answered"}
HEADERS = ["requests", "failed", "input", "cached", "output", "reasoning", "cost", "ms", "ms to first token"]


def moment(value: str) -> float:
    """Parse an option: a past time, as a duration before now (`30m`, `12h`, `7d`, `4w`) or a date."""
    now = datetime.now().astimezone()
    try:
        if found := re.fullmatch(r"([0-9]{1,6})([mhdw])", value):
            meant = now - timedelta(**{UNITS[found[2]]: int(found[1])})
        else:
            meant = datetime.fromisoformat(value).astimezone()
        since = meant.timestamp()
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(f"{value!r} is neither a time such as 30m, 12h, 7d or 4w nor a date") from error
    if meant > now:
        raise click.BadParameter(f"{value!r} lies in the future")
    return since


@click.group(cls=Group, invoke_without_command=True)
@click.option("--by", type=click.Choice(get_args(By.__value__)), default="provider", show_default=True)
@click.option(
    "--since", type=moment, metavar="WHEN", default="7d", show_default=True, help="30m, 12h, 7d, 4w, or a date."
)
@click.pass_context
def usage(ctx: click.Context, by: str, since: float) -> None:
    """Requests, tokens and cost."""
    if ctx.invoked_subcommand is not None:
        return
    state: State = ctx.obj
    with state.store() as store:
        found, whole = summary(store, cast(By, by), since), totals(store, since)
    if state.as_json:
        show_json({"by": by, "since": iso(since), "rows": [as_json(row) for row in found], "total": as_json(whole)})
    elif not found:
        say(f"Nothing was asked since {local(since)}. Try: omniroute-ctl ask MODEL 'Hello'")
    else:
        rows = [(row.name or NOBODY.get(by, "unknown"), *_cells(row)) for row in found]
        table([by, *HEADERS], [*rows, ("total", *_cells(whole))] if len(rows) > 1 else rows)


@usage.command()
@click.option("--since", type=moment, metavar="WHEN", help="30m, 12h, 7d, 4w, or a date; else all of it.")
@click.option("--model", metavar="PROVIDER/MODEL", help="Only what this model has answered.")
@click.pass_obj
def reprice(state: State, since: float | None, model: str | None) -> None:
    r"""Price anew what was asked before, by the prices of now.

    A running gateway goes on meanwhile. Budgets count the new costs at once.

    \b
    omniroute-ctl usage reprice --since 30d
    omniroute-ctl usage reprice --model openai/gpt-x
    """
    with state.store() as store:
        if model is not None:
            place = prices.named(store, model)
            model = prices.shown_as(store, place)
        config = snapshot.load(store)
        known = {provider.id for provider in (*PROVIDERS, *config.nodes)}
        done = repricing.reprice(store, _pricing(config), known, since=since or 0.0, model=model)
    if state.as_json:
        show_json(asdict(done) | {"since": iso(since), "model": model})
    else:
        say(f"{done.changed:,} of {done.rows:,} exchanges cost something else now.")
        say(f"before: {_sum(done.before, done.unknown_before)}; now: {_sum(done.after, done.unknown_after)}")


def _sum(cost: float, unknown: int) -> str:
    return f"${cost:,.4f}" + (f" and {unknown:,} unknown" if unknown else "")


def _pricing(config: Config) -> repricing.Pricing:
    def price(provider: str, model: str, used: Usage, at: float) -> float | None:
        found = find(provider, config.nodes)
        return cost(found, model, used, datetime.fromtimestamp(at, UTC), config.prices) if found else None

    return price


def as_json(row: UsageSum) -> dict[str, object]:
    return asdict(row) | {"cost": None if row.unknown_cost and not row.cost else row.cost}


def _cells(row: UsageSum) -> tuple[object, ...]:
    return (
        row.requests,
        row.failed,
        row.input,
        row.cache_read,
        row.output,
        row.reasoning,
        _money(row),
        row.latency_ms,
        row.ttft_ms,
    )


def _money(row: UsageSum) -> str | None:
    if not row.cost and not row.input and not row.output:
        return None  # no tokens were used
    if not row.unknown_cost:
        return f"${row.cost:.4f}"
    return f"${row.cost:.4f} and {row.unknown_cost} unknown" if row.cost else "unknown"
