"""`omniroute-ctl node …`: manage nodes, model servers of the user's own."""

import click

from omniroute.catalog.provider import DialectName, Provider
from omniroute.cli.base import Group, State
from omniroute.cli.common_options import base_url, dialect
from omniroute.cli.health_text import tell_combos
from omniroute.cli.output import say, show_json, table
from omniroute.routing.combo_impact import combos_using
from omniroute.store.config import nodes, snapshot


@click.group(cls=Group)
def node() -> None:
    """Nodes: servers of your own, such as Ollama or vLLM."""


def as_json(shown: Provider) -> dict[str, object]:
    return {"prefix": shown.prefix, "name": shown.name, "dialects": list(shown.paths), "base_url": shown.base_url}


@node.command()
@click.argument("prefix")
@click.option("--dialect", type=dialect, required=True, help="openai, responses, claude or gemini.")
@click.option("--base-url", type=base_url, required=True, metavar="URL", help="Such as http://127.0.0.1:11434/v1.")
@click.option("--name", help="What to call it; else its prefix.")
@click.pass_obj
def add(state: State, prefix: str, dialect: DialectName, base_url: str, name: str | None) -> None:
    """Add a server: its models are then called PREFIX/model."""
    with state.store() as store:
        added = nodes.add(store, prefix, dialect, base_url, name)
    if state.as_json:
        show_json(as_json(added))
        return
    say(f"Added the node {added.prefix!r}: its models are called {added.prefix}/MODEL. It needs no account.")
    say(f"If it wants a key: omniroute-ctl provider add {added.prefix}")


@node.command("list")
@click.pass_obj
def list_(state: State) -> None:
    """List the nodes."""
    with state.store() as store:
        found = snapshot.load(store).nodes
    if state.as_json:
        show_json([as_json(each) for each in found])
    elif not found:
        say(
            "No nodes yet. Add one: omniroute-ctl node add ollama --dialect openai --base-url http://127.0.0.1:11434/v1"
        )
    else:
        table(
            ["prefix", "name", "dialect", "base URL"], [(n.prefix, n.name, tuple(n.paths), n.base_url) for n in found]
        )


@node.command()
@click.argument("prefix")
@click.pass_obj
def remove(state: State, prefix: str) -> None:
    """Remove a node and the accounts at it. Combos that name its models are left without them."""
    with state.store() as store:
        affected = combos_using(snapshot.load(store), lambda used: used.provider == prefix)
        accounts = nodes.remove(store, prefix)
        after = snapshot.load(store)
    if state.as_json:
        show_json({"removed": prefix, "accounts": accounts, "combos": affected})
    else:
        also = f" and {accounts} account{'s' if accounts > 1 else ''} at it" if accounts else ""
        say(f"Removed the node {prefix!r}{also}.")
        tell_combos(affected, after)
