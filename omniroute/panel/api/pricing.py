"""Routes for token prices of models."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field, RootModel

from omniroute.catalog.pricing import CLASSES, Price
from omniroute.errors import BadRequest
from omniroute.panel.routes import Body, Call, Query, delete, get, patch
from omniroute.store.config import prices, snapshot
from omniroute.store.config import prices as pricing
from omniroute.store.db.files import StoreError
from omniroute.store.history import usage

NAMES = {"cached": "cache_read", "cache_creation": "cache_write"}
"""Accepted alternative names of token classes -> the names in CLASSES."""


class Row(Body):
    model: str
    provider: str
    input: float | dict[str, Any] | None = Field(description="US dollars a million tokens; with steps, an object.")
    output: float | dict[str, Any] | None
    cache_read: float | dict[str, Any] | None
    cache_write: float | dict[str, Any] | None
    reasoning: float | dict[str, Any] | None
    known: bool | None = Field(description="False where the cost of its exchanges is unknown; null for `PROVIDER/*`.")
    set: list[str] = Field(description="The classes that somebody has set.")
    by: str


class Pricing(Body):
    models: list[Row]


class Change(RootModel[dict[str, dict[str, dict[str, float]]]]):
    """Provider -> model, or `*` for all of its models -> class -> US dollars a million tokens."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class Which(Query):
    provider: str | None = None
    everything: Annotated[bool, Field(description="All that the price library knows, too.")] = False


class Reset(Query):
    provider: str
    model: str


@get("/api/pricing", "List prices of the models that were asked, are set up, or have a price of one's own.")
def show(call: Call, query: Which) -> Pricing:
    config = snapshot.load(call.store)
    found = pricing.rows(config, [] if query.everything else usage.models(call.store), query.everything)
    chosen = prices.named(call.store, f"{query.provider}/*")[0] if query.provider else None
    return Pricing(models=[Row(**row) for row in found if chosen in (None, row["provider"])])


@patch("/api/pricing", "Set prices, all or none; what is not said stays.")
def change(call: Call, body: Change) -> Pricing:
    with call.store.change():
        for provider, models in body.root.items():
            for model, classes in models.items():
                _put(call, f"{provider}/{model}", classes)
    return show.run(call, Which())  # type: ignore[no-any-return]


@delete("/api/pricing", "Go back to the library's price of a model.")
def reset(call: Call, query: Reset) -> Pricing:
    prices.reset(call.store, f"{query.provider}/{query.model}")
    return show.run(call, Which())  # type: ignore[no-any-return]


def _put(call: Call, ref: str, classes: dict[str, float]) -> None:
    said = {NAMES.get(name, name): value for name, value in classes.items()}
    if odd := said.keys() - {*CLASSES}:
        raise BadRequest(f"there is no class of tokens {sorted(odd)[0]!r}: {', '.join(CLASSES)}", param=ref)
    try:
        prices.put(call.store, ref, Price(**said))
    except StoreError as error:
        raise BadRequest(str(error), param=ref) from error
