"""Dry run of routing: the plan of a request, with the reason, proxy, limits and timeouts of each target."""

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from omniroute.catalog.provider import DialectName, Provider
from omniroute.config.model import Account, Config, Key
from omniroute.dialects.requirements import Needs
from omniroute.netproxy.env_proxies import ProxyEnvironment
from omniroute.routing.attempt_policy import EffectiveTimeout, feature_flag, timeouts_for, wants_reasoning
from omniroute.routing.health import CooldownInfo, Health, health_key
from omniroute.routing.plan import Plan, plan
from omniroute.routing.proxy_choice import ProxyChoice, choose_proxy
from omniroute.routing.strategies import RoutingState
from omniroute.routing.suggestions import close_matches
from omniroute.routing.target import NO_NEEDS, by_catalog
from omniroute.store.config import limits, snapshot
from omniroute.store.config.limits import at_limits, limited
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError
from omniroute.store.state import health, strategy_state

type Patience = dict[str, EffectiveTimeout]


@dataclass(frozen=True, slots=True)
class Explanation:
    """A plan with details of its targets. The sequences have the order of the targets."""

    config: Config
    made: Plan
    ways: Sequence[ProxyChoice]
    stops: Sequence[str | None]
    """Why a target would be skipped now because its account is at a limit; None where it is not."""
    waits: Sequence[Patience]


def explain(
    store: Store,
    model: str,
    environment: ProxyEnvironment,
    *,
    running: bool,
    key: str | None = None,
    dialect: DialectName | None = None,
    needs: Needs = NO_NEEDS,
) -> Explanation:
    """Plan a request as the gateway would, without advancing any turn counter. Random strategies draw anew each time.

    `running` is whether a gateway runs, so that its rate-limit usage counts. Raises StoreError for an unknown key.
    """
    config, memory, felt = snapshot.load(store), strategy_state.load(store), health.load(store)
    client = None if key is None else _find_key(key, config)
    now = datetime.now(UTC)
    seen = RoutingState(memory, cooldown=partial(_rest, felt, now.timestamp()), now=now.timestamp())
    known = by_catalog(config, seen if config.rules.cooldowns else RoutingState(memory), random.random, now)
    made = plan(model, config, client=dialect, key=client, needs=needs, known=known)
    full = at_limits(config, limits.seen(store), now.timestamp()) if running else {}
    thinking = wants_reasoning(needs.body, config.rules)
    return Explanation(
        config,
        made,
        [choose_proxy(target, config, environment) for target in made.targets],
        [limited(target, full) for target in made.targets],
        [dict(timeouts_for(target, config.rules, thinking=thinking)) for target in made.targets],
    )


def as_json(found: Explanation) -> dict[str, Any]:
    """Convert an explanation to JSON."""
    made = found.made
    return {
        "asked": made.requested,
        "kind": made.kind,
        "combo": made.combo,
        "aliases": [{"pattern": alias.pattern, "target": alias.target} for alias in made.aliases],
        "passed_over": [{"pattern": alias.pattern, "target": alias.target} for alias in made.shadowed_aliases],
        "targets": [
            {
                "target": t.name,
                "account": t.account.name,
                "account_id": t.account.id,
                "model": t.model,
                "dialect": t.dialect,
                "why": t.reason,
                "proxy": way.proxy.masked if way.proxy else None,
                "proxy_from": way.origin or None,
                "limited": stop,
                "deadlines": {phase: asdict(said) for phase, said in patience.items()},
                "hedge": asdict(feature_flag("hedge", t, found.config.rules)),
                "resume": asdict(feature_flag("resume", t, found.config.rules)),
            }
            for t, way, stop, patience in zip(made.targets, found.ways, found.stops, found.waits, strict=True)
        ],
        "left_out": [{"target": out.name, "account": out.account, "why": out.reason} for out in made.excluded],
    }


def _rest(felt: Health, now: float, provider: Provider, account: Account, model: str) -> CooldownInfo | None:
    return felt.cooldown(health_key(provider, account, model), now)


def _find_key(name: str, config: Config) -> Key:
    if found := [key for key in config.keys if name in {key.name, key.id}]:
        return found[0]
    like = close_matches(name, [key.name for key in config.keys])
    hint = f"did you mean {' or '.join(like)}?" if like else "`omniroute-ctl key list` shows them"
    raise StoreError(f"there is no key {name!r}: {hint}", field="key")
