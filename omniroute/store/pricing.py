"""What tokens cost, for people to read: as the price library says, and as somebody has set it."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from omniroute.catalog.prices import rates
from omniroute.catalog.provider import Provider
from omniroute.catalog.providers import PROVIDERS, find
from omniroute.catalog.rates import CLASSES, EVERY, Price, Rate
from omniroute.routing.config import Config


def rows(config: Config, seen: Iterable[tuple[str, str]], everything: bool) -> list[dict[str, Any]]:
    """List prices in USD for a million tokens: of models that were asked, are set up, or have a price of one's own.

    A price with steps is `{"base": …, "over": {tokens: price}}`. `everything` adds what the library knows.
    """
    from omniroute.catalog.models import known_models  # late, as it loads the price library

    places = {(owner, model): True for owner, model in config.prices}
    places |= {(owner, model.id): True for owner, added in config.models.items() for model in added}
    for combo in config.combos.values():
        for name in combo.models:
            prefix, _, model = name.partition("/")
            if (listed := find(prefix, config.nodes)) and model:
                places[listed.id, model] = True
    places |= dict.fromkeys(seen, True)
    for row in PROVIDERS if everything else ():
        places |= {(row.id, model.id): True for model in known_models(row)}
    found = [_row(config, owner, model) for owner, model in sorted(places)]
    return [row for row in found if row]


def _row(config: Config, owner: str, model: str) -> dict[str, Any]:
    provider = find(owner, config.nodes)
    if provider is None:
        return {}  # a node that is gone
    found = rates(provider, model, datetime.now(UTC), config.prices)
    wide, exact = (asdict(config.prices.get((owner, of), Price())) for of in (EVERY, model))
    said = wide | {name: value for name, value in exact.items() if value is not None}
    own = [name for name in CLASSES if said[name] is not None]
    return {
        "model": f"{provider.prefix}/{model}",
        "provider": owner,
        **{name: _tiers(said[name] if model == EVERY else getattr(found, name)) for name in CLASSES},
        "known": None if model == EVERY else found.known,
        "set": own,
        "by": _by(provider, model, found.known, own),
    }


def _by(provider: Provider, model: str, known: bool, own: list[str]) -> str:
    if model == EVERY:
        return "set by you, for all models"
    if not known:
        return "unknown" if not own else "unknown: set --input and --output"
    return "set by you" if own else "price library"


def _tiers(found: Rate | float | None) -> Any:
    if not isinstance(found, Rate):
        return found
    if not found.tiers:
        return found.base
    return {"base": found.base, "over": {str(start): price for start, price in found.tiers}}
