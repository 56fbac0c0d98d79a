"""Accounts as the management API shows them: their configuration, health status and the combos that use them."""

from typing import Literal

from pydantic import Field

from omniroute.config.model import Account, Config, Limit
from omniroute.panel.proxy_json import ProxyFields, at_place
from omniroute.panel.routes import Body
from omniroute.routing.combo_impact import combos_by_account
from omniroute.routing.health import Snapshot
from omniroute.routing.model_index import ModelIndex
from omniroute.store.config import accounts
from omniroute.store.db.database import Store
from omniroute.store.state import health, strategy_state
from omniroute.store.state import health as standing

type Status = Literal["ready", "disabled", "blocked", "broken", "trying", "cooling"]


class CooldownView(Body):
    scope: Literal["provider", "account", "model"]
    model: str | None
    seconds: float
    after: str
    told: bool = Field(description="The provider has named the time.")


class AccountView(Body):
    id: str
    provider: str
    name: str
    priority: int
    enabled: bool
    implied: bool = Field(description="A node's own, without a key; it goes when another is added.")
    has_key: bool
    base_url: str | None = Field(description="Null is the provider's own.")
    created_at: float | None
    last_used_at: float | None
    status: Status
    rests: list[CooldownView] = Field(description="Why it is not asked, or not for some models.")
    rpm: int | None
    gap_ms: float | None
    concurrency: int | None
    proxy: ProxyFields | None = Field(description="Its own; null leaves that to what is set further out.")
    combos: list[str] = Field(description="Those that it could serve.")


def account_views(store: Store, config: Config, now: float) -> list[AccountView]:
    """Return a view of every account with its current status; `now` is in seconds of the epoch."""
    used, keyed, combos = strategy_state.last_used(store), accounts.with_key(store), combos_by_account(config)
    felt = health.read(store)
    return [
        AccountView(
            id=each.id,
            provider=each.provider,
            name=each.name,
            priority=each.priority,
            enabled=each.enabled,
            implied=_is_implied(each),
            has_key=each.id in keyed,
            base_url=each.base_url,
            created_at=each.created_at or None,
            last_used_at=used.get(each.id),
            status=_status(each, config, felt, rests := _rests(each, felt, now), now),
            rests=rests,
            **standing.as_json(config.limits.get(each.id, Limit())),
            proxy=at_place(config.proxies, ("account", each.id)),
            combos=combos.get(each.id, []),
        )
        for each in ModelIndex.of(config).everybody().values()
    ]


def _is_implied(account: Account) -> bool:
    return account.id.startswith("node:")


def _rests(account: Account, felt: Snapshot, now: float) -> list[CooldownView]:
    """List the cooldowns in force for an account; a provider's do not apply to an account with its own base URL."""
    meant = {("account", account.id), ("model", account.id)}
    if account.base_url is None:
        meant.add(("provider", account.provider))
    return [
        CooldownView(
            scope=scope,  # type: ignore[arg-type]
            model=model or None,
            seconds=each.until - now,
            after=each.reason,
            told=each.provider_named,
        )
        for (scope, whose, model), each in felt.cooling.items()
        if (scope, whose) in meant and each.until > now
    ]


def _status(account: Account, config: Config, felt: Snapshot, rests: list[CooldownView], now: float) -> Status:
    if account.provider in config.rules.blocked:
        return "blocked"
    if not account.enabled:
        return "disabled"
    whose = [("account", account.id)] + ([("provider", account.provider)] if account.base_url is None else [])
    states = {felt.breakers[each].state(now) for each in whose if each in felt.breakers}
    if "OPEN" in states:
        return "broken"
    if any(each.scope != "model" for each in rests):
        return "cooling"
    return "trying" if "HALF_OPEN" in states else "ready"
