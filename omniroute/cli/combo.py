"""`omniroute-ctl combo …`: manage combos, named lists of models with a strategy."""

from dataclasses import asdict

import click

from omniroute.cli.base import Group, State
from omniroute.cli.combo_options import its_own, tries_of
from omniroute.cli.common_options import timeout_option
from omniroute.cli.output import fields, note, say, show_json, table
from omniroute.cli.proxy_path import proxy_for
from omniroute.config.model import Combo
from omniroute.config.settings import RetrySettings
from omniroute.errors import Exhausted
from omniroute.routing.plan import plan
from omniroute.store.config import combos, snapshot

DEFAULT = "as set for all"


@click.group(cls=Group)
def combo() -> None:
    """Combos: named lists of models, tried in an order of your choice."""


def as_json(shown: Combo) -> dict[str, object]:
    return {
        "name": shown.name,
        "models": list(shown.models),
        "strategy": shown.strategy,
        "weights": dict(shown.weights),
        **asdict(shown.tries),
    }


@combo.command()
@click.argument("name")
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@its_own
@click.pass_obj
def add(
    state: State,
    /,
    name: str,
    models: tuple[str, ...],
    strategy: str | None,
    weights: dict[str, float],
    retries: int | None,
    retry_delay: float | None,
    hedge: bool | None,
    resume: bool | None,
    **deadlines: float | None,
) -> None:
    """Name a list of models, or of other combos: a request for NAME is tried at each in turn."""
    with state.store() as store:
        tries = tries_of(RetrySettings(), retries, retry_delay, hedge, resume, deadlines)
        added = combos.add(store, name, models, strategy, weights, tries)
        left = plan(added.name, snapshot.load(store), client=None).excluded
    if state.as_json:
        show_json(as_json(added))
        return
    say(f"Added the combo {added.name!r}: {' → '.join(added.models)}")
    for out in left:
        note(f"Left out for now: {out.name}: {out.reason}")


@combo.command()
@click.argument("name")
@click.argument("models", nargs=-1, metavar="[MODEL...]")
@its_own
@click.option("--default", "reset", is_flag=True, help="First forget its own strategy, weights, retries, deadlines.")
@click.pass_obj
def edit(
    state: State,
    /,
    name: str,
    models: tuple[str, ...],
    strategy: str | None,
    weights: dict[str, float],
    retries: int | None,
    retry_delay: float | None,
    hedge: bool | None,
    resume: bool | None,
    reset: bool,
    **deadlines: float | None,
) -> None:
    """Change a combo: what is named here is new, the rest stays. MODELs replace the whole list."""

    def changed(before: Combo) -> Combo:
        if reset:
            before = Combo(before.name, before.models)
        tries = tries_of(before.tries, retries, retry_delay, hedge, resume, deadlines)
        return Combo(name, models or before.models, strategy or before.strategy, {**before.weights, **weights}, tries)

    with state.store() as store:
        edited = combos.edit(store, name, changed)
        left = plan(edited.name, snapshot.load(store), client=None).excluded
    if state.as_json:
        show_json(as_json(edited))
        return
    say(f"The combo {edited.name!r} is now: {' → '.join(edited.models)}")
    for out in left:
        note(f"Left out for now: {out.name}: {out.reason}")


@combo.command("list")
@click.pass_obj
def list_(state: State) -> None:
    """List the combos."""
    with state.store() as store:
        found = snapshot.load(store).combos.values()
    if state.as_json:
        show_json([as_json(each) for each in found])
    elif not found:
        say("No combos yet. Add one: omniroute-ctl combo add NAME PREFIX/MODEL PREFIX/MODEL")
    else:
        table(["name", "strategy", "models"], [(c.name, c.strategy or DEFAULT, c.models) for c in found])


@combo.command()
@click.argument("name")
@click.pass_obj
def show(state: State, name: str) -> None:
    """Show one combo and who can serve it."""
    with state.store() as store:
        found = combos.find(store, name)
        planned = plan(found.name, snapshot.load(store), client=None)
    if state.as_json:
        show_json(as_json(found) | {"targets": [t.name for t in planned.targets]})
        return
    fields([("name", found.name), ("strategy", found.strategy or DEFAULT), ("models", found.models)])
    fields([("weight", f"{model}={weight:g}") for model, weight in found.weights.items()])
    said = [("retries", found.tries.retries), ("retry delay", _seconds(found.tries.retry_delay))]
    said += [("hedge", _switch(found.tries.hedge)), ("resume", _switch(found.tries.resume))]
    said += [(phase.replace("_", " "), _seconds(wait)) for phase, wait in found.tries.deadlines.items()]
    fields([(what, value) for what, value in said if value is not None])
    fields([(f"{n}.", f"{t.name} by {t.account.name}") for n, t in enumerate(planned.targets, 1)])
    fields([("left out", f"{out.name}: {out.reason}") for out in planned.excluded])


@combo.command()
@click.argument("name")
@click.pass_obj
def remove(state: State, name: str) -> None:
    """Remove a combo."""
    with state.store() as store:
        combos.remove(store, name)
    if state.as_json:
        show_json({"removed": name})
    else:
        say(f"Removed the combo {name!r}.")


@combo.command()
@click.argument("name")
@timeout_option
@click.pass_context
def test(ctx: click.Context, name: str, timeout: float) -> None:
    """Ask every target of a combo a tiny question, in order; exit 1 when none answers."""
    from omniroute.cli.probe import ask_target

    state: State = ctx.obj
    with state.store() as store:
        config, opened = snapshot.load(store), snapshot.proxies(store)
        planned = plan(combos.find(store, name).name, config, client=None)
        credentials = snapshot.credentials(store)
    if not planned.targets:
        raise Exhausted(f"the combo {name!r} has no target that can be asked: omniroute-ctl combo show {name} says why")
    asked = [
        (each, ask_target(each, credentials.get(each.account.id), timeout, proxy_for(each, config, opened)))
        for each in planned.targets
    ]
    if state.as_json:
        show_json([{"target": t.name, "account": t.account.name, "dialect": t.dialect} | asdict(r) for t, r in asked])
    else:
        table(
            ["", "target", "account", "works", "status", "ms", "detail"],
            [(n, t.name, t.account.name, r.ok, r.status, r.latency_ms, r.detail) for n, (t, r) in enumerate(asked, 1)],
        )
    if not any(result.ok for _, result in asked):
        ctx.exit(1)


def _seconds(wait: float | None) -> str | None:
    return None if wait is None else f"{wait:g} s"


def _switch(said: bool | None) -> str | None:
    return None if said is None else "on" if said else "off"
