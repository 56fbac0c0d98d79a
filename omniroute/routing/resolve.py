"""Resolution of model names. The first match applies.

In order: a combo; `prefix/model`; an alias, exact before wildcard; a bare model name served by exactly one provider.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from omniroute.catalog.provider import Provider
from omniroute.config.model import Alias, Combo, Config
from omniroute.config.settings_registry import MAX_NAME_LENGTH
from omniroute.errors import BadRequest, NotFound
from omniroute.routing.model_index import MAX_REMEMBERED, ModelIndex
from omniroute.routing.suggestions import close_matches
from omniroute.routing.target import RoutePath


def several(names: Iterable[str]) -> str:
    return f"served by several providers; say which: {', '.join(names)}"


def unknown_model_error(name: str, names: ModelIndex) -> str:
    if not names.in_use:
        return f"there is no model {quoted(name)}: no provider has an account yet. Add one: {_command('PROVIDER')}"
    prefix, slash, model = name.partition("/")
    if slash and not model:
        return f"the model name {quoted(name)} has nothing behind its prefix"
    if slash:
        return f"there is no model {quoted(name)}: {quoted(prefix)} is neither a provider nor a node"
    return f"there is no model or combo {quoted(name)}"


def unknown(sentence: str, name: str, names: ModelIndex) -> BadRequest:
    # After a mistyped prefix, the model may be right even if it is in no list.
    prefix, _, model = name.partition("/")
    fixed = [f"{other}/{model}" for other in close_matches(prefix, (row.prefix for row in names.in_use)) if model]
    offers = close_matches(name, [*fixed, *names.all()])
    hint = f" Near names: {', '.join(offers)}." if offers else ""
    return BadRequest(sentence.rstrip(".") + "." + hint, param="model", code="model_not_found")


def add_account(provider: Provider) -> str:
    return f"Add an account for {provider.id} with {_command(provider.id)}"


def _command(provider: str) -> str:
    return f"`omniroute-ctl provider add {provider}`"


def quoted(name: str) -> str:
    return repr(name if len(name) <= 80 else f"{name[:77]}...")


MAX_DEPTH = 3
"""Maximum nesting depth of combos."""
_UNWRITABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class ModelRef:
    """One model at one provider, by any of its accounts."""

    provider: Provider
    model: str

    @property
    def name(self) -> str:
        return f"{self.provider.prefix}/{self.model}"


@dataclass(frozen=True, slots=True)
class MissingEntry:
    """An entry of a combo or a chain that cannot be resolved, for example since its provider was removed."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class ComboEntry:
    """One entry of a combo."""

    name: str
    """The name as written in the combo."""
    ref: "ComboNode | ModelRef | MissingEntry"
    path: RoutePath


@dataclass(frozen=True, slots=True)
class ComboNode:
    """A combo with its resolved entries, in order."""

    combo: Combo
    strategy: str
    items: tuple[ComboEntry, ...]


@dataclass(frozen=True, slots=True)
class Resolution:
    """The combo or model that a name resolves to."""

    kind: Literal["combo", "model", "bare"]
    entries: ComboNode | ModelRef
    aliases: tuple[Alias, ...] = ()
    """The aliases that were followed."""
    passed_over: tuple[Alias, ...] = ()
    """Aliases that match too, but are less specific, or newer."""

    @property
    def combo(self) -> Combo | None:
        return self.entries.combo if isinstance(self.entries, ComboNode) else None

    @property
    def legs(self) -> tuple[ModelRef, ...]:
        """All models that it contains, in the order of the configuration."""
        return tuple(leaf for leaf in leaves(self.entries) if isinstance(leaf, ModelRef))

    @property
    def missing(self) -> tuple[MissingEntry, ...]:
        return tuple(leaf for leaf in leaves(self.entries) if isinstance(leaf, MissingEntry))


def leaves(means: ComboNode | ModelRef | MissingEntry) -> Iterator[ModelRef | MissingEntry]:
    """Yield the leaves of a combo's tree."""
    if isinstance(means, ComboNode):
        for item in means.items:
            yield from leaves(item.ref)
    else:
        yield means


def resolve(name: str, config: Config) -> Resolution:
    """Resolve a name. Raises BadRequest with similar names when it is unknown, or when it is ambiguous."""
    kept = ModelIndex.of(config).resolved
    if found := kept.get(name):
        return found
    if len(kept) >= MAX_REMEMBERED:
        kept.clear()
    found = kept[name] = _resolve(name, config)
    return found


def _resolve(name: str, config: Config) -> Resolution:
    check_name(name)
    names = ModelIndex.of(config)
    said, aliases, passed_over = behind_aliases(name, config)
    if combo := config.combos.get(said):
        found = names.branches.get(said)
        if found is None:
            found = names.branches[said] = branch(combo, config)
        return Resolution("combo", found, aliases, passed_over)
    if leg := _by_prefix(said, names):
        return Resolution("model", _askable(leg, said, names), aliases, passed_over)
    match _bare(said, names):
        case [leg]:
            return Resolution("bare", leg, aliases, passed_over)
        case []:
            led = f" (the alias {quoted(aliases[-1].pattern)} leads there)" if aliases else ""
            raise unknown(unknown_model_error(said, names) + led, said, names)
        case many:
            which = several(leg.name for leg in many)
            raise BadRequest(f"the model {quoted(said)} is {which}", param="model", code="model_ambiguous")


