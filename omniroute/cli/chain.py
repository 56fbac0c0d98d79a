"""`omniroute-ctl chain …`: manage fallback chains."""

import click

from omniroute.cli.base import Group, State
from omniroute.cli.output import fields, note, say, show_json, table
from omniroute.config.model import Chain
from omniroute.routing.resolve import MissingEntry, step
from omniroute.store.config import chains, rows, snapshot


@click.group(cls=Group)
def chain() -> None:
    """Fallback chains: models that are asked when all that was asked for has failed."""


def as_json(shown: Chain) -> dict[str, object]:
    return {"name": shown.name, "models": list(shown.models), "serves": list(shown.serves)}


@chain.command()
@click.argument("name")
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.option(
    "--for",
    "serves",
    multiple=True,
    metavar="PATTERN",
    help="Only behind names like this, `*` for any run; may be repeated. Else behind all.",
)
@click.pass_obj
def add(state: State, name: str, models: tuple[str, ...], serves: tuple[str, ...]) -> None:
    """Ask each MODEL in turn when all that a request itself means has failed."""
    with state.store() as store:
        made = chains.add(store, name, models, serves)
        config = snapshot.load(store)
    if state.as_json:
        show_json(as_json(made))
        return
    say(f"Added the chain {made.name!r} behind {_whom(made)}: {' → '.join(made.models)}")
    for model in made.models:
        if isinstance(found := step(model, config), MissingEntry):
            note(f"Left out for now: {model} {found.reason}")


@chain.command("list")
@click.pass_obj
def list_(state: State) -> None:
    """List the chains, in the order in which they are asked."""
    with state.store() as store:
        found = rows.chains(store)
    if state.as_json:
        show_json([as_json(each) for each in found])
    elif not found:
        say("No chains yet. Add one: omniroute-ctl chain add NAME PREFIX/MODEL PREFIX/MODEL")
    else:
        table(["name", "behind", "models"], [(each.name, _whom(each), each.models) for each in found])


@chain.command()
@click.argument("name")
@click.pass_obj
def show(state: State, name: str) -> None:
    """Show one chain, and what its steps can do now."""
    with state.store() as store:
        found = chains.find(store, name)
        config = snapshot.load(store)
    if state.as_json:
        show_json(as_json(found))
        return
    fields([("name", found.name), ("behind", _whom(found))])
    means = [step(model, config) for model in found.models]
    table(
        ["step", "model", "now"],
        [
            (number, model, leg.reason if isinstance(leg, MissingEntry) else "can be asked")
            for number, (model, leg) in enumerate(zip(found.models, means, strict=True), 1)
        ],
    )


@chain.command()
@click.argument("name")
@click.pass_obj
def remove(state: State, name: str) -> None:
    """Remove a chain."""
    with state.store() as store:
        chains.remove(store, name)
    if state.as_json:
        show_json({"removed": name})
    else:
        say(f"Removed the chain {name!r}.")


def _whom(shown: Chain) -> str:
    return ", ".join(shown.serves) if shown.serves else "every request"
