"""An index of all names in a configuration, for lookup in constant time."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from omniroute.catalog.provider import Model, Provider
from omniroute.catalog.providers import PROVIDERS, find
from omniroute.config.model import Account, Alias, Config, is_wild, matching

if TYPE_CHECKING:
    from omniroute.routing.resolve import ComboNode, Resolution

_KEPT: Final = "_names"
MAX_REMEMBERED = 4096
"""Maximum number of resolved names to cache, as clients use few names repeatedly."""


class ModelIndex:
    """The lookup tables of one configuration. Cached on that, as it is immutable and used by each request."""

    def __init__(self, config: Config) -> None:
        self._nodes = config.nodes
        self._kept = config.accounts
        self._combos = config.combos
        self._models = config.models
        self._added = {(owner, model.id): model for owner, added in config.models.items() for model in added}
        self._blocked = config.rules.blocked
        self._exact: dict[str, Alias] = {}
        for alias in config.aliases:
            if not is_wild(alias.pattern):
                self._exact.setdefault(alias.pattern.casefold(), alias)
        self._wild = [alias for alias in config.aliases if is_wild(alias.pattern)]
        self.resolved: dict[str, Resolution] = {}
        """Cache of `resolve`: name -> resolution."""
        self.branches: dict[str, ComboNode] = {}
        """Cache of `resolve`: combo name -> its tree, shared by all names that resolve to it."""
        self.in_order: dict[str, list[tuple[Account, str]]] = {}
        """Cache of `PlanBuilder`: provider id -> its accounts with reasons, for strategies with a constant order."""
        self._accounts: dict[str, list[Account]] = {}
        for account in sorted(config.accounts, key=lambda account: account.priority):
            self._accounts.setdefault(account.provider, []).append(account)
        hidden = {node.prefix for node in config.nodes}
        rows = [row for row in PROVIDERS if row.prefix not in hidden and row.id not in hidden]
        self.in_use = [
            row
            for row in (*config.nodes, *rows)
            if row.id not in self._blocked and any(account.enabled for account in self.accounts(row))
        ]
        """Providers that are not blocked and have an enabled account."""
        self._bare: dict[str, list[Provider]] = {}
        for provider in self.in_use:
            for model in self.models(provider):
                self._bare.setdefault(model.id, []).append(provider)

    @staticmethod
    def of(config: Config) -> "ModelIndex":
        kept: ModelIndex | None = vars(config).get(_KEPT)
        if kept is None:
            kept = vars(config)[_KEPT] = ModelIndex(config)
        return kept

    def provider(self, prefix_or_id: str) -> Provider | None:
        return find(prefix_or_id, self._nodes)

    def is_blocked(self, provider: Provider) -> bool:
        return provider.id in self._blocked

    def bare(self, model: str) -> Sequence[Provider]:
        """Return the providers in use that serve a bare model name; a suffix as in `opus[1m]` is ignored."""
        return self._bare.get(model) or self._bare.get(without_suffix(model)) or ()

    def models(self, provider: Provider) -> Iterator[Model]:
        """Yield the models to list for a provider: those of the catalog, then those that the user added."""
        yield from (model for model in provider.models if (provider.id, model.id) not in self._added)
        yield from self.added_to(provider)

    def added_to(self, provider: Provider) -> Sequence[Model]:
        """Return the models that the user added to a provider."""
        return self._models.get(provider.id, ())

    def added(self, provider: Provider, model: str) -> Model | None:
        """Return a model that the user added to a provider; None if there is none."""
        return self._added.get((provider.id, model)) if self._added else None

    def aliases(self, name: str) -> list[Alias]:
        """Return the aliases that match a name, the most specific first."""
        if exact := self._exact.get(name.casefold()):
            return [exact]
        return matching(name, self._wild)

    def accounts(self, provider: Provider) -> Sequence[Account]:
        """Return a provider's accounts by priority and age; a node without any gets an implicit one without a key."""
        accounts = self._accounts.get(provider.id)
        if accounts is None and provider.node:
            accounts = self._accounts[provider.id] = [
                Account(id=f"node:{provider.prefix}", provider=provider.prefix, name="no key")
            ]
        return accounts or ()

    def everybody(self) -> dict[str, Account]:
        """Return all accounts by id, including the implicit ones of nodes."""
        own = [account for node in self._nodes for account in self.accounts(node)]
        return {account.id: account for accounts in (self._kept, own) for account in accounts}

    def all(self) -> Iterator[str]:
        """Yield every name that can be requested: combos, exact aliases, then the models of the providers in use."""
        yield from self._combos
        yield from (alias.pattern for alias in self._exact.values())
        for provider in self.in_use:
            for model in self.models(provider):
                yield f"{provider.prefix}/{model.id}"


def without_suffix(model: str) -> str:
    """Remove the suffix with which clients choose a variant, as in `claude-opus-4-6[1m]`."""
    return model[: model.rindex("[")] if model.endswith("]") and "[" in model else model
