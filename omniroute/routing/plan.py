"""The plan of a request: its targets in the order to be tried, and the excluded ones, each with its reason."""

from dataclasses import dataclass, replace

from omniroute.access.model_allowlist import allowed
from omniroute.catalog.provider import DialectName, Model, Provider
from omniroute.config.model import Account, Alias, Chain, Config, Key, matches
from omniroute.dialects.hub import translates
from omniroute.dialects.requirements import Needs
from omniroute.errors import Forbidden
from omniroute.routing.health import CooldownInfo
from omniroute.routing.model_index import ModelIndex
from omniroute.routing.resolve import (
    ComboEntry,
    ComboNode,
    MissingEntry,
    ModelRef,
    check_name,
    leaves,
    resolve,
    resolve_at,
    step,
)
from omniroute.routing.strategies import ACCOUNT, COMBO, ComboOption, found
from omniroute.routing.target import EMPTY_CONTEXT, NO_NEEDS, ExcludedTarget, PlanContext, RoutePath, Target
from omniroute.routing.target_recheck import left_out

SURE = 1.25
"""Factor by which the estimated tokens must exceed a model's context to count as too long."""


@dataclass(frozen=True, slots=True)
class CapabilityMismatch:
    reason: str
    estimated: bool = False
    """Whether it rests on an estimate, so that the model is tried when there is no other."""


def check_capabilities(model: Model | None, needs: Needs) -> CapabilityMismatch | None:
    """Return why a model cannot serve a request; None when it can, or nothing is known about it."""
    if model is None:
        return None
    if model.images is False and needs.images:
        return CapabilityMismatch("takes no pictures, and the request shows one")
    if model.tools is False and needs.tools:
        return CapabilityMismatch("calls no tools, and the request brings some")
    if model.context is not None and needs.exceeds(model.context * SURE):
        return CapabilityMismatch(
            f"takes {model.context:,} tokens, and the request has about {needs.input:,}", estimated=True
        )
    return None


ONLY = "the only account"
STEADY = ("fill-first", ONLY)
"""Account strategies with a constant order."""

type Stay = tuple[str, str]
"""The account id and the target name that served a conversation last."""


