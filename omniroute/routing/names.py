"""Every name that a config gives a meaning to, looked up in constant time."""

from collections.abc import Iterator
from typing import Final

from omniroute.catalog.provider import Provider
from omniroute.catalog.providers import PROVIDERS, find
from omniroute.routing.config import Account, Config

_KEPT: Final = "_names"


class Names:
    """The tables of one config. They live on it, as a config never changes and each request asks them."""

    def __init__(self, config: Config) -> None:
        self._nodes = config.nodes
        self._combos = config.combos
        self._accounts: dict[str, list[Account]] = {}
        for account in sorted(config.accounts, key=lambda account: account.priority):
            self._accounts.setdefault(account.provider, []).append(account)
        hidden = {node.prefix for node in config.nodes}
        rows = [row for row in PROVIDERS if row.prefix not in hidden and row.id not in hidden]
        self.in_use = [row for row in (*config.nodes, *rows) if any(a.enabled for a in self.accounts(row))]
        """Providers that can be asked now."""
        self.bare: dict[str, list[Provider]] = {}
        """Model id -> the providers in use that are known to serve it."""
        for provider in self.in_use:
            for model in provider.models:
                self.bare.setdefault(model.id, []).append(provider)

    @staticmethod
    def of(config: Config) -> "Names":
        kept: Names | None = vars(config).get(_KEPT)
        if kept is None:
            kept = vars(config)[_KEPT] = Names(config)
        return kept

    def provider(self, prefix_or_id: str) -> Provider | None:
        return find(prefix_or_id, self._nodes)

    def accounts(self, provider: Provider) -> tuple[Account, ...]:
        """Give a provider's accounts in the order in which they are asked; a node without any needs none."""
        accounts = self._accounts.get(provider.id, ())
        if provider.node and not accounts:
            return (Account(id=f"node:{provider.prefix}", provider=provider.prefix, name="no key"),)
        return tuple(accounts)

    def all(self) -> Iterator[str]:
        """Give every name that could be asked for: combos, then the models of the providers in use."""
        yield from self._combos
        for provider in self.in_use:
            for model in provider.models:
                yield f"{provider.prefix}/{model.id}"
