"""What a model name means. The first hit wins: a combo, `prefix/model`, a bare model of exactly one provider."""

import re
from dataclasses import dataclass
from typing import Literal

from omniroute.catalog.provider import Provider
from omniroute.errors import BadRequest
from omniroute.routing.config import Combo, Config
from omniroute.routing.names import Names
from omniroute.routing.near import near

LONGEST = 512
_UNWRITABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Leg:
    """One model at one provider, by whichever of its accounts."""

    provider: Provider
    model: str
    place: int = 1
    """Where it stands in its combo, counted from 1."""

    @property
    def name(self) -> str:
        return f"{self.provider.prefix}/{self.model}"


@dataclass(frozen=True, slots=True)
class Missing:
    """A model of a combo that means nothing now: its provider may have been removed."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a name stands for, in the order in which it was written down."""

    kind: Literal["combo", "model", "bare"]
    legs: tuple[Leg, ...]
    combo: Combo | None = None
    missing: tuple[Missing, ...] = ()


def resolve(name: str, config: Config) -> Resolved:
    """Find out what is meant; BadRequest that offers near names when nothing is, or more than one thing."""
    check_name(name)
    names = Names.of(config)
    if combo := config.combos.get(name):
        return _combo(combo, config, names)
    legs = _legs(name, names)
    if len(legs) == 1 and not names.accounts(legs[0].provider):
        raise _unknown(f"{legs[0].provider.name} has no account. {_add_account(legs[0].provider)}", name, names)
    if len(legs) == 1:
        return Resolved("bare" if legs[0].model == name else "model", legs)
    if legs:
        raise BadRequest(f"the model {_said(name)} is {_several(legs)}", param="model", code="model_ambiguous")
    raise _unknown(_no_such_model(name, names), name, names)


def check_name(name: str) -> None:
    """Refuse what cannot be a model name; BadRequest."""
    if not name.strip():
        raise BadRequest("the model name is empty", param="model", code="model_not_found")
    if len(name) > LONGEST:
        raise BadRequest(f"the model name has more than {LONGEST} characters", param="model", code="model_not_found")
    if _UNWRITABLE.search(name):
        raise BadRequest("the model name has control characters in it", param="model", code="model_not_found")


def _legs(name: str, names: Names) -> tuple[Leg, ...]:
    prefix, _, model = name.partition("/")
    if model and (provider := names.provider(prefix)):
        return (Leg(provider, model),)
    return tuple(Leg(provider, name) for provider in names.bare.get(name, ()))


def _combo(combo: Combo, config: Config, names: Names) -> Resolved:
    legs: list[Leg] = []
    missing: list[Missing] = []
    for place, model in enumerate(combo.models, 1):
        match _legs(model, names):
            case (leg,):
                legs.append(Leg(leg.provider, leg.model, place))
            case () if model in config.combos:
                missing.append(Missing(model, "is a combo, and a combo holds models only"))
            case ():
                missing.append(Missing(model, "is no model of any provider that has an account"))
            case several:
                missing.append(Missing(model, f"is {_several(several)}"))
    return Resolved("combo", tuple(legs), combo, tuple(missing))


def _several(legs: tuple[Leg, ...]) -> str:
    return f"served by several providers; say which: {', '.join(leg.name for leg in legs)}"


def _no_such_model(name: str, names: Names) -> str:
    if not names.in_use:
        return f"there is no model {_said(name)}: no provider has an account yet. Add one: {_command('PROVIDER')}"
    prefix, slash, model = name.partition("/")
    if slash and not model:
        return f"the model name {_said(name)} has nothing behind its prefix"
    if slash:
        return f"there is no model {_said(name)}: {_said(prefix)} is neither a provider nor a node"
    return f"there is no model or combo {_said(name)}"


def _unknown(sentence: str, name: str, names: Names) -> BadRequest:
    # Behind a mistyped prefix, the model may be right though no list has it.
    prefix, _, model = name.partition("/")
    fixed = [f"{other}/{model}" for other in near(prefix, (row.prefix for row in names.in_use)) if model]
    offers = near(name, [*fixed, *names.all()])
    hint = f" Near names: {', '.join(offers)}." if offers else ""
    return BadRequest(sentence.rstrip(".") + "." + hint, param="model", code="model_not_found")


def _add_account(provider: Provider) -> str:
    return f"Add an account for {provider.id} with {_command(provider.id)}"


def _command(provider: str) -> str:
    return f"`omniroute-ctl provider add {provider}`"


def _said(name: str) -> str:
    return repr(name if len(name) <= 80 else f"{name[:77]}...")
