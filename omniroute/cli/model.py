"""`omniroute-ctl model …`: manage custom models, which extend or override the catalog."""

from dataclasses import asdict

import click

from omniroute.catalog.provider import Model
from omniroute.cli.base import Group, State
from omniroute.cli.output import say, show_json, table
from omniroute.store.config import custom_models, rows

TOKENS = click.IntRange(1, custom_models.MOST_TOKENS)


@click.group(cls=Group)
def model() -> None:
    """Models of your own: any id at any provider."""


@model.command()
@click.argument("provider")
@click.argument("model_id", metavar="MODEL")
@click.option("--name", help="What people call it.")
@click.option("--context", type=TOKENS, metavar="TOKENS", help="What it can read at once.")
@click.option("--max-output", type=TOKENS, metavar="TOKENS", help="Its longest answer.")
@click.option("--images/--no-images", default=None, help="Whether it takes pictures.")
@click.option("--tools/--no-tools", default=None, help="Whether it calls tools.")
@click.pass_obj
def add(
    state: State,
    provider: str,
    model_id: str,
    name: str | None,
    context: int | None,
    max_output: int | None,
    images: bool | None,
    tools: bool | None,
) -> None:
    """List MODEL, as the provider calls it, among a provider's models, with what is known about it.

    What is said here goes before what the catalog knows. A request that needs more than a model can take goes
    to another target.
    """
    made = Model(model_id, name, context, max_output, images, tools)
    with state.store() as store:
        owner = custom_models.add(store, provider, made)
    if state.as_json:
        show_json({"provider": owner, **asdict(made)})
    else:
        say(f"Added the model {model_id!r} to {owner}.")


@model.command("list")
@click.pass_obj
def list_(state: State) -> None:
    """List the models that were added."""
    with state.store() as store:
        found = [(owner, each) for owner, added in rows.models(store).items() for each in added]
    if state.as_json:
        show_json([{"provider": owner, **asdict(each)} for owner, each in found])
    elif not found:
        say("No models were added. Add one: omniroute-ctl model add PROVIDER MODEL --context 200000")
    else:
        table(
            ["provider", "model", "name", "context", "max output", "images", "tools"],
            [(owner, m.id, m.name, m.context, m.max_output, m.images, m.tools) for owner, m in found],
        )


@model.command()
@click.argument("provider")
@click.argument("model_id", metavar="MODEL")
@click.pass_obj
def remove(state: State, provider: str, model_id: str) -> None:
    """Forget what was said of a model."""
    with state.store() as store:
        owner = custom_models.remove(store, provider, model_id)
    if state.as_json:
        show_json({"removed": model_id, "provider": owner})
    else:
        say(f"Removed the model {model_id!r} of {owner}.")