def resolve_at(name: str, config: Config) -> Resolution:
    """Resolve `prefix/model` at the provider of its prefix, even if a combo has the same name."""
    names = ModelIndex.of(config)
    leg = _by_prefix(name, names)
    return Resolution("model", _askable(leg, name, names)) if leg else _resolve(name, config)


def _askable(leg: ModelRef, said: str, names: ModelIndex) -> ModelRef:
    if names.is_blocked(leg.provider):
        raise unknown(f"{leg.provider.name} is blocked here", said, names)
    if not names.accounts(leg.provider):
        raise unknown(f"{leg.provider.name} has no account. {add_account(leg.provider)}", said, names)
    return leg


def behind_aliases(name: str, config: Config) -> tuple[str, tuple[Alias, ...], tuple[Alias, ...]]:
    """Follow aliases, each at most once: return the final name, those followed, and those shadowed by the first."""
    names = ModelIndex.of(config)
    said = name
    taken: list[Alias] = []
    passed_over: tuple[Alias, ...] = ()
    while said not in config.combos and not _by_prefix(said, names):
        found = [alias for alias in names.aliases(said) if alias not in taken]
        if not found:
            break
        passed_over = passed_over or tuple(found[1:])
        taken.append(found[0])
        said = found[0].target
    return said, tuple(taken), passed_over


def branch(combo: Combo, config: Config, path: tuple[tuple[str, str], ...] = ()) -> ComboNode:
    """Resolve the entries of a combo; unavailable ones become `MissingEntry`. `path` are the combos above it."""
    strategy = combo.strategy or config.rules.combo.strategy
    items = []
    for place, listed in enumerate(combo.models, 1):
        here = (*path, (combo.name, listed))
        way = RoutePath(f"model {place} of {len(combo.models)} in {combo.name} ({strategy})", combo, here)
        items.append(ComboEntry(listed, _listed(listed, config, here), way))
    return ComboNode(combo, strategy, tuple(items))


def _listed(name: str, config: Config, path: tuple[tuple[str, str], ...]) -> ComboNode | ModelRef | MissingEntry:
    if inner := config.combos.get(name):
        above = [combo for combo, _ in path]
        if name in above:
            return MissingEntry(name, f"leads back to itself: {' → '.join((*above, name))}")
        if len(above) == MAX_DEPTH:
            return MissingEntry(name, f"is nested deeper than {MAX_DEPTH} combos")
        return branch(inner, config, path)
    return step(name, config)


def step(name: str, config: Config) -> ModelRef | MissingEntry:
    """Resolve a model that a combo or a chain lists."""
    names = ModelIndex.of(config)
    match [leg] if (leg := _by_prefix(name, names)) else _bare(name, names):
        case [leg] if names.is_blocked(leg.provider):
            return MissingEntry(name, f"{leg.provider.name} is blocked")
        case [leg]:
            return leg
        case []:
            return MissingEntry(name, "is no model of any provider that has an account")
        case many:
            return MissingEntry(name, f"is {several(leg.name for leg in many)}")


def check_name(name: str) -> None:
    """Raise BadRequest for a string that cannot be a model name."""
    if not name.strip():
        raise BadRequest("the model name is empty", param="model", code="model_not_found")
    if len(name) > MAX_NAME_LENGTH:
        raise BadRequest(
            f"the model name has more than {MAX_NAME_LENGTH} characters", param="model", code="model_not_found"
        )
    if _UNWRITABLE.search(name):
        raise BadRequest("the model name has control characters in it", param="model", code="model_not_found")


def _by_prefix(name: str, names: ModelIndex) -> ModelRef | None:
    prefix, _, model = name.partition("/")
    provider = names.provider(prefix) if model else None
    return ModelRef(provider, provider.renamed.get(model, model)) if provider else None


def _bare(name: str, names: ModelIndex) -> list[ModelRef]:
    return [ModelRef(provider, name) for provider in names.bare(name)]


def at_provider(asked: str, model: str, config: Config) -> str:
    """Return the full name of a model requested on a provider's own route (`asked` is a prefix or id).

    The prefix may be missing. Raises NotFound for an unknown provider, BadRequest for a model of another provider.
    """
    names = ModelIndex.of(config)
    provider = names.provider(asked)
    if provider is None:
        hint = ", ".join(close_matches(asked, [row.prefix for row in names.in_use]))
        raise NotFound(f"there is no provider {asked[:80]!r}{f'. Near names: {hint}' if hint else ''}")
    prefix, slash, rest = model.partition("/")
    if rest and prefix in (provider.prefix, provider.id):
        return f"{provider.prefix}/{rest}"
    if slash and model not in {known.id for known in names.models(provider)} and (other := names.provider(prefix)):
        raise BadRequest(
            f"{model[:80]!r} is a model of {other.name}, and this route asks {provider.name} alone; if {provider.name} "
            f"has a model of that name, ask for '{provider.prefix}/{model[:80]}'",
            param="model",
            code="model_not_found",
        )
    return f"{provider.prefix}/{model}"
