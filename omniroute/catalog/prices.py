"""What a reply has cost, in USD: by what somebody has set, then by the price library.

Unknown stays unknown and is never 0.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from omniroute.catalog.library import priced, priced_by_id
from omniroute.catalog.provider import Provider
from omniroute.catalog.providers import PROVIDERS
from omniroute.catalog.rates import CLASSES, EVERY, Prices, Rates, rate
from omniroute.dialects.ir import Usage

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo

NOTHING_SET: Prices = MappingProxyType({})
NAMES = {"reasoning": "output_reasoning_mtok", "request": "requests_kcount"}
"""How the library calls a class where that is not the class's own name."""
UNKNOWN = Rates()


def cost(provider: Provider, model: str, usage: Usage, at: datetime, prices: Prices = NOTHING_SET) -> float | None:
    """Price a reply as at the time `at` (UTC where it names no zone).

    None for models and kinds of tokens without a price, and for usage that is unknown or contradicts itself.
    The first call imports the library, so call it off the event loop.
    """
    if usage.input is None or usage.output is None:
        return None
    return rates(provider, model, at if at.tzinfo else at.replace(tzinfo=UTC), prices).cost(usage)


def rates(provider: Provider, model: str, at: datetime, prices: Prices = NOTHING_SET) -> Rates:
    """Give what each class of tokens costs: as set for the model, else for its provider, else by the library."""
    return _over(provider.id, model, UNKNOWN if provider.node else _listed(provider.id, model, at), prices)


def expected(
    provider: Provider, model: str, tokens_in: int, tokens_out: int, at: datetime, prices: Prices = NOTHING_SET
) -> float | None:
    """Price a request that has not been made, in USD, as if nothing of it were cached; None is unknown.

    For comparing, so it is quick: what the library says of a model is kept for the day.
    """
    listed = UNKNOWN if provider.node else _of_day(provider.id, model, at.date())
    found = _over(provider.id, model, listed, prices)
    return found.cost(Usage(tokens_in, tokens_out)) if found.known else None


def _over(provider_id: str, model: str, listed: Rates, prices: Prices) -> Rates:
    if prices:
        for name in (EVERY, model.partition("[")[0], model):  # the later the more exact
            if said := prices.get((provider_id, name)):
                listed = listed.under(said)
    return listed


@lru_cache(maxsize=4096)
def _of_day(provider_id: str, model: str, day: date) -> Rates:
    return _listed(provider_id, model, datetime(day.year, day.month, day.day, 12, tzinfo=UTC))


def _listed(provider_id: str, model: str, at: datetime) -> Rates:
    if (found := _found(provider_id, model)) is None:
        return UNKNOWN
    listed = vars(found.get_prices(at))
    return Rates(**{name: rate(listed.get(NAMES.get(name, f"{name}_mtok"))) for name in (*CLASSES, "request")})


@lru_cache(maxsize=4096)
def _found(provider_id: str, model: str) -> ModelInfo | None:
    known = priced_by_id(provider_id)
    return known.find_model(model) if known else None


def load() -> None:
    """Import the price library and its table, so that the first `cost` takes no longer than the others."""
    for provider in PROVIDERS:
        priced(provider)