class PlanBuilder:
    """Collect targets and excluded targets, and build a plan of them."""

    def __init__(
        self, config: Config, client: DialectName | None, needs: Needs, known: PlanContext, stay: Stay | None
    ) -> None:
        self.targets: list[Target] = []
        self.too_small: list[tuple[Target, str]] = []
        """Used when there is no other target, as the request's tokens are only estimated."""
        self.resting: list[tuple[CooldownInfo, Target]] = []
        """Targets in cooldown, to be tried after all others."""
        self.left: list[ExcludedTarget] = []
        self._config, self._names, self._rules = config, ModelIndex.of(config), config.rules
        self._client, self._needs, self._known, self._stay = client, needs, known, stay
        self._in: set[tuple[str, str]] = set()
        self._accounts: dict[str, list[tuple[Account, str]]] = {}

    def build(self) -> tuple[tuple[Target, ...], tuple[ExcludedTarget, ...]]:
        """Return the targets in order, those in cooldown last, and the excluded targets."""
        targets = self.targets + self._last_resorts()
        if not targets:
            return tuple(target for target, _ in self.too_small), tuple(self.left)
        too_small = [
            ExcludedTarget(target.name, target.account.name, why, unfit=True) for target, why in self.too_small
        ]
        return tuple(targets), (*self.left, *too_small)

    def _last_resorts(self) -> list[Target]:
        """Return the targets in cooldown that may still be tried after all others, soonest end first.

        A target is not tried before a time that its provider gave, and is excluded when that is too far away.
        """
        now, patience = self._known.state.now, self._rules.cooldown_wait
        found = []
        for rest, target in sorted(self.resting, key=lambda pair: pair[0].until):
            if rest.not_before is not None and rest.not_before - now > patience:
                self.left.append(left_out(target, rest, now))
            else:
                because = f"last resort: {rest.reason}, for {rest.until - now:,.1f} s more"
                found.append(replace(target, position_reason=because, not_before=rest.not_before))
        return found

    def add_branch(self, branch: ComboNode) -> None:
        if branch.strategy == "priority":  # the order needs no lookups
            for item in branch.items:
                self._add_item(item, item.path)
            return
        turns = self._known.state.counters
        choices = [self._choice(branch, item) for item in branch.items]
        order = found(COMBO, branch.strategy)(choices, turns.turn(branch.combo.name), self._known.random)
        items = {item.name: item for item in branch.items}
        for choice in self._staying_first(order, items, branch.strategy):
            item = items[choice.name]
            self._add_item(item, _priced(item.path, choice) if branch.strategy == "cost-optimized" else item.path)

    def _add_item(self, item: ComboEntry, way: RoutePath) -> None:
        match item.ref:
            case ModelRef() as leg:
                self.add(leg, way)
            case ComboNode() as inner:
                self.add_branch(inner)
            case MissingEntry() as missing:
                self.left.append(ExcludedTarget(missing.name, None, missing.reason))

    def add_chain(self, chain: Chain, key: Key | None) -> None:
        for number, listed in enumerate(chain.models, 1):
            leg = step(listed, self._config)
            if isinstance(leg, MissingEntry):
                self.left.append(ExcludedTarget(listed, None, leg.reason))
            elif key is not None and key.allow and not allowed(key.allow, leg.name):
                self.left.append(ExcludedTarget(leg.name, None, f"the key {key.name!r} may not use it"))
            else:
                self.add(leg, RoutePath(f"step {number} of the chain {chain.name}"), quietly=True)

    def add(self, leg: ModelRef, way: RoutePath, *, quietly: bool = False) -> None:
        """Add the accounts of a model. With `quietly`, accounts already in the plan are not reported as excluded."""
        dialect, translated = self._dialect(leg.provider)
        amiss = check_capabilities(self._known.facts(leg.provider, leg.model), self._needs)
        if amiss and not amiss.estimated:
            self.left.append(ExcludedTarget(leg.name, None, amiss.reason, unfit=True))
            return
        accounts, seen = self._ordered(leg), self._known.state
        if not accounts:
            self.left.append(ExcludedTarget(leg.name, None, f"{leg.provider.name} has no account"))
        for account, because in accounts:
            if not account.enabled:
                self.left.append(ExcludedTarget(leg.name, account.name, "the account is disabled"))
            elif dialect is None:
                self.left.append(ExcludedTarget(leg.name, account.name, self._cannot(leg.provider)))
            elif (account.id, leg.model) in self._in:
                if not quietly:
                    self.left.append(ExcludedTarget(leg.name, account.name, "is in the plan already"))
            else:
                self._in.add((account.id, leg.model))
                target = Target(account, leg.provider, leg.model, dialect, way, because, translated)
                if amiss:
                    self.too_small.append((target, amiss.reason))
                elif rest := seen.cooldown(leg.provider, account, leg.model):
                    self.resting.append((rest, target))
                else:
                    self.targets.append(target)

    def _choice(self, branch: ComboNode, item: ComboEntry) -> ComboOption:
        """Look up the one value that the strategy of a combo sorts by."""
        match branch.strategy:
            case "cost-optimized" if isinstance(item.ref, ModelRef):
                return ComboOption(item.name, price=self._price(item.ref))
            case "cost-optimized":
                prices = [self._price(leg) for leg in leaves(item.ref) if isinstance(leg, ModelRef)]
                return ComboOption(item.name, price=min((known for known in prices if known is not None), default=None))
            case "least-used":
                return ComboOption(item.name, used=self._known.state.counters.calls(branch.combo.name, item.name))
            case "weighted":
                return ComboOption(item.name, branch.combo.weights.get(item.name, 1.0))
            case _:
                return ComboOption(item.name)

    def _price(self, leg: ModelRef) -> float | None:
        return self._known.price(leg.provider, leg.model, self._needs.input, self._needs.output)

    def _staying_first(
        self, order: list[ComboOption], items: dict[str, ComboEntry], strategy: str
    ) -> list[ComboOption]:
        """Keep a conversation on its model, unless the strategy sorts by price."""
        if self._stay is None or strategy == "cost-optimized":
            return order
        name = self._stay[1]
        return sorted(order, key=lambda choice: all(leaf.name != name for leaf in leaves(items[choice.name].ref)))

    def _ordered(self, leg: ModelRef) -> list[tuple[Account, str]]:
        """Order a provider's accounts, disabled ones last. Cached per plan, so that random ones are drawn once."""
        provider = leg.provider
        ordered = self._names.in_order.get(provider.id) or self._accounts.get(provider.id)
        if ordered is None:
            strategy = self._rules.strategy_of(provider.id)
            accounts = self._names.accounts(provider)
            usable = [account for account in accounts if account.enabled]
            order = found(ACCOUNT, strategy)(usable, self._known.state, self._known.random, self._rules.sticky_limit)
            if len(usable) == 1:
                strategy = ONLY
            ordered = [(account, f"account of priority {account.priority} ({strategy})") for account in order]
            ordered += [(account, "") for account in accounts if not account.enabled]
            kept = self._names.in_order if strategy in STEADY else self._accounts
            kept[provider.id] = ordered
        if self._stay is None or not any(account.id == self._stay[0] for account, _ in ordered):
            return ordered
        stays = [(account, "the account of this conversation") for account, _ in ordered if account.id == self._stay[0]]
        return stays + [pair for pair in ordered if pair[0].id != self._stay[0]]

    def _dialect(self, provider: Provider) -> tuple[DialectName | None, str]:
        """Choose the client's own dialect where the provider supports it, so that the body can pass unchanged."""
        client = self._client
        if client is None or client in provider.paths:
            return client or next(iter(provider.paths)), ""
        other = next((dialect for dialect in provider.paths if translates(client, dialect)), None)
        return other, f", translated from {client} to {other}"

    def _cannot(self, provider: Provider) -> str:
        article = "an" if self._client == "openai" else "a"
        return f"speaks {' and '.join(provider.paths)}, cannot answer {article} {self._client} request yet"


