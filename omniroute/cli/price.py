"""`omniroute-ctl price …`: manage token prices of models."""

import re
from dataclasses import asdict
from typing import Any

import click

from omniroute.catalog.pricing import ALL_MODELS, CLASSES, Price
from omniroute.cli.base import Group, State
from omniroute.cli.output import say, show_json, table
from omniroute.store.config import prices as kept
from omniroute.store.config import snapshot
from omniroute.store.config.prices import rows as rows_of
from omniroute.store.history import usage

UNITS = {"1k": 1000.0, "1m": 1.0}
"""Unit of a price -> factor that converts it to USD per million tokens."""
WORDS = {
    "input": "What a token of the prompt costs.",
    "output": "What a token of the answer costs.",
    "cache_read": "What a prompt token costs that came from a cache.",
    "cache_write": "What a prompt token costs that went into a cache.",
    "reasoning": "What a token of reasoning costs, where that is not as the answer.",
}


def money(value: str | None) -> float | None:
    """Parse an option: USD per thousand or million tokens, into USD per million. Raises BadParameter."""
    if value is None:
        return None
    found = re.fullmatch(r"(-?\$?[0-9]*\.?[0-9]+)/(1[kKmM])", value)
    if not found:
        said = "is no price" if "/" in value else "says not for how many tokens"
        raise click.BadParameter(f"{value!r} {said}: say 2.5/1M or 0.0025/1K, in USD")
    return float(found[1].replace("$", "")) * UNITS[found[2].lower()]


def _options(command: Any) -> Any:
    for name in reversed(CLASSES):
        option = click.option(f"--{name.replace('_', '-')}", name, type=money, metavar="USD/1M", help=WORDS[name])
        command = option(command)
    return command


@click.group(cls=Group)
def price() -> None:
    """What tokens cost: as the price library says, and as you set it."""


@price.command("set")
@click.argument("ref", metavar="PROVIDER/MODEL")
@_options
@click.pass_obj
def set_(state: State, /, ref: str, **said: float | None) -> None:
    r"""Set what tokens of a model cost; `PROVIDER/*` is for all models of a provider.

    The unit is a part of the price. What is not said stays, or is as the price library has it. It acts on all that is
    asked from now on; `usage reprice` brings what was asked before up to date.

    \b
    omniroute-ctl price set openai/gpt-x --input 2.5/1M --output 10/1M
    omniroute-ctl price set home/* --input 0/1M --output 0/1M
    """
    if all(value is None for value in said.values()):
        raise click.UsageError("say a price, such as --input 2.5/1M")
    with state.store() as store:
        place, made = kept.put(store, ref, Price(**said))
        name = kept.shown_as(store, place)
    if state.as_json:
        show_json({"model": name, **asdict(made)})
    else:
        parts = ", ".join(f"{n.replace('_', ' ')} ${v:g}" for n, v in asdict(made).items() if v is not None)
        say(f"{name} costs {parts} for a million tokens from now on.")


@price.command("list")
@click.argument("provider", required=False)
@click.option("--unknown", is_flag=True, help="Only models without a price.")
@click.option("--all", "everything", is_flag=True, help="All that the price library knows, too.")
@click.pass_obj
def list_(state: State, provider: str | None, unknown: bool, everything: bool) -> None:
    """List prices, in USD for a million tokens: of models that were asked, are set up, or have a price of your own."""
    with state.store() as store:
        config = snapshot.load(store)
        seen = [] if everything and not unknown else usage.models(store)
        chosen = kept.named(store, f"{provider}/{ALL_MODELS}")[0] if provider else None
    rows = [row for row in rows_of(config, seen, everything) if chosen in (None, row["provider"])]
    rows = [row for row in rows if row["known"] is False] if unknown else rows
    if state.as_json:
        show_json(rows)
    elif not rows:
        say("Every model has a price." if unknown else "Nothing is set up or was asked. See all: price list --all")
    else:
        table(
            ["model", *(name.replace("_", " ") for name in CLASSES), "by"],
            [(row["model"], *(_shown(row[name]) for name in CLASSES), row["by"]) for row in rows],
        )


@price.command()
@click.argument("ref", metavar="[PROVIDER/MODEL]", required=False)
@click.option("--all", "everything", is_flag=True, help="All prices that were set.")
@click.pass_obj
def reset(state: State, ref: str | None, everything: bool) -> None:
    """Go back to the price library's prices."""
    if (ref is None) != everything:
        raise click.UsageError("say a model, or --all")
    with state.store() as store:
        if ref is None:
            gone = [kept.shown_as(store, place) for place in kept.load(store)]
            kept.reset_all(store)
        else:
            gone = [kept.shown_as(store, kept.reset(store, ref))]
    if state.as_json:
        show_json({"reset": gone})
    else:
        say(f"Back to the library's prices: {', '.join(gone)}." if gone else "No prices were set.")


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, dict):
        return f"${value['base']:g}" + "".join(f", over {int(n):,}: ${p:g}" for n, p in value["over"].items())
    return f"${value:g}"
