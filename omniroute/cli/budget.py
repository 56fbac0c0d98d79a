"""`omniroute-ctl budget …`: manage the budgets of keys and show what is spent."""

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any

import click

from omniroute.budgets.ledger import Budget
from omniroute.budgets.periods import PERIODS, zone_of
from omniroute.cli.base import Group, State
from omniroute.cli.gateway_process import manage, read_runtime
from omniroute.cli.output import iso, say, show_json, table
from omniroute.gateway.budget_enforcer import dollars
from omniroute.store.config import budgets as kept
from omniroute.store.config import snapshot
from omniroute.store.db.database import Store
from omniroute.store.history.budget_status import standings
from omniroute.store.state import sessions

type Aside = Mapping[tuple[str, str], float]
"""(key id, period) -> USD reserved for running requests."""

BAR = 20
"""Width of the progress bar in characters."""


@click.group(cls=Group)
def budget() -> None:
    """What keys may spend in a day, a week or a month."""


def usd(value: str) -> float:
    """Parse an option: an amount in USD. Raises BadParameter."""
    if not re.fullmatch(r"-?\$?[0-9_,]*\.?[0-9]+", value):
        raise click.BadParameter(f"{value!r} is no amount of money: say 5, 0.25 or $20")
    return float(re.sub(r"[$,_]", "", value))


def percent(value: str | None) -> float | None:
    """Parse an option: a fraction, as a percentage. Raises BadParameter."""
    if value is None:
        return None
    if not re.fullmatch(r"-?[0-9]*\.?[0-9]+%?", value):
        raise click.BadParameter(f"{value!r} is no percentage: say 80%")
    return float(value.removesuffix("%")) / 100


@budget.command("set", context_settings={"ignore_unknown_options": True})
@click.argument("ref", metavar="KEY")
@click.argument("limit", metavar="LIMIT", type=usd)
@click.option("--period", required=True, metavar="|".join(PERIODS), help="How long it has to last.")
@click.option("--warn", type=percent, metavar="PERCENT", help="From which part on warnings are said; else 80%.")
@click.pass_obj
def set_(state: State, ref: str, limit: float, period: str, warn: float | None) -> None:
    r"""Let KEY spend LIMIT dollars in each period; `-` stands for all requests without a key.

    A key may have a budget of each period. It acts at once, on what was spent before too.

    \b
    omniroute-ctl budget set laptop 5 --period daily
    omniroute-ctl budget set laptop 100 --period monthly --warn 90%
    """
    with state.store() as store:
        made = kept.put(store, ref, period, limit, warn)
        _, name = kept.owner(store, ref)
        [row] = _rows(store, [made])
    if state.as_json:
        show_json(row)
    else:
        said = f"{name} may spend {dollars(made.limit)} {made.period} from now on"
        say(f"{said}; {dollars(row['spent'])} of it is spent already." if row["spent"] else f"{said}.")


@budget.command()
@click.argument("ref", metavar="[KEY]", required=False)
@click.pass_obj
def show(state: State, ref: str | None) -> None:
    """Show how budgets stand: of KEY, or all. What is set aside is known while the gateway runs."""
    with state.store() as store:
        chosen = None if ref is None else kept.owner(store, ref)[0]
        found = [one for key, of in kept.load(store).items() if chosen in (None, key) for one in of]
        rows = _rows(store, found, _set_aside(state, store) if found else {})
        zone = snapshot.load(store).rules.budget.zone
    if state.as_json:
        show_json(rows)
    elif not rows:
        say("No budgets. Set one: omniroute-ctl budget set KEY 5 --period daily")
    else:
        table(
            ["key", "period", "spent", "of", "", "", "begins anew", "note"],
            [
                (
                    *(row["key"], row["period"], dollars(row["spent"]), dollars(row["limit"])),
                    *(_bar(row["part"]), f"{row['part']:.0%}", _when(row["resets_at"], zone_of(zone)), _note(row)),
                )
                for row in rows
            ],
        )


@budget.command()
@click.argument("ref", metavar="KEY")
@click.option("--period", metavar="|".join(PERIODS), help="This budget only.")
@click.pass_obj
def clear(state: State, ref: str, period: str | None) -> None:
    """Let KEY spend without limit."""
    with state.store() as store:
        gone = kept.clear(store, ref, period)
        key, name = kept.owner(store, ref)
    if state.as_json:
        show_json({"key": name, "key_id": key or None, "cleared": gone})
    else:
        say(f"{name} has no {' and no '.join(gone)} budget any more.")


def _set_aside(state: State, store: Store) -> Aside:
    """Fetch the budget reservations from a running gateway, which holds them in memory; empty without one."""
    running = read_runtime(state.data_dir)
    said = manage(running, "/api/usage/budget", sessions.token(store)) if running else None
    return {(row["keyId"] or "", row["period"]): row["setAside"] for row in (said or {}).get("budgets", ())}


def _rows(store: Store, found: list[Budget], aside: Aside | None = None) -> list[dict[str, Any]]:
    held = (lambda key, period, start: aside.get((key, period), 0.0)) if aside else None
    rows = standings(store, found, time.time(), held)
    return [row | {name: iso(row[name]) for name in ("began_at", "resets_at")} for row in rows]


def _bar(part: float) -> str:
    full = min(BAR, int(part * BAR))
    return "█" * full + "░" * (BAR - full)


def _when(at: str, zone: tzinfo | None) -> str:
    return datetime.fromisoformat(at).replace(tzinfo=UTC).astimezone(zone).strftime("%a %Y-%m-%d %H:%M %Z")


def _note(row: dict[str, Any]) -> str:
    said = {"spent": ["spent: requests are refused"], "warn": [f"over {row['warn']:.0%}"], "ok": []}[row["state"]]
    if row["set_aside"]:
        said.append(f"{dollars(round(row['set_aside'], 6))} more is set aside for running requests")
    if row["estimated"]:
        said.append(f"{dollars(round(row['estimated'], 6))} of it is estimated")
    if row["unpriced"]:
        said.append(f"{row['unpriced']:,} exchanges of unknown price are not in this")
    return "; ".join(said)
