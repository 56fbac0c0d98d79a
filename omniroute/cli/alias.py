"""`omniroute-ctl alias …`: manage aliases of models and combos."""

import click

from omniroute.cli.base import Group, State
from omniroute.cli.output import local, say, show_json, table
from omniroute.store.config import aliases, rows


@click.group(cls=Group)
def alias() -> None:
    """Aliases: other names for models and combos."""


@alias.command()
@click.argument("pattern")
@click.argument("target")
@click.pass_obj
def add(state: State, pattern: str, target: str) -> None:
    """Let names like PATTERN mean TARGET: a model, a combo or another alias.

    `*` in PATTERN is any run of characters, `?` is one. Of several patterns the most specific counts, of equal
    ones the oldest. Combos and names with a provider's prefix go before aliases. An alias that is there gets
    the new target.
    """
    with state.store() as store:
        made = aliases.add(store, pattern, target)
    if state.as_json:
        show_json({"pattern": made.pattern, "target": made.target})
    else:
        say(f"{made.pattern} means {made.target} from now on.")


@alias.command("list")
@click.pass_obj
def list_(state: State) -> None:
    """List the aliases, the oldest first."""
    with state.store() as store:
        found = rows.aliases(store)
    if state.as_json:
        show_json([{"pattern": each.pattern, "target": each.target} for each in found])
    elif not found:
        say("No aliases yet. Add one: omniroute-ctl alias add 'gpt-*' PREFIX/MODEL")
    else:
        table(["pattern", "target", "made"], [(a.pattern, a.target, local(a.created_at)) for a in found])


@alias.command()
@click.argument("pattern")
@click.pass_obj
def remove(state: State, pattern: str) -> None:
    """Remove an alias."""
    with state.store() as store:
        aliases.remove(store, pattern)
    if state.as_json:
        show_json({"removed": pattern})
    else:
        say(f"Removed the alias {pattern!r}.")
