"""Every name that a config gives a meaning to, looked up in constant time."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from omniroute.catalog.provider import Model, Provider
from omniroute.catalog.providers import PROVIDERS, find
from omniroute.config.model import Account, Alias, Config, is_wild, matching

if TYPE_CHECKING:
    from omniroute.routing.resolve import ComboNode, Resolution

_KEPT: Final = "_names"
MAX_REMEMBERED = 4096
"""Names whose meaning is remembered: clients ask for a few names again and again."""


class ModelIndex:
    """The tables of one config. They live on it, as a config never changes and each request asks them."""

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
        """What names have turned out to mean; `resolve` keeps them here."""
        self.branches: dict[str, ComboNode] = {}
        """What each combo leads to, however many names mean it; `resolve` keeps these here, too."""
        self.in_order: dict[str, list[tuple[Account, str]]] = {}
        """The accounts of providers whose order is always the same, each with its reason; `Draft` keeps them here."""
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
        """Providers that can be asked now."""
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
        """Give the providers in use that are known to serve a model: `opus[1m]` is a way to ask for `opus`."""
        return self._bare.get(model) or self._bare.get(without_suffix(model)) or ()

    def models(self, provider: Provider) -> Iterator[Model]:
        """Give the models of a provider that are worth offering: those of its row, then those that the user added."""
        yield from (model for model in provider.models if (provider.id, model.id) not in self._added)
        yield from self.added_to(provider)

    def added_to(self, provider: Provider) -> Sequence[Model]:
        """Give the models that the user has added to a provider."""
        return self._models.get(provider.id, ())

    def added(self, provider: Provider, model: str) -> Model | None:
        """Give what the user has said of a model."""
        return self._added.get((provider.id, model)) if self._added else None

    def aliases(self, name: str) -> list[Alias]:
        """Give the aliases of a name, the one that counts first."""
        if exact := self._exact.get(name.casefold()):
            return [exact]
        return matching(name, self._wild)

    def accounts(self, provider: Provider) -> Sequence[Account]:
        """Give a provider's accounts in the order of priority and age; a node without any needs none."""
        accounts = self._accounts.get(provider.id)
        if accounts is None and provider.node:
            accounts = self._accounts[provider.id] = [
                Account(id=f"node:{provider.prefix}", provider=provider.prefix, name="no key")
            ]
        return accounts or ()

    def everybody(self) -> dict[str, Account]:
        """Give all accounts by their ids, also those that nodes without one are asked by."""
        own = [account for node in self._nodes for account in self.accounts(node)]
        return {account.id: account for accounts in (self._kept, own) for account in accounts}

    def all(self) -> Iterator[str]:
        """Give every name that could be asked for: combos, plain aliases, then the models of the providers in use."""
        yield from self._combos
        yield from (alias.pattern for alias in self._exact.values())
        for provider in self.in_use:
            for model in self.models(provider):
                yield f"{provider.prefix}/{model.id}"


def without_suffix(model: str) -> str:
    """Take off what clients put behind a name to choose a variant, as in `claude-opus-4-6[1m]`."""
    return model[: model.rindex("[")] if model.endswith("]") and "[" in model else model
