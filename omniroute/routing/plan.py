"""Which targets a request is tried at, in order, and why each is where it is, or not there at all."""

from dataclasses import dataclass

from omniroute.catalog.provider import DialectName
from omniroute.dialects.needs import Needs
from omniroute.errors import Forbidden
from omniroute.routing.aliases import matches
from omniroute.routing.allow import allowed
from omniroute.routing.config import Alias, Config, Key
from omniroute.routing.draft import Draft, Stay
from omniroute.routing.known import NO_NEEDS, NOTHING_KNOWN, Known
from omniroute.routing.resolve import Branch, Leg, check_name, resolve, resolve_at
from omniroute.routing.target import LeftOut, Target, Way

__all__ = ["LeftOut", "Plan", "Target", "plan"]


@dataclass(frozen=True, slots=True)
class Plan:
    """The targets in the order to be tried. With none, nothing can serve the request and `left` says why."""

    asked: str
    kind: str
    combo: str | None
    targets: tuple[Target, ...]
    left: tuple[LeftOut, ...]
    aliases: tuple[Alias, ...] = ()
    """What the name is another name for, step by step."""
    passed_over: tuple[Alias, ...] = ()
    """Aliases that match the name too, but count less."""


def plan(
    name: str,
    config: Config,
    *,
    client: DialectName | None,
    key: Key | None = None,
    needs: Needs = NO_NEEDS,
    known: Known = NOTHING_KNOWN,
    stay: Stay | None = None,
    alone: bool = False,
) -> Plan:
    """Make the plan for a request in the dialect `client`; None plans for a client of any dialect.

    `stay` is where the conversation was served last; `alone` asks the provider of the prefix and nobody else,
    whatever combos and chains there are. BadRequest when the name means nothing, Forbidden when
    the key may not ask for it.
    """
    check_name(name)
    if key is not None and key.allow and not allowed(key.allow, name):
        raise Forbidden(
            f"the key {key.name!r} may not use {name!r}; it may use {', '.join(key.allow)}",
            param="model",
            code="model_not_allowed",
        )
    resolved = resolve_at(name, config) if alone else resolve(name, config)
    draft = Draft(config, client, needs, known, stay)
    match resolved.means:
        case Leg() as leg:
            bare = f"the only provider that is known to serve {leg.model}"
            draft.add(leg, Way(bare if resolved.kind == "bare" else "asked for by name"))
        case Branch() as branch:
            draft.add_branch(branch)
    for chain in () if alone else config.chains:
        if not chain.serves or any(matches(pattern.casefold(), name.casefold()) for pattern in chain.serves):
            draft.add_chain(chain, key)
    return Plan(
        name,
        resolved.kind,
        resolved.combo.name if resolved.combo else None,
        *draft.ended(),
        resolved.aliases,
        resolved.passed_over,
    )
