"""What is said of a model name that means nothing, or more than one thing."""

from collections.abc import Iterable

from omniroute.catalog.provider import Provider
from omniroute.errors import BadRequest
from omniroute.routing.names import Names
from omniroute.routing.near import near


def several(names: Iterable[str]) -> str:
    return f"served by several providers; say which: {', '.join(names)}"


def no_such_model(name: str, names: Names) -> str:
    if not names.in_use:
        return f"there is no model {quoted(name)}: no provider has an account yet. Add one: {_command('PROVIDER')}"
    prefix, slash, model = name.partition("/")
    if slash and not model:
        return f"the model name {quoted(name)} has nothing behind its prefix"
    if slash:
        return f"there is no model {quoted(name)}: {quoted(prefix)} is neither a provider nor a node"
    return f"there is no model or combo {quoted(name)}"


def unknown(sentence: str, name: str, names: Names) -> BadRequest:
    # Behind a mistyped prefix, the model may be right though no list has it.
    prefix, _, model = name.partition("/")
    fixed = [f"{other}/{model}" for other in near(prefix, (row.prefix for row in names.in_use)) if model]
    offers = near(name, [*fixed, *names.all()])
    hint = f" Near names: {', '.join(offers)}." if offers else ""
    return BadRequest(sentence.rstrip(".") + "." + hint, param="model", code="model_not_found")


def add_account(provider: Provider) -> str:
    return f"Add an account for {provider.id} with {_command(provider.id)}"


def _command(provider: str) -> str:
    return f"`omniroute-ctl provider add {provider}`"


def quoted(name: str) -> str:
    return repr(name if len(name) <= 80 else f"{name[:77]}...")