def _priced(way: RoutePath, choice: ComboOption) -> RoutePath:
    said = "no price known" if choice.price is None else f"about ${choice.price:.6f}"
    return RoutePath(f"{way.place}, {said}", way.combo, way.path)


__all__ = ["ExcludedTarget", "Plan", "Target", "plan"]


@dataclass(frozen=True, slots=True)
class Plan:
    """The targets in the order to be tried. If empty, no target can serve the request, and `excluded` says why."""

    requested: str
    kind: str
    combo: str | None
    targets: tuple[Target, ...]
    excluded: tuple[ExcludedTarget, ...]
    aliases: tuple[Alias, ...] = ()
    """The aliases that the name was resolved by, step by step."""
    shadowed_aliases: tuple[Alias, ...] = ()
    """Aliases that match the name too, but have lower precedence."""


def plan(
    name: str,
    config: Config,
    *,
    client: DialectName | None,
    key: Key | None = None,
    needs: Needs = NO_NEEDS,
    known: PlanContext = EMPTY_CONTEXT,
    stay: Stay | None = None,
    alone: bool = False,
) -> Plan:
    """Make the plan for a request in the dialect `client`; None plans for a client of any dialect.

    `stay` is where the conversation was served last. `alone` restricts the plan to the provider of the prefix,
    regardless of combos and chains. Raises BadRequest when the name is unknown or ambiguous, Forbidden when the key may
    not use it.
    """
    check_name(name)
    if key is not None and key.allow and not allowed(key.allow, name):
        raise Forbidden(
            f"the key {key.name!r} may not use {name!r}; it may use {', '.join(key.allow)}",
            param="model",
            code="model_not_allowed",
        )
    resolved = resolve_at(name, config) if alone else resolve(name, config)
    draft = PlanBuilder(config, client, needs, known, stay)
    match resolved.entries:
        case ModelRef() as leg:
            bare = f"the only provider that is known to serve {leg.model}"
            draft.add(leg, RoutePath(bare if resolved.kind == "bare" else "asked for by name"))
        case ComboNode() as branch:
            draft.add_branch(branch)
    for chain in () if alone else config.chains:
        if not chain.serves or any(matches(pattern.casefold(), name.casefold()) for pattern in chain.serves):
            draft.add_chain(chain, key)
    return Plan(
        name,
        resolved.kind,
        resolved.combo.name if resolved.combo else None,
        *draft.build(),
        resolved.aliases,
        resolved.passed_over,
    )
